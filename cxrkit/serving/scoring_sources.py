"""Where the files of a run come from: a folder, a table of names, a ZIP archive, or an object store.

Files are listed one after the other, in an order that does not change while the files do not, so that a run of
millions holds neither them nor their names in memory. A file is known by its name as its owner gave it.
"""

from __future__ import annotations

import csv
import fnmatch
import gzip
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from cxrkit.data.access import reading
from cxrkit.data.manifest import IMAGE
from cxrkit.errors import ExtraMissing, ManifestError, RadiographError, ScoringError, UnsupportedFormat
from cxrkit.imaging.archive import ZIP, is_archive, open_archive, unpack
from cxrkit.imaging.decode import MAX_BYTES, check_bytes
from cxrkit.imaging.loading import read_bytes

TABLES = (".csv", ".csv.gz")
_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Entry:
    """One file of a source.

    Attributes
    ----------
    file
        Its name within the source, as given.
    place
        Of a member among those of its archive, whose names may be the same; 0 elsewhere.
    """

    file: str
    place: int = 0


class Source(Protocol):
    """Lists files and reads them; reading is safe from any thread."""

    def entries(self, leave_out: Path | None = None) -> Iterator[Entry]:
        """Every file, in a fixed order; not those of a folder that may lie within."""
        ...

    def read(self, entry: Entry) -> bytes:
        """The bytes of one; raises `CxrError` where they cannot be had."""
        ...


@dataclass(frozen=True)
class SourceSpec:
    """What is to be scored, in words that another process or computer understands.

    Attributes
    ----------
    where
        Path of a folder, of a table (``.csv``, ``.csv.gz``) with a column ``image``, or of a ZIP archive; or an
        address that fsspec opens, such as ``s3://bucket/folder``.
    images
        Of a table: where its files are sought first, before its own folder and the folder ``images`` in that.
    match
        Names that are taken, such as ``*.dcm``; all unless told. Not of a table.
    """

    where: str
    images: str | None = None
    match: str | None = None

    def open(self) -> Source:
        """The source itself.

        Raises
        ------
        ScoringError
            It is none of these, or an option does not go with it.
        CorruptFile
            A damaged archive.
        ExtraMissing
            An address, and fsspec is not installed.
        """
        if "://" in self.where:
            return _Remote(self.where, self.match)
        path = Path(self.where)
        if path.is_dir():
            return _Folder(path, self.match)
        if not path.is_file():
            raise ScoringError(
                "What is to be scored does not exist.", "Name a folder, a table (.csv) or a ZIP archive."
            )
        if path.name.lower().endswith(TABLES):
            return _Table(path, None if self.images is None else Path(self.images))
        with path.open("rb") as stream:
            head = stream.read(4)
        if head.startswith(ZIP):
            return _Archive(path, self.match)
        raise ScoringError(
            "What is to be scored is neither a folder nor a table (.csv) nor a ZIP archive.",
            "For single files use: cxrkit read FILE.",
        )


def _taken(name: str, match: str | None) -> bool:
    parts = PurePosixPath(name).parts
    if any(part in _JUNK or part.startswith(".") for part in parts):
        return False
    return match is None or fnmatch.fnmatch(parts[-1], match)


def _alone(data: bytes) -> bytes:
    """Bytes of one file; of an archive in the place of a radiograph one picture would be read, and others left out."""
    if is_archive(data):
        raise UnsupportedFormat("The file is a ZIP archive, not a radiograph.", "Score the archive by itself.")
    return data


class _Folder:
    """Every file of a folder and those below; hidden ones and links to folders are passed over."""

    def __init__(self, path: Path, match: str | None) -> None:
        self._path, self._match = path, match

    def entries(self, leave_out: Path | None = None) -> Iterator[Entry]:
        with reading():
            for folder, folders, names in os.walk(self._path, onerror=_raise):
                if leave_out is not None and Path(folder).resolve() == leave_out:
                    folders.clear()
                    continue
                folders[:] = sorted(name for name in folders if _taken(name, None))
                below = PurePosixPath(Path(folder).relative_to(self._path).as_posix())
                yield from (Entry(str(below / name)) for name in sorted(names) if _taken(name, self._match))

    def read(self, entry: Entry) -> bytes:
        return _alone(read_bytes(self._path / entry.file))


def _raise(error: OSError) -> None:
    raise error


class _Table:
    """The files that the column ``image`` of a table names, one per row."""

    def __init__(self, path: Path, images: Path | None) -> None:
        home = path.resolve().parent
        self._path = path
        self._folders = [*([images] if images is not None else []), home, home / "images"]

    def entries(self, leave_out: Path | None = None) -> Iterator[Entry]:
        packed = self._path.name.lower().endswith(".gz")
        try:
            with (
                gzip.open(self._path, "rt", encoding="utf-8-sig", newline="")
                if packed
                else self._path.open(encoding="utf-8-sig", newline="")
            ) as stream:
                rows = csv.reader(stream, strict=True)
                header = [cell.strip() for cell in next(rows, [])]
                if header.count(IMAGE) != 1:
                    raise ManifestError(
                        "The table has no column named image, or more than one.",
                        "Name the column of file names image.",
                    )
                column = header.index(IMAGE)
                for row in rows:
                    if any(cell.strip() for cell in row):
                        yield Entry(row[column].strip() if column < len(row) else "")
        except (OSError, EOFError, ValueError, csv.Error):
            raise ManifestError(
                "The table cannot be read as comma-separated text.", "Save it as CSV in UTF-8 with a header."
            ) from None

    def read(self, entry: Entry) -> bytes:
        if not entry.file:
            raise RadiographError("The row names no file.", "Fill in the column image.")
        try:
            found = next((f / entry.file for f in self._folders if (f / entry.file).is_file()), None)
        except (OSError, ValueError):
            found = None
        return _alone(read_bytes(self._folders[0] / entry.file if found is None else found))


class _Archive:
    """The members of a ZIP archive, read from the disk one at a time. Its directory is held in memory."""

    def __init__(self, path: Path, match: str | None) -> None:
        self._archive = open_archive(path)
        self._members: list[zipfile.ZipInfo] = self._archive.infolist()
        self._match = match

    def entries(self, leave_out: Path | None = None) -> Iterator[Entry]:
        for place, info in enumerate(self._members):
            if not info.is_dir() and _taken(info.filename, self._match):
                yield Entry(info.filename, place)

    def read(self, entry: Entry) -> bytes:
        return _alone(unpack(self._archive, self._members[entry.place]))


class _Remote:
    """Every object below an address, through fsspec."""

    def __init__(self, address: str, match: str | None) -> None:
        try:
            import fsspec
        except ImportError:
            raise ExtraMissing(
                "Reading from an object store needs a package that is not installed.",
                "Run: pip install -r requirements-cluster.txt.",
            ) from None
        try:
            self._system, self._root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError):
            raise ExtraMissing(
                "There is no package for addresses of this kind.",
                "Install the one that fsspec names for it, such as s3fs or gcsfs.",
            ) from None
        self._match, self._lock = match, threading.Lock()

    def entries(self, leave_out: Path | None = None) -> Iterator[Entry]:
        try:
            for folder, folders, files in self._system.walk(self._root):
                folders.sort()
                below = PurePosixPath(folder).relative_to(PurePosixPath(self._root))
                yield from (Entry(str(below / name)) for name in sorted(files) if _taken(name, self._match))
        except OSError:
            raise ScoringError("The address cannot be listed.", "Check it, and that you may read it.") from None

    def read(self, entry: Entry) -> bytes:
        try:
            with self._system.open(f"{self._root}/{entry.file}", "rb") as stream:
                data: Any = stream.read(MAX_BYTES + 1)
        except OSError:
            raise RadiographError(
                "The file cannot be fetched.", "Check that it is there, and score it again."
            ) from None
        check_bytes(len(data))
        return _alone(bytes(data))
