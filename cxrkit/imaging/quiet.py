"""Silence of third-party libraries while a file with patient identity is read.

pydicom writes values of attributes into its warnings and its log, Pillow values of EXIF tags. Their
loggers are raised above every level for the whole process (child loggers inherit the level), and again
whenever a file is read, because pydicom sets its own when it is imported; Python warnings are
ignored while at least one thread reads.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = tuple(logging.getLogger(name) for name in ("pydicom", "pylibjpeg", "openjpeg", "jpeg_ls", "PIL"))

_SILENT = logging.CRITICAL + 1


class _Quiet:
    """Counts reading threads; the first silences Python warnings, the last restores the filters.

    ``warnings.catch_warnings`` swaps a process-wide list, so nested uses by several threads would
    restore it in the wrong order. With the count there is one swap, however many threads read.
    Warnings of other threads are lost meanwhile, which is harmless.
    """

    lock = threading.Lock()
    readers = 0
    saved: warnings.catch_warnings[None] | None = None


@contextmanager
def silence() -> Iterator[None]:
    """Ignore Python warnings within, from any number of threads at once."""
    with _Quiet.lock:
        for logger in _LOGGERS:
            if logger.level != _SILENT:  # setting it has every logger there is forget what it knew
                logger.setLevel(_SILENT)
        if _Quiet.readers == 0:
            _Quiet.saved = warnings.catch_warnings()
            _Quiet.saved.__enter__()
            warnings.simplefilter("ignore")
        _Quiet.readers += 1
    try:
        yield
    finally:
        with _Quiet.lock:
            _Quiet.readers -= 1
            if _Quiet.readers == 0 and _Quiet.saved is not None:
                _Quiet.saved.__exit__(None, None, None)
