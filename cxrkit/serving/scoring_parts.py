"""What a run has done so far, on the disk: a list of its files, and a table per chunk of them.

A part is written under a passing name, brought to the disk and renamed, so that one that stands under its own name is
whole. The list of files is made once, at the beginning; a part holds the rows of so many files of it from a place that
its number gives. So what is left to do follows from the names of the parts alone, and no row can be lost or doubled,
whenever a run is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cxrkit.data.lock import locked
from cxrkit.data.part_file import unwritable
from cxrkit.errors import CxrError, ScoringError
from cxrkit.serving.scoring_pipeline import Chunk
from cxrkit.serving.scoring_sources import Entry, Source

SUFFIXES = (".parquet", ".csv")
ROW_GROUP = 2**15
"""Rows that are held in memory at most while the parts are put together, one part more or less."""


class Parts:
    """The folder ``<name of the output>.parts`` of one run.

    Parameters
    ----------
    out
        Where the table goes; by its suffix Parquet or CSV.
    """

    def __init__(self, out: Path) -> None:
        if out.suffix.lower() not in SUFFIXES:
            raise ScoringError("The output is neither Parquet nor CSV.", "Let its name end in .parquet or .csv.")
        self.out = out
        self.folder = out.with_name(f"{out.name}.parts")
        self.total = 0
        self._size = 1
        self._record, self._list = self.folder / "run.json", self.folder / "files.jsonl"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the run for this process; a kill frees it, too. Where the disk knows no locks nothing is kept.

        Raises
        ------
        ScoringError
            Another process is at work on it, or its output is there already.
        StorageUnusable
            The folder cannot be made.
        """
        if self.out.exists() and not self._record.exists():
            raise ScoringError(
                "There is a file of the output's name already.",
                "Name another one, or move it away if it is not needed.",
            )
        busy = ScoringError("The run is still going on in another process.", "Wait for its end, or stop it first.")
        with ExitStack() as stack:
            try:
                self.folder.mkdir(exist_ok=True)
                stack.enter_context(locked(self.folder / "lock", busy))
            except OSError as error:
                raise unwritable(error) from None
            yield

    def begin(self, source: Source, size: int, identity: Mapping[str, Any]) -> bool:
        """List the files, or take up a run that was interrupted; whether it was one.

        Parameters
        ----------
        size
            Files per part.
        identity
            What makes the rows what they are: weights and options, as plain types.

        Raises
        ------
        ScoringError
            There are no files; or the parts are those of another run, or their list is damaged.
        StorageUnusable
            The disk is full, or may not be written to.
        """
        self._size = size
        wanted = json.loads(json.dumps({**identity, "part": size}))
        record = self._recorded()
        if record is not None:
            other = sorted(k for k in wanted.keys() | record["identity"] if wanted.get(k) != record["identity"].get(k))
            if other:
                raise ScoringError(
                    f"A run that was interrupted wrote its parts with another {', '.join(other)}.",
                    "Give the options of that run, or name another output, or delete the folder of its parts.",
                )
            if record["sum"] != _sum(self._list):
                raise ScoringError("The list of the run's files is damaged.", "Delete the folder of its parts.")
            self.total = record["files"]
            return True
        try:
            for old in self.folder.glob("part-*"):
                old.unlink()
            self.total = self._list_files(source)
            if not self.total:
                raise ScoringError(
                    "There is no file to be scored.", "Check the folder, table or archive, and --match if it was given."
                )
            text = json.dumps({"identity": wanted, "files": self.total, "sum": _sum(self._list)})
            _write(self._record, text.encode())
        except CxrError:  # of the source: nothing has begun
            shutil.rmtree(self.folder)
            raise
        except OSError as error:
            raise unwritable(error) from None
        return False

    def done(self) -> int:
        """Files whose rows are kept."""
        return sum(min(self._size, self.total - number * self._size) for number in self._kept())

    def left(self) -> Iterator[Chunk]:
        """The chunks whose rows are not kept yet, in order."""
        kept = self._kept()
        with self._list.open(encoding="ascii") as lines:
            for number in range(-(-self.total // self._size)):
                some = list(islice(lines, self._size))
                if number not in kept:
                    yield Chunk(number, tuple(Entry(*json.loads(line)) for line in some))

    def keep(self, number: int, table: pa.Table) -> None:
        """Keep the rows of a chunk.

        Raises
        ------
        StorageUnusable
            The disk is full, or may not be written to.
        """
        try:
            sink = pa.BufferOutputStream()
            pyarrow.parquet.write_table(table, sink)
            _write(self._part(number), sink.getvalue())
        except OSError as error:
            raise unwritable(error) from None

    def finish(self, schema: pa.Schema) -> Counter[str]:
        """Put the parts together as one table and remove them; how often each outcome stands in it.

        Raises
        ------
        ScoringError
            A part is missing or damaged; the same command makes it anew.
        StorageUnusable
            The disk is full, or may not be written to.
        """
        outcomes: Counter[str] = Counter()
        passing = self.folder / "whole"
        try:
            with passing.open("wb") as stream:
                parquet = self.out.suffix.lower() == ".parquet"
                make = pyarrow.parquet.ParquetWriter if parquet else pyarrow.csv.CSVWriter
                with make(stream, schema) as writer:
                    for table in self._grouped():
                        writer.write_table(table)
                        outcomes.update(table["outcome"].to_pylist())
                stream.flush()
                os.fsync(stream.fileno())
            passing.replace(self.out)
            _settle(self.out.parent)
            self._record.unlink()  # first, so that what is left of the folder is no run any more
            shutil.rmtree(self.folder)
        except OSError as error:
            raise unwritable(error) from None
        return outcomes

    def _grouped(self) -> Iterator[pa.Table]:
        group: list[pa.Table] = []
        for number in range(-(-self.total // self._size)):
            group.append(self._rows(number))
            if sum(len(table) for table in group) >= ROW_GROUP:
                yield pa.concat_tables(group)
                group = []
        if group:
            yield pa.concat_tables(group)

    def _rows(self, number: int) -> pa.Table:
        path = self._part(number)
        try:
            table = pyarrow.parquet.read_table(pa.BufferReader(path.read_bytes()))
        except (FileNotFoundError, pa.ArrowInvalid):
            table = None
        if table is None or len(table) != min(self._size, self.total - number * self._size):
            path.unlink(missing_ok=True)
            raise ScoringError("A part of the run is missing or damaged.", "Run the same command again: it goes on.")
        return table

    def _kept(self) -> set[int]:
        return {int(path.stem.removeprefix("part-")) for path in self.folder.glob("part-*.parquet")}

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:07d}.parquet"

    def _recorded(self) -> dict[str, Any] | None:
        try:
            record: dict[str, Any] = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record

    def _list_files(self, source: Source) -> int:
        count = 0
        with self._list.open("w", encoding="ascii") as stream:
            for entry in source.entries(self.folder.resolve()):
                stream.write(json.dumps([entry.file, entry.place]) + "\n")
                count += 1
            stream.flush()
            os.fsync(stream.fileno())
        return count


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _write(path: Path, data: Any) -> None:
    passing = path.with_suffix(".tmp")
    with passing.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    passing.replace(path)
    _settle(path.parent)


def _settle(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
