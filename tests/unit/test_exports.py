"""The public names are pinned, and importing the package stays light."""

import subprocess
import sys

import cxrkit

NAMES = {
    "CxrError",
    "Explanation",
    "OperatingPoint",
    "Prediction",
    "Preset",
    "Radiograph",
    "Reading",
    "TrainConfig",
    "XRayModelManager",
    "build_network",
    "grad_cam",
    "list_presets",
    "load_radiograph",
    "split_network",
    "to_tensor",
    "weighted_bce",
}


def test_exported_names_are_pinned_and_importable():
    assert set(cxrkit.__all__) == NAMES
    for name in NAMES:
        assert getattr(cxrkit, name).__doc__


def test_import_loads_no_heavy_library():
    code = (
        "import sys, cxrkit; print(sorted({'keras', 'tensorflow', 'streamlit', 'plotly', 'pandas'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cxrkit.__path__[0] + "/.."
    )
    assert out.stdout.strip() == "[]"
