"""Intervals by resampling patients: images of one patient are alike, so they are drawn together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from cxrkit.evaluation.metrics import LEVEL, known

REPLICATES = 2000

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Key = TypeVar("Key", bound=Hashable)
_WEIGHTS = 2_000_000  # patients' weights held at a time, 16 MB: sums over patients are fast in large blocks
_CELLS = 250_000  # rows' weights held at a time: about 2 MB an array, so that they stay in the cache


class Statistic(Protocol):
    """What is computed in every replicate: r x patients weights in, r x m values out, NaN where undefined."""

    def __call__(self, weights: Floats) -> Floats:
        """Values of r replicates at once."""
        ...


def patient_numbers(patients: npt.ArrayLike) -> Rows:
    """n keys as n numbers from 0, equal keys alike."""
    return np.unique(np.asarray(patients), return_inverse=True)[1].astype(np.int64)


def resample(
    statistics: Mapping[Key, Statistic],
    group: Rows,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Key, Floats]:
    """Resample patients with replacement and compute every statistic on the same draws.

    A drawn patient brings all of their rows, once per draw, so a replicate is a vector of whole
    weights, one per patient. What is computed on the same draws can be subtracted replicate by replicate.

    Parameters
    ----------
    statistics
        Name -> statistic.
    group
        n patient numbers, as `patient_numbers` gives them.
    replicates, seed
        Number of draws, and the seed that determines them.
    progress
        Called with (draws done, replicates).

    Returns
    -------
    dict
        Name -> replicates x m values.
    """
    count = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    step = max(1, _WEIGHTS // count)
    counts = {name: statistic for name, statistic in statistics.items() if isinstance(statistic, Counts)}
    # one product for all sums: their patients' weights are read once
    stacked = np.concatenate([c.per_patient for c in counts.values()], axis=1) if counts else np.empty((count, 0))
    ends = np.cumsum([c.per_patient.shape[1] for c in counts.values()])
    parts: dict[Key, list[Floats]] = {name: [] for name in statistics}
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        drawn = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        for name, sums in zip(counts, np.split(weights @ stacked, ends[:-1], axis=1), strict=False):
            parts[name].append(sums)
        for name, statistic in statistics.items():
            if name not in counts:
                parts[name].append(statistic(weights))
        if progress is not None:
            progress(start + size, replicates)
    return {name: np.concatenate(found) for name, found in parts.items()}


def describe(unit: str, replicates: int) -> str:
    """How an interval came about: what was resampled (``"patient"`` or ``"image"``), and how often."""
    return f"percentile of {replicates} {unit} bootstrap replicates"


def percentile_interval(samples: Floats, level: float = LEVEL) -> tuple[float, float] | None:
    """Percentiles of the finite samples that hold the share `level`; None when fewer than half are finite."""
    finite = samples[np.isfinite(samples)]
    if 2 * len(finite) < len(samples) or not len(finite):
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Counts:
    """Sums over rows, such as a confusion matrix, in every replicate.

    Attributes
    ----------
    per_patient
        patients x m sums of one patient's rows.
    """

    per_patient: Floats

    @classmethod
    def of(cls, cells: npt.ArrayLike, group: Rows) -> Counts:
        """From n x m values of the rows and their n patient numbers."""
        values = np.asarray(cells, dtype=np.float64)
        sums = np.zeros((int(group.max()) + 1, values.shape[1]))
        np.add.at(sums, group, values)
        return cls(sums)

    def __call__(self, weights: Floats) -> Floats:
        """r x m weighted sums."""
        return weights @ self.per_patient


@dataclass(frozen=True, eq=False)
class Discrimination:
    """AUROC, average precision, Brier score and prevalence of one finding in every replicate (m = 4).

    It holds the known rows in ascending order of score, and where the positives stand among them.
    """

    y: Floats
    p: Floats
    group: Rows
    positive: Rows  # rows of the positives
    start: Rows  # per positive: first row of its score
    end: Rows  # and the row after the last one
    first: Rows  # per positive: the first positive of its score, counted among the positives

    @classmethod
    def of(cls, labels: npt.ArrayLike, scores: npt.ArrayLike, group: Rows) -> Discrimination:
        """From n labels (0, 1 or NaN), n probabilities and n patient numbers."""
        y, p = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
        rows = np.flatnonzero(~np.isnan(y))
        y, p = known(y, p)
        order = np.argsort(p, kind="stable")
        y, p = y[order], p[order]
        positive = np.flatnonzero(y == 1)
        own = p[positive]
        start, end = (np.searchsorted(p, own, side) for side in ("left", "right"))
        return cls(y, p, group[rows[order]], positive, start, end, np.searchsorted(own, own, "left"))

    @property
    def clusters(self) -> int:
        """The smaller of the numbers of patients with a positive and with a negative label."""
        return min(len(np.unique(self.group[self.y == label])) for label in (0, 1))

    def interval(self, samples: Floats) -> tuple[float, float] | None:
        """Percentile interval of replicates (r); None where one patient holds a whole class."""
        return percentile_interval(samples) if self.clusters >= 2 else None

    def __call__(self, weights: Floats) -> Floats:
        """r x 4 from r x patients weights.

        With C the weight of all rows below a score, the rows below the positives (ties as a half)
        add up to sum(w (C[start] + C[end]) / 2), of which the positives themselves are ones**2 / 2.
        """
        if not len(self.y):
            return np.full((len(weights), 4), np.nan)
        step = max(1, _CELLS // len(self.y))
        return np.concatenate([self._block(weights[i : i + step]) for i in range(0, len(weights), step)])

    def _block(self, weights: Floats) -> Floats:
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
            prevalence = ones / total
        undefined = (ones == 0) | (zeros == 0)
        auroc[undefined] = auprc[undefined] = np.nan
        return np.stack([auroc, auprc, brier, prevalence], axis=1)
