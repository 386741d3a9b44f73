"""Files in, rows out: decoding goes on while the network is at work, within bounds on what lies in memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cxrkit.errors import CxrError, TooLarge
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.worker import FEW_BYTES, Pool
from cxrkit.model.runtimes import Precision
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Reading
from cxrkit.serving.scoring_ahead import MOST_BYTES, in_order
from cxrkit.serving.scoring_rows import failure_row, reading_row, to_table
from cxrkit.serving.scoring_sources import Entry, Source

MOST_FILES = 10_000
"""Files after which a process that decodes is replaced. They are all of whoever scores them."""

Floats = npt.NDArray[np.float32]
Tick = Callable[[Sequence[str]], None]
"""Told the outcomes of files as they become known."""


class _Trunk(Protocol):
    @property
    def precision(self) -> Precision:
        """In which it computes."""
        ...

    @property
    def streams(self) -> int:
        """Calls that run side by side."""
        ...

    def features(self, tensor: Floats) -> Floats:
        """(n, S, S, 3) -> (n, H, W, K)."""
        ...


class Model(Protocol):
    """What a run needs of a model; `cxrkit.model.manager.XRayModelManager` is one."""

    @property
    def preset(self) -> Preset:
        """Its card."""
        ...

    @property
    def runtime(self) -> _Trunk:
        """What computes feature maps."""
        ...

    def preprocess_many(self, radiographs: Sequence[Radiograph]) -> Floats:
        """(n, S, S, 3)."""
        ...

    def score_features(self, features: Floats, radiographs: Sequence[Radiograph]) -> list[Reading]:
        """Readings of (n, H, W, K), as the pictures lie; maps are not needed."""
        ...

    def read(self, radiograph: Radiograph, *, correct: bool = True) -> Reading:
        """A reading, with the picture put into place."""
        ...


@dataclass(frozen=True)
class Chunk:
    """Files that are scored together and whose rows are kept together."""

    number: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class How:
    """How files are scored.

    Attributes
    ----------
    batch
        Files per pass of the network.
    correct
        Whether pictures that lie wrongly are put into place.
    override
        Whether what is refused is read, too.
    decoders
        Files that are decoded at the same time.
    trusted
        Whether decoding happens in threads of this process, which a hostile file can end; else in processes.
    precision
        In which the network computes.
    """

    batch: int = 4
    correct: bool = True
    override: bool = False
    decoders: int = min(4, os.cpu_count() or 1)
    trusted: bool = False
    precision: Precision = "float32"


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A file on its way to the network, or why it does not get there."""

    chunk: Chunk
    entry: Entry
    sha256: str | None = None
    radiograph: Radiograph | None = None
    error: CxrError | None = None
    code: str = ""

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return 0 if self.radiograph is None else int(self.radiograph.pixels.nbytes)


class Scorer:
    """A model that scores files of a source. One thread calls it at a time.

    Parameters
    ----------
    model, source, how
        See there.

    Raises
    ------
    ValueError
        The model computes in another precision than the rows are to say.
    """

    def __init__(self, model: Model, source: Source, how: How) -> None:
        if model.runtime.precision != how.precision:
            raise ValueError(f"the model computes in {model.runtime.precision}, not in {how.precision}")
        self._model, self._source, self._how = model, source, how
        cv2.setNumThreads(1)  # several pictures are at work already, and its threads would take turns with them
        self._pool = None if how.trusted else Pool(how.decoders, files=MOST_FILES)

    def close(self) -> None:
        """End the processes that decode."""
        if self._pool is not None:
            self._pool.close()

    def pids(self) -> tuple[int, ...]:
        """The processes that decode and wait for a file."""
        return () if self._pool is None else tuple(child.process.pid for child in self._pool.idle())

    def tables(self, chunks: Iterable[Chunk], tick: Tick | None = None) -> Iterator[tuple[int, pa.Table]]:
        """Number and rows of each chunk, in their order.

        A batch lies within a chunk, so that what is computed of a file does not depend on where a run began.
        """
        rows: list[dict[str, Any]] = []
        for chunk, more in self._rows(chunks):
            if tick is not None:
                tick([row["outcome"] for row in more])
            rows += more
            if len(rows) == len(chunk.entries):
                yield chunk.number, to_table(rows, self._model.preset, self._how.precision)
                rows = []

    def _rows(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, list[dict[str, Any]]]]:
        """Rows by batches, in their order. Two batches more are at work than the network takes at once: one is behind
        the network already, and one waits before it, so that it finds something even when the batches ahead end
        together."""
        files = ((chunk, entry) for chunk in chunks for entry in chunk.entries)
        at_work: deque[tuple[Chunk, Future[list[dict[str, Any]]]]] = deque()
        most = self._model.runtime.streams + 2
        with ThreadPoolExecutor(most, "read") as threads:
            for batch in self._batches(in_order(self._prepare, files, self._how.decoders, self._how.batch)):
                at_work.append((batch[0].chunk, threads.submit(self._read, batch)))
                if len(at_work) > most:
                    chunk, rows = at_work.popleft()
                    yield chunk, rows.result()
            for chunk, rows in at_work:
                yield chunk, rows.result()

    def _batches(self, files: Iterator[_Prepared]) -> Iterator[list[_Prepared]]:
        batch: list[_Prepared] = []
        for one in files:
            full = len(batch) == self._how.batch or sum(other.size for other in batch) + one.size > MOST_BYTES
            if batch and (full or one.chunk is not batch[0].chunk):
                yield batch
                batch = []
            batch.append(one)
        if batch:
            yield batch

    def _prepare(self, files: Sequence[tuple[Chunk, Entry]]) -> Iterator[_Prepared]:
        """Files that are read, one after the other; large ones are not all held at once."""
        few: list[tuple[Chunk, Entry, bytes | Exception]] = []
        size = 0
        for chunk, entry in files:
            content = self._content(entry)
            more = 0 if isinstance(content, Exception) else len(content)
            if few and size + more > FEW_BYTES:
                yield from self._decoded(few)
                few, size = [], 0
            few.append((chunk, entry, content))
            size += more
        yield from self._decoded(few)

    def _content(self, entry: Entry) -> bytes | Exception:
        try:
            return self._source.read(entry)
        except Exception as error:
            return error

    def _decoded(self, files: Sequence[tuple[Chunk, Entry, bytes | Exception]]) -> Iterator[_Prepared]:
        there = [(content, entry.file) for _, entry, content in files if isinstance(content, bytes)]
        results = map(_trusted, there) if self._pool is None else self._pool.load_several(there)
        for chunk, entry, content in files:
            if isinstance(content, Exception):
                yield _failed(chunk, entry, None, content)
                continue
            sha256, result = hashlib.sha256(content).hexdigest(), next(results)
            if isinstance(result, Exception):
                yield _failed(chunk, entry, sha256, result)
            else:
                yield _Prepared(chunk, entry, sha256, result)

    def _read(self, batch: Sequence[_Prepared]) -> list[dict[str, Any]]:
        known = [one.radiograph for one in batch if one.radiograph is not None]
        readings: Iterator[Reading | None] = iter([None] * len(known))
        if known:
            with contextlib.suppress(Exception):  # each is then scored by itself, and only the one that fails does
                readings = iter(self._scored(known))
        rows = []
        for one in batch:
            if one.error is not None:
                row = failure_row(one.entry.file, one.sha256, one.error, self._model.preset, one.code)
            else:
                assert one.radiograph is not None
                row = self._row(one, one.radiograph, next(readings))
            rows.append(row)
        return rows

    def _scored(self, radiographs: Sequence[Radiograph]) -> list[Reading]:
        # what each step does for all files of a batch at once finds its code and its arrays in the processor's cache
        features = self._model.runtime.features(self._model.preprocess_many(radiographs))
        return self._model.score_features(features, radiographs)

    def _row(self, one: _Prepared, radiograph: Radiograph, scored: Reading | None) -> dict[str, Any]:
        try:
            reading = scored or self._scored([radiograph])[0]
            if reading.quality.proposed:  # hardly ever, so that it may cost two more passes
                reading = self._model.read(radiograph, correct=self._how.correct)
            if reading.quality.refused and self._how.override:
                reading = reading.override()
            return reading_row(one.entry.file, radiograph, reading)
        except CxrError as error:
            return failure_row(one.entry.file, one.sha256, error, self._model.preset)
        except Exception as error:
            return failure_row(one.entry.file, one.sha256, _defect(error), self._model.preset, "Defect")


def _trusted(file: tuple[bytes, str]) -> Radiograph | Exception:
    try:
        return load_radiograph(file[0], name=file[1])
    except Exception as error:
        return error


def _failed(chunk: Chunk, entry: Entry, sha256: str | None, error: Exception) -> _Prepared:
    if isinstance(error, CxrError):
        # a copy: the frames of the one that was raised hold the file
        return _Prepared(chunk, entry, sha256, error=type(error)(error.message, error.remedy))
    if isinstance(error, MemoryError):
        return _Prepared(chunk, entry, sha256, error=TooLarge("The memory did not suffice.", "Score it alone."))
    return _Prepared(chunk, entry, sha256, error=_defect(error), code="Defect")


def _defect(error: Exception) -> CxrError:
    return CxrError(
        f"Reading this file met a defect of cxrkit ({type(error).__name__}).",
        "Report it with the version of cxrkit and the kind of file; the other files are not concerned.",
    )
