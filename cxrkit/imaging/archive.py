"""Radiographs within a ZIP archive, as portals and disc exports hand them out."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

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
    if data.count(_RECORD) > MAX_MEMBERS:  # counted before the directory is parsed
        raise TooLarge("The archive holds more files than a study has.", "Choose the radiograph itself.")
    unpacked, most = 0, min(MAX_UNPACKED, most_decoded(len(data)))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                if info.flag_bits & 1:
                    raise UnsupportedFormat(
                        "The archive is protected by a password.", "Unpack it, and choose the radiograph itself."
                    )
                with archive.open(info) as stream:
                    head = stream.read(HEAD)
                    unpacked += len(head)
                    if not looks_right(head) or info.file_size > MAX_BYTES:
                        continue
                    rest = stream.read(max(0, min(MAX_BYTES - len(head), most - unpacked + 1)))
                unpacked += len(rest)
                if unpacked > most:
                    raise TooLarge(
                        "The archive unpacks to far more than a study needs.", "Choose the radiograph itself."
                    )
                yield head + rest
    except RadiographError:
        raise
    except _DAMAGED:
        raise CorruptFile("The archive is damaged or incomplete.", "Copy or export it again.") from None
