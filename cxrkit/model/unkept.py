"""Compiled forms that cannot be kept: each is built once in a process, in a folder that is gone at once, and held.

Held as bytes, some 30 MB: files would have to outlast the process's readings in a folder that others clean up.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cxrkit.errors import StorageUnusable

if TYPE_CHECKING:
    from cxrkit.model.compiled import CompiledForm

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_forms: dict[str, tuple[CompiledForm, float]] = {}


def held(key: str, build: Callable[[Path], CompiledForm]) -> CompiledForm:
    """The form that this process holds under a key, built first by `build` into a folder that is removed afterwards.

    Raises
    ------
    StorageUnusable
        There is no temporary folder that can be written to.
    """
    with _lock:
        if key not in _forms:
            started = time.perf_counter()
            with _temporary_folder() as place:
                form = build(Path(place) / "form")
            seconds = time.perf_counter() - started
            _forms[key] = form, seconds
            _log.warning(
                "The cache of compiled forms cannot be written to: a network was compiled for this process alone. Let "
                "CXRKIT_CACHE name a folder that can be written to, or one that scripts/export.py --cache has filled.",
                extra={"milliseconds": round(1000 * seconds)},
            )
        return _forms[key][0]


def seconds_of(key: str) -> float | None:
    """How long it took to build the form that this process holds under a key; None where it holds none."""
    found = _forms.get(key)
    return None if found is None else found[1]


def can_build() -> bool:
    """Whether there is a temporary folder to build in."""
    try:
        with _temporary_folder():
            return True
    except StorageUnusable:
        return False


def forget() -> None:
    """Let go of all forms; the next ones are built anew."""
    with _lock:
        _forms.clear()


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="cxrkit-")
    except OSError:
        raise StorageUnusable(
            "The compiled form of the weights is not in the cache, and neither the cache nor the system's temporary "
            "folder can be written to.",
            "Let CXRKIT_CACHE name a folder that can be written to, or one that scripts/export.py --cache has filled.",
        ) from None
