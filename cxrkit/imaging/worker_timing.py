"""What reading a file in a process of its own costs, beside reading it here."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.imaging.worker import Pool

FILES: dict[str, Callable[[], bytes]] = {
    "png_256": lambda: phantom_png(size=256),
    "dicom_2000": lambda: phantom_dicom(size=2000),
}


def compare(rounds: int = 15) -> dict[str, Any]:
    """Time reading of two files, here and in a process, in turn.

    Returns
    -------
    dict
        Machine, versions and milliseconds: medians for each way, and what the process adds. That is the difference of
        the fastest rounds, because whatever else the machine does only makes rounds slower.
    """
    pool = Pool(most=1)
    figures: dict[str, float] = {}
    for name, make in FILES.items():
        data = make()
        times: dict[str, list[float]] = {"here": [], "apart": []}
        for _ in range(rounds + 2):  # the first two warm up
            for way, read in (("here", load_radiograph), ("apart", pool.load)):
                began = time.perf_counter()
                read(data)
                times[way].append((time.perf_counter() - began) * 1e3)
        for way, values in times.items():
            figures[f"{name}_{way}"] = statistics.median(values[2:])
        figures[f"{name}_added"] = min(times["apart"][2:]) - min(times["here"][2:])
    pool.close()
    return {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("numpy", "pydicom", "pillow")}},
        "rounds": rounds,
        "median_ms": {name: round(value, 2) for name, value in figures.items()},
    }
