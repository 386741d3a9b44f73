"""Fitting of the quality gate of a preset, on the features of its own weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from cxrkit.card import QualityGate
from cxrkit.data.leaks import hold_out
from cxrkit.data.manifest import Manifest, read_manifest
from cxrkit.errors import RadiographError, TrainingError
from cxrkit.imaging.counterexamples import DRAWN, SIDE, screen
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.preprocessing import standardise, to_square
from cxrkit.model.gate import (
    ARRAYS,
    CLASSES,
    GATE_FILE,
    OTHER,
    PLACEMENTS,
    SCREEN,
    Gate,
    placed,
)
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.reading import Reading
from cxrkit.training.augmentation import augment
from cxrkit.training.recipe import Augmentation
from cxrkit.training.sources import Source

Floats = npt.NDArray[np.float32]
Tell = Callable[[str], None]
DRAWN_EACH = 3
"""Drawn counterexamples per training radiograph."""

PHANTOMS, PHANTOM_SEEDS = 16, 1000
"""Drawn chests among the radiographs, so that the page can be tried without a patient; and their first seed."""

UPRIGHT_ONLY = -1
"""Class of pictures that the classifier does not learn from."""

AXES = 64
PENALTY = 0.003
"""Inverse of the classifier's L2 penalty."""

DISTANCE_QUANTILE, CLASS_QUANTILE, EVIDENCE_QUANTILE = 0.995, 0.997, 0.95
"""Shares of the validation radiographs that stay within a limit."""

MARGIN = 1.05
"""By which the limits of distance exceed that: the next radiograph is a new one."""

DISTANCES = 41
"""Quantiles of the validation radiographs' distances that a card keeps: 0, 2.5, ... 100 %."""

FEWEST = 30
"""Radiographs on which a finding's limit of evidence outside of the lungs is fixed."""

_CHANGES = Augmentation(
    rotation=8, shift=0.05, zoom=0.15, aspect=0.15, brightness=0.1, contrast=0.3, gamma=0.3, blur=0.006, noise=0.02
)


@dataclass(frozen=True)
class Counts:
    """How many radiographs of each source are taken, drawn at random.

    `training` of them are turned, inverted and set beside counterexamples; `references`, these among them, are what
    distances are taken from.
    """

    training: int = 50
    references: int = 200
    validation: int = 90


def fit_gate(folder: Path, sources: Sequence[Source], counts: Counts, *, seed: int, command: str, tell: Tell) -> Preset:
    """Fit the gate of the preset in a folder and write it and the card.

    The classifier learns from training radiographs and drawn phantoms, each turned and inverted in every way, and from
    counterexamples; distances are from all training radiographs that are drawn, and from an upright variant of
    each of those. The limits are quantiles of the validation
    radiographs, none of which was fitted on. Measures in the card belong to the gate before, and are removed.

    Raises
    ------
    TrainingError
        No source has validation rows.
    ManifestError
        A table cannot be read.
    """
    preset = Preset.load(folder)
    manager = XRayModelManager(dataclasses.replace(preset, quality_gate=None))
    random = np.random.default_rng(seed)
    parts, training, further, validation = _pictures(preset, sources, counts, seed, random)
    described: list[Floats] = []
    classes: list[int] = []
    phantoms = (phantom(PHANTOM_SEEDS + k).pixels for k in range(PHANTOMS))
    lessons = chain((load_radiograph(path).pixels for path in training), phantoms)
    for number, pixels in enumerate(lessons, start=1):
        pictures, labels = zip(*_lesson(pixels, random), strict=True)
        described.append(_describe(manager, pictures))
        classes += labels
        if number % 20 == 0:
            tell(f"{number} of {len(training) + PHANTOMS} radiographs and phantoms, {len(classes)} pictures")
    tell(f"computing the features of {len(further)} further training radiographs")
    for path in further:
        described.append(_describe(manager, [to_square(load_radiograph(path).pixels, "squash", SIDE)]))
    classes += [UPRIGHT_ONLY] * len(further)
    tell(f"computing the features of {len(validation)} validation radiographs")
    held: list[Floats] = []
    readings: list[Reading] = []
    for path in validation:
        radiograph = load_radiograph(path)
        features = manager.runtime.features(manager.preprocess(radiograph))
        held.append(manager.describe(features))
        readings.append(manager.read_features(features, radiograph))
    beside = np.concatenate(held)
    gate = _fit(np.concatenate(described), np.array(classes), beside, seed)
    record = QualityGate(
        file=GATE_FILE,
        sha256=gate.save(folder / GATE_FILE),
        weights_sha256=preset.weights_sha256,
        data=tuple(dict.fromkeys(f"{part.source} of {Path(part.images[0]).parent.parent.name}" for part, _ in parts)),
        images=len(training) + len(further),
        validation_images=len(validation),
        evidence_limits=_evidence_limits(preset, readings),
        seed=seed,
        command=command,
        distances=_distances(gate, beside),
    )
    fitted = dataclasses.replace(preset, quality_gate=record)
    fitted.save(folder)
    return fitted


def keep_distances(folder: Path, sources: Sequence[Source], counts: Counts, *, seed: int, tell: Tell) -> Preset:
    """Write into the card how far the validation radiographs of its gate lie, and change nothing else.

    For a gate that was fitted before cards kept this; by the options and the seed that it was fitted with, which draw
    the same radiographs. What is the largest of their distances follows from the limits, which is checked.

    Raises
    ------
    TrainingError
        The preset has no gate, or these are not the radiographs that fixed its limits.
    ManifestError
        A table cannot be read.
    """
    preset = Preset.load(folder)
    manager = XRayModelManager(preset)
    if manager.gate is None or preset.quality_gate is None:
        raise TrainingError("The preset has no quality gate.", "Fit one, without --distances-only.")
    _, _, _, validation = _pictures(preset, sources, counts, seed, np.random.default_rng(seed))
    tell(f"computing the features of {len(validation)} validation radiographs")
    held = [
        manager.describe(manager.runtime.features(manager.preprocess(load_radiograph(path)))) for path in validation
    ]
    beside = np.concatenate(held)
    again = MARGIN * np.quantile(manager.gate.scores(beside)[:, :2], DISTANCE_QUANTILE, axis=0)
    if not np.allclose(again, manager.gate.limits[:2], rtol=0.01):  # the file keeps the references in float16
        raise TrainingError(
            "These are not the radiographs that fixed the limits of the gate.",
            "Give the options that it was fitted with: they stand in its card.",
        )
    record = dataclasses.replace(preset.quality_gate, distances=_distances(manager.gate, beside))
    kept = dataclasses.replace(preset, quality_gate=record)
    kept.save(folder)
    return kept


def _pictures(
    preset: Preset, sources: Sequence[Source], counts: Counts, seed: int, random: np.random.Generator
) -> tuple[list[tuple[Manifest, Manifest | None]], list[Path], list[Path], list[Path]]:
    """The parts of the tables; and radiographs to turn, to measure distances from, and to fix the limits on."""
    parts = [split_source(source, preset, seed) for source in sources]
    drawn = [_drawn(part, counts.references, random) for part, _ in parts]
    training = [path for paths in drawn for path in paths[: counts.training]]
    further = [path for paths in drawn for path in paths[counts.training :]]
    validation = [path for _, part in parts if part is not None for path in _drawn(part, counts.validation, random)]
    if len(validation) < 50:
        raise TrainingError(
            f"There are {len(validation)} validation radiographs to fix the limits on, fewer than 50.",
            "Give tables with a split val, or cut one out with --hold-out 0.2.",
        )
    return parts, training, further, validation


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


def _lesson(pixels: Floats, random: np.random.Generator) -> Iterator[tuple[Floats, int]]:
    """Pictures made of one radiograph, with their classes; the first is the radiograph itself."""
    square = to_square(pixels, "squash", SIDE)
    yield square, 0
    for number in range(len(PLACEMENTS)):
        yield placed(augment(square, _CHANGES, random), number), number
    yield screen(random, pixels), SCREEN
    for kind in random.choice(sorted(DRAWN), DRAWN_EACH, replace=False).tolist():
        yield DRAWN[kind](random, pixels), OTHER


def _describe(manager: XRayModelManager, pictures: Sequence[Floats]) -> Floats:
    preset = manager.preset
    squares = np.stack([to_square(p, preset.geometry, preset.input_size, preset.border) for p in pictures])
    return manager.describe(manager.runtime.features(standardise(squares, preset.intensity)))


def _fit(described: Floats, classes: npt.NDArray[np.int64], held: Floats, seed: int) -> Gate:
    lessons = classes != UPRIGHT_ONLY
    deviation = described[lessons].std(axis=0)
    centre, scale = described[lessons].mean(axis=0), deviation + 0.1 * float(deviation.mean())  # dead channels
    standard = (described - centre) / scale
    classifier = LogisticRegression(C=PENALTY, max_iter=400, tol=1e-3).fit(standard[lessons], classes[lessons])
    if classifier.classes_.tolist() != list(range(CLASSES)):
        raise TrainingError("The radiographs are too few for every kind of counterexample.", "Give more of them.")
    upright = standard[(classes == 0) | ~lessons]
    axes = PCA(min(AXES, len(upright) - 1), random_state=seed).fit(upright)
    spread = np.sqrt(axes.explained_variance_)
    gate = Gate(
        **{
            name: np.asarray(value, dtype=np.float32)
            for name, value in zip(
                ARRAYS,
                (
                    centre,
                    scale,
                    classifier.coef_.T,
                    classifier.intercept_,
                    axes.components_.T,
                    spread,
                    axes.mean_,
                    axes.transform(upright) / spread,
                    np.ones(5),
                ),
                strict=True,
            )
        }
    )
    scores = gate.scores(held)
    limits = np.concatenate(
        [
            MARGIN * np.quantile(scores[:, :2], DISTANCE_QUANTILE, axis=0),
            np.maximum(np.quantile(scores[:, 2:], CLASS_QUANTILE, axis=0), 0),
        ]
    )
    return dataclasses.replace(gate, limits=limits.astype(np.float32))


def _distances(gate: Gate, held: Floats) -> tuple[float, ...]:
    """Quantiles of the distance of validation radiographs as a reading gives it: the larger of both, over its limit."""
    distances = (gate.scores(held)[:, :2] / gate.limits[:2]).max(axis=1)
    return tuple(round(float(d), 4) for d in np.quantile(distances, np.linspace(0, 1, DISTANCES)))


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
