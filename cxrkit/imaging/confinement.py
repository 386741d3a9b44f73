"""What a process that decodes files is given, and what it is denied.

Parent and child use it. It imports little, so that a child starts fast.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # where cxrkit is imported from

# What Python and shared libraries need to be found. The rest of the server's environment may hold secrets.
_NEEDED = (
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "VIRTUAL_ENV"),
    *("HOME", "USERPROFILE", "APPDATA", "SYSTEMROOT", "SYSTEMDRIVE", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP"),
)


def environment() -> dict[str, str]:
    """The environment of a child: where libraries lie, one thread each, and this copy of cxrkit."""
    kept = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    path = os.pathsep.join(part for part in (str(ROOT), kept.get("PYTHONPATH")) if part)
    # each thread of OpenBLAS and each arena of malloc reserves address space, which is bounded
    return {**kept, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


def limit(memory: int) -> None:
    """Bound this process's address space in bytes, and deny it core dumps and the writing of files.

    Only where the system has such limits; the parent's limit of time remains on the others.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses to limit the address space
            resource.setrlimit(kind, (most, most))


def end_after(seconds: float) -> None:
    """Have the system end this process after so many seconds, even within native code; 0 takes that back.

    The parent keeps the time itself. This is for the case that the parent is gone.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)  # without a handler, its signal ends the process
