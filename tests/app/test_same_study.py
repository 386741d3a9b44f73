"""The same study as DICOM and as 16-bit PNG is the same reading: by the library, the command line and the page."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard.services import readings
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Reading
from tests.unit.test_scripts import run

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager

FULL, CENTRE, WIDTH = 4095, 1900, 3000


@pytest.fixture(scope="module")
def study() -> dict[str, bytes]:
    """A 12-bit detector image with a window, inverted as a plate reader stores it; and what a viewer exports of it."""
    levels = np.rint(phantom(0, 512).pixels * FULL)
    window = {"WindowCenter": CENTRE, "WindowWidth": WIDTH}
    dicom = write_dicom((FULL - levels).astype(np.uint16), photometric="MONOCHROME1", attributes=window)
    shown = 1 - np.clip((FULL - levels - (CENTRE - 0.5)) / (WIDTH - 1) + 0.5, 0, 1)
    stream = io.BytesIO()
    Image.fromarray(np.rint(shown * 65535).astype(np.uint16)).save(stream, "PNG")
    return {"a.dcm": dicom, "a.png": stream.getvalue()}


def test_by_the_library(study: dict[str, bytes], shipped: Callable[[str], XRayModelManager]) -> None:
    manager = shipped("chestxray14")
    one, other = (manager.read(load_radiograph(data)).prediction for data in study.values())
    assert len(one) == 14
    assert max(abs(one[finding] - other[finding]) for finding in one) < 1e-3


def test_by_the_command_line(
    study: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    shipped: Callable[[str], XRayModelManager],
) -> None:
    for name, data in study.items():
        (tmp_path / name).write_bytes(data)
    assert run("predict", *(tmp_path / name for name in study), "--preset", "pneumonia", "--json") == 0
    one, other = (json.loads(line)["findings"]["Pneumonia"] for line in capsys.readouterr().out.splitlines())
    assert abs(one["probability"] - other["probability"]) < 1e-3
    expected = shipped("pneumonia").read(load_radiograph(study["a.dcm"])).prediction["Pneumonia"]
    assert one["probability"] == pytest.approx(expected, abs=1e-6)


def test_by_the_page(
    study: dict[str, bytes],
    app: AppTest,
    upload: Callable[[AppTest, bytes, str], AppTest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, read = [], readings.read

    def noted(radiograph: Radiograph, preset: Preset) -> tuple[Radiograph, Reading]:
        seen.append(read(radiograph, preset))
        return seen[-1]

    monkeypatch.setattr(readings, "read", noted)
    pages = []
    for name, data in study.items():
        seen.clear()
        upload(app, data, name)
        assert not app.exception
        pages.append(seen[-1][1].prediction)
    one, other = pages
    assert one is not other
    assert max(abs(one[finding] - other[finding]) for finding in one) < 1e-3
