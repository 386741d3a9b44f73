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
from cxrkit.evaluation.calibration_line import clipped_logit
from cxrkit.evaluation.overlap import comparable, refuse_overlap
from cxrkit.evaluation.predictions import label_cells, logit_cells, probability_cells

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
    checked
        Whether it could be told that no patient or image of it is also judged.
    """

    kind: Literal["card", "rows"]
    split: str
    scores: Scores
    checked: bool = True

    @classmethod
    def of_table(
        cls, table: pd.DataFrame, findings: Sequence[str], *, split: str, judged: pd.DataFrame, same_file: bool = False
    ) -> Validation:
        """From a predictions table whose rows are not those to judge.

        Parameters
        ----------
        table, judged
            Rows to fit on, and rows to judge.
        split
            How the rows to fit on are called.
        same_file
            Whether both come from one file, so that their row numbers can be compared.

        Raises
        ------
        ManifestError
            A row, a patient or an image is on both sides, or many rows to judge have the very scores of
            rows to fit on.
        """
        refuse_overlap(table, judged, findings, same_file=same_file)
        scores = Scores.of_table(table, findings)
        return cls("rows", split, scores, checked=comparable(table, judged) or same_file)

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
