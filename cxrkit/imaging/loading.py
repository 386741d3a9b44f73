"""From a file or its bytes to a Radiograph: the one door through which every image enters."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cxrkit.errors import RadiographError, TooLarge, UnsupportedFormat
from cxrkit.imaging.decode import MAX_BYTES
from cxrkit.imaging.raster import decode_raster, raster_format
from cxrkit.radiograph import Radiograph

READABLE = "DICOM, PNG, JPEG, WebP, TIFF and BMP files are read"

# Formats that people mistake for images or that hold images: named in the refusal, never opened.
KNOWN: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a compressed (gzip) file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\xff\x4f\xff\x51", "a bare JPEG 2000 image"),
    (b"\0\0\0\x0cjP  ", "a bare JPEG 2000 image"),
    (b"version https://git-lfs", "a placeholder for a file that was not downloaded"),
    (b"<svg", "an SVG drawing"),
    (b"<", "a web page or other text"),
)


def load_radiograph(source: str | os.PathLike[str] | bytes, *, name: str = "") -> Radiograph:
    """Read a radiograph from a file or from bytes.

    The format is told by content, never by the file's name.

    Parameters
    ----------
    source
        A path, or the whole file as bytes.
    name
        The uploaded file's name. Only its extension is looked at, and only to word the refusal of
        an unreadable file; it is neither kept nor logged.

    Returns
    -------
    Radiograph
        Display polarity (bone bright), 0..1; `notes` says what was done to get there.

    Raises
    ------
    UnsupportedFormat
        Neither DICOM nor an image format that is read, or an encoding that cannot be decoded.
    CorruptFile
        Damaged, truncated or contradicting itself.
    TooLarge
        More than `cxrkit.imaging.decode.MAX_BYTES` bytes or ``MAX_PIXELS`` pixels, or than the memory holds.
    UnsuitableImage
        Blank, too small, or a narrow strip.
    RadiographError
        The file cannot be opened.
    """
    try:
        return _load(source, name)
    except MemoryError:
        raise TooLarge(
            "The file needs more memory than this computer has free.",
            "Close other programs, or export the radiograph at a smaller size.",
        ) from None


def _load(source: str | os.PathLike[str] | bytes, name: str) -> Radiograph:
    if isinstance(source, bytes):
        data = source
        _check_bytes(len(data))
    else:
        data = _read(source)
        name = name or os.fspath(source)
    if not data:
        raise UnsupportedFormat("The file is empty.", "Copy or export the file again.")
    kind = raster_format(data)
    if is_dicom(data):
        # Imported when needed: pydicom takes longer to import than a plain image to decode.
        from cxrkit.imaging.dicom import decode_dicom

        decoded = decode_dicom(data)
    elif kind is not None:
        decoded = decode_raster(data, kind)
    else:
        raise _unknown(data, name)
    return Radiograph(
        pixels=decoded.pixels,
        sha256=hashlib.sha256(data).hexdigest(),
        view=decoded.view,
        spacing_mm=decoded.spacing_mm,
        notes=decoded.notes,
        source_format=decoded.source_format,
        modality=decoded.modality,
        age_band=decoded.age_band,
        sex=decoded.sex,
    )


def is_dicom(data: bytes) -> bool:
    """Whether bytes are a DICOM file: by its prefix (PS3.10 7.1), else by a first element.

    Files without preamble start with an element of group 0002 or 0008 whose element number is
    small, in either byte order. A file whose preamble is another format's header is DICOM
    (PS3.10 allows a TIFF header there).
    """
    if data[128:132] == b"DICM":
        return True
    little = data[:1] in (b"\x02", b"\x08") and data[1:2] == data[3:4] == b"\0"
    big = data[1:2] in (b"\x02", b"\x08") and data[:1] == data[2:3] == b"\0"
    return len(data) > 8 and (little or big)


def _check_bytes(size: int) -> None:
    if size > MAX_BYTES:
        raise TooLarge(
            f"The file is larger than the {MAX_BYTES // 2**20} MB that are accepted.",
            "Export the single radiograph instead of a whole study or series.",
        )


def _read(path: str | os.PathLike[str]) -> bytes:
    """Bytes of a regular file; the size is looked at first, and again while reading."""
    refusal = RadiographError("The file cannot be opened.", "Check that it exists and that you may read it.")
    try:
        if not Path(path).is_file():  # a pipe or a device could block for ever
            raise refusal
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError):
        raise refusal from None
    _check_bytes(len(data))
    return data


def _unknown(data: bytes, name: str) -> UnsupportedFormat:
    text = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    what = next((words for magic, words in KNOWN if text.startswith(magic)), None)
    if what is None:
        extension = Path(name).suffix.lower()
        claims = " although its name ends like one" if extension in (".dcm", ".png", ".jpg", ".jpeg") else ""
        return UnsupportedFormat(
            f"The file is neither DICOM nor an image that can be read{claims}.",
            f"Export the radiograph again ({READABLE}).",
        )
    return UnsupportedFormat(f"The file is {what}, not a radiograph.", f"Export the radiograph itself ({READABLE}).")
