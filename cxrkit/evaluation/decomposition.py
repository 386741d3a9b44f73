"""Calibration error over bins: the parts of the Brier score, and the ECE, on the rows or on resampled patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

BINS = 10
PARTS = ("brier", "reliability", "resolution", "uncertainty", "within_bins")

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def bin_of(probabilities: npt.ArrayLike, bins: int = BINS) -> Rows:
    """Bin of each of n probabilities: `bins` bins of about equal mass by rank, numbered upwards from 0.

    Equal probabilities share a bin, so that some may stay empty.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 1 or bins < 1 or not np.isfinite(p).all():
        raise ValueError("probabilities must be a vector of finite numbers, and bins at least 1")
    return np.minimum((rankdata(p) - 0.5) * bins // max(len(p), 1), bins - 1).astype(np.int64)


@dataclass(frozen=True)
class Decomposition:
    """Parts of the Brier score: brier = reliability - resolution + uncertainty + within_bins.

    (Murphy 1973.) With w the share of a bin's rows, and means of the bin and of all rows:
    `reliability` is sum w (mean p - mean y)^2 and is 0 when calibrated; `resolution` is
    sum w (mean y - prevalence)^2, the more the better; `uncertainty` is prevalence (1 - prevalence).
    `within_bins` is the variance of p within the bins less twice its covariance with y there
    (Stephenson et al. 2008): 0 when the rows of a bin share one probability, and it may be negative.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


@dataclass(frozen=True, eq=False)
class Binned:
    """Sums of each patient in each bin, from which the parts of any resampling of patients follow.

    The bins are fixed: they are those of the rows as they are, not of each replicate.

    Attributes
    ----------
    centre
        b: mean probability of each bin, to which p is referred to keep the sums small.
    sums
        5 x patients x b: rows, sum of d, of d^2, of y and of d y, for d = p - centre.
    """

    centre: Floats
    sums: Floats

    @classmethod
    def of(
        cls,
        labels: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        bins: npt.ArrayLike,
        group: npt.ArrayLike,
        patients: int,
    ) -> Binned:
        """Add up the rows of each patient.

        Parameters
        ----------
        labels, probabilities
            n known labels, 0 or 1, and their probabilities.
        bins
            n bin numbers, as `bin_of` gives them.
        group
            n patient numbers, 0 to `patients` - 1.
        patients
            Their count, which may exceed those with a known label.
        """
        y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
        place, number = np.asarray(bins, dtype=np.int64), np.asarray(group, dtype=np.int64)
        if y.ndim != 1 or not y.shape == p.shape == place.shape == number.shape:
            raise ValueError("labels, probabilities, bins and group must be vectors of one length")
        if not np.isin(y, (0.0, 1.0)).all() or not np.isfinite(p).all():
            raise ValueError("labels must be 0 or 1 and probabilities finite")
        count = int(place.max(initial=-1)) + 1
        rows = np.bincount(place, minlength=count)
        centre = np.bincount(place, p, minlength=count) / np.maximum(rows, 1)
        d = p - centre[place]
        cell = number * count + place
        sums = [np.bincount(cell, v, minlength=patients * count) for v in (np.ones_like(d), d, d * d, y, d * y)]
        return cls(centre, np.asarray(sums, dtype=np.float64).reshape(5, patients, count))

    def decompose(self, weights: Floats) -> dict[str, Floats]:
        """Parts of the Brier score (r each) under patient weights (r x patients); NaN without any row."""
        rows, d, dd, y, dy = self._under(weights)
        total = _total(rows)
        mean_d, mean_y = _per(d, rows), _per(y, rows)
        prevalence = y.sum(axis=1) / total
        gap = self.centre + mean_d - mean_y
        # (p - y)^2 with p = centre + d, and y^2 = y
        squares = self.centre**2 * rows + 2 * self.centre * (d - y) + dd - 2 * dy + y
        parts = (
            squares.sum(axis=1) / total,
            (rows * gap**2).sum(axis=1) / total,
            (rows * (mean_y - prevalence[:, None]) ** 2).sum(axis=1) / total,
            prevalence * (1 - prevalence),
            (dd - d * mean_d - 2 * (dy - d * mean_y)).sum(axis=1) / total,
        )
        return dict(zip(PARTS, parts, strict=True))

    def ece(self, weights: Floats) -> Floats:
        """Expected calibration error (r) under patient weights (r x patients): sum w |mean y - mean p|."""
        rows, d, _, y, _ = self._under(weights)
        return np.asarray(np.abs(self.centre * rows + d - y).sum(axis=1) / _total(rows), dtype=np.float64)

    def __call__(self, weights: Floats) -> Floats:
        """r x 6: the parts in the order of `PARTS`, then the ECE."""
        return np.column_stack([*self.decompose(weights).values(), self.ece(weights)])

    def _under(self, weights: Floats) -> Floats:
        """5 x r x b weighted sums."""
        return np.asarray(weights @ self.sums, dtype=np.float64)


def decompose(labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: npt.ArrayLike) -> Decomposition | None:
    """Decompose the Brier score of n known labels over given bins; None without rows. See `Binned.of`."""
    n = len(np.asarray(labels))
    if n == 0:
        return None
    parts = Binned.of(labels, probabilities, bins, np.zeros(n, dtype=np.int64), 1).decompose(np.ones((1, 1)))
    return Decomposition(**{name: float(values[0]) for name, values in parts.items()})


def decompose_weighted(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    bins: npt.ArrayLike,
    group: npt.ArrayLike,
    weights: npt.ArrayLike,
) -> dict[str, Floats]:
    """Parts of the Brier score (r each) under patient weights (r x patients); see `Binned`."""
    w = np.asarray(weights, dtype=np.float64)
    return Binned.of(labels, probabilities, bins, group, w.shape[1]).decompose(w)


def ece_weighted(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    bins: npt.ArrayLike,
    group: npt.ArrayLike,
    weights: npt.ArrayLike,
) -> Floats:
    """Expected calibration error (r) under patient weights (r x patients); see `Binned`."""
    w = np.asarray(weights, dtype=np.float64)
    return Binned.of(labels, probabilities, bins, group, w.shape[1]).ece(w)


def _total(rows: Floats) -> Floats:
    total = rows.sum(axis=1)
    return np.where(total > 0, total, np.nan)


def _per(sums: Floats, rows: Floats) -> Floats:
    """Mean of each bin, 0 where it is empty."""
    return np.divide(sums, rows, out=np.zeros_like(sums), where=rows > 0)
