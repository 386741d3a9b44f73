"""Work that threads do in advance, within bounds on what of it lies in memory; its results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

MOST_BYTES = 2**29
"""Bytes of pixels of a batch at most, unless one picture has more; and again as many that wait to be in one."""

I = TypeVar("I")  # noqa: E741 - of what goes in
O = TypeVar("O")  # noqa: E741 - of what comes out


def in_order(work: Callable[[I], O], items: Iterable[I], threads: int, ahead: int) -> Iterator[O]:
    """Results in the order of the items, computed by threads, at most `ahead` items and `MOST_BYTES` in advance.

    Parameters
    ----------
    work
        Gives something with a ``size`` in bytes; what it raises is raised here.
    """
    hold = _Hold()
    waiting: deque[Future[O]] = deque()
    source = iter(items)

    def done(number: int, item: I) -> O:
        result = work(item)
        hold.take(number, result.size)  # type: ignore[attr-defined]
        return result

    with ThreadPoolExecutor(threads, "decode") as pool:
        given = 0
        try:
            while True:
                while len(waiting) < ahead and (item := next(source, hold)) is not hold:
                    waiting.append(pool.submit(done, given, item))  # type: ignore[arg-type]
                    given += 1
                if not waiting:
                    return
                hold.expect(given - len(waiting))
                result = waiting.popleft().result()
                hold.release(result.size)  # type: ignore[attr-defined]
                yield result
        finally:
            hold.open()
            pool.shutdown(wait=False, cancel_futures=True)


class _Hold:
    """Lets results wait to be fetched, up to `MOST_BYTES`. The one that is expected next always passes, and it is
    at work already when others wait: threads take items in order."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._held, self._next, self._open = 0, 0, False

    def take(self, number: int, size: int) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._open or number <= self._next or self._held + size <= MOST_BYTES)
            self._held += size

    def expect(self, number: int) -> None:
        with self._turn:
            self._next = number
            self._turn.notify_all()

    def release(self, size: int) -> None:
        with self._turn:
            self._held -= size
            self._turn.notify_all()

    def open(self) -> None:
        """Nobody fetches any more."""
        with self._turn:
            self._open = True
            self._turn.notify_all()
