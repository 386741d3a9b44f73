"""A batch at work: read in a thread of its own, to be watched, paused and cancelled."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from cxrkit.errors import CxrError, Overloaded
from cxrkit.preset import Preset
from cxrkit.serving.batch import MOST_ROWS, Contents, Load, Reader, Row, Source, contents, files, read_file

AGAIN = 0.5
"""Seconds until a file is tried again whose turn did not come, besides those that it waits for its turn."""

RECENT = 30
"""Files that the rate is measured on: the first ones of all take longer."""

State = Literal["waiting", "running", "paused", "cancelled", "done"]


@dataclass(frozen=True)
class Progress:
    """How far a batch is.

    Attributes
    ----------
    done, total
        Files; the total is 0 until the archives were looked into.
    recent
        Seconds that each of the last files took, at most `RECENT` of them.
    """

    done: int
    total: int
    recent: tuple[float, ...] = ()

    @property
    def share(self) -> float:
        """Of the files that are done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def rate(self) -> float | None:
        """Files per second of late, or None before the first."""
        return len(self.recent) / sum(self.recent) if sum(self.recent) > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """At this rate, or None where that is not known."""
        return None if self.rate is None else max(0, self.total - self.done) / self.rate


class BatchJob:
    """Reads files one after the other; whoever holds it sees the rows so far.

    All methods may be called from any thread, and return at once: a pause takes effect after the file that is
    being read. A job that nobody resumes holds the files that are left until it is let go of.

    Parameters
    ----------
    model
        Reads each radiograph.
    preset
        The model's card.
    sources
        Files and archives, in the order in which the rows are numbered. The first `MOST_ROWS` radiographs are read.
    load
        What decodes a file; see `cxrkit.serving.batch.Load`.
    defect
        Turns an unexpected error into one for its row.
    """

    def __init__(
        self,
        model: Reader,
        preset: Preset,
        sources: Sequence[Source],
        load: Load,
        defect: Callable[[Exception], CxrError],
    ) -> None:
        self.key = secrets.token_hex(8)
        self.preset = preset
        self._model, self._load, self._defect = model, load, defect
        self._sources = list(sources)
        self._waiting: Iterator[tuple[bytes | CxrError, str]] | None = None
        self._rows: list[Row] = []
        self._contents = Contents(0)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._state: State = "waiting"
        self._lock = threading.Lock()  # of what stands above
        self._turn = threading.Lock()  # held by the thread that works, so that there is one
        self._stop = threading.Event()

    @property
    def state(self) -> State:
        """Whether it is at work, and how it ended."""
        with self._lock:
            return self._state

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows so far."""
        with self._lock:
            return tuple(self._rows)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        with self._lock:
            return Progress(len(self._rows), min(self._contents.radiographs, MOST_ROWS), tuple(self._recent))

    @property
    def left_out(self) -> int:
        """Radiographs beyond `MOST_ROWS`."""
        with self._lock:
            return max(0, self._contents.radiographs - MOST_ROWS)

    @property
    def passed_over(self) -> int:
        """Files within archives that are none to be read."""
        with self._lock:
            return self._contents.others

    def start(self) -> None:
        """Begin, or go on after a pause; does nothing while it is at work or when it has ended."""
        with self._lock:
            if self._state not in ("waiting", "paused"):
                return
            self._state, self._stop = "running", threading.Event()
            threading.Thread(target=self._work, args=(self._stop,), name="batch", daemon=True).start()

    def pause(self) -> None:
        """Stop after the file that is being read; `start` goes on."""
        with self._lock:
            if self._state in ("waiting", "running"):
                self._state = "paused"
                self._stop.set()

    def cancel(self) -> None:
        """Stop, keep the rows, and let go of the files that are left and of the one that is being read."""
        with self._lock:
            if self._state in ("waiting", "running", "paused"):
                self._state = "cancelled"
                self._stop.set()
                self._waiting, self._sources = None, []

    def _work(self, stop: threading.Event) -> None:
        with self._turn:
            while not stop.is_set():
                started = time.monotonic()
                try:
                    row = self._next(stop)
                except Exception as error:  # of an archive, not of a file in it
                    row = Row(len(self.rows) + 1, "", error=self._defect(error))
                    self._waiting = None  # go on behind it
                with self._lock:
                    if self._state == "cancelled":
                        return
                    if row is not None:
                        self._rows.append(row)
                        self._recent.append(time.monotonic() - started)
                    if (row is None and not stop.is_set()) or len(self._rows) >= MOST_ROWS:
                        self._state, self._waiting, self._sources = "done", None, []
                        return

    def _next(self, stop: threading.Event) -> Row | None:
        """The next row; None at the end, and where it was to stop."""
        with self._lock:
            if self._waiting is None:
                self._waiting = _each(self._sources)
            waiting, sources, number = self._waiting, tuple(self._sources), len(self._rows) + 1
            counted = self._contents.radiographs > 0
        if not counted:
            self._count(sources, stop)
        del sources  # each is let go of when it was read
        found = None if stop.is_set() else next(waiting, None)
        if found is None:
            return None
        file, name = found
        while not stop.is_set():
            try:
                return read_file(self._model, number, file, self._load, name=name, defect=self._defect)
            except Overloaded:  # others are being read: a row would call the file unreadable
                stop.wait(AGAIN)
        with self._lock:
            if self._waiting is waiting:  # paused, not cancelled
                self._waiting = chain([found], waiting)
        return None

    def _count(self, sources: Sequence[Source], stop: threading.Event) -> None:
        counted = []
        for source in sources:
            if stop.is_set():
                return
            try:
                counted.append(contents(source))
            except Exception:  # what cannot be counted cannot be read either, and its row will say so
                counted.append(Contents(1))
        with self._lock:
            self._contents = Contents(sum(c.radiographs for c in counted), sum(c.others for c in counted))


def _each(sources: list[Source]) -> Iterator[tuple[bytes | CxrError, str]]:
    """Every file of the sources, each of which is let go of when it was read."""
    while sources:
        source = sources.pop(0)
        for file in files(source):
            yield file, source.name
