"""Rows to fit on that are not the rows to judge: a validation part, or what a card kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from cxrkit.card import Calibration, ValidationScores
from cxrkit.errors import ManifestError
from cxrkit.evaluation.calibration_line import clipped_logit
from cxrkit.evaluation.predictions import label_cells, logit_cells, probability_cells, stated_patients

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Labels and scores of n rows and k findings.

    Attributes
    ----------
    labels
        n x k, 0, 1, or NaN where unknown.
    probabilities
        n x k as delivered; NaN where neither label nor score is known.
    logits
        n x k: the network's own where the table states them, else the logit of the probability.
    raw
        Whether `logits` are the network's own.
    """

    labels: Floats
    probabilities: Floats
    logits: Floats
    raw: bool

    @classmethod
    def of_table(cls, table: pd.DataFrame, findings: Sequence[str]) -> Scores:
        """From a predictions table; raises `ManifestError` for a missing column or a wrong cell."""
        labels = np.stack([label_cells(table, f) for f in findings], axis=1)
        scores = np.stack([probability_cells(table, f, labels[:, k]) for k, f in enumerate(findings)], axis=1)
        own = [logit_cells(table, f, labels[:, k]) for k, f in enumerate(findings)]
        stated = [column for column in own if column is not None]
        if len(stated) == len(findings):
            return cls(labels, scores, np.stack(stated, axis=1), True)
        return cls(labels, scores, clipped_logit(scores), False)


@dataclass(frozen=True, eq=False)
class Validation:
    """What calibrations and thresholds may be fitted on.

    Attributes
    ----------
    kind
        ``"card"``, the scores that a preset's card keeps of its validation split, or ``"rows"``.
    split
        How the part is called in records.
    scores
        Its m x k labels and scores.
    """

    kind: Literal["card", "rows"]
    split: str
    scores: Scores

    @classmethod
    def of_table(cls, table: pd.DataFrame, findings: Sequence[str], *, split: str, judged: pd.DataFrame) -> Validation:
        """From a predictions table; raises `ManifestError` where a patient (or an image) is also judged."""
        shared = _shared(table, judged)
        if shared:
            raise ManifestError(
                f"{shared} patients or images of the rows to fit on are also among the rows to judge.",
                "Fit on other patients: what is fitted on the judged rows flatters.",
            )
        return cls("rows", split, Scores.of_table(table, findings))

    @classmethod
    def of_card(
        cls,
        kept: Sequence[ValidationScores],
        calibrations: Sequence[Calibration],
    ) -> Validation:
        """From the validation scores of k findings; their calibration is undone to have the logits."""
        longest = max(len(k.positives) + len(k.negatives) for k in kept)
        labels, scores = (np.full((longest, len(kept)), np.nan) for _ in range(2))
        for column, found in enumerate(kept):
            ones, zeros = len(found.positives), len(found.negatives)
            labels[: ones + zeros, column] = np.r_[np.ones(ones), np.zeros(zeros)]
            scores[: ones + zeros, column] = [*found.positives, *found.negatives]
        slope = np.array([c.slope for c in calibrations])
        intercept = np.array([c.intercept for c in calibrations])
        logits = (clipped_logit(scores) - intercept) / slope
        return cls("card", kept[0].split, Scores(labels, scores, logits, True))


def raw_probabilities(scores: Scores) -> Floats:
    """Sigmoid of the network's own logits."""
    return np.asarray(expit(scores.logits), dtype=np.float64)


def _shared(a: pd.DataFrame, b: pd.DataFrame) -> int:
    """Number of patients, else of images, that two tables share; 0 where neither is stated."""
    ours, theirs = stated_patients(a), stated_patients(b)
    if ours is not None and theirs is not None:
        return len(ours & theirs)
    if "image" in a.columns and "image" in b.columns:
        return len(set(a["image"]) & set(b["image"]))
    return 0
