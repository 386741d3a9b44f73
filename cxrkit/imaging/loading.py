"""From a file or its bytes to a Radiograph: the one door through which every image enters."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cxrkit.errors import RadiographError, TooLarge, UnsuitableImage, UnsupportedFormat
from cxrkit.imaging.alternatives import Alternatives, no_such_display
from cxrkit.imaging.archive import is_archive, members
from cxrkit.imaging.decode import MAX_BYTES, check_bytes
from cxrkit.imaging.raster import decode_raster, raster_format
from cxrkit.radiograph import Radiograph

READABLE = "DICOM, PNG, JPEG, WebP, TIFF and BMP files are read"
LATERAL = "LATERAL"

# Formats that people mistake for images or that hold images: named in the refusal, never opened.
KNOWN: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a compressed (gzip) file"),
    (b"\xff\x4f\xff\x51", "a bare JPEG 2000 image"),
    (b"\0\0\0\x0cjP  ", "a bare JPEG 2000 image"),
    (b"version https://git-lfs", "a placeholder for a file that was not downloaded"),
    (b"<svg", "an SVG drawing"),
    (b"<", "a web page or other text"),
)


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A radiograph, and its displays where they were wanted and there are several."""

    radiograph: Radiograph
    alternatives: Alternatives | None = None


def load_radiograph(source: str | os.PathLike[str] | bytes, *, name: str = "", display: int = 0) -> Radiograph:
    """Read a radiograph from a file or from bytes.

    The format is told by content, never by the file's name. Of a ZIP archive, and of the index of a DICOM disc
    (DICOMDIR) that is given by its path, the first frontal radiograph is read, else the first one.

    Parameters
    ----------
    source
        A path, or the whole file as bytes.
    name
        The uploaded file's name. Only its extension is looked at, and only to word the refusal of
        an unreadable file; it is neither kept nor logged.
    display
        Which of the windows and look-up tables of a DICOM file to display it with, from 0, the default.
        `Radiograph.displays` of the result names all that there are.

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
    DisplayUnknown
        The file has no such display.
    """
    return _load(source, name, _Wanted(display)).radiograph


def load_with_alternatives(
    source: str | os.PathLike[str] | bytes, *, name: str = ""
) -> tuple[Radiograph, Alternatives | None]:
    """`load_radiograph`, and its other displays where it has several, so that the file need not be kept for them."""
    loaded = _load(source, name, _Wanted(keep_displays=True))
    return loaded.radiograph, loaded.alternatives


@dataclass(frozen=True)
class _Wanted:
    """Which display is wanted, and whether the others are."""

    display: int = 0
    keep_displays: bool = False


def _load(source: str | os.PathLike[str] | bytes, name: str, wanted: _Wanted) -> _Loaded:
    try:
        return _of_file(source, name, wanted)
    except MemoryError:
        raise TooLarge(
            "The file needs more memory than this computer has free.",
            "Close other programs, or export the radiograph at a smaller size.",
        ) from None


def _of_file(source: str | os.PathLike[str] | bytes, name: str, wanted: _Wanted) -> _Loaded:
    if isinstance(source, bytes):
        data = source
        check_bytes(len(data))
    else:
        data = read_bytes(source)
        name = name or os.fspath(source)
    if not data:
        raise UnsupportedFormat("The file is empty.", "Copy or export the file again.")
    if is_archive(data):
        return _out_of_archive(data, wanted)
    if not isinstance(source, bytes) and is_dicom(data):
        from cxrkit.imaging.dicom import images_of_directory

        listed = images_of_directory(data)
        if listed is not None:
            files = _files(Path(source).parent, listed)
            return _first_frontal(files, "disc", wanted) or _refuse_without("disc")
    return _one(data, wanted, name)


def _one(data: bytes, wanted: _Wanted, name: str = "") -> _Loaded:
    """The radiograph of one file's bytes."""
    kind = raster_format(data)
    if is_dicom(data):
        # Imported when needed: pydicom takes longer to import than a plain image to decode.
        from cxrkit.imaging.dicom import decode_dicom

        decoded = decode_dicom(data, display=wanted.display, keep_displays=wanted.keep_displays)
    elif kind is not None:
        if wanted.display:
            raise no_such_display(1)
        decoded = decode_raster(data, kind)
    else:
        raise _unknown(data, name)
    decoded.pixels.setflags(write=False)  # so that they need not be copied
    radiograph = Radiograph(
        pixels=decoded.pixels,
        sha256=hashlib.sha256(data).hexdigest(),
        view=decoded.view,
        spacing_mm=decoded.spacing_mm,
        notes=decoded.notes,
        source_format=decoded.source_format,
        modality=decoded.modality,
        age_band=decoded.age_band,
        sex=decoded.sex,
        colour=decoded.colour,
        body_part=decoded.body_part,
        displays=decoded.displays,
        display=decoded.display,
    )
    return _Loaded(radiograph, decoded.alternatives)


def _out_of_archive(data: bytes, wanted: _Wanted) -> _Loaded:
    """DICOM files come first: an export holds the icons and pictures of its viewer, too."""
    whole = "ZIP archive"
    return (
        _first_frontal(members(data, is_dicom), whole, wanted)
        or _first_frontal(members(data, lambda head: raster_format(head) is not None), whole, wanted)
        or _refuse_without(whole)
    )


def _refuse_without(whole: str) -> NoReturn:
    raise UnsuitableImage(f"The {whole} holds no radiograph.", f"Choose the radiograph itself ({READABLE}).")


def _first_frontal(files: Iterable[bytes], whole: str, wanted: _Wanted) -> _Loaded | None:
    """The first radiograph that is not lateral, else the first; None where there is no file.

    What is no radiograph is passed over while others follow; where all are none, the first one's error is raised.
    Whether the one that is taken has the display that is wanted plays no part in the choice.
    """
    lateral: tuple[bytes, _Loaded] | None = None
    refusal: RadiographError | None = None
    for data in files:
        try:
            loaded = _one(data, dataclasses.replace(wanted, display=0))
        except RadiographError as error:
            refusal = refusal or error
            continue
        if loaded.radiograph.view != LATERAL:
            return _out_of(whole, data, loaded, wanted)
        lateral = lateral or (data, loaded)
    if lateral is None and refusal is not None:
        raise refusal
    return None if lateral is None else _out_of(whole, *lateral, wanted)


def _out_of(whole: str, data: bytes, loaded: _Loaded, wanted: _Wanted) -> _Loaded:
    loaded = loaded if wanted.display == 0 else _one(data, wanted)
    notes = (f"Read out of a {whole}.", *loaded.radiograph.notes)
    return dataclasses.replace(loaded, radiograph=dataclasses.replace(loaded.radiograph, notes=notes))


def _files(folder: Path, listed: Iterable[tuple[str, ...]]) -> Iterator[bytes]:
    """The files that a disc's index names and that are there; some systems show the names in small letters."""
    for parts in listed:
        for names in (parts, tuple(part.lower() for part in parts)):
            path = folder.joinpath(*names)
            if path.is_file():
                yield read_bytes(path)
                break


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


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Bytes of a regular file.

    Raises
    ------
    RadiographError
        It cannot be opened, or is no regular file.
    TooLarge
        It has more than `cxrkit.imaging.decode.MAX_BYTES` bytes.
    """
    refusal = RadiographError("The file cannot be opened.", "Check that it exists and that you may read it.")
    try:
        if not Path(path).is_file():  # a pipe or a device could block for ever
            raise refusal
        with Path(path).open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            # a buffer of the largest size would be mapped and unmapped, at which other threads wait for each other
            data = stream.read(min(size, MAX_BYTES) + 1)
            if len(data) > size:  # it has grown, or does not say its size
                data += stream.read(MAX_BYTES + 1 - len(data))
    except (OSError, ValueError):
        raise refusal from None
    check_bytes(len(data))
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
