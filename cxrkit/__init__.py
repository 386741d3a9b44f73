"""cxrkit: read chest radiographs with calibrated findings and Grad-CAM, and show how far to trust it.

Not a medical device. Names are imported on first use, so that ``import cxrkit`` loads neither a
network library nor the dashboard.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxrkit.card import OperatingPoint
    from cxrkit.errors import CxrError
    from cxrkit.imaging.loading import load_radiograph
    from cxrkit.imaging.preprocessing import to_tensor
    from cxrkit.model.gradcam import grad_cam
    from cxrkit.model.losses import weighted_bce
    from cxrkit.model.manager import XRayModelManager
    from cxrkit.model.network import build_network, split_network
    from cxrkit.preset import Preset
    from cxrkit.preset_folders import list_presets
    from cxrkit.radiograph import Radiograph
    from cxrkit.reading import Explanation, Prediction, Reading
    from cxrkit.train_config import TrainConfig

__version__ = "0.1.0"

_HOMES = {
    "CxrError": "cxrkit.errors",
    "Explanation": "cxrkit.reading",
    "OperatingPoint": "cxrkit.card",
    "Prediction": "cxrkit.reading",
    "Preset": "cxrkit.preset",
    "Radiograph": "cxrkit.radiograph",
    "Reading": "cxrkit.reading",
    "TrainConfig": "cxrkit.train_config",
    "XRayModelManager": "cxrkit.model.manager",
    "build_network": "cxrkit.model.network",
    "grad_cam": "cxrkit.model.gradcam",
    "list_presets": "cxrkit.preset_folders",
    "load_radiograph": "cxrkit.imaging.loading",
    "split_network": "cxrkit.model.network",
    "to_tensor": "cxrkit.imaging.preprocessing",
    "weighted_bce": "cxrkit.model.losses",
}

__all__ = [
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
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cxrkit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
