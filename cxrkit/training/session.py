"""From manifests to a preset: split, train, calibrate on validation, write the card."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.card import Calibration, LabelCount, TrainingRecord, ValidationScores
from cxrkit.data.manifest import Manifest
from cxrkit.errors import TrainingError
from cxrkit.evaluation.calibration import apply_calibration, fit_calibration
from cxrkit.evaluation.operating_points import fit_operating_points
from cxrkit.imaging.loading import load_radiograph
from cxrkit.model.backbones import backbone_row
from cxrkit.model.checkpoints import load_fine_tuned, load_imagenet, save_weights
from cxrkit.model.losses import weighted_bce
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import build_network
from cxrkit.preset import CARD, Preset, file_sha256
from cxrkit.train_config import counts_to_csv, from_counts
from cxrkit.training.batches import ImageSet, Progress, load_images
from cxrkit.training.recipe import Recipe
from cxrkit.training.sources import Source, split_sources
from cxrkit.training.trainer import train_network

WEIGHTS_FILE = "model.weights.h5"
_NAME = "Use letters, digits, dots, dashes and underscores."


def run_training(
    recipe: Recipe,
    sources: Sequence[Source],
    out: str | os.PathLike[str],
    run: str | os.PathLike[str],
    *,
    command: str,
    progress: Progress,
    allow_missing: bool = False,
    skip_unreadable: bool = False,
    imagenet: str | None = None,
    start: Preset | None = None,
) -> Preset:
    """Train a preset and write its folder.

    Parameters
    ----------
    recipe, sources
        What to train, and on what.
    out
        Preset folder to write.
    run
        Folder of checkpoints; the same call with the same folder resumes.
    command
        Command line for the record.
    progress
        Takes lines of text.
    allow_missing
        Findings without a column in a table are unknown there.
    skip_unreadable
        Images that cannot be read are listed and left out; otherwise they stop the run before it starts.
    imagenet
        Path of backbone weights, ``"download"``, or None for random ones.
    start
        A trained preset to start from: its trunk, and the outputs of the findings that both share.

    Returns
    -------
    Preset
        Saved in `out`, calibrated and with operating points fitted on the validation rows.

    Raises
    ------
    CxrError
        Of the manifests, the radiographs, the weights or the training.
    """
    folder = Path(out)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", folder.name):
        raise TrainingError("The name of the preset folder has characters that names cannot have.", _NAME)
    if folder.exists() and not folder.is_dir():
        raise TrainingError("The place of the preset folder is taken by a file.", "Give another --out.")
    parts = split_sources(sources, recipe, allow_missing, skip_unreadable=skip_unreadable, progress=progress)
    training, validation = parts.training, parts.validation
    counts = _total_counts(recipe, training)
    weights = from_counts(counts, "training split", "")
    loss = weighted_bce([f.w_pos for f in weights.findings], [f.w_neg for f in weights.findings])
    progress(
        f"training on {sum(map(len, training))} images, validating on {sum(map(len, validation))}, "
        f"{len(recipe.findings)} findings"
    )

    def loader(size: int) -> tuple[ImageSet, ImageSet]:
        return (
            load_images(training, parts.repeats, recipe, size, progress),
            load_images(validation, [1.0] * len(validation), recipe, size, progress),
        )

    initial = _initial(recipe, imagenet, start)
    inputs = {
        "data": parts.checksum(),
        "start": "" if start is None else start.weights_sha256,
        "ImageNet file": imagenet if imagenet in (None, "download") else file_sha256(imagenet),
    }
    network = train_network(
        recipe, loader, loss, Path(run), progress, initial, {name: value or "none" for name, value in inputs.items()}
    )
    patients = {f"{number}/{key}" for number, m in enumerate(training) for key in m.patients()}
    record = TrainingRecord(
        summary="; ".join(
            f"{s.epochs} epochs at {s.size} px, batches of {s.batch}, AdamW at {s.learning_rate:g}"
            for s in recipe.stages
        )
        + (f"; started from the preset {start.name}" if start else "")
        + ("; started from ImageNet weights" if imagenet else ""),
        data=recipe.data,
        images=sum(map(len, training)),
        patients=len(patients),
        validation_images=sum(map(len, validation)),
        seed=recipe.seed,
        command=command,
    )
    # everything is made beside the folder and moved in whole, the card last: a kill at any moment
    # leaves the old preset, or one whose card and weights do not match and which therefore cannot read
    making = folder.with_name(folder.name + ".making")
    making.mkdir(parents=True, exist_ok=True)
    save_weights(network, making / WEIGHTS_FILE, recipe.findings)
    (making / "label_counts.csv").write_bytes(counts_to_csv(counts))
    preset = _uncalibrated(recipe, folder.name, making, counts, record)
    fit_on_validation(preset, validation, parts.validation_name, recipe, progress).save(making)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_FILE, "label_counts.csv", CARD):
        (making / name).replace(folder / name)
    (folder / "evaluation.json").unlink(missing_ok=True)  # of the weights before
    making.rmdir()
    return Preset.load(folder)


def fit_on_validation(
    preset: Preset, validation: Sequence[Manifest], split: str, recipe: Recipe, progress: Progress
) -> Preset:
    """Calibration and operating points of the weights as they are stored, through the serving path.

    `split` names the validation rows in the records.
    """
    manager = XRayModelManager(preset)
    images = [path for manifest in validation for path in manifest.images]
    progress(f"calibrating on {len(images)} validation images")
    predictions = manager.predict_many(load_radiograph(path) for path in images)
    logits = np.array([[p.score(f).logit for f in preset.findings] for p in predictions])
    labels = np.concatenate([m.labels for m in validation])
    calibration = fit_calibration(logits, labels, preset.findings, split=split, reference=recipe.reference_prevalence)
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
    recipe: Recipe, name: str, folder: Path, counts: tuple[LabelCount, ...], record: TrainingRecord
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
        population=recipe.population,
        training=record,
        intended_use=recipe.intended_use,
        limits=recipe.limits,
        label_noise=recipe.label_noise,
        reference_prevalence=recipe.reference_prevalence,
        notice=recipe.notice,
        folder=str(folder),
    )


def _total_counts(recipe: Recipe, training: Sequence[Manifest]) -> tuple[LabelCount, ...]:
    labels = np.concatenate([m.labels for m in training])
    return tuple(
        LabelCount(finding, int(np.nansum(labels[:, k])), int((~np.isnan(labels[:, k])).sum()))
        for k, finding in enumerate(recipe.findings)
    )


def _initial(recipe: Recipe, imagenet: str | None, start: Preset | None) -> keras.Model | None:
    if imagenet is None and start is None:
        return None
    keras.utils.set_random_seed(recipe.seed)
    network = build_network(recipe.backbone, len(recipe.findings), input_size=recipe.stages[0].size, head=recipe.head)
    if imagenet is not None:
        load_imagenet(network, recipe.backbone, None if imagenet == "download" else imagenet)
    if start is not None:
        _copy_start(network, recipe, start)
    return network


def _copy_start(network: keras.Model, recipe: Recipe, start: Preset) -> None:
    if (start.backbone, start.head) != (recipe.backbone, recipe.head):
        raise TrainingError(
            f"The preset {start.name!r} has another backbone or head than the recipe.",
            "Start from a preset that matches.",
        )
    trained = build_network(start.backbone, len(start.findings), input_size=start.input_size, head=start.head)
    load_fine_tuned(trained, start)
    for target, source in zip(network.layers, trained.layers, strict=True):
        if target.name != "logits" and target.weights:
            target.set_weights(source.get_weights())
    kernel, bias = (np.array(w) for w in network.get_layer("logits").get_weights())
    trained_kernel, trained_bias = trained.get_layer("logits").get_weights()
    for column, finding in enumerate(recipe.findings):
        if finding in start.findings:
            there = start.findings.index(finding)
            kernel[:, column], bias[column] = trained_kernel[:, there], trained_bias[there]
    network.get_layer("logits").set_weights([kernel, bias])
