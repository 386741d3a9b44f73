"""A folder for one process at a time, as the operating system keeps it: whoever is killed lets go of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cxrkit.errors import CxrError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(path: Path, busy: CxrError) -> Iterator[None]:
    """Keep a file or folder for this process. Where the system or the disk knows no locks nothing is kept.

    Parameters
    ----------
    path
        A folder, or a file, which is made if need be.
    busy
        What is raised when another process keeps it.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        except OSError:
            pass  # a network disk without locks
        yield
    finally:
        os.close(handle)
