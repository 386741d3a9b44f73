"""The import contracts hold, and each of them breaks when it is broken."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# contract and what it forbids: one line to be planted in each of several modules, one of them new
BREACHES = {
    "Only the dashboard imports streamlit": ("import streamlit", ("findings", "serving.planted", "imaging.loading")),
    "Only cxrkit.charts imports plotly": ("import plotly.express", ("dashboard.sidebar", "serving.planted")),
    "Only model, training and conversion import keras or tensorflow": (
        "from keras import ops",
        ("card", "dashboard.planted"),
    ),
    "Only conversion imports torch, besides what asks the backend in use; nobody imports torchvision": (
        "import torch.nn",
        ("model.planted", "preset"),
    ),
    "Only the builder of compiled forms, what runs them and their export import OpenVINO": (
        "import openvino",
        ("model.manager", "serving.planted"),
    ),
    "Only the DICOM reader and the DICOM writer import pydicom": (
        "import pydicom",
        ("imaging.quiet", "imaging.dicom_facts", "planted"),
    ),
    "Only the decoder's own process imports GDCM": ("import gdcm", ("imaging.dicom", "imaging.isolated")),
    "Only the page at /demo imports Gradio": ("import gradio", ("serving.rest.routes", "planted")),
    "Evaluation is statistics: it imports no model": ("import cxrkit.imaging.quiet", ("evaluation.planted",)),
    "Floors: imports go downward only": ("import cxrkit.reading", ("errors",)),
}


def verdicts(folder: Path) -> tuple[dict[str, str], str]:
    """KEPT or BROKEN by contract, and the whole report."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = dict(re.findall(r"^(\S.*) (KEPT|BROKEN)\b", done.stdout, re.MULTILINE))
    assert found, done.stdout + done.stderr
    return found, done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "cxrkit", tmp_path / "cxrkit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold() -> None:
    assert verdicts(ROOT)[0] == dict.fromkeys(BREACHES, "KEPT")


def test_every_contract_breaks_wherever_it_is_broken(copy: Path) -> None:
    breaches = []
    for line, modules in BREACHES.values():
        for module in modules:
            path = copy / "cxrkit" / f"{module.replace('.', '/')}.py"
            with path.open("a") as stream:
                stream.write(f"\n{line}\n")
            breaches.append(f"cxrkit.{module} -> {line.split()[1].partition('.')[0]}")
    found, report = verdicts(copy)
    assert found == dict.fromkeys(BREACHES, "BROKEN")
    for breach in breaches:
        assert breach in report
