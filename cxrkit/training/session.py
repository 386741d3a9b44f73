"""A training run from manifests to a preset: split, train, calibrate on validation, write the card."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from cxrkit.errors import CxrError, TrainingError
from cxrkit.model.losses import weighted_bce
from cxrkit.preset import Preset
from cxrkit.training.batches import ImageSet, load_images
from cxrkit.training.distribution import data_parallel, devices_to_share
from cxrkit.training.finishing import copy_preset, finish, total_counts, training_record
from cxrkit.training.interruption import Interruption
from cxrkit.training.progress import Reporter, Several
from cxrkit.training.recipe import Recipe
from cxrkit.training.run_folder import RunFolder, check_name, existing_run, held, new_run, newest_unfinished
from cxrkit.training.run_log import RunLog
from cxrkit.training.run_record import RunRecord, count_patients, identity_of
from cxrkit.training.sources import Parts, Source, split_sources
from cxrkit.training.starting import first_network, start_record
from cxrkit.training.surroundings import imitates_bfloat16
from cxrkit.training.trainer import train_network
from cxrkit.training.weighting import class_weights, of_one_class


@dataclass(frozen=True)
class Place:
    """Where a run stands.

    Attributes
    ----------
    runs
        Folder of all runs, in which a new one is made as ``<name>_<time>``.
    resume
        True goes on with the newest unfinished run of the name and the same identity; a path with that run.
    exactly
        A folder to be used as it is instead: begun, or gone on with.
    """

    runs: Path = Path("runs")
    resume: bool | Path = False
    exactly: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """A finished run: its folder, and the preset, in `out` if that was given."""

    run: RunFolder
    preset: Preset


def run_training(
    recipe: Recipe,
    sources: Sequence[Source],
    place: Place,
    *,
    command: str,
    reporter: Reporter,
    name: str = "",
    out: str | os.PathLike[str] | None = None,
    allow_missing: bool = False,
    skip_unreadable: bool = False,
    imagenet: str | None = None,
    start: Preset | None = None,
    distribute: bool = False,
    opened: Callable[[RunFolder], None] = lambda run: None,
) -> Outcome:
    """Train a preset in a folder of its own.

    Parameters
    ----------
    recipe, sources
        What to train, and on what.
    place
        Where the run stands, and whether it goes on with an earlier one.
    command
        Command line for the record, in its public form.
    reporter
        Is told what happens.
    name
        Of the preset (default: the last part of `out`, else the recipe's name).
    out
        Folder into which the finished preset is copied.
    allow_missing
        Findings without a column in a table are unknown there.
    skip_unreadable
        Images that cannot be read are listed and left out; otherwise they stop the run before it starts.
    imagenet
        Path of backbone weights, ``"download"``, or None for random ones.
    start
        A trained preset to start from: its trunk, and the outputs of the findings that both share.
    distribute
        Divide each batch among all devices.
    opened
        Is told the run's folder as soon as there is one.

    Returns
    -------
    Outcome
        Its preset is calibrated and has operating points fitted on the validation rows.

    Raises
    ------
    CxrError
        Of the manifests, the radiographs, the weights or the training.
    KeyboardInterrupt
        Ctrl-C; the run can be resumed.
    """
    name, target = _names(recipe, name, out)
    devices = devices_to_share(recipe) if distribute else []
    initial = first_network(recipe, imagenet, start)
    parts = split_sources(sources, recipe, allow_missing, skip_unreadable=skip_unreadable, progress=reporter.line)
    begun_with = start_record(imagenet, start, initial)
    identity = identity_of(recipe, parts, begun_with)
    folder = _folder(place, name, identity)
    content = {"recipe": recipe, "parts": parts, "command": command, "identity": identity, "start": begun_with}
    with held(folder), _recorded(folder, name=name, **content) as record:
        opened(folder)
        log = RunLog(folder)
        if devices:
            reporter.line(f"each batch is divided among {len(devices)} devices")
        with data_parallel(devices):
            network = _train(recipe, parts, folder, Several(log, reporter), initial, identity)
        epochs = [sum(row["stage"] == number for row in log.history) for number in range(1, len(recipe.stages) + 1)]
        whence = (f"; started from the preset {start.name}" if start else "") + (
            "; started from ImageNet weights" if imagenet else ""
        )
        card = training_record(recipe, parts, count_patients(parts.training), command, epochs, whence)
        preset = finish(network, folder.preset, name=name, recipe=recipe, parts=parts, record=card, tell=reporter.line)
        if target is not None:
            preset = copy_preset(folder.preset, target)
        record.end("finished", preset={"name": name, "weights_sha256": preset.weights_sha256})
    return Outcome(folder, preset)


def _names(recipe: Recipe, name: str, out: str | os.PathLike[str] | None) -> tuple[str, Path | None]:
    target = None if out is None else Path(out)
    if target is None:
        return check_name(name or recipe.name), None
    check_name(target.name)
    if name and name != target.name:
        raise TrainingError(
            "The name of the preset and the last part of its folder differ.",
            "Leave --name out, or end --out with the same name.",
        )
    if target.exists() and not target.is_dir():
        raise TrainingError("The place of the preset folder is taken by a file.", "Give another --out.")
    return target.name, target


def _folder(place: Place, name: str, identity: dict[str, str]) -> RunFolder:
    if place.exactly is not None:
        folder = RunFolder(place.exactly)
        return existing_run(place.exactly, identity) if folder.record.exists() else folder
    if place.resume is True:
        return newest_unfinished(place.runs, name, identity)
    if place.resume is not False:
        return existing_run(place.resume, identity)
    return new_run(place.runs, name)


@contextmanager
def _recorded(folder: RunFolder, **content: Any) -> Any:
    """The run's record, which learns how the run ends whatever happens, short of a kill."""
    record = RunRecord.open(folder, **content)
    try:
        yield record
    except KeyboardInterrupt:
        record.end("stopped", "stopped by the user")
        raise
    except CxrError as error:
        record.end("failed", error.message)
        raise
    except Exception as error:
        # a defect of ours: its text could hold a path or worse, so only its kind is kept
        record.end("failed", f"an unexpected error of the kind {type(error).__name__}")
        raise


def _train(
    recipe: Recipe,
    parts: Parts,
    folder: RunFolder,
    reporter: Reporter,
    initial: keras.Model | None,
    identity: dict[str, str],
) -> keras.Model:
    counts = total_counts(recipe, parts.training)
    loss = weighted_bce(*class_weights(recipe.class_weights, counts), label_smoothing=recipe.label_smoothing)
    for finding in of_one_class(counts):
        reporter.line(f"{finding}: its training labels are all alike, so there is nothing to learn of it")
    reporter.line(
        f"training on {sum(map(len, parts.training))} images, validating on {sum(map(len, parts.validation))}, "
        f"{len(recipe.findings)} finding{'s' * (len(recipe.findings) != 1)}"
    )
    if recipe.mixed_precision and imitates_bfloat16():
        reporter.line(
            "mixed precision: this processor only imitates bfloat16, many times slower than float32; "
            "--no-mixed-precision computes in float32"
        )
    with Interruption() as interruption:
        tell, check = reporter.line, interruption.check

        def loader(size: int) -> tuple[ImageSet, ImageSet]:
            ones = [1.0] * len(parts.validation)
            return (
                load_images(parts.training, parts.repeats, parts.weights, recipe, size, tell, check),
                load_images(parts.validation, ones, ones, recipe, size, tell, check),
            )

        inputs = {key: value for key, value in identity.items() if key != "recipe"}
        return train_network(recipe, loader, loss, folder.checkpoints, reporter, initial, inputs, check=check)
