"""Intervals by resampling patients: images of one patient are alike, so they are drawn together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxrkit.evaluation.metrics import LEVEL, known

REPLICATES = 2000

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_CELLS = 250_000  # weights held at a time: about 2 MB an array, so that they stay in the cache


@dataclass(frozen=True, eq=False)
class Replicates:
    """Statistics of each bootstrap replicate, r x k; NaN where a replicate drew only one class.

    `clusters` (k) is the smaller of the numbers of patients with a positive and with a negative label.
    """

    auroc: Floats
    auprc: Floats
    brier: Floats
    clusters: Rows

    def interval(self, samples: Floats, k: int) -> tuple[float, float] | None:
        """95 % percentile interval of the k-th column of `samples`."""
        return percentile_interval(samples[:, k]) if self.clusters[k] >= 2 else None

    def macro_interval(self, columns: npt.ArrayLike) -> tuple[float, float] | None:
        """Interval of the mean AUROC over `columns`, from the replicates in which all are defined."""
        chosen = np.asarray(columns, dtype=np.int64)
        if not len(chosen) or self.clusters[chosen].min() < 2:
            return None
        return percentile_interval(self.auroc[:, chosen].mean(axis=1))


def describe(unit: str, replicates: int) -> str:
    """How an interval came about: what was resampled (``"patient"`` or ``"image"``), and how often."""
    return f"percentile of {replicates} {unit} bootstrap replicates"


def percentile_interval(samples: Floats) -> tuple[float, float] | None:
    """2.5th and 97.5th percentile of the finite samples; None when fewer than half are finite."""
    finite = samples[np.isfinite(samples)]
    if 2 * len(finite) < len(samples) or not len(finite):
        return None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def bootstrap(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    patients: npt.ArrayLike,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Replicates:
    """Resample patients with replacement and compute AUROC, average precision and Brier score.

    A drawn patient brings all of their rows, once per draw, so a replicate is a vector of whole
    row weights, and every finding is judged on the same draws. Sorted once, a weighted AUROC is
    a cumulative sum.

    Parameters
    ----------
    labels
        n x k, 0, 1, or NaN where unknown.
    scores
        n x k probabilities.
    patients
        n keys.
    replicates, seed
        Number of draws, and the seed that determines them.
    """
    y, s = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    _, group = np.unique(np.asarray(patients), return_inverse=True)
    count = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    columns = [_Column.of(y[:, k], s[:, k], group) for k in range(y.shape[1])]
    out = np.full((3, replicates, len(columns)), np.nan)
    step = max(1, _CELLS // len(group))
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        drawn = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        for k, column in enumerate(columns):
            if len(column.y):
                out[:, start : start + size, k] = column.statistics(weights)
    clusters = np.array([column.clusters for column in columns], dtype=np.int64)
    return Replicates(out[0], out[1], out[2], clusters)


@dataclass(frozen=True, eq=False)
class _Column:
    """Known rows of one finding in ascending order of score, and where its positives stand among them."""

    y: Floats
    p: Floats
    group: Rows
    positive: Rows  # rows of the positives
    start: Rows  # per positive: first row of its score
    end: Rows  # and the row after the last one
    first: Rows  # per positive: the first positive of its score, counted among the positives

    @classmethod
    def of(cls, y: Floats, p: Floats, group: Rows) -> _Column:
        rows = np.flatnonzero(~np.isnan(y))
        labels, scores = known(y, p)
        order = np.argsort(scores, kind="stable")
        labels, scores = labels[order], scores[order]
        positive = np.flatnonzero(labels == 1)
        own = scores[positive]
        start, end = (np.searchsorted(scores, own, side) for side in ("left", "right"))
        return cls(labels, scores, group[rows[order]], positive, start, end, np.searchsorted(own, own, "left"))

    @property
    def clusters(self) -> int:
        return min(len(np.unique(self.group[self.y == label])) for label in (0, 1))

    def statistics(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """AUROC, average precision and Brier score (r each) under patient weights (r x patients).

        With C the weight of all rows below a score, the rows below the positives (ties as a half)
        add up to sum(w (C[start] + C[end]) / 2), of which the positives themselves are ones**2 / 2.
        """
        w = weights[:, self.group]
        below = np.zeros((len(w), w.shape[1] + 1))
        np.cumsum(w, axis=1, out=below[:, 1:])
        total = below[:, -1]
        wp = w[:, self.positive]
        before = np.zeros((len(w), wp.shape[1] + 1))
        np.cumsum(wp, axis=1, out=before[:, 1:])
        ones = before[:, -1]
        zeros = total - ones
        under = below[:, self.start]
        called = total[:, None] - under
        found = ones[:, None] - before[:, self.first]
        precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            auroc = ((wp * (under + below[:, self.end])).sum(axis=1) - ones**2) / (2 * ones * zeros)
            auprc = (wp * precision).sum(axis=1) / ones
            brier = (w @ (self.p - self.y) ** 2) / total
        undefined = (ones == 0) | (zeros == 0)
        auroc[undefined] = auprc[undefined] = np.nan
        return auroc, auprc, brier
