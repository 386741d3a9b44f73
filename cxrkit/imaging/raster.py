"""Decoding of plain images: PNG, JPEG, WebP, TIFF and BMP.

Each format is opened by its own Pillow reader, chosen by the first bytes: Pillow's other
readers are never reached, and its process-wide bomb limit (a warning, then an error) is
replaced by a check of the declared size before a single pixel is decoded.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import (
    BmpImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from cxrkit.errors import CorruptFile, TooLarge, UnsupportedFormat
from cxrkit.imaging.decode import (
    MAX_PIXELS,
    Decoded,
    check_contrast,
    check_dimensions,
    check_ratio,
    colourfulness,
    luminance,
)
from cxrkit.imaging.quiet import silence

MAX_SCANS = 200
"""Of a progressive JPEG, which is decoded whole once per scan; encoders write about ten."""

READERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}

# What Pillow's readers raise on damaged input (SyntaxError is its "not my format").
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    AttributeError,
    RuntimeError,
    struct.error,
)

WHITE_IS_ZERO, PHOTOMETRIC, TILE_WIDTH, TILE_LENGTH = 0, 262, 322, 323  # TIFF 6.0
ORIENTATION = 274  # EXIF 2.32, 4.6.4 A; the values say which edges the first row and column are

# From the stored to the upright picture.
UPRIGHT: dict[int, Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.T,
    6: lambda stored: stored[::-1].T,
    7: lambda stored: stored[::-1, ::-1].T,
    8: lambda stored: stored[:, ::-1].T,
}


def raster_format(data: bytes) -> str | None:
    """Name of the image format by its first bytes, or None when it is none that is read here."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "TIFF"
    if data[:2] == b"BM" and data[6:10] == b"\0\0\0\0":
        return "BMP"
    return None


def decode_raster(data: bytes, kind: str) -> Decoded:
    """Decode a plain image.

    Transparency is ignored: what a radiograph shows does not depend on it. 16-bit images are
    scaled by the bits that they use (at least 8), because detectors of 10 to 14 bits are often
    exported unscaled in a 16-bit file.

    Parameters
    ----------
    data
        The whole file.
    kind
        As `raster_format` named it.

    Raises
    ------
    CorruptFile
        Damaged or truncated.
    TooLarge, UnsuitableImage
        See `cxrkit.imaging.decode.check_dimensions`; also a blank picture.
    UnsupportedFormat
        Several pages or frames, or a pixel type that is not read.
    """
    if kind == "WebP":  # its reader allocates the canvas as it opens the file
        check_dimensions(*_webp_size(data))
    if kind == "JPEG" and data.count(b"\xff\xda") > MAX_SCANS:
        raise TooLarge(
            "The JPEG file is built of too many scans to be decoded in a reasonable time.",
            "Save it again as an ordinary JPEG or PNG.",
        )
    with silence():
        try:
            image = READERS[kind](io.BytesIO(data))
            _check_header(image, kind, len(data))
            image.load()
            photometric = image.tag_v2.get(PHOTOMETRIC) if isinstance(image, TiffImagePlugin.TiffImageFile) else None
        except DAMAGE as error:
            raise _refusal(error, kind) from None
        orientation, notes = _orientation(image)
        wide = _wide_colour(data, kind)
    grey, more, colour = _grey(image if wide is None else wide, photometric)
    check_contrast(grey)
    return Decoded(UPRIGHT[orientation](grey), kind, notes + more, colour=colour)


def _check_header(image: ImageFile.ImageFile, kind: str, size: int) -> None:
    width, height = image.size
    check_dimensions(height, width)
    check_ratio(size, width * height * len(image.getbands()) * (2 if image.mode.startswith("I;16") else 1))
    # a TIFF file's pages are not counted: each has to be read for that, and there may be millions
    if getattr(image, "is_animated", False) or (kind != "TIFF" and getattr(image, "n_frames", 1) > 1):
        raise UnsupportedFormat(
            f"The {kind} file holds several pages or frames.", "Export the one radiograph as a PNG, JPEG or DICOM file."
        )
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tile = [image.tag_v2.get(tag, 1) for tag in (TILE_WIDTH, TILE_LENGTH)]
        if tile[0] * tile[1] > MAX_PIXELS:  # libtiff allocates whole tiles, whatever the image's size
            raise TooLarge("The TIFF file declares oversized tiles.", "Save it again as a PNG file.")


def _refusal(error: BaseException, kind: str) -> CorruptFile | UnsupportedFormat:
    if kind == "JPEG" and "bit layers" in str(error):
        return UnsupportedFormat(
            "The JPEG file has more than 8 bits per pixel, which only DICOM files may have.",
            "Export the radiograph as DICOM or as a 16-bit PNG.",
        )
    return CorruptFile(
        f"The {kind} file is damaged or incomplete and cannot be decoded.", "Copy or export the file again."
    )


def _orientation(image: Image.Image) -> tuple[int, tuple[str, ...]]:
    """The EXIF orientation, 1 where there is none that is known, and notes."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except DAMAGE:
        return 1, ("Its EXIF data are damaged, so that it was not rotated.",)
    if orientation == 1 or orientation not in UPRIGHT:
        return 1, ()
    return orientation, ("Rotated as its EXIF orientation says.",)


def _wide_colour(data: bytes, kind: str) -> npt.NDArray[Any] | None:
    """Pixels of a PNG of 16 bits with several channels, which Pillow would cut to 8 bits; else None.

    PNG specification 11.2.1: byte 24 is the bit depth, byte 25 the colour type (0 is grey).
    Pillow has decoded the same bytes before, and so has found any damage.
    """
    if kind != "PNG" or data[24] != 16 or data[25] == 0:
        return None
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.dtype != np.uint16:
        raise CorruptFile("The 16-bit PNG file cannot be decoded.", "Save it again as an 8-bit or grey PNG.")
    return pixels[..., 2::-1] if pixels.ndim == 3 else pixels  # OpenCV's order is blue, green, red, alpha


def _grey(
    picture: Image.Image | npt.NDArray[Any], photometric: int | None
) -> tuple[npt.NDArray[np.float32], tuple[str, ...], tuple[float, float]]:
    """Grey float32 in 0..1, notes and colourfulness, from a decoded picture of any mode."""
    if isinstance(picture, Image.Image):
        if picture.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX", "RGBa"):
            picture = picture.convert("RGB")
        elif picture.mode in ("1", "La"):
            picture = picture.convert("L")
        elif picture.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16L", "I;16B", "I;16N"):
            raise UnsupportedFormat(
                "The image stores its pixels as 32-bit or floating-point numbers.",
                "Export it as an 8-bit or 16-bit grey PNG, or as DICOM.",
            )
    pixels = np.asarray(picture)
    notes: list[str] = []
    colour = 0.0, 0.0
    scale = 255
    if pixels.dtype.itemsize == 2:
        visible = pixels[..., :3] if pixels.ndim == 3 else pixels
        bits = max(8, int(visible.max()).bit_length())
        scale = 2**bits - 1
        if bits < 16:
            notes.append(f"Uses only {bits} of its 16 bits and was scaled by those.")
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        grey, coloured = luminance(pixels[..., :3], scale)
        if coloured:
            colour = colourfulness(pixels, scale)
            notes.append("Converted from colour to grey.")
    else:
        grey = (pixels[..., 0] if pixels.ndim == 3 else pixels).astype(np.float32)
        grey /= np.float32(scale)
        if photometric == WHITE_IS_ZERO and pixels.dtype.itemsize == 2:  # Pillow inverts only 8 bits and fewer
            grey = np.float32(1) - grey
            notes.append("Inverted, because the file stores white as zero.")
    return grey, tuple(notes), colour


def _webp_size(data: bytes) -> tuple[int, int]:
    """Rows and columns of a WebP file from its first chunk (RFC 9649, sections 2.5 to 2.7)."""
    kind, head = data[12:16], data[20:30]
    if len(head) == 10 and kind == b"VP8X":
        return 1 + int.from_bytes(head[7:10], "little"), 1 + int.from_bytes(head[4:7], "little")
    if len(head) == 10 and kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[6:10])
        return height & 0x3FFF, width & 0x3FFF
    if len(head) == 10 and kind == b"VP8L":
        packed = int.from_bytes(head[1:5], "little")
        return 1 + (packed >> 14 & 0x3FFF), 1 + (packed & 0x3FFF)
    raise CorruptFile("The WebP file is damaged or incomplete.", "Copy or export the file again.")
