"""The synthetic radiograph."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image

from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom, phantom_dicom, phantom_png


def test_equal_seeds_give_equal_bytes_and_others_differ() -> None:
    assert phantom_png(3, 128) == phantom_png(3, 128)
    assert phantom_dicom(3, 128) == phantom_dicom(3, 128)
    assert phantom(3, 128).sha256 == phantom(3, 128).sha256 != phantom(4, 128).sha256


@pytest.mark.parametrize("size", [32, 224, 1024, 1500])
def test_sizes(size: int) -> None:
    assert phantom(0, size).pixels.shape == (size, size)


@pytest.mark.parametrize("size", [31, 4097])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        phantom(0, size)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_it_looks_like_a_frontal_chest(seed: int) -> None:
    picture = phantom(seed, 256).pixels
    lung_right, lung_left = picture[80:150, 50:100].mean(), picture[80:120, 160:205].mean()
    heart, spine, outside = (
        picture[140:170, 130:170].mean(),
        picture[140:170, 120:136].mean(),
        picture[10:30, :30].mean(),
    )
    assert outside < 0.05 < max(lung_left, lung_right) < 0.5
    assert heart > 1.5 * lung_left
    assert spine > 1.5 * lung_right
    left_of_middle, right_of_middle = picture[150:175, 70:100].mean(), picture[150:175, 156:186].mean()
    assert right_of_middle > left_of_middle + 0.05  # the heart lies to the patient's left


def test_it_says_that_it_is_synthetic() -> None:
    ground = phantom(0, 1024).pixels[980:1020, 10:135]
    assert (ground > 0.85).mean() > 0.05  # letters on a dark ground
    assert "Synthetic" in phantom().notes[0]
    header = pydicom.dcmread(io.BytesIO(phantom_dicom(0, 64)))
    assert header.PatientName == "SYNTHETIC^PHANTOM"


def test_png_is_the_phantom() -> None:
    assert Image.open(io.BytesIO(phantom_png(0, 96))).mode == "L"
    np.testing.assert_array_equal(load_radiograph(phantom_png(0, 96)).pixels, phantom(0, 96).pixels)


def test_dicom_follows_its_arguments() -> None:
    header = pydicom.dcmread(
        io.BytesIO(phantom_dicom(0, 64, photometric="MONOCHROME1", bits_stored=10, window=(500, 800)))
    )
    assert (header.PhotometricInterpretation, header.BitsStored, header.BitsAllocated) == ("MONOCHROME1", 10, 16)
    assert (header.WindowCenter, header.WindowWidth, header.Modality, header.Rows) == (500, 800, "DX", 64)
    assert header.pixel_array.max() == 1023
    with pytest.raises(ValueError, match="bits_stored"):
        phantom_dicom(0, 64, bits_stored=7)
