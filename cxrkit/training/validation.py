"""Scores of the validation part after an epoch, and whether they can decide what a stage asks of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cxrkit.errors import TrainingError
from cxrkit.evaluation.metrics import auroc
from cxrkit.model.losses import WeightedBCE
from cxrkit.training.batches import Floats, ImageSet
from cxrkit.training.recipe import Stage


@dataclass(frozen=True)
class Scores:
    """Scores of the validation part.

    Attributes
    ----------
    loss
        The training loss over the whole part, without smoothing of labels.
    accuracy
        Share of the known labels, of all findings together, that the probability 0.5 tells right.
    auroc
        By finding, of those with both classes, and their ``"mean"``; NaN where there is none.
    """

    loss: float
    accuracy: float
    auroc: dict[str, float]

    def monitored(self, stage: Stage) -> float:
        """The one that decides in the stage."""
        return {"loss": self.loss, "accuracy": self.accuracy, "auroc": self.auroc["mean"]}[stage.monitor]

    def row(self) -> dict[str, Any]:
        """For the history: rounded, what does not exist being None."""
        return {
            "validation_loss": _rounded(self.loss),
            "validation_accuracy": _rounded(self.accuracy),
            "validation_auroc": {finding: _rounded(value) for finding, value in self.auroc.items()},
        }


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def predict(network: keras.Model, inputs: Iterator[Floats], batch: int, check: Callable[[], None]) -> Floats:
    """Outputs of a network for batches of at most `batch` inputs: float32, one row per image.

    A smaller batch is filled up, so that no second shape has to be traced or compiled; `check` is called
    after each.
    """
    found = []
    for x in inputs:
        full = np.resize(x, (batch, *x.shape[1:])) if len(x) < batch else x
        found.append(np.asarray(network.predict_on_batch(full), dtype=np.float32)[: len(x)])
        check()
    return np.concatenate(found)


def score(logits: Floats, images: ImageSet, findings: Sequence[str], loss: WeightedBCE) -> Scores:
    """Score logits (n, k) of a validation part."""
    plain = loss.without_smoothing()(images.labels, logits, images.sample_weight)
    known = ~np.isnan(images.labels)
    right = (logits >= 0) == (images.labels == 1)
    by_finding = {}
    for column, finding in enumerate(findings):
        estimate = auroc(images.labels[:, column], logits[:, column])
        if estimate is not None:
            by_finding[finding] = estimate.value
    mean = float(np.mean(list(by_finding.values()))) if by_finding else float("nan")
    return Scores(
        float(keras.ops.convert_to_numpy(plain)),
        float(right[known].mean()) if known.any() else float("nan"),
        {**by_finding, "mean": mean},
    )


def check_monitor(images: ImageSet, stage: Stage, number: int) -> None:
    """Raise `TrainingError` when a stage asks for what its validation part cannot tell."""
    if stage.patience is None and stage.keep == "last" and stage.schedule != "plateau":
        return
    known = [column[~np.isnan(column)] for column in images.labels.T]
    if stage.monitor == "auroc" and all(len(np.unique(column)) < 2 for column in known):
        raise TrainingError(
            f"Stage {number} goes by the AUROC of the validation part, which has both classes of no finding.",
            'Give more validation images, or set "monitor" to "loss".',
        )
    if all(len(column) == 0 for column in known):
        raise TrainingError(
            f"Stage {number} goes by the validation part, which has no known label.",
            "Give validation images with labels of the findings.",
        )
