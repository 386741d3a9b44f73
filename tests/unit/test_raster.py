"""Plain images of every kind, made by hand."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from cxrkit.errors import CorruptFile, CxrError, RadiographError, TooLarge, UnsuitableImage, UnsupportedFormat
from cxrkit.imaging.decode import MAX_BYTES
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom

ROWS, COLUMNS = 48, 64
LEVELS = np.add.outer(2 * np.arange(ROWS), 2 * np.arange(COLUMNS)).astype(np.uint8)  # no symmetry, 0..220
EXPECTED = LEVELS.astype(np.float32) / 255


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def rgb() -> Image.Image:
    return Image.fromarray(np.dstack([LEVELS] * 3))


def with_alpha() -> Image.Image:
    alpha = np.full_like(LEVELS, 128)
    alpha[:10] = 0
    return Image.fromarray(np.dstack([LEVELS, LEVELS, LEVELS, alpha]))


def palette() -> Image.Image:
    image = Image.fromarray(255 - LEVELS, "P")
    image.putpalette([255 - index // 3 for index in range(768)])
    return image


def png16(array: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", array)
    assert done
    return data.tobytes()


WIDE = LEVELS.astype(np.uint16) * 257

EXACT = {
    "grey png": (encoded(Image.fromarray(LEVELS)), "PNG"),
    "rgb png": (encoded(rgb()), "PNG"),
    "rgba png": (encoded(with_alpha()), "PNG"),
    "grey-alpha png": (encoded(Image.merge("LA", [Image.fromarray(LEVELS)] * 2)), "PNG"),
    "palette png": (encoded(palette()), "PNG"),
    "transparent palette png": (encoded(palette(), transparency=7), "PNG"),
    "interlaced-free bmp": (encoded(Image.fromarray(LEVELS), "BMP"), "BMP"),
    "tiff": (encoded(Image.fromarray(LEVELS), "TIFF"), "TIFF"),
    "lzw tiff": (encoded(Image.fromarray(LEVELS), "TIFF", compression="tiff_lzw"), "TIFF"),
    "lossless webp": (encoded(rgb(), "WEBP", lossless=True), "WebP"),
    "16-bit grey png": (png16(WIDE), "PNG"),
    "16-bit colour png": (png16(np.dstack([WIDE] * 3)), "PNG"),
    "16-bit colour and alpha png": (png16(np.dstack([WIDE, WIDE, WIDE, WIDE // 2])), "PNG"),
    "16-bit tiff": (encoded(Image.fromarray(WIDE), "TIFF"), "TIFF"),
}


@pytest.mark.parametrize("kind", EXACT)
def test_lossless_kinds_give_the_same_picture(kind: str) -> None:
    data, name = EXACT[kind]
    radiograph = load_radiograph(data)
    assert radiograph.source_format == name
    np.testing.assert_allclose(radiograph.pixels, EXPECTED, atol=1e-6)
    assert (radiograph.view, radiograph.modality, radiograph.age_band, radiograph.spacing_mm) == (None,) * 4


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(LEVELS), "JPEG", quality=98),
        encoded(rgb(), "JPEG", quality=98),
        encoded(rgb().convert("CMYK"), "JPEG", quality=98),
        encoded(Image.fromarray(LEVELS), "JPEG", quality=98, progressive=True),
        encoded(rgb(), "WEBP", quality=98),
    ],
    ids=["grey", "rgb", "cmyk", "progressive", "webp"],
)
def test_lossy_kinds_give_nearly_the_same_picture(data: bytes) -> None:
    np.testing.assert_allclose(load_radiograph(data).pixels, EXPECTED, atol=0.03)


def test_colour_becomes_luminance() -> None:
    red = np.zeros((40, 40, 3), np.uint8)
    red[:20, :, 0] = 255
    radiograph = load_radiograph(encoded(Image.fromarray(red)))
    assert radiograph.pixels[0, 0] == pytest.approx(0.299)
    assert radiograph.notes == ("Converted from colour to grey.",)


def test_black_and_white_images_are_read() -> None:
    mask = LEVELS > 100
    np.testing.assert_array_equal(load_radiograph(encoded(Image.fromarray(mask))).pixels, mask.astype(np.float32))


@pytest.mark.parametrize(("bits", "colour"), [(10, False), (12, False), (12, True), (15, False)])
def test_sixteen_bit_files_are_scaled_by_the_bits_they_use(bits: int, colour: bool) -> None:
    grey = (LEVELS.astype(np.uint32) * (2**bits - 1) // 220).astype(np.uint16)
    radiograph = load_radiograph(png16(np.dstack([grey] * 3) if colour else grey))
    np.testing.assert_allclose(radiograph.pixels, grey / (2**bits - 1), atol=1e-6)
    assert radiograph.notes == (f"Uses only {bits} of its 16 bits and was scaled by those.",)


def test_sixteen_bit_files_of_eight_bits_are_not_stretched_further() -> None:
    assert load_radiograph(png16((LEVELS // 4).astype(np.uint16))).pixels.max() == pytest.approx(55 / 255)


# the picture as a file of each EXIF orientation stores it
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.T,
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].T,
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_exif_orientation_is_undone(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = {"quality": 98} if kind == "JPEG" else {}
    stored = np.ascontiguousarray(STORED[orientation](LEVELS))
    radiograph = load_radiograph(encoded(Image.fromarray(stored), kind, exif=exif, **options))
    np.testing.assert_allclose(radiograph.pixels, EXPECTED, atol=0.03)
    assert radiograph.notes == (() if orientation == 1 else ("Rotated as its EXIF orientation says.",))


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_keeps_its_bits_when_it_is_rotated(orientation: int, channels: int) -> None:
    grey = np.random.default_rng(3).integers(0, 2**16, (ROWS, COLUMNS), np.uint16)
    stored = STORED[orientation](grey)
    plain = png16(np.ascontiguousarray(np.dstack([stored] * channels)))
    exif = Image.Exif()
    exif[274] = orientation
    header = 8 + 25  # signature and IHDR
    data = plain[:header] + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + plain[header:]
    radiograph = load_radiograph(data)
    np.testing.assert_allclose(radiograph.pixels, grey / 65535, atol=1e-6)
    assert ("Rotated as its EXIF orientation says." in radiograph.notes) == (orientation != 1)


def test_impossible_orientations_change_nothing_and_are_not_claimed() -> None:
    exif = Image.Exif()
    exif[274] = 9
    radiograph = load_radiograph(encoded(Image.fromarray(LEVELS), exif=exif))
    np.testing.assert_allclose(radiograph.pixels, EXPECTED, atol=1e-6)
    assert radiograph.notes == ()


def test_tiff_that_stores_white_as_zero_is_inverted() -> None:
    eight = encoded(Image.fromarray(LEVELS), "TIFF", tiffinfo={262: 0})  # Pillow inverts as it writes
    assert (255 - LEVELS).tobytes() in eight
    np.testing.assert_allclose(load_radiograph(eight).pixels, EXPECTED, atol=1e-6)
    # Pillow writes BlackIsZero for 16 bits: change the value of tag 262 (SHORT, one value) by hand
    wide = encoded(Image.fromarray(65535 - WIDE), "TIFF")
    tag = struct.pack("<HHI", 262, 3, 1)
    assert wide.count(tag) == 1
    at = wide.index(tag) + len(tag)
    radiograph = load_radiograph(wide[:at] + b"\0\0" + wide[at + 2 :])
    np.testing.assert_allclose(radiograph.pixels, EXPECTED, atol=1e-6)
    assert "Inverted" in radiograph.notes[0]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_truncated_files_are_refused(kind: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    data = encoded(Image.fromarray(noise).convert("RGB" if kind == "WEBP" else "L"), kind)
    with pytest.raises(CorruptFile):
        load_radiograph(data[: int(len(data) * share)])


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb_png(side: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def bomb_webp(side: int) -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + (side - 1).to_bytes(3, "little") * 2 + bytes(60)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        bomb_png(30_000),
        bomb_webp(16_000),
        b"BM" + struct.pack("<IHHIIiiHHIIIIII", 60, 0, 0, 54, 40, 30_000, 30_000, 1, 8, 0, 0, 0, 0, 0, 0),
        encoded(Image.fromarray(LEVELS), "JPEG") + b"\xff\xda" * 201,
    ],
    ids=["png", "webp", "bmp", "jpeg of many scans"],
)
def test_bombs_are_refused_by_what_they_declare(data: bytes) -> None:
    with pytest.raises(TooLarge):
        load_radiograph(data)


@pytest.mark.parametrize("shape", [(1, 1), (31, 400), (4, 2000), (40, 200)], ids=["dot", "low", "thin", "five to one"])
def test_pictures_that_cannot_be_a_chest_are_refused(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(2).integers(0, 255, shape, np.uint8)
    with pytest.raises(UnsuitableImage):
        load_radiograph(encoded(Image.fromarray(grey)))


@pytest.mark.parametrize("level", [0, 90, 255])
def test_blank_pictures_are_refused(level: int) -> None:
    with pytest.raises(UnsuitableImage, match="blank"):
        load_radiograph(encoded(Image.new("L", (50, 50), level)))


@pytest.mark.parametrize("kind", ["TIFF", "WEBP", "PNG", "GIF"])
def test_several_pages_are_refused(kind: str) -> None:
    pages = [rgb(), rgb().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    with pytest.raises(UnsupportedFormat):
        load_radiograph(encoded(pages[0], kind, save_all=True, append_images=pages[1:]))


def test_floating_point_tiff_is_refused() -> None:
    with pytest.raises(UnsupportedFormat, match="floating-point"):
        load_radiograph(encoded(Image.fromarray(EXPECTED), "TIFF"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"%PDF-1.4", "PDF"),
        (b"GIF89a", "GIF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"  <svg xmlns=''/>", "SVG"),
        (b"<!DOCTYPE html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "not downloaded"),
        (bytes(range(100, 200)), "neither DICOM nor an image"),
    ],
)
def test_other_files_are_named_in_the_refusal(data: bytes, words: str) -> None:
    with pytest.raises(UnsupportedFormat, match=words):
        load_radiograph(data)


def test_the_name_is_a_hint_and_is_never_repeated() -> None:
    with pytest.raises(UnsupportedFormat) as plain:
        load_radiograph(b"nothing of the kind", name="DOE^JANE 1950.dat")
    with pytest.raises(UnsupportedFormat) as claimed:
        load_radiograph(b"nothing of the kind", name="DOE^JANE 1950.PNG")
    assert "although its name" in str(claimed.value)
    assert "although its name" not in str(plain.value)
    assert "DOE" not in str(plain.value) + str(claimed.value)
    assert load_radiograph(EXACT["grey png"][0], name="chest.dcm").source_format == "PNG"


def test_paths_and_bytes_give_the_same(tmp_path) -> None:
    path = tmp_path / "image.with.no.meaning"
    path.write_bytes(EXACT["grey png"][0])
    for source in (path, str(path)):
        radiograph = load_radiograph(source)
        assert radiograph.sha256 == load_radiograph(EXACT["grey png"][0]).sha256
    assert len(radiograph.sha256) == 64


def test_what_is_no_regular_file_is_refused_at_once(tmp_path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for source in (tmp_path / "absent", tmp_path, pipe, "\0"):
        with pytest.raises(RadiographError, match="cannot be opened") as refusal:
            load_radiograph(source)
        assert str(tmp_path) not in str(refusal.value)


def test_oversized_files_are_refused_without_being_read_whole(tmp_path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(TooLarge):
        load_radiograph(path)
    path.unlink()


@pytest.mark.parametrize(
    "place", ["raster.check_contrast", "raster.READERS", "dicom.by_value", "dicom.pixel_array", "loading.Radiograph"]
)
def test_want_of_memory_is_said_to_be_that(place: str, monkeypatch) -> None:
    data = phantom_dicom(0, 64) if place.startswith("dicom") else EXACT["grey png"][0]

    class Exhausted(dict):
        """Whether called or looked into, there is no memory."""

        def __call__(self, *args: object, **options: object) -> None:
            raise MemoryError("Unable to allocate 3 GiB for DOE^JANE")

        __getitem__ = __call__

    monkeypatch.setattr(f"cxrkit.imaging.{place}", Exhausted())
    with pytest.raises(TooLarge, match="more memory than") as refusal:
        load_radiograph(data)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_damaged_exif_does_not_keep_a_picture_from_being_read() -> None:
    data = encoded(Image.fromarray(LEVELS), "JPEG", quality=98, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    try:
        radiograph = load_radiograph(data)
    except CxrError:  # pragma: no cover - a refusal would be a defect
        pytest.fail("refused for its EXIF data")
    np.testing.assert_allclose(radiograph.pixels, EXPECTED, atol=0.03)
