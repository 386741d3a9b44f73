"""Unpack a downloaded archive: inside its folder only, within reason, and resumable.

Each member is written under a passing name and renamed when complete, so a file that stands under
its own name is whole, and an interrupted run goes on where it stopped. Of an archive that is wholly
unpacked ``ARCHIVE.unpacked`` keeps the members' names and sizes, so that the next run need not
decompress gigabytes to learn that nothing is missing.
"""

from __future__ import annotations

import gzip
import json
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from cxrkit.data.part_file import unwritable
from cxrkit.data.transfer import Progress
from cxrkit.errors import ArchiveRefused

_CHUNK = 1 << 20
_SWELL = 10  # PNG and JPEG hardly compress: an archive of them that swells more is no archive of radiographs
_FLOOR = 64 << 20
_JUNK = ("__MACOSX", ".DS_Store")
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
)


def unpack_archive(archive: Path, folder: Path, *, progress: Progress | None = None, limit: int | None = None) -> int:
    """Unpack a ``.zip`` or ``.tar.gz`` into a folder and return how many files it holds.

    What already stands in the folder with the member's length is not written again. macOS leftovers
    are passed over.

    Parameters
    ----------
    limit
        Bytes that all members together may have; ten times the archive unless told (at least 64 MiB).

    Raises
    ------
    ArchiveRefused
        It is damaged, encrypted, larger than the limit, or has a member that is a link or a device or
        that would land outside the folder. Members before the bad one may have been written.
    StorageUnusable
        The folder cannot be written to, or the disk is full.
    """
    record = archive.with_name(f"{archive.name}.unpacked")
    try:
        length = archive.stat().st_size
    except OSError:
        raise ArchiveRefused(f"{archive.name} is not in the folder.", "Fetch it first.") from None
    done = _intact(record, folder, length)
    if done is not None:
        return done
    allowed = max(_FLOOR, _SWELL * length) if limit is None else limit
    sizes: dict[str, int] = {}
    try:
        with archive.open("rb") as raw:
            for name, size, open_member in _members(archive.name, raw):
                target = _inside(archive.name, name, folder)
                allowed -= size
                if allowed < 0:
                    raise _refused(archive.name, "holds far more than an archive of radiographs would")
                if progress is not None:
                    progress(archive.name, min(raw.tell(), length), length)
                if not (target.is_file() and target.stat().st_size == size):
                    _write(target, open_member)
                sizes[name] = size
    except _DAMAGED:
        raise _refused(archive.name, "is damaged") from None
    except OSError as error:
        raise unwritable(error) from None
    try:
        record.write_text(json.dumps({"archive": length, "members": sizes}), encoding="utf-8")
    except OSError as error:
        raise unwritable(error) from None
    return len(sizes)


class _Member:
    """Opens one member of an archive for reading."""

    def __init__(self, archive: zipfile.ZipFile | tarfile.TarFile, info: zipfile.ZipInfo | tarfile.TarInfo) -> None:
        self._archive = archive
        self._info = info

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        if isinstance(self._archive, zipfile.ZipFile):
            assert isinstance(self._info, zipfile.ZipInfo)
            with self._archive.open(self._info) as source:
                yield source
        else:
            assert isinstance(self._info, tarfile.TarInfo)
            stream = self._archive.extractfile(self._info)
            assert stream is not None  # only regular files come here
            with stream:
                yield stream


def _members(archive: str, raw: IO[bytes]) -> Iterator[tuple[str, int, _Member]]:
    """Name and length of every regular file, each with what opens it; anything but files is refused."""
    if archive.endswith(".zip"):
        with zipfile.ZipFile(raw) as bundle:
            for info in bundle.infolist():
                if info.is_dir() or _is_junk(info.filename):
                    continue
                if info.flag_bits & 1:
                    raise _refused(archive, "is encrypted")
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind not in (0, stat.S_IFREG):
                    raise _refused(archive, "holds a link or a device")
                yield info.filename, info.file_size, _Member(bundle, info)
    else:
        with tarfile.open(fileobj=raw, mode="r:gz") as tape:
            for member in tape:
                if member.isdir() or _is_junk(member.name):
                    continue
                if not member.isreg():
                    raise _refused(archive, "holds a link or a device")
                yield member.name, member.size, _Member(tape, member)


def _inside(archive: str, name: str, folder: Path) -> Path:
    """Where a member goes.

    This is stricter than tarfile's ``filter="data"``, and one rule for both kinds of archive: an
    absolute name is refused, not shortened, and names are judged by Windows' rules too.
    """
    windows, posix = PureWindowsPath(name), PurePosixPath(name)
    target = folder / posix
    escapes = ".." in windows.parts or ".." in posix.parts or windows.drive or windows.root or posix.root
    if escapes or "\0" in name or not target.resolve().is_relative_to(folder.resolve()):
        raise _refused(archive, "would write outside the folder")
    return target


def _write(target: Path, member: _Member) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    passing = target.with_name(f"{target.name}.part")
    try:
        with member.open() as source, passing.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                sink.write(chunk)
        passing.replace(target)
    except BaseException:
        passing.unlink(missing_ok=True)
        raise


def _intact(record: Path, folder: Path, length: int) -> int | None:
    """Number of files of an archive that was wholly unpacked and still is, else None."""
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        members = known["members"]
        if known["archive"] != length or any((folder / name).stat().st_size != size for name, size in members.items()):
            return None
        return len(members)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and (parts[0] in _JUNK or parts[-1] in _JUNK or parts[-1].startswith("._"))


def _refused(archive: str, why: str) -> ArchiveRefused:
    return ArchiveRefused(
        f"{archive} {why}, so it is not unpacked.",
        "Delete it and fetch it again from the publisher's address; if it is refused again, do not use it.",
    )
