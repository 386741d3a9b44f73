"""How far a run over many files is, on a terminal as a bar that moves, elsewhere as a line now and then."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

EVERY = 10.0
"""Seconds between two lines where there is no terminal."""

_RECENT = 60.0  # seconds that the rate is measured over


class ShowProgress:
    """Tells number, rate, time left, and what was refused or not readable.

    Parameters
    ----------
    stream
        A terminal gets a bar, anything else plain lines.
    every
        Seconds between two lines.
    """

    def __init__(self, stream: TextIO | None = None, every: float = EVERY) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._every = every
        self._done = self._total = self._refused = self._failed = 0
        self._recent: deque[tuple[float, int]] = deque()
        self._said = 0.0
        self._bar: Progress | None = None

    def begin(self, done: int, total: int) -> None:
        """Start with so many files done."""
        self._done, self._total = done, total
        self._said = time.monotonic()
        self._recent.append((self._said, done))
        if done:
            print(f"Going on: {done:,} of {total:,} files were done before.", file=self._stream, flush=True)
        if self._stream.isatty():
            columns = (BarColumn(10), MofNCompleteColumn(), TextColumn("{task.description}"))  # within 80 signs
            self._bar = Progress(*columns, console=Console(file=self._stream))
            self._bar.add_task("", total=total, completed=done)
            self._bar.start()

    def tick(self, outcomes: Sequence[str]) -> None:
        """Some files more."""
        now = time.monotonic()
        self._done += len(outcomes)
        self._refused += outcomes.count("refused")
        self._failed += outcomes.count("failed")
        self._recent.append((now, self._done))
        while len(self._recent) > 2 and now - self._recent[0][0] > _RECENT:
            self._recent.popleft()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=self.words())
        elif now - self._said >= self._every:
            self._said = now
            print(f"{self._done:,} of {self._total:,} files; {self.words()}", file=self._stream, flush=True)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def words(self) -> str:
        """Rate, time left, and what was not read in this run."""
        (then, before), (now, done) = self._recent[0], self._recent[-1]
        rate = (done - before) / (now - then) if now > then else 0.0
        left = "time left unknown"
        if rate > 0:
            left = f"{timedelta(seconds=round((self._total - self._done) / rate))} left"
        return f"{rate:.1f}/s; {left}; refused {self._refused:,}, not readable {self._failed:,}"
