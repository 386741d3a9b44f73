"""Radiographs within a ZIP archive, as portals and disc exports hand them out."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from cxrkit.errors import CorruptFile, RadiographError, TooLarge, UnsupportedFormat
from cxrkit.imaging.decode import MAX_BYTES, most_decoded

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
MAX_MEMBERS = 10_000
MAX_UNPACKED = 2 * MAX_BYTES
"""Bytes that are unpacked of one archive at most, looked at or used."""

HEAD = 512
"""Bytes of a member that tell whether it is an image; a DICOM file says so at 128."""

_RECORD = b"PK\x01\x02"
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, NotImplementedError, ValueError, OverflowError),  # bzip2's damage is an OSError
)


def is_archive(data: bytes) -> bool:
    """Whether bytes are a ZIP archive, by its first record."""
    return data.startswith(ZIP)


def members(data: bytes, looks_right: Callable[[bytes], bool]) -> Iterator[bytes]:
    """Unpack one after the other the members whose beginning looks like an image.

    Archives within archives are not opened. Members larger than `cxrkit.imaging.decode.MAX_BYTES` are
    passed over.

    Parameters
    ----------
    data
        The whole archive.
    looks_right
        Called with the first `HEAD` bytes of each member.

    Raises
    ------
    CorruptFile
        The archive is damaged.
    TooLarge
        It has more than `MAX_MEMBERS` members, or `MAX_UNPACKED` bytes were unpacked, or more than so many compressed
        ones may become (`cxrkit.imaging.decode.most_decoded`).
    UnsupportedFormat
        A member is encrypted.
    """
    for member in entries(data, looks_right, MAX_UNPACKED):
        if isinstance(member, bytes):
            yield member
        elif not isinstance(member, TooLarge):
            raise member


def entries(data: bytes, looks_right: Callable[[bytes], bool], most: int) -> Iterator[bytes | RadiographError]:
    """`members`, with an error in the place of each one that is damaged or too large.

    Parameters
    ----------
    most
        Bytes that are unpacked altogether at most.

    Raises
    ------
    CorruptFile
        The archive itself is damaged.
    TooLarge, UnsupportedFormat
        As `members`, by the limit `most`.
    """
    unpacked, most = 0, min(most, most_decoded(len(data)))
    for archive, info in _listed(data):
        try:
            with archive.open(info) as stream:
                head = stream.read(HEAD)
                unpacked += len(head)
                if not looks_right(head):
                    continue
                if info.file_size > MAX_BYTES:
                    yield _too_large()
                    continue
                rest = stream.read(max(0, min(MAX_BYTES - len(head), most - unpacked + 1)))
        except _DAMAGED:
            yield _damaged()
            continue
        unpacked += len(rest)
        if unpacked > most:
            raise TooLarge("The archive unpacks to far more than a study needs.", "Choose the radiograph itself.")
        yield head + rest


def open_archive(path: Path) -> zipfile.ZipFile:
    """An archive of any size, of which only the directory is read.

    Raises
    ------
    CorruptFile
        It cannot be opened, or is damaged.
    """
    try:
        return zipfile.ZipFile(path)
    except _DAMAGED:
        raise _damaged() from None


def unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One member of an open archive.

    Raises
    ------
    CorruptFile
        It is damaged.
    TooLarge
        It has more than `cxrkit.imaging.decode.MAX_BYTES` bytes, whatever the directory says.
    UnsupportedFormat
        It is encrypted.
    """
    if info.flag_bits & 1:
        raise _encrypted()
    try:
        with archive.open(info) as stream:
            data = stream.read(MAX_BYTES + 1)
    except _DAMAGED:
        raise _damaged() from None
    if len(data) > MAX_BYTES:
        raise _too_large()
    return data


def heads(data: bytes) -> Iterator[bytes | None]:
    """The first `HEAD` bytes of each member, None for a damaged one; raises as `entries` does."""
    for archive, info in _listed(data):
        try:
            with archive.open(info) as stream:
                head = stream.read(HEAD)
        except _DAMAGED:
            yield None
            continue
        yield head


def _listed(data: bytes) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    """The opened archive with each member that is a file."""
    if data.count(_RECORD) > MAX_MEMBERS:  # counted before the directory is parsed
        raise TooLarge("The archive holds more files than a study has.", "Choose the radiograph itself.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGED:
        raise _damaged() from None
    with archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if info.flag_bits & 1:
                raise _encrypted()
            yield archive, info


def _encrypted() -> UnsupportedFormat:
    return UnsupportedFormat("The archive is protected by a password.", "Unpack it, and choose the radiograph itself.")


def _damaged() -> CorruptFile:
    return CorruptFile("The archive is damaged or incomplete.", "Copy or export it again.")


def _too_large() -> TooLarge:
    return TooLarge(
        f"A file of the archive is larger than the {MAX_BYTES // 2**20} MB that are accepted.",
        "Export the single radiograph instead of a whole study or series.",
    )
