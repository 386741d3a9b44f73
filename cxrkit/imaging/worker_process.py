"""The server's side of one process that decodes untrusted files: its start, its deadline, its answers, its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import numpy.typing as npt

import cxrkit.errors
from cxrkit.errors import CorruptFile, DisplayUnknown, RadiographError, TooLarge
from cxrkit.imaging.channel import Channel, Malformed
from cxrkit.imaging.confinement import environment
from cxrkit.imaging.deadlines import Deadlines
from cxrkit.imaging.decode import MAX_PIXELS
from cxrkit.imaging.decoding import Decoding
from cxrkit.imaging.messages import record

COMMAND = (sys.executable, "-P", "-m", "cxrkit.imaging.worker_child")
START_SECONDS = 60.0
MOST_RESIDENT = 2**29
"""Bytes in memory, between files, beyond which a process is replaced; a new one has about 2^27."""

MOST_ANSWER = 8 * MAX_PIXELS
"""Bytes of an answer's arrays, of all files together: four per pixel of the largest picture, and as much again for what
may accompany it."""

OF_A_FILE = (RadiographError, DisplayUnknown)
"""What a file may be said to be wrong with. A process that it took over could else have it read again and again."""

_WORDS = 600  # characters of a message

_deadlines = Deadlines()


class WorkerDefect(RuntimeError):
    """A defect of cxrkit that showed in the child.

    Attributes
    ----------
    places
        Where it arose, files and functions of the program alone.
    """

    def __init__(self, kind: str, places: str = "") -> None:
        super().__init__(f"{kind} in the process that decodes files")
        self.places = places


class WorkerProcess:
    """One process that decodes files, one after the other.

    Attributes
    ----------
    files
        How many it has been given.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._channel, self.process = Channel.to_child(command, environment())
        self._lock = threading.Lock()
        self._ready = self._expired = self._stopped = False
        self._room = 0  # bytes that arrays of an answer may still take
        self.files = 0

    def load(self, files: Sequence[tuple[bytes, str]], alternatives: bool, seconds: float) -> list[Any]:
        """Have files decoded; see `load_untrusted`.

        Parameters
        ----------
        files
            The bytes and the extension of each.
        alternatives
            Whether the other displays are wanted, too.
        seconds
            For all of them.

        Returns
        -------
        list
            What was read of the first files, of at least one; where one was refused, the error stands in its place.
        """
        if not self._ready:
            self._await_start()
        self.files += len(files)
        sizes = [{"bytes": len(data), "suffix": suffix} for data, suffix in files]
        request = {"files": sizes, "alternatives": alternatives, "seconds": seconds}
        try:
            with _deadlines.within(seconds, self._expire):
                self._channel.send(request, [data for data, _ in files])
                heads = self._channel.head().get("answers")
                if not isinstance(heads, list) or not 1 <= len(heads) <= len(files):
                    raise Malformed
                self._room = MOST_ANSWER
                return [self._result(head, alternatives) for head in heads]
        except (EOFError, OSError, Malformed, MemoryError) as error:
            self.stop()
            _refuse(self._expired, isinstance(error, MemoryError), seconds)
        except BaseException:  # what is left of the answer must not be taken for that about another file
            self.stop()
            raise

    def alive(self) -> bool:
        """Whether it can be given a file."""
        return not self._stopped and self.process.poll() is None

    def started(self) -> bool:
        """Whether a file that it is given now need not wait until it is ready; it may also have failed to start."""
        return self._ready or self._channel.waiting() or not self.alive()

    def reusable(self) -> bool:
        """Whether it lives, and has not kept too much memory."""
        return self.alive() and _resident(self.process.pid) < MOST_RESIDENT

    def stop(self) -> None:
        """End it at once, with the process that it may itself have started."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            if self.process.returncode is None:
                with suppress(OSError):
                    os.killpg(self.process.pid, signal.SIGKILL) if os.name == "posix" else self.process.kill()
            self._channel.interrupt()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)

    def close(self) -> None:
        """End it and let go of the channel; nothing may be in progress."""
        self.stop()
        self._channel.close()

    def _await_start(self) -> None:
        try:
            with _deadlines.within(START_SECONDS, self._expire):
                self._ready = self._channel.head() == {"ready": True}
        except (EOFError, OSError, Malformed):
            self.stop()
        if not self._ready:
            raise WorkerDefect("No start")

    def _result(self, head: Any, alternatives: bool) -> Any:
        if not isinstance(head, dict):
            raise Malformed
        if "read" not in head:
            return _error(head)
        read = record(head["read"], Decoding, self._receive, MAX_PIXELS, self._room)
        return (read.radiograph, read.alternatives) if alternatives else read.radiograph

    def _receive(self, array: npt.NDArray[Any]) -> None:
        self._room -= array.nbytes
        if array.size:
            self._channel.receive_into(array.data.cast("B"))

    def _expire(self) -> None:
        self._expired = True
        self.stop()


def _refuse(expired: bool, exhausted: bool, seconds: float) -> NoReturn:
    if expired:
        raise TooLarge(
            f"Reading the file took more than {seconds:.0f} seconds and was stopped.",
            "Export the radiograph again, uncompressed or at a smaller size.",
        ) from None
    if exhausted:
        raise TooLarge(
            "The file needs more memory than this computer has free.",
            "Close other programs, or export the radiograph at a smaller size.",
        ) from None
    raise CorruptFile(
        "The file made the program that reads images fail, so that it is probably damaged.",
        "Export the radiograph from the archive again.",
    ) from None


def _error(head: dict[str, Any]) -> Exception:
    """The error that a child reports; raises `Malformed` where it reports none."""
    if not all(isinstance(value, str) and len(value) <= _WORDS for value in head.values()):
        raise Malformed
    if set(head) == {"error", "message", "remedy"}:
        kind = getattr(cxrkit.errors, head["error"], None)
        if not isinstance(kind, type) or not issubclass(kind, OF_A_FILE):
            raise Malformed
        error: Exception = kind(head["message"], head["remedy"])
        return error
    if set(head) == {"defect", "places"} and re.fullmatch(r"\w+", head["defect"]):
        known = re.fullmatch(r"[\w.:<> ]*", head["places"])
        return WorkerDefect(head["defect"], head["places"] if known else "")
    raise Malformed


def _resident(pid: int) -> int:
    """Bytes that a process has in memory; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as stream:  # noqa: PTH123  after every file
            pages = int(stream.read().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
