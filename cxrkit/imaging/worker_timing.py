"""What reading a file in a process of its own costs, beside reading it here."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from cxrkit.imaging.decoding import Decoding
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.imaging.worker import Pool

FILES: dict[str, Callable[[], bytes]] = {
    "png_256": lambda: phantom_png(size=256),
    "dicom_2000": lambda: phantom_dicom(size=2000),
}


def compare(rounds: int = 30) -> dict[str, Any]:
    """Time reading of two files, here and in a process, in turn.

    Returns
    -------
    dict
        Machine, versions and milliseconds: medians for each way; what the process adds; and what of it is processor
        time of both sides, which hardly depends on what else the machine does. Both are differences of the
        fastest rounds.
    """
    pool = Pool(most=1)
    figures: dict[str, float] = {}
    for name, make in FILES.items():
        data = make()
        times: dict[str, list[tuple[float, float]]] = {"here": [], "apart": []}
        for _ in range(rounds + 2):  # the first two warm up
            for way, read in (("here", _read_here), ("apart", pool.load)):
                began, worked = time.perf_counter(), _worked(pool)
                read(data)
                times[way].append((1e3 * (time.perf_counter() - began), 1e3 * (_worked(pool) - worked)))
        for way, values in times.items():
            figures[f"{name}_{way}"] = statistics.median(passed for passed, _ in values[2:])
        here, apart = (np.min(times[way][2:], axis=0) for way in ("here", "apart"))
        figures[f"{name}_added"], figures[f"{name}_added_work"] = (apart - here).tolist()
    pool.close()
    return {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("numpy", "pydicom", "pillow")}},
        "rounds": rounds,
        "median_ms": {name: round(value, 2) for name, value in figures.items()},
    }


def _read_here(data: bytes) -> Decoding:
    """What a process that decodes does with a file, its look at the pixels included: whoever reads needs that, too."""
    return Decoding.of(load_radiograph(data))


def _worked(pool: Pool) -> float:
    """Seconds of processor time that this process and the pool's have used; of this one alone where no more is told."""
    total = time.process_time()
    for child in pool.idle():
        try:
            total += int(Path(f"/proc/{child.process.pid}/schedstat").read_text().split()[0]) / 1e9
        except (OSError, ValueError, IndexError):
            continue
    return total
