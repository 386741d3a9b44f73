"""Many deadlines, one thread: a `threading.Timer` costs a thread each time, and hardly any of them ever fires."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)


class Deadlines:
    """Calls what is too late, in a thread that is started with the first deadline and stays."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int]] = []
        self._late: dict[int, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def within(self, seconds: float, late: Callable[[], None]) -> Iterator[None]:
        """Have `late` called, in another thread, when the block takes longer."""
        end = time.monotonic() + seconds
        with self._wake:
            number = next(self._numbers)
            self._late[number] = late
            heapq.heappush(self._waiting, (end, number))
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif self._waiting[0][1] == number:  # it is earlier than what the thread waits for
                self._wake.notify()
        try:
            yield
        finally:
            with self._wake:
                self._late.pop(number, None)

    def _watch(self) -> None:
        while True:
            for late in self._next():
                try:
                    late()
                except Exception:  # the next deadline counts none the less
                    _log.exception("what was to end at a deadline did not")

    def _next(self) -> list[Callable[[], None]]:
        """What is late now, after a wait for the next deadline."""
        with self._wake:
            while self._waiting and self._waiting[0][1] not in self._late:  # met
                heapq.heappop(self._waiting)
            self._wake.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
            late = []
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                call = self._late.pop(heapq.heappop(self._waiting)[1], None)
                if call is not None:
                    late.append(call)
            return late
