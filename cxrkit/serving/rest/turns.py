"""How much is taken on: so many requests and bytes at the same time, and so many requests of one address a minute."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cxrkit.errors import Overloaded

_MOST_CLIENTS = 10_000


class Turns:
    """Requests that are worked on or wait; used on the server's event loop alone, so without a lock.

    Parameters
    ----------
    most
        Requests at the same time.
    memory
        Bytes of all of their bodies.
    """

    def __init__(self, most: int, memory: int) -> None:
        self._most = most
        self._memory = memory
        self.taken = 0
        self.bytes = 0

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """A place among the requests; raises `Overloaded` when there is none."""
        if self.taken >= self._most:
            raise Overloaded("This server reads as many radiographs as it can.", "Try again in a moment.")
        self.taken += 1
        turn = Turn(self)
        try:
            yield turn
        finally:
            self.taken -= 1
            self.bytes -= turn.bytes

    def room_for(self, size: int) -> bool:
        """Whether so many further bytes fit."""
        return self.bytes + size <= self._memory


class Turn:
    """The place of one request, which holds the bytes of its body."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.bytes = 0

    def take(self, size: int) -> None:
        """Count further bytes; raises `Overloaded` when all requests together hold too many."""
        if not self._turns.room_for(size):
            raise Overloaded("This server holds as many files as its memory allows.", "Try again in a moment.")
        self.bytes += size
        self._turns.bytes += size


class Rate:
    """How often each client may do something: `per_minute` times at once, and as often in each minute.

    Parameters
    ----------
    per_minute
        0 is without limit.
    clock
        Seconds that only grow.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def exhausted(self, client: str) -> bool:
        """Whether the client has no turn left now."""
        return bool(self._per_minute) and self._now_left(client) < 1

    def spend(self, client: str) -> None:
        """Take one turn from the client."""
        if not self._per_minute:
            return
        self._left[client] = (max(0.0, self._now_left(client) - 1), self._clock())
        self._left.move_to_end(client)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)

    def _now_left(self, client: str) -> float:
        left, when = self._left.get(client, (float(self._per_minute), 0.0))
        return min(float(self._per_minute), left + (self._clock() - when) * self._per_minute / 60)
