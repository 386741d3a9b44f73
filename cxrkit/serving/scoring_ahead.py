"""Work that threads do in advance, within bounds on what of it lies in memory; its results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

MOST_BYTES = 2**29
"""Bytes of pixels of a batch at most, unless one picture has more; and again as many that wait to be in one."""

I = TypeVar("I")  # noqa: E741 - of what goes in
O = TypeVar("O")  # noqa: E741 - of what comes out


def in_order(
    work: Callable[[Sequence[I]], Iterator[O]], items: Iterable[I], threads: int, together: int = 1
) -> Iterator[O]:
    """Results in the order of the items, computed by threads, at most `MOST_BYTES` of them in advance.

    Parameters
    ----------
    work
        Gives for some items, one after the other, something with a ``size`` in bytes; what it raises is raised here.
    threads
        Which work at the same time.
    together
        Items that a thread is handed at once. As many as all threads have at work may wait for one.
    """
    hold = _Hold()
    waiting: deque[Future[O]] = deque()
    source = iter(items)
    ahead = (threads + 1) * together

    def done(number: int, some: Sequence[I], futures: Sequence[Future[O]]) -> None:
        try:
            for place, (future, result) in enumerate(zip(futures, work(some), strict=True)):
                hold.take(number + place, result.size)  # type: ignore[attr-defined]
                future.set_result(result)
        except BaseException as error:
            for future in futures:
                if not future.done():
                    future.set_exception(error)

    with ThreadPoolExecutor(threads, "decode") as pool:
        given = 0
        try:
            while True:
                while ahead - len(waiting) >= together and (some := [*islice(source, together)]):
                    futures: list[Future[O]] = [Future() for _ in some]
                    pool.submit(done, given, some, futures)
                    waiting.extend(futures)
                    given += len(some)
                if not waiting:
                    return
                hold.expect(given - len(waiting))
                result = waiting.popleft().result()
                hold.release(result.size)  # type: ignore[attr-defined]
                yield result
        finally:
            hold.open()
            pool.shutdown(wait=False, cancel_futures=True)


class _Closed(Exception):
    """Nobody fetches any more."""


class _Hold:
    """Lets results wait to be fetched, up to `MOST_BYTES`. The one that is expected next always passes, and it is
    at work already when others wait: threads take items in order."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._held, self._next, self._open = 0, 0, False

    def take(self, number: int, size: int) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._open or number <= self._next or self._held + size <= MOST_BYTES)
            if self._open:
                raise _Closed
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
        """Have whoever waits, or comes, raise `_Closed`."""
        with self._turn:
            self._open = True
            self._turn.notify_all()
