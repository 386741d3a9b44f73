"""Real DICOM files against independent readers: DCMTK, and OpenCV with the window worked out here."""

import csv
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame

from cxrkit.imaging.loading import load_radiograph, load_with_alternatives

TOOLS = ("dcmj2pnm", "dcml2pnm")  # DCMTK's renderers with JPEG and with JPEG-LS


@pytest.fixture(scope="module")
def dcmtk() -> tuple[str, ...]:
    """Paths of DCMTK's renderers; required in CI, otherwise their absence skips."""
    found = tuple(path for tool in TOOLS if (path := shutil.which(tool)))
    if len(found) < len(TOOLS):
        if os.environ.get("CI") == "true":
            pytest.fail("DCMTK is absent: CI must have it (apt-get install dcmtk)")
        pytest.skip("DCMTK is not installed (apt-get install dcmtk)")
    return found


def rows(data_dir: Path, manifest: str) -> list[dict[str, str]]:
    with (data_dir / "dicom" / manifest).open(newline="") as stream:
        return list(csv.DictReader(stream))


def rendered(path: Path, tools: tuple[str, ...], folder: Path) -> np.ndarray | None:
    """The picture by DCMTK, first window or else full range; None when it cannot read the file."""
    target = folder / "picture.pgm"
    for tool in tools:
        for window in (["+Wi", "1"], ["+Wm"]):
            done = subprocess.run([tool, *window, "+op", str(path), str(target)], capture_output=True, timeout=60)
            if done.returncode == 0:
                return cv2.imread(str(target), cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
    return None


def by_opencv(path: Path) -> np.ndarray:
    """A grey JPEG 2000 file with a LINEAR window: PS3.3 C.11.2.1.2 written out, then the inversion."""
    header = pydicom.dcmread(path)
    frame = get_frame(header.PixelData, 0, number_of_frames=1)
    stored = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_UNCHANGED).astype(float)
    stored = stored * float(header.get("RescaleSlope", 1)) + float(header.get("RescaleIntercept", 0))
    centre, width = (float(np.atleast_1d(header[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    picture = np.clip((stored - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)
    return 1 - picture if header.PhotometricInterpretation == "MONOCHROME1" else picture


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_every_chest_file_is_shown_as_by_another_reader(data_dir, dcmtk, tmp_path) -> None:
    chests = [row for row in rows(data_dir, "manifest.csv") if row["is_chest"] == "1"]
    assert len(chests) >= 8
    by_dcmtk = 0
    for row in chests:
        path = data_dir / "dicom" / row["file"]
        expected = rendered(path, dcmtk, tmp_path)
        by_dcmtk += expected is not None
        if expected is None:
            assert "JPEG 2000" in row["transfer_syntax"], row["file"]
            expected = by_opencv(path)
        picture = load_radiograph(path).pixels
        assert picture.shape == expected.shape == (int(row["rows"]), int(row["columns"])), row["file"]
        assert correlation(picture, expected) > 0.999, row["file"]
        assert np.abs(picture - expected).mean() < 0.01, row["file"]
    assert by_dcmtk >= 7


def test_chests_stand_upright_and_bone_is_bright(data_dir) -> None:
    """The lungs are darker than the spine between them; chest_cr_fake_mono1 lies about its polarity."""
    for row in rows(data_dir, "manifest.csv"):
        if row["is_chest"] != "1" or row["modality"] == "XC":
            continue
        picture = cv2.resize(load_radiograph(data_dir / "dicom" / row["file"]).pixels, (64, 64))
        spine, lungs = picture[22:44, 29:34].mean(), np.r_[picture[18:36, 12:22], picture[18:36, 42:52]].mean()
        if "fake_mono1" in row["file"]:
            assert spine < lungs, row["file"]
        else:
            assert spine > lungs + 0.03, row["file"]


def test_every_other_file_is_shown_as_by_dcmtk(data_dir, dcmtk, tmp_path) -> None:
    compared = 0
    for row in rows(data_dir, "manifest.csv"):
        path = data_dir / "dicom" / row["file"]
        picture = load_radiograph(path)
        expected = rendered(path, dcmtk, tmp_path) if row["is_chest"] != "1" else None
        if expected is None:
            continue
        compared += 1
        assert picture.pixels.shape == expected.shape, row["file"]
        # DCMTK reads the RGB-tagged JPEG as YBR; grey then differs in scale but hardly in shape
        assert correlation(picture.pixels, expected) > (0.98 if "rgb_jpegext" in row["file"] else 0.99), row["file"]
    assert compared >= 24


def test_variants_of_one_picture_agree(data_dir) -> None:
    folder = data_dir / "dicom"
    variants = {Path(row["file"]).name[:3]: folder / row["file"] for row in rows(data_dir, "derived/manifest.csv")}
    reference = load_radiograph(variants["v01"]).pixels
    for name in ("v02", "v03", "v04", "v05", "v06", "v07", "v08", "v09"):
        assert correlation(load_radiograph(variants[name]).pixels, reference) > 0.999, name
    for name in ("v10", "v11"):  # sigmoid curves
        assert correlation(load_radiograph(variants[name]).pixels, reference) > 0.97, name
    padded = load_radiograph(variants["v12"]).pixels
    assert correlation(padded[:, 60:-60], reference[:, 60:-60]) > 0.999
    assert (padded[:, :60] == 0).all()
    square = load_radiograph(variants["v14"])
    assert square.pixels.shape == (512, 512)
    assert correlation(square.pixels, load_radiograph(variants["v13"]).pixels) > 0.99


def test_facts_and_facts_only(data_dir) -> None:
    for row in rows(data_dir, "manifest.csv"):
        path = data_dir / "dicom" / row["file"]
        radiograph = load_radiograph(path)
        assert radiograph.sha256 == row["sha256"]
        assert radiograph.modality == row["modality"]
        if row["view"] in ("PA", "AP"):
            assert radiograph.view == row["view"]
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        shown = " ".join(map(str, (radiograph.notes, radiograph.view, radiograph.age_band, radiograph.sex)))
        for keyword in ("PatientName", "PatientID", "PatientBirthDate"):
            value = str(header.get(keyword) or "")
            assert len(value) < 4 or value not in shown, row["file"]


def test_the_frame_of_a_multi_frame_file_is_named(data_dir) -> None:
    assert load_radiograph(data_dir / "dicom" / "files" / "emri_multiframe.dcm").notes[0] == "Shows frame 1 of 10."


def test_the_second_window_of_a_file_is_shown_as_the_standard_says(data_dir) -> None:
    path = data_dir / "dicom" / "derived" / "v11_sigmoid_window_multi.dcm"
    header = pydicom.dcmread(path)
    centres, widths = header.WindowCenter, header.WindowWidth
    radiograph, others = load_with_alternatives(path)
    for display in (0, 1):
        expected = 1 / (1 + np.exp(-4 * (header.pixel_array - centres[display]) / widths[display]))
        np.testing.assert_allclose(load_radiograph(path, display=display).pixels, expected, atol=1e-5)
        np.testing.assert_allclose(others.show(radiograph, display).pixels, expected, atol=1e-5)
