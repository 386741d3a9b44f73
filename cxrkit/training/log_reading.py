"""From the folders of finished runs to the compact log that ships beside a preset."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from cxrkit.errors import TrainingError
from cxrkit.preset import Preset
from cxrkit.training.run_folder import RunFolder, read_record
from cxrkit.training_log import Epoch, Run, TrainingLog


def log_of(preset: Preset, runs: Sequence[Path], after: str = "") -> TrainingLog:
    """The log of a preset from the folders of the runs that led to it, in their order.

    Parameters
    ----------
    after
        What was done to the weights after the last run, in a sentence; empty when they are the preset's own.

    Raises
    ------
    TrainingError
        A folder holds no finished run, or the runs do not lead from one to the next and to the preset.
    """
    try:
        return TrainingLog(preset.weights_sha256, tuple(_run(RunFolder(path)) for path in runs), after)
    except ValueError:
        raise TrainingError(
            "The runs do not lead from one to the next and to the preset.",
            "Name them in their order, each started from what the one before it ended with; say with --after what was "
            "done to the weights of the last one.",
        ) from None


def _run(folder: RunFolder) -> Run:
    record = read_record(folder)
    if record is None or record.get("state") != "finished" or not folder.history.is_file():
        raise TrainingError("A folder holds no finished run.", "Name folders that scripts/train.py has finished.")
    data, recipe = record["data"], record["recipe"]
    with folder.history.open(newline="") as table:
        epochs = tuple(_epoch(row) for row in csv.DictReader(table))
    return Run(
        title=recipe["title"],
        images=data["training"]["images"],
        patients=data["training"]["patients"],
        validation_images=data["validation"]["images"],
        validation_patients=data["validation"]["patients"],
        outputs=len(recipe["findings"]),
        seed=record["seed"],
        started=record["started"],
        start_sha256=record["start"].get("preset_sha256"),
        weights_sha256=record["preset"]["weights_sha256"],
        epochs=epochs,
    )


def _epoch(row: dict[str, str]) -> Epoch:
    def number(key: str) -> float | None:
        return float(row[key]) if row.get(key) else None

    return Epoch(
        stage=int(row["stage"]),
        epoch=int(row["epoch"]),
        size=int(row["size"]),
        learning_rate=float(row["learning_rate"]),
        seconds=float(row["seconds"]),
        loss=round(float(row["loss"]), 6),
        validation_loss=number("validation_loss"),
        validation_auroc=number("validation_auroc_mean"),
    )
