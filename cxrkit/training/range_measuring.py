"""Measuring on training radiographs between which values the layers of a preset lie, so that it can compute in int8."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cxrkit.errors import TrainingError
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.preprocessing import to_tensor
from cxrkit.model.compiled import Blueprint, compiled_form
from cxrkit.model.int8_graph import RangeWatcher
from cxrkit.model.int8_ranges import METHOD, Int8Ranges
from cxrkit.preset import Preset
from cxrkit.training.gate_fitting import drawn_rows, split_source
from cxrkit.training.sources import Source

FEWEST = 50
"""Radiographs on which ranges are measured."""


def measure_ranges(
    folder: Path,
    sources: Sequence[Source],
    *,
    most: int,
    seed: int,
    command: str,
    tell: Callable[[str], None],
) -> Int8Ranges:
    """Measure the ranges of the preset in a folder and write ``int8.json`` there; the card stays as it is.

    Parameters
    ----------
    folder
        Of the preset.
    sources
        The tables of the training, with the options that cut its validation part: only training rows are read.
    most
        Radiographs per table, drawn at random, one of each patient before a second of any.
    seed
        Of the cut, as in the training, and of the draw.
    command, tell
        The line for the record; takes lines of progress.

    Raises
    ------
    TrainingError
        There are fewer than `FEWEST` training radiographs, or more than the preset was trained on: then validation
        rows are among them.
    PresetInvalid
        The network has no layer that could be computed in int8.
    ManifestError
        A table cannot be read.
    """
    preset = Preset.load(folder)
    parts = [split_source(source, preset, seed)[0] for source in sources]
    rows, trained = sum(map(len, parts)), preset.training.images
    if trained is not None and rows > trained:
        raise TrainingError(
            f"The tables have {rows} training rows, but the preset was trained on {trained} radiographs.",
            "Give the tables of the training with the options that cut out its validation part, such as --hold-out.",
        )
    random = np.random.default_rng(seed)
    paths = [part.images[row] for part in parts for row in drawn_rows(part, most, random)]
    if len(paths) < FEWEST:
        raise TrainingError(
            f"There are {len(paths)} training radiographs that can be read, fewer than {FEWEST}.",
            "Give the tables of the training.",
        )
    watcher = RangeWatcher(compiled_form(Blueprint.of(preset)).trunk)
    for done, path in enumerate(paths, start=1):
        watcher.look(to_tensor(load_radiograph(path), preset))
        if done % 100 == 0:
            tell(f"{done} of {len(paths)} radiographs")
    ranges = Int8Ranges(preset.weights_sha256, METHOD, "train", len(paths), seed, command, watcher.layers())
    ranges.save(folder)
    tell(f"ranges of {len(ranges.layers)} layers on {len(paths)} training radiographs")
    return ranges
