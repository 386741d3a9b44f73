"""Decoding of files that nobody vouches for, in processes that may die of them.

Decoders are native code. What a damaged or hostile file can do to them (a crash, an endless loop, all of the memory)
would end the server and every reader's session with it. Here it ends one child, and the reader is told.
Decision 0017 says what this protects from, and what not.
"""

from __future__ import annotations

import atexit
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
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


FEW_BYTES = 2**20
"""Of files that are handed to a process together."""


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
        (result,) = self._ask([(data, _suffix(name))], alternatives, seconds, patient)
        if isinstance(result, Exception):
            raise result
        return result

    def load_several(self, files: Sequence[tuple[bytes, str]]) -> Iterator[Any]:
        """`load` for the bytes and names of several files, of which small ones are handed to a process together.

        A process that is woken for each file anew finds nothing of what it needs in the processor's cache, which costs
        as much as decoding a small file. Gives the results in order; where a file was refused, the error in its place.
        As `load` with `patient`.
        """
        rest = deque((data, _suffix(name)) for data, name in files)
        while rest:
            few = _together(rest)
            try:
                results = self._ask(few, False, SECONDS, True)
            except Exception as error:
                # which of them it was is not known
                results = [error] if len(few) == 1 else [self._alone(file) for file in few]
            for result in results:
                rest.popleft()
                yield result

    def _alone(self, file: tuple[bytes, str]) -> Any:
        try:
            return self._ask([file], False, SECONDS, True)[0]
        except Exception as error:
            return error

    def _ask(self, files: Sequence[tuple[bytes, str]], alternatives: bool, seconds: float, patient: bool) -> list[Any]:
        """What a process gives for the first of some files: see `WorkerProcess.load`."""
        for data, _ in files:
            check_bytes(len(data))
        if not self._turns.acquire(timeout=None if patient else seconds):
            raise Overloaded(  # of this computer, so that nobody takes the file for a bad one
                "The file was not read, because others are being read and take long.", "Try again in a minute."
            )
        try:
            child = self._take()
            try:
                return child.load(files, alternatives, seconds)
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


def _suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""


def _together(files: Iterable[tuple[bytes, str]]) -> list[tuple[bytes, str]]:
    """The first file, and as many after it as have no more than `FEW_BYTES` with it."""
    size = 0
    few: list[tuple[bytes, str]] = []
    for file in files:
        size += len(file[0])
        if few and size > FEW_BYTES:
            break
        few.append(file)
    return few


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
