"""Fitting of the quality gate of a preset, on the features of its own weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cxrkit.card import QualityGate
from cxrkit.data.leaks import hold_out
from cxrkit.data.manifest import Manifest, read_manifest
from cxrkit.errors import RadiographError, TrainingError
from cxrkit.imaging.loading import load_radiograph
from cxrkit.model.gate import DISTANCES, GATE_FILE, lung_shape
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.reading import Reading
from cxrkit.training.gate_lessons import NO_COLLECTION, Lessons, Tell, lessons
from cxrkit.training.gate_limits import across_collections, fit_without_limits, within_collection
from cxrkit.training.sources import Source

Floats = npt.NDArray[np.float32]

EVIDENCE_QUANTILE = 0.95
"""Share of the validation radiographs that stays within a limit of evidence outside of the lungs."""

QUANTILES = 41
"""Quantiles of the validation radiographs' distances that a card keeps: 0, 2.5, ... 100 %."""

FEWEST = 30
"""Radiographs on which a finding's limit of evidence outside of the lungs is fixed."""


@dataclass(frozen=True)
class Counts:
    """How many radiographs of each source are taken, drawn at random.

    `training` of them are turned, inverted and set beside counterexamples; `references`, these among them, are what
    distances are taken from.
    """

    training: int = 18
    references: int = 90
    validation: int = 40


@dataclass(frozen=True, eq=False)
class Gathered:
    """What a gate is fitted on: lessons of training radiographs; descriptors and readings of validation radiographs."""

    lessons: Lessons
    held: Floats
    held_shapes: Floats
    evidence_limits: dict[str, float]
    images: int


def fit_gate(folder: Path, sources: Sequence[Source], counts: Counts, *, seed: int, command: str, tell: Tell) -> Preset:
    """Fit the gate of the preset in a folder and write it and the card.

    The classifier learns from training radiographs and drawn phantoms, each turned and inverted in every way, and from
    counterexamples; distances are from all training radiographs that are drawn, and from upright variants of some. The
    limits are chosen by leaving each source out in turn (`cxrkit.training.gate_limits`); with a single source, by
    its validation radiographs. Measures in the card belong to the gate before, and are removed.

    Raises
    ------
    TrainingError
        No source has validation rows, or two sources are the same.
    ManifestError
        A table cannot be read.
    """
    gathered = gather(folder, sources, counts, seed=seed, tell=tell)
    return write_gate(folder, gathered, seed=seed, command=command, tell=tell)


def gather(folder: Path, sources: Sequence[Source], counts: Counts, *, seed: int, tell: Tell) -> Gathered:
    """Read the radiographs and compute their features with the weights of the preset in a folder."""
    preset = Preset.load(folder)
    manager = XRayModelManager(dataclasses.replace(preset, quality_gate=None))
    random = np.random.default_rng(seed)
    names = [source_name(source) for source in sources]
    if len(set(names)) < len(names):
        raise TrainingError("Two of the tables are the same.", "Give each once, or parts of it with --only.")
    parts = dict(zip(names, (split_source(source, preset, seed) for source in sources), strict=True))
    drawn = {name: _drawn(part, counts.references, random) for name, (part, _) in parts.items()}
    validation = [
        path for _, part in parts.values() if part is not None for path in _drawn(part, counts.validation, random)
    ]
    if len(validation) < 50:
        raise TrainingError(
            f"There are {len(validation)} validation radiographs to measure distances of, fewer than 50.",
            "Give tables with a split val, or cut one out with --hold-out 0.2.",
        )
    learned = lessons(
        manager,
        {name: paths[: counts.training] for name, paths in drawn.items()},
        {name: paths[counts.training :] for name, paths in drawn.items()},
        seed,
        tell,
    )
    tell(f"computing the features of {len(validation)} validation radiographs")
    held: list[Floats] = []
    shapes: list[Floats] = []
    readings: list[Reading] = []
    for path in validation:
        radiograph = load_radiograph(path)
        features = manager.runtime.features(manager.preprocess(radiograph))
        held.append(manager.describe(features))
        readings.append(manager.read_features(features, radiograph))
        shapes.append(lung_shape(readings[-1].lungs))
    images = sum(len(paths) for paths in drawn.values())
    return Gathered(learned, np.concatenate(held), np.stack(shapes), _evidence_limits(preset, readings), images)


def write_gate(folder: Path, gathered: Gathered, *, seed: int, command: str, tell: Tell) -> Preset:
    """Fit on what was gathered, choose the limits, and write the gate and the card."""
    preset = Preset.load(folder)
    gate = fit_without_limits(gathered.lessons, seed)
    collections = sorted(set(gathered.lessons.collections.tolist()) - {NO_COLLECTION})
    if len(collections) > 1:
        limits = across_collections(gathered.lessons, seed, tell)
    else:
        tell("one collection: its validation radiographs fix the limits, and others may be refused more often")
        limits = within_collection(gate.scores(gathered.held, gathered.held_shapes))
    gate = dataclasses.replace(gate, limits=limits)
    record = QualityGate(
        file=GATE_FILE,
        sha256=gate.save(folder / GATE_FILE),
        weights_sha256=preset.weights_sha256,
        data=tuple(collections),
        images=gathered.images,
        validation_images=len(gathered.held),
        evidence_limits=gathered.evidence_limits,
        seed=seed,
        command=command,
        distances=_distances(gate.scores(gathered.held, gathered.held_shapes), gate.limits),
    )
    fitted = dataclasses.replace(preset, quality_gate=record)
    fitted.save(folder)
    return fitted


def source_name(source: Source) -> str:
    """How cards call a source: its table and folder, and which rows of it."""
    rows = ", ".join(f"{column} {value}" for column, value in source.only.items())
    name = f"{source.manifest.name} of {source.manifest.resolve().parent.name}"
    return f"{name} ({rows})" if rows else name


def split_source(source: Source, preset: Preset, seed: int) -> tuple[Manifest, Manifest | None]:
    """Training rows of a table, and the validation rows or those held out; with the seed of the training, the same."""
    whole = read_manifest(
        source.manifest,
        preset.findings,
        images=source.images,
        split=source.split,
        label_map=source.label_map,
        allow_unlabelled=True,
        only=source.only,
    )
    split = whole.table["split"].to_numpy(dtype=np.str_) if "split" in whole.table.columns else None
    training = whole if split is None else whole.subset(split == "train")
    if source.hold_out is not None:
        rows, held = hold_out(training, source.hold_out, source.group_by, seed)
        return training.subset(rows), training.subset(held)
    return training, whole.subset(split == "val") if split is not None and (split == "val").any() else None


def drawn_rows(manifest: Manifest, most: int, random: np.random.Generator) -> list[int]:
    """At most `most` rows that can be read, one of each patient before a second of any."""
    order = random.permutation(len(manifest))
    seen: dict[str, int] = {}
    turn = []
    for row, patient in zip(order.tolist(), manifest.patients()[order].tolist(), strict=True):
        seen[patient] = seen.get(patient, 0) + 1
        turn.append((seen[patient], row))
    chosen = [row for _, row in sorted(turn, key=lambda pair: pair[0])][:most]
    readable = []
    for row in chosen:
        try:
            load_radiograph(manifest.images[row])
        except RadiographError:
            continue
        readable.append(row)
    return readable


def _drawn(manifest: Manifest, most: int, random: np.random.Generator) -> list[Path]:
    return [manifest.images[row] for row in drawn_rows(manifest, most, random)]


def _distances(scores: Floats, limits: Floats) -> tuple[float, ...]:
    """Quantiles of the distance of validation radiographs as a reading gives it: the largest of all over its limit."""
    distances = (scores[:, :DISTANCES] / limits[:DISTANCES]).max(axis=1)
    return tuple(round(float(d), 4) for d in np.quantile(distances, np.linspace(0, 1, QUANTILES)))


def _evidence_limits(preset: Preset, readings: Sequence[Reading]) -> dict[str, float]:
    """Per finding, the quantile of the share outside of the lungs among the radiographs that the model calls positive.

    Where nothing raises the score, a map is a faint remainder and may lie anywhere; nobody would look at it. At
    least `FEWEST` radiographs are taken, the most probable ones.
    """
    limits = {}
    for finding in preset.findings:
        known = [r for r in readings if r.explanations[finding].outside_lungs is not None]
        known.sort(key=lambda reading: -reading.prediction[finding])
        point = preset.operating_point(finding, "youden")
        past = sum(r.prediction[finding] >= point.threshold for r in known) if point is not None else 0
        if len(known) >= FEWEST:
            shares = [r.explanations[finding].outside_lungs for r in known[: max(FEWEST, past)]]
            limits[finding] = round(float(np.quantile(np.array(shares, dtype=float), EVIDENCE_QUANTILE)), 4)
    return limits
