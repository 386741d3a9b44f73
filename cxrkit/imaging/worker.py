"""Decoding of files that nobody vouches for, in processes that may die of them.

Decoders are native code. What a damaged or hostile file can do to them (a crash, an endless loop, all of the memory)
would end the server and every reader's session with it. Here it ends one child, and the reader is told.
Decision 0017 says what this protects from, and what not.
"""

from __future__ import annotations

import atexit
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cxrkit.errors import Overloaded
from cxrkit.imaging.alternatives import Alternatives
from cxrkit.imaging.decode import check_bytes
from cxrkit.imaging.worker_process import COMMAND, WorkerProcess
from cxrkit.radiograph import Radiograph

SECONDS = 60.0
"""For one file. The slowest sound one, 100 million pixels of JPEG 2000, took 31 s on two old, busy cores."""

MOST_PROCESSES = 2

MOST_FILES = 1000
"""Files after which a process is replaced, so that what one left behind does not last."""


class Pool:
    """A few processes that are started when they are needed, and kept.

    Parameters
    ----------
    most
        Files that are decoded at the same time; further ones wait.
    command
        What a process runs.
    files
        After how many a process gets a successor. It goes on until that one has started, which no file waits for.
    """

    def __init__(
        self, most: int = MOST_PROCESSES, command: Sequence[str] = COMMAND, *, files: int = MOST_FILES
    ) -> None:
        self._command, self._files = command, files
        self._successor: WorkerProcess | None = None
        self._turns = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._closed = False

    def prepare(self, processes: int = 1) -> None:
        """Start processes until so many are there, without waiting until they are ready."""
        with self._lock:
            while not self._closed and len(self._idle) + len(self._busy) < processes:
                self._idle.append(WorkerProcess(self._command))

    def load(
        self,
        data: bytes,
        name: str = "",
        *,
        alternatives: bool = False,
        seconds: float = SECONDS,
        patient: bool = False,
    ) -> Any:
        """Have a file decoded by a process; see `load_untrusted`.

        With `patient` the file waits for its turn as long as that takes, which is never for ever: whoever has the turn
        has `seconds`.
        """
        check_bytes(len(data))
        suffix = Path(name).suffix.lower()
        suffix = suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""
        if not self._turns.acquire(timeout=None if patient else seconds):
            raise Overloaded(  # of this computer, so that nobody takes the file for a bad one
                "The file was not read, because others are being read and take long.", "Try again in a minute."
            )
        try:
            child = self._take()
            try:
                return child.load(data, suffix, alternatives, seconds)
            finally:
                self._give_back(child)
        finally:
            self._turns.release()

    def idle(self) -> tuple[WorkerProcess, ...]:
        """The processes that wait for a file."""
        with self._lock:
            return tuple(self._idle)

    def forget(self) -> None:
        """End the processes that wait, whose memory may hold remains of files, and start a fresh one."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()
        self.prepare()

    def close(self) -> None:
        """End all processes, at work or not."""
        with self._lock:
            self._closed, idle, busy = True, self._idle, list(self._busy)
            self._idle = []
            if self._successor is not None:
                idle.append(self._successor)
        for child in idle:
            child.close()
        for child in busy:
            child.stop()  # who waits for it closes it

    def _take(self) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            idle = self._idle.pop() if self._idle else None
            child = idle if idle is not None and idle.alive() else WorkerProcess(self._command)
            self._busy.add(child)
        if idle is not None and idle is not child:  # it died while it was idle
            idle.close()
        return child

    def _give_back(self, child: WorkerProcess) -> None:
        keep = child.reusable()
        with self._lock:
            self._busy.discard(child)
            if keep and not self._closed:
                after = self._after(child)
                self._idle.append(after)
                if after is child:
                    return
        child.close()
        self.prepare()

    def _after(self, child: WorkerProcess) -> WorkerProcess:
        """Who takes the place of a process that has read a file: a successor that has started, else itself."""
        if child.files < self._files:
            return child
        if self._successor is None:
            self._successor = WorkerProcess(self._command)
        if not self._successor.started():
            return child
        successor, self._successor = self._successor, None
        return successor


_pool = Pool()
atexit.register(lambda: _pool.close())


def load_untrusted(data: bytes, *, name: str = "", seconds: float = SECONDS) -> Radiograph:
    """`cxrkit.imaging.loading.load_radiograph` for bytes from anybody, in a process of its own.

    Parameters
    ----------
    data
        The whole file.
    name
        The uploaded file's name; only its extension leaves this function.
    seconds
        How long reading may take, and how long the file may wait for its turn.

    Raises
    ------
    RadiographError
        Whatever `load_radiograph` raises.
    CorruptFile
        The file ended the process that read it.
    TooLarge
        The time or the memory did not suffice.
    Overloaded
        Its turn did not come.
    WorkerDefect
        A defect of cxrkit.
    """
    radiograph: Radiograph = _pool.load(data, name, seconds=seconds)
    return radiograph


def load_untrusted_with_alternatives(
    data: bytes, *, name: str = "", seconds: float = SECONDS
) -> tuple[Radiograph, Alternatives | None]:
    """`cxrkit.imaging.loading.load_with_alternatives` for bytes from anybody; see `load_untrusted`."""
    read: tuple[Radiograph, Alternatives | None] = _pool.load(data, name, alternatives=True, seconds=seconds)
    return read


def prepare(processes: int = 1) -> None:
    """Start processes that `load_untrusted` needs, so that the first files do not wait for them."""
    _pool.prepare(min(processes, MOST_PROCESSES))


def forget() -> None:
    """Have the processes that waited for a file replaced: their memory may hold remains of earlier ones."""
    _pool.forget()
