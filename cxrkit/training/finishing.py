"""From trained weights to a preset: calibration on validation, the card, the folder in one step."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.card import Calibration, LabelCount, ReferencePrevalence, TrainingRecord, ValidationScores
from cxrkit.data.manifest import Manifest
from cxrkit.evaluation.calibration import apply_calibration, fit_calibration
from cxrkit.evaluation.operating_points import fit_operating_points
from cxrkit.imaging.loading import load_radiograph
from cxrkit.model.backbones import backbone_row
from cxrkit.model.checkpoints import save_weights
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import CARD, Preset
from cxrkit.preset_folders import file_sha256
from cxrkit.train_config import counts_to_csv
from cxrkit.training.population import data_lines, population_of
from cxrkit.training.recipe import Recipe
from cxrkit.training.sources import Parts

WEIGHTS_FILE = "model.weights.h5"
COUNTS = "label_counts.csv"
Tell = Callable[[str], None]


def finish(
    network: keras.Model,
    folder: Path,
    *,
    name: str,
    recipe: Recipe,
    parts: Parts,
    record: TrainingRecord,
    tell: Tell,
) -> Preset:
    """Write the preset folder of a trained network, calibrated and with operating points.

    Everything is made beside the folder and moved in whole, the card last: a kill at any moment leaves
    the preset that was there, or one whose card and weights do not match and which therefore cannot read.
    """
    making = _making(folder)
    counts = total_counts(recipe, parts.training)
    save_weights(network, making / WEIGHTS_FILE, recipe.findings)
    (making / COUNTS).write_bytes(counts_to_csv(counts))
    preset = _uncalibrated(recipe, name, making, counts, record, parts)
    reference = recipe.reference_prevalence
    fit_on_validation(preset, parts.validation, parts.validation_name, reference, tell).save(making)
    _move(making, folder)
    return Preset.load(folder)


def copy_preset(source: Path, folder: Path) -> Preset:
    """Put a copy of a finished preset into another folder, as `finish` does."""
    making = _making(folder)
    for name in (WEIGHTS_FILE, COUNTS, CARD):
        shutil.copyfile(source / name, making / name)
    _move(making, folder)
    return Preset.load(folder)


def _making(folder: Path) -> Path:
    making = folder.with_name(folder.name + ".making")
    making.mkdir(parents=True, exist_ok=True)
    return making


def _move(making: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_FILE, COUNTS, CARD):
        (making / name).replace(folder / name)
    (folder / "evaluation.json").unlink(missing_ok=True)  # of the weights before
    shutil.rmtree(making)  # also what an earlier, killed attempt left there


def training_record(
    recipe: Recipe, parts: Parts, patients: int, command: str, epochs: Sequence[int], start: str
) -> TrainingRecord:
    """What the card says of the training; `epochs` that each stage had, which may have stopped early."""
    whose = {"all": "", "top": " of the top", "head": " of the head"}
    words = [
        f"{done} epoch{'s' * (done != 1)}{whose[stage.trainable]} at {stage.size} px, batches of {stage.batch}, "
        f"{_OPTIMIZERS[recipe.optimizer]} at {stage.learning_rate:g}"
        for stage, done in zip(recipe.stages, epochs, strict=True)
    ]
    return TrainingRecord(
        summary="; ".join(words) + start,
        data=recipe.data or data_lines(parts.training),
        images=sum(map(len, parts.training)),
        patients=patients,
        validation_images=sum(map(len, parts.validation)),
        seed=recipe.seed,
        command=command,
    )


_OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam"}


def fit_on_validation(
    preset: Preset, validation: Sequence[Manifest], split: str, reference: ReferencePrevalence | None, tell: Tell
) -> Preset:
    """Calibration and operating points of the weights as they are stored, through the serving path.

    `split` names the validation rows in the records; probabilities are shifted to `reference`, if given.
    """
    manager = XRayModelManager(preset)
    images = [path for manifest in validation for path in manifest.images]
    tell(f"calibrating on {len(images)} validation images")
    predictions = manager.predict_many(load_radiograph(path) for path in images)
    logits = np.array([[p.score(f).logit for f in preset.findings] for p in predictions])
    labels = np.concatenate([m.labels for m in validation])
    calibration = fit_calibration(logits, labels, preset.findings, split=split, reference=reference)
    probabilities = apply_calibration(logits, calibration, preset.findings)
    points = fit_operating_points(
        probabilities,
        labels,
        preset.findings,
        split=split,
        weights_sha256=preset.weights_sha256,
    )
    scores = {
        finding: ValidationScores(split, _ascending(column[truth == 1]), _ascending(column[truth == 0]))
        for finding, column, truth in zip(preset.findings, probabilities.T, labels.T, strict=True)
    }
    return dataclasses.replace(preset, calibration=calibration, operating_points=points, validation_scores=scores)


def _ascending(probabilities: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(f"{p:.5g}") for p in np.sort(probabilities))


def _uncalibrated(
    recipe: Recipe, name: str, folder: Path, counts: tuple[LabelCount, ...], record: TrainingRecord, parts: Parts
) -> Preset:
    identity = Calibration(1.0, 0.0, "identity", "none", 0, 0)
    return Preset(
        name=name,
        title=recipe.title,
        version=recipe.version,
        backbone=recipe.backbone,
        feature_layer=backbone_row(recipe.backbone).feature_layer,
        head=recipe.head,
        findings=recipe.findings,
        input_size=recipe.stages[-1].size,
        geometry=recipe.geometry,
        intensity=recipe.intensity,
        border=recipe.border,
        weights_file=WEIGHTS_FILE,
        weights_sha256=file_sha256(folder / WEIGHTS_FILE),
        calibration=dict.fromkeys(recipe.findings, identity),
        label_counts=counts,
        operating_points=(),
        population=recipe.population or population_of(parts.training),
        training=record,
        intended_use=recipe.intended_use,
        limits=recipe.limits,
        label_noise=recipe.label_noise,
        reference_prevalence=recipe.reference_prevalence,
        notice=recipe.notice,
        folder=str(folder),
    )


def total_counts(recipe: Recipe, training: Sequence[Manifest]) -> tuple[LabelCount, ...]:
    """Positives and known labels of each finding in all training tables."""
    labels = np.concatenate([m.labels for m in training])
    return tuple(
        LabelCount(finding, int(np.nansum(labels[:, k])), int((~np.isnan(labels[:, k])).sum()))
        for k, finding in enumerate(recipe.findings)
    )
