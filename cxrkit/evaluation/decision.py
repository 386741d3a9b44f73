"""Decision curves: what acting on a model is worth, in true positives per row (Vickers and Elkin 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

THRESHOLDS = tuple(percent / 100 for percent in range(1, 51))
"""Threshold probabilities of a curve: 1 % to 50 %."""

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def net_benefit(tp: float, fp: float, n: float, threshold: float) -> float | None:
    """tp / n - fp / n * pt / (1 - pt): true positives per row, less false ones at the odds of pt.

    Treating none has 0. None when n is 0.

    Raises
    ------
    ValueError
        The threshold does not lie between 0 and 1.
    """
    odds = float(_odds(np.array([threshold]))[0])
    return (tp - fp * odds) / n if n else None


@dataclass(frozen=True, eq=False)
class NetBenefit:
    """Sums of each patient, from which the net benefit of any resampling of patients follows.

    Rows whose probability is at least the threshold are treated.

    Attributes
    ----------
    rows
        patients: known labels.
    model, everyone
        patients x T: true positives less false positives at the odds of the threshold, when the model
        decides, and when all are treated.
    """

    rows: Floats
    model: Floats
    everyone: Floats

    @classmethod
    def of(
        cls,
        labels: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        group: npt.ArrayLike,
        patients: int,
        thresholds: npt.ArrayLike = THRESHOLDS,
    ) -> NetBenefit:
        """Add up the rows of each patient.

        Parameters
        ----------
        labels, probabilities
            n; labels 0, 1, or NaN for rows to leave out.
        group
            n patient numbers, 0 to `patients` - 1.
        patients
            Their count, which may exceed those with a known label.
        thresholds
            T, ascending, between 0 and 1.
        """
        y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
        t, number = np.asarray(thresholds, dtype=np.float64), np.asarray(group, dtype=np.int64)
        odds = _odds(t)
        if y.ndim != 1 or not y.shape == p.shape == number.shape or (np.diff(t) <= 0).any():
            raise ValueError("labels, probabilities and group must be vectors of one length, thresholds ascending")
        known = ~np.isnan(y)
        y, p, number = y[known], p[known], number[known]
        if not np.isin(y, (0.0, 1.0)).all() or not np.isfinite(p).all():
            raise ValueError("labels must be 0, 1 or NaN and probabilities finite")
        met = np.searchsorted(t, p, side="right")  # thresholds that the row reaches: the first `met`
        steps = len(t) + 1

        def reached(rows: npt.NDArray[np.bool_]) -> Floats:
            """patients x T rows that reach each threshold."""
            cells = np.bincount(number[rows] * steps + met[rows], minlength=patients * steps)
            counts = cells.reshape(patients, steps)[:, ::-1].cumsum(axis=1)[:, ::-1]
            return np.asarray(counts[:, 1:], dtype=np.float64)

        ones, zeros = (np.bincount(number[y == label], minlength=patients) for label in (1, 0))
        return cls(
            (ones + zeros).astype(np.float64),
            reached(y == 1) - reached(y == 0) * odds,
            ones[:, None] - zeros[:, None] * odds,
        )

    def __call__(self, weights: Floats) -> Floats:
        """Net benefit of the model (r x T) under patient weights (r x patients); NaN without any row."""
        return self._per_row(weights, self.model)

    def treat_all(self, weights: Floats) -> Floats:
        """Net benefit of treating every row (r x T); it crosses 0 where the threshold is the prevalence."""
        return self._per_row(weights, self.everyone)

    def curve(self) -> Floats:
        """Net benefit of the model on the rows as they are (T)."""
        return np.asarray(self(np.ones((1, len(self.rows))))[0], dtype=np.float64)

    def treat_all_curve(self) -> Floats:
        """Net benefit of treating all, on the rows as they are (T)."""
        return np.asarray(self.treat_all(np.ones((1, len(self.rows))))[0], dtype=np.float64)

    def _per_row(self, weights: Floats, sums: Floats) -> Floats:
        total = weights @ self.rows
        return (weights @ sums) / np.where(total > 0, total, np.nan)[:, None]


def net_benefits(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    group: npt.ArrayLike,
    weights: npt.ArrayLike,
    thresholds: npt.ArrayLike = THRESHOLDS,
) -> Floats:
    """Net benefit of the model (r x T) under patient weights (r x patients); see `NetBenefit`.

    For several blocks of weights make one `NetBenefit` and call it with each.
    """
    w = np.asarray(weights, dtype=np.float64)
    return NetBenefit.of(labels, probabilities, group, w.shape[1], thresholds)(w)


def _odds(thresholds: Floats) -> Floats:
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError("threshold probabilities must lie between 0 and 1")
    return thresholds / (1 - thresholds)
