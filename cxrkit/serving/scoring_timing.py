"""How fast many files are scored, against the bare network on the same pictures: one ratio from one run."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cxrkit.imaging.loading import load_radiograph
from cxrkit.serving.scoring_pipeline import Chunk, How, Model, Scorer
from cxrkit.serving.scoring_sources import SourceSpec

WAYS = ("scoring", "network")


def compare(
    model: Model, source: SourceSpec, *, files: int = 128, rounds: int = 7, how: How | None = None
) -> dict[str, Any]:
    """Time scoring from file to row, and the network alone in batches of the same size, in turn.

    The network is called by as many threads as it takes calls at once, so that it is as fast as it can be.

    Parameters
    ----------
    source
        Files that can be read.
    files
        How many of them every round takes, evenly spaced among all; all where there are fewer.
    how
        How they are scored.

    Returns
    -------
    dict
        ``median_ms`` per image by the clock, ``cpu_ms`` per image of processor time (with that of the processes that
        decode), ``ratios`` of the rates: ``scoring_to_network``, medians over the rounds; and what was measured on.
    """
    how = how or How()
    opened = source.open()
    entries = tuple(opened.entries())
    entries = tuple(entries[len(entries) * k // files] for k in range(files)) if len(entries) > files else entries
    radiographs = [load_radiograph(opened.read(entry)) for entry in entries[: how.batch]]
    batch = model.preprocess_many(radiographs)
    scorer = Scorer(model, opened, how)

    def score() -> None:
        for _ in scorer.tables([Chunk(0, entries)]):
            pass

    def network() -> None:
        with ThreadPoolExecutor(model.runtime.streams) as threads:
            for _ in threads.map(model.runtime.features, [batch] * -(-len(entries) // how.batch)):
                pass

    try:
        walls, works = _in_turn((score, network), rounds, lambda: _work(scorer))
    finally:
        scorer.close()
    n = len(entries)
    return {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]},
        "python": platform.python_version(),
        "runtime": getattr(model.runtime, "name", ""),
        "files": n,
        "rounds": rounds,
        "batch": how.batch,
        "median_ms": {name: _per_image(walls[place], n) for place, name in enumerate(WAYS)},
        "cpu_ms": {name: _per_image(works[place], n) for place, name in enumerate(WAYS)},
        "ratios": {
            "scoring_to_network": round(statistics.median(b / s for s, b in zip(*walls, strict=True)), 3),
        },
    }


def _per_image(seconds: Sequence[float], images: int) -> float:
    return round(1e3 * statistics.median(seconds) / images, 1)


def _work(scorer: Scorer) -> float:
    """Seconds of processor time so far, of this process and of those that decode for it."""
    spent = os.times()  # of its children those alone that have ended
    ended = spent.children_user + spent.children_system
    return spent.user + spent.system + ended + sum(_spent(pid) for pid in scorer.pids())


def _spent(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _in_turn(
    ways: Sequence[Callable[[], None]], rounds: int, work: Callable[[], float]
) -> tuple[list[list[float]], list[list[float]]]:
    """Seconds by the clock, and of processor time, of each way in each round; one round more warms up."""
    walls: list[list[float]] = [[] for _ in ways]
    works: list[list[float]] = [[] for _ in ways]
    for turn in range(rounds + 1):
        for place, way in enumerate(ways):
            wall, before = time.perf_counter(), work()
            way()
            if turn:
                walls[place].append(time.perf_counter() - wall)
                works[place].append(work() - before)
    return walls, works
