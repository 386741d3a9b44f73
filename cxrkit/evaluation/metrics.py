"""Discrimination, error rates and calibration error, each with an interval where one can be had.

What is undefined (a class is absent) is None, never 0.5 and never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm

from cxrkit.evaluation.placements import placements

LEVEL = 0.95

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; the ends are None where no interval can be computed.

    `n` counts the known labels that it rests on and `positives` those that are 1; for a rate such as
    the sensitivity they are the denominator and the numerator.
    """

    value: float
    low: float | None
    high: float | None
    method: str
    n: int
    positives: int


@dataclass(frozen=True)
class Confusion:
    """Counts at one threshold; the rates carry Wilson intervals and are None over an empty class."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def positives(self) -> int:
        """Rows whose label is 1."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Rows whose label is 0."""
        return self.tn + self.fp

    @property
    def sensitivity(self) -> Estimate | None:
        """tp / (tp + fn)."""
        return proportion(self.tp, self.positives)

    @property
    def specificity(self) -> Estimate | None:
        """tn / (tn + fp)."""
        return proportion(self.tn, self.negatives)

    @property
    def ppv(self) -> Estimate | None:
        """tp / (tp + fp), at the prevalence of the rows that were counted."""
        return proportion(self.tp, self.tp + self.fp)

    @property
    def npv(self) -> Estimate | None:
        """tn / (tn + fn), at the prevalence of the rows that were counted."""
        return proportion(self.tn, self.tn + self.fn)


@lru_cache(maxsize=4096)  # the rates of one confusion matrix ask for the same few again and again
def proportion(successes: int, n: int) -> Estimate | None:
    """successes / n with Wilson's score interval (Wilson 1927); None when n is 0."""
    if n == 0:
        return None
    interval = binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), "Wilson", n, successes)


def known(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Labels and scores of one finding as float64, without the rows whose label is NaN.

    Raises
    ------
    ValueError
        The shapes differ, a label is not 0 or 1, or a score of a known label is not finite.
    """
    y, s = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if y.shape != s.shape or y.ndim != 1:
        raise ValueError(f"labels {y.shape} and scores {s.shape} must be two vectors of one length")
    rows = ~np.isnan(y)
    y, s = y[rows], s[rows]
    if not np.isin(y, (0.0, 1.0)).all() or not np.isfinite(s).all():
        raise ValueError("labels must be 0, 1 or NaN and scores finite")
    return y, s


def auroc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Estimate | None:
    """Area under the ROC curve of one finding with DeLong's interval.

    The placement values come from midranks (Sun and Xu 2014); the interval is Wald's on the plain
    scale, clipped to 0..1, and collapses to a point when the classes do not overlap. It assumes
    independent rows: with several images per patient use `cxrkit.evaluation.bootstrap`.

    Parameters
    ----------
    labels
        n, 0, 1 or NaN.
    scores
        n, higher for positive; probabilities or logits.

    Returns
    -------
    Estimate or None
        None when a class is absent. Without ends when a class has a single row.
    """
    y, s = known(labels, scores)
    positive, negative = s[y == 1], s[y == 0]
    m, n = len(positive), len(negative)
    if m == 0 or n == 0:
        return None
    v10, v01 = placements(positive, negative)
    value = float(v10.mean())
    if min(m, n) < 2:
        return Estimate(value, None, None, "DeLong", m + n, m)
    half = float(norm.ppf((1 + LEVEL) / 2) * np.sqrt(v10.var(ddof=1) / m + v01.var(ddof=1) / n))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), "DeLong", m + n, m)


def average_precision(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Area under the precision-recall curve as average precision, sum over thresholds of dR times P.

    A scorer without skill reaches the prevalence, so show that beside it. None without positives or
    negatives.
    """
    y, s = known(labels, scores)
    positives = y.sum()
    if positives == 0 or positives == len(y):
        return None
    order = np.argsort(-s, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(s[order]) != 0, True])  # last row of each run of equal scores
    tp = np.cumsum(y[order])[ends]
    return float(np.sum(np.diff(tp, prepend=0.0) / positives * tp / (ends + 1)))


def brier(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float | None:
    """Mean squared difference of probability and label (Brier 1950); None without known labels."""
    y, p = known(labels, probabilities)
    return float(np.mean((p - y) ** 2)) if len(y) else None
