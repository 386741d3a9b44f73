"""Lossless JPEG through the decoder that runs in a process of its own, and systems that lack parts of it."""

from types import SimpleNamespace

import numpy as np
import pytest
from pydicom.pixels.decoders.base import get_decoder

from cxrkit.errors import CorruptFile, UnsupportedFormat
from cxrkit.imaging import isolated
from cxrkit.imaging.decode import MAX_PIXELS
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom
from tests.lossless_jpeg import JPEG_LOSSLESS, flat, lossless_dicom

NOISE = np.random.default_rng(0).integers(0, 2**16, (8, 50), np.uint16)
PICTURE = np.vstack([np.add.outer(900 * np.arange(400), 7 * np.arange(50)).astype(np.uint16)[:72], NOISE])
# what pydicom tells of a picture of the largest accepted size
RUNNER = SimpleNamespace(
    transfer_syntax=JPEG_LOSSLESS,
    rows=10_000,
    columns=10_000,
    samples_per_pixel=1,
    bits_allocated=16,
    bits_stored=16,
    pixel_representation=0,
    photometric_interpretation="MONOCHROME2",
)


@pytest.fixture
def shadowed(tmp_path, monkeypatch):
    """Makes a module impossible to import in the processes that are started."""

    def shadow(module: str) -> None:
        (tmp_path / f"{module}.py").write_text("raise ImportError\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return shadow


def expected() -> np.ndarray:
    low, high = int(PICTURE.min()), int(PICTURE.max())
    return (PICTURE.astype(float) - low) / (high - low)


def test_lossless_jpeg_is_read_exactly(monkeypatch) -> None:
    monkeypatch.setattr("cxrkit.imaging.dicom.swings", lambda stored, bits: False)  # noise swings by its nature
    np.testing.assert_allclose(load_radiograph(lossless_dicom(PICTURE)).pixels, expected(), atol=1e-6)


def test_a_flipped_bit_in_the_header_is_damage() -> None:
    data = lossless_dicom(PICTURE)
    at = data.index(b"\xff\xda")
    with pytest.raises(CorruptFile):
        load_radiograph(data[: at + 2] + b"\xff\xff" + data[at + 4 :])


def test_an_absent_decoder_is_not_blamed_on_the_file(shadowed) -> None:
    """Its import fails where python-gdcm is not installed, or for want of a system library."""
    shadowed("gdcm")
    with pytest.raises(UnsupportedFormat, match=r"decoder for this encoding is not installed.*pip install python-gdcm"):
        load_radiograph(lossless_dicom(PICTURE))


def test_systems_without_resource_limits_still_decode(shadowed) -> None:
    """Windows has no module ``resource``."""
    shadowed("resource")
    smooth = PICTURE[:72]
    picture = load_radiograph(lossless_dicom(smooth)).pixels
    np.testing.assert_allclose(picture, (smooth - smooth.min()) / float(np.ptp(smooth)), atol=1e-6)


@pytest.mark.parametrize(
    ("syntax", "plugin", "package"),
    [("1.2.840.10008.1.2.4.80", "pyjpegls", "pyjpegls"), ("1.2.840.10008.1.2.4.90", "pylibjpeg", "pylibjpeg-openjpeg")],
)
def test_the_other_decoders_are_missed_in_the_same_words(syntax, plugin, package, monkeypatch) -> None:
    data = phantom_dicom(0, 64, transfer_syntax=syntax)
    monkeypatch.delitem(get_decoder(syntax)._available, plugin)
    with pytest.raises(UnsupportedFormat, match=rf"decoder for this encoding is not installed.*pip install.*{package}"):
        load_radiograph(data)


def test_the_largest_accepted_picture_fits_into_the_memory_of_the_child() -> None:
    decoded = np.frombuffer(isolated.decode_frame(flat(10_000, 10_000), RUNNER), "<u2")
    assert decoded.shape == (MAX_PIXELS,)
    assert (decoded == 2**15).all()


def test_damage_that_asks_for_more_memory_ends_in_a_refusal(monkeypatch, tmp_path) -> None:
    starved = tmp_path / "starved.py"
    starved.write_text(isolated.CHILD.read_text().replace("MEMORY = 2 * 10**9", "MEMORY = 3 * 10**8"))
    monkeypatch.setattr(isolated, "CHILD", starved)
    with pytest.raises(ValueError, match="damaged"):
        isolated.decode_frame(flat(10_000, 10_000), RUNNER)
