"""What is refused before it is decoded: pixels, compression beyond reason, nesting; and what the limits let through."""

import io
import zlib

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate

from cxrkit.errors import CxrError, RadiographError, TooLarge
from cxrkit.imaging import by_value, decode, greyscale
from cxrkit.imaging.decode import MAX_PIXELS, MAX_RATIO, UNSUSPICIOUS, check_dimensions, check_ratio
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom, phantom_dicom
from tests.unit.test_containers import zipped

FLAT = np.zeros((4200, 4200), np.uint8)  # more than `UNSUSPICIOUS`
FLAT[0, 0] = 255  # not blank
DEFLATED, RLE, JPEG_LS, JPEG_2000 = (f"1.2.840.10008.1.2.{end}" for end in ("1.99", "5", "4.80", "4.90"))


def saved(kind: str, picture: np.ndarray = FLAT, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind, **options)
    return stream.getvalue()


def compressed(frame: bytes, syntax: str) -> bytes:
    """A DICOM file of `FLAT` that holds this codestream."""
    ds = dcmread(io.BytesIO(write_dicom(FLAT, bits_stored=8)))
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    ds.save_as(stream)
    return stream.getvalue()


BOMBS = {
    "png": lambda: saved("PNG"),
    "webp": lambda: saved("WebP", lossless=True, method=0),
    "tiff": lambda: saved("TIFF", compression="tiff_adobe_deflate"),
    "zip": lambda: zipped(("x", phantom_dicom(0, 64) + bytes(UNSUSPICIOUS))),
    "deflated dicom": lambda: write_dicom(FLAT, bits_stored=8, transfer_syntax=DEFLATED),
    "rle dicom": lambda: compressed(bytes(64), RLE),
    "jpeg-ls dicom": lambda: compressed(imagecodecs.jpegls_encode(FLAT), JPEG_LS),
    "jpeg 2000 dicom": lambda: compressed(imagecodecs.jpeg2k_encode(FLAT, codecformat="j2k"), JPEG_2000),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_what_swells_beyond_reason_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = BOMBS[kind]()
    assert len(data) < UNSUSPICIOUS / MAX_RATIO
    with pytest.raises(TooLarge, match="unpacks to far more"):
        load_radiograph(data)
    if kind not in ("rle dicom", "zip"):  # the one is cut off, the other's zeros take long to parse
        monkeypatch.setattr(decode, "UNSUSPICIOUS", 4 * UNSUSPICIOUS)
        load_radiograph(data)  # nothing else is wrong with it


def test_the_ratio_leaves_real_pictures_alone() -> None:
    check_ratio(1, UNSUSPICIOUS)
    check_ratio(10**6, MAX_RATIO * 10**6)
    with pytest.raises(TooLarge):
        check_ratio(10**6, MAX_RATIO * 10**6 + 1)
    drawing = np.zeros((4000, 4000), np.uint8)
    drawing[500:900, 500:900] = 200
    assert load_radiograph(saved("PNG", drawing)).height == 4000
    chest = cv2.resize((phantom(0, 1024).pixels * 255).astype(np.uint8), FLAT.shape)
    assert load_radiograph(saved("JPEG", chest, quality=1)).height == len(FLAT)  # hardly anything is left of it


def test_a_hundred_million_pixels_are_the_most() -> None:
    assert MAX_PIXELS == 100_000_000
    check_dimensions(10_000, 10_000)
    with pytest.raises(TooLarge, match="100 million"):
        check_dimensions(10_001, 10_000)


@pytest.mark.parametrize("depth", [50, 500, 100_000])
def test_sequences_are_followed_so_deep_and_no_deeper(depth: int) -> None:
    data = phantom_dicom(0, 64)
    meta = 144 + int.from_bytes(data[140:144], "little")
    start = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff"  # (0008,1140), its first item
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    nested = data[:meta] + start * depth + end * depth + data[meta:]
    if depth < 100:
        assert load_radiograph(nested).height == 64
        return
    with pytest.raises(TooLarge, match="nests"):
        load_radiograph(nested)


def test_archives_within_archives_are_not_opened() -> None:
    inner = zipped(("x", phantom_dicom(0, 64)))
    for _ in range(3):
        inner = zipped(("x.zip", inner))
        with pytest.raises(RadiographError, match="holds no radiograph"):
            load_radiograph(inner)


def test_a_tiff_file_of_endless_pages_is_refused_at_once() -> None:
    data = bytearray(saved("TIFF", FLAT[:64, :64]))
    at = int.from_bytes(data[4:8], "little")
    entries = int.from_bytes(data[at : at + 2], "little")
    page, link = data[at : at + 2 + 12 * entries], at + 2 + 12 * entries
    data[link : link + 4] = len(data).to_bytes(4, "little")
    for _ in range(100_000):
        data += page + (len(data) + len(page) + 4).to_bytes(4, "little")
    with pytest.raises(CxrError, match="several pages"):
        load_radiograph(bytes(data))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32])
def test_look_up_by_value_is_exact(kind: type[np.integer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_value, "_AT_ONCE", 300)
    limits = np.iinfo(kind)
    stored = np.random.default_rng(0).integers(limits.min, limits.max, (50, 70), kind, endpoint=True)
    seen = []

    def show(values: np.ndarray) -> np.ndarray:
        seen.append(values)
        return greyscale.apply_window(values, 100.0, 3e4, "SIGMOID")

    shown = by_value.by_value(stored, show)
    np.testing.assert_array_equal(shown, greyscale.apply_window(stored, 100.0, 3e4, "SIGMOID"))
    assert shown.dtype == np.float32
    expected = stored if kind is np.int32 else np.unique(stored)  # 32 bits have no table
    np.testing.assert_array_equal(seen[0], expected)
    assert seen[0].dtype == kind


def test_a_deflated_file_is_not_inflated_beyond_the_ratio() -> None:
    data = write_dicom(FLAT[:64, :64], bits_stored=8, transfer_syntax=DEFLATED)
    meta = 144 + int.from_bytes(data[140:144], "little")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeeze.compress(bytes(2 * UNSUSPICIOUS)) + squeeze.flush()
    with pytest.raises(TooLarge, match="unpacks"):
        load_radiograph(data[:meta] + bomb)
