"""Measuring the repeatability of a preset: validation radiographs, read again after changes that mean nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cxrkit.data.manifest import Manifest
from cxrkit.errors import TrainingError
from cxrkit.evaluation.repeatability import repeatability
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.repeats import SMALL, SmallChanges, repeat
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from cxrkit.repeatability import Repeatability, RepeatabilityLimit
from cxrkit.training.gate_fitting import drawn_rows, split_source
from cxrkit.training.sources import Source

FEWEST = 50
"""Radiographs on which a repeatability coefficient is measured."""


def measure_repeatability(
    folder: Path,
    sources: Sequence[Source],
    *,
    most: int,
    readings: int,
    seed: int,
    command: str,
    tell: Callable[[str], None],
) -> Preset:
    """Measure the repeatability of the preset in a folder and write it into the card, and nothing else.

    Each radiograph is read as it is, then again after small changes. They are read as they lie, without the quality
    gate.

    Parameters
    ----------
    folder
        Of the preset.
    sources
        Tables; only rows of the split ``val``, or those held out, are taken.
    most, readings
        Radiographs per table, drawn at random, and how often each is read.
    seed
        Of every random draw.
    command, tell
        The line for the card; takes lines of progress.

    Raises
    ------
    TrainingError
        There are fewer than `FEWEST` validation radiographs.
    ManifestError
        A table cannot be read.
    """
    preset = Preset.load(folder)
    random = np.random.default_rng(seed)
    chosen = [
        part.subset(drawn_rows(part, most, random))
        for part in (split_source(source, preset, seed)[1] for source in sources)
        if part is not None
    ]
    total = sum(map(len, chosen))
    if total < FEWEST:
        raise TrainingError(
            f"There are {total} validation radiographs, fewer than {FEWEST}.",
            "Give tables with a split val, or cut one out with --hold-out 0.2.",
        )
    manager = XRayModelManager(preset)
    read = np.empty((total * readings, len(preset.findings)))
    pictures = _pictures(chosen, readings, SMALL, random)
    for place, prediction in enumerate(manager.predict_many(pictures)):
        read[place] = [prediction.score(finding).logit for finding in preset.findings]
        if (place + 1) % (20 * readings) == 0:
            tell(f"{(place + 1) // readings} of {total} radiographs, read {readings} times each")
    by_finding = np.moveaxis(read.reshape(total, readings, -1), 2, 0)
    limits = repeatability(
        dict(zip(preset.findings, by_finding, strict=True)), np.concatenate([m.patients() for m in chosen]), seed=seed
    )
    cut = any(source.hold_out is not None for source in sources)
    record = Repeatability(
        SMALL.describe(),
        "val (cut out of train)" if cut else "val",
        total,
        readings,
        tuple(_rounded(limit) for limit in limits),
        preset.weights_sha256,
        seed,
        command,
    )
    # the card as it is now: measuring takes minutes, in which it may have been written anew
    measured = dataclasses.replace(Preset.load(folder), repeatability=record)
    measured.save(folder)
    return measured


def _rounded(limit: RepeatabilityLimit) -> RepeatabilityLimit:
    """Four decimals: finer than a few hundred radiographs can tell."""
    numbers = (round(value, 4) for value in (limit.coefficient, limit.low, limit.high, limit.within))
    return RepeatabilityLimit(limit.finding, *numbers)


def _pictures(
    manifests: Sequence[Manifest], readings: int, changes: SmallChanges, random: np.random.Generator
) -> Iterator[Radiograph]:
    """Every radiograph as it is, and then its changed copies."""
    for manifest in manifests:
        for path in manifest.images:
            radiograph = load_radiograph(path)
            yield radiograph
            for _ in range(readings - 1):
                yield repeat(radiograph, changes, random)
