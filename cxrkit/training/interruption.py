"""Ctrl-C during training: the batch is finished first, a second Ctrl-C stops at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

STOPPING = b"\nStopping after this batch. Press Ctrl-C again to stop at once.\n"


def _to_standard_error() -> None:
    # not print: a signal may come while the same stream is being written to, which print refuses
    os.write(2, STOPPING)


class Interruption:
    """Takes the signal SIGINT while it is entered, and gives it back afterwards.

    Only the main thread receives signals; in any other one this changes nothing.
    """

    def __init__(self, announce: Callable[[], None] = _to_standard_error) -> None:
        self._announce = announce
        self._wanted = False
        self._before: Any = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if Ctrl-C was pressed; called between batches."""
        if self._wanted:
            raise KeyboardInterrupt

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._wanted:
            raise KeyboardInterrupt
        self._wanted = True
        self._announce()
