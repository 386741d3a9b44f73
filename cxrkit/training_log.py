"""The compact training log that may stand beside a preset: how its loss and its ranking went, epoch by epoch.

``training_log.json`` is written by ``scripts/write_training_log.py`` from the folders of the runs that led to the
weights; it holds numbers and what was started from what, no path, no machine and no image.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT
from cxrkit.errors import PresetInvalid
from cxrkit.preset import Preset

LOG = "training_log.json"
Positive = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=STRICT)
class Epoch:
    """One epoch: mean training loss, validation loss, and mean AUROC over the findings on validation, if any."""

    stage: Positive
    epoch: Positive
    size: Positive
    learning_rate: float
    seconds: float
    loss: float
    validation_loss: float | None
    validation_auroc: float | None


@dataclass(frozen=True, config=STRICT)
class Run:
    """One run of ``scripts/train.py``.

    Attributes
    ----------
    title
        The recipe's.
    images, patients, validation_images, validation_patients
        What it learned from, and what it was judged on after each epoch.
    outputs
        How many outputs the network had in this run.
    seed, started
        Of all random draws; and when, as an ISO date and time.
    start_sha256
        Of the weights that it started from, or None: at random or from ImageNet.
    weights_sha256
        Of the weights that it ended with.
    """

    title: str
    images: int
    patients: int
    validation_images: int
    validation_patients: int
    outputs: int
    seed: int
    started: str
    start_sha256: str | None
    weights_sha256: str
    epochs: tuple[Epoch, ...]


@dataclass(frozen=True, config=STRICT)
class TrainingLog:
    """The runs that led to the weights of a preset, each started from what the one before it ended with.

    Attributes
    ----------
    weights_sha256
        Of the preset that it belongs to.
    runs
        In their order.
    after
        What was done after the last run, such as a head that was solved for; empty when its weights are the preset's.
    """

    weights_sha256: str
    runs: tuple[Run, ...]
    after: str = ""

    def __post_init__(self) -> None:
        for before, run in pairwise(self.runs):
            if run.start_sha256 != before.weights_sha256:
                raise ValueError("a run did not start from the one before it")
        if not self.after and (not self.runs or self.runs[-1].weights_sha256 != self.weights_sha256):
            raise ValueError("the last run did not end with these weights")


def load_log(preset: Preset) -> TrainingLog | None:
    """The log beside a preset's card, or None where there is none.

    Raises
    ------
    PresetInvalid
        It is malformed, or belongs to other weights.
    """
    path = Path(preset.folder) / LOG
    if not path.is_file():
        return None
    try:
        log = TypeAdapter(TrainingLog).validate_json(path.read_bytes())
    except ValidationError:
        raise PresetInvalid(
            f"The training log of preset {preset.name!r} is malformed.",
            f"Restore {LOG} from the release, or remove it: the preset reads without it.",
        ) from None
    if log.weights_sha256 != preset.weights_sha256:
        raise PresetInvalid(
            f"The training log of preset {preset.name!r} belongs to other weights.",
            f"Write it anew with scripts/write_training_log.py, or remove {LOG}: the preset reads without it.",
        )
    return log


def save_log(log: TrainingLog, folder: str | Path) -> Path:
    """Write ``training_log.json`` into a preset's folder in one step; return its path."""
    path = Path(folder) / LOG
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(TypeAdapter(TrainingLog).dump_json(log, indent=1) + b"\n")
    temporary.replace(path)
    return path
