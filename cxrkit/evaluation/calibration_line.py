"""How far probabilities are from calibrated: slope, intercept and calibration in the large (Cox 1958)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from scipy.stats import norm

from cxrkit.evaluation.logistic import fit_logistic, intercept_for, separable, varies
from cxrkit.evaluation.metrics import LEVEL, Estimate

CLIP = 1e-7
"""Probabilities closer than this to 0 or 1 are moved to it before the logit is taken."""

CLUSTERED = "Wald, patient-clustered sandwich"
ROWS = "Wald, sandwich"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationLine:
    """The logistic regression of the label on the logit of the probability.

    Perfect calibration has slope 1 and intercept 0; a slope below 1 means that the probabilities are
    too extreme. `in_the_large` is the intercept with the slope held at 1: below 0 where the
    probabilities are too high on the whole. All are None when a class is absent; slope and intercept
    also where no maximum exists, because the probabilities are all alike or separate the classes.
    """

    slope: Estimate | None
    intercept: Estimate | None
    in_the_large: Estimate | None


def clipped_logit(probabilities: npt.ArrayLike) -> Floats:
    """Logits of probabilities, those within 1e-7 of 0 or 1 (so logits of at most 16.1); NaN stays NaN."""
    return np.asarray(logit(np.clip(np.asarray(probabilities, dtype=np.float64), CLIP, 1 - CLIP)), dtype=np.float64)


def calibration_line(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, patients: npt.ArrayLike | None = None
) -> CalibrationLine:
    """Fit the calibration line by maximum likelihood, with Wald intervals from the sandwich variance.

    The variance (Liang and Zeger 1986) sums the scores within a patient and carries the factor
    G / (G - 1) for G patients; with every row its own patient it is the heteroscedasticity-robust one.

    Parameters
    ----------
    labels
        n, 0, 1 or NaN; rows without a label are left out.
    probabilities
        n, 0 to 1; see `clipped_logit`.
    patients
        n keys; None takes every row as its own patient.

    Returns
    -------
    CalibrationLine
        Estimates without ends where fewer than two patients have a positive, or a negative, label.
    """
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if y.shape != p.shape or y.ndim != 1 or (patients is not None and len(np.asarray(patients)) != len(y)):
        raise ValueError("labels, probabilities and patients must be vectors of one length")
    rows = ~np.isnan(y)
    y, p = y[rows], p[rows]
    if not np.isin(y, (0.0, 1.0)).all() or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("labels must be 0, 1 or NaN and probabilities between 0 and 1")
    if not len(y) or y.min() == y.max():
        return CalibrationLine(None, None, None)
    keys = np.arange(len(y)) if patients is None else np.asarray(patients)[rows]
    group = np.unique(keys, return_inverse=True)[1]
    method = ROWS if patients is None else CLUSTERED
    z = clipped_logit(p)
    ones = np.ones((len(y), 1))

    shift = intercept_for(z, float(y.mean()))
    errors = _standard_errors(ones, np.eye(1), y, expit(z + shift), group)
    (in_the_large,) = _wald(np.array([shift]), errors, method, y)
    if not varies(z) or separable(z[:, None], y):
        return CalibrationLine(None, None, in_the_large)
    fitted = fit_logistic(z[:, None], y)
    slope = float(fitted.coefficients[0])
    # centred and scaled, so that the inverse stands up to probabilities that hardly differ
    centre, spread = float(z.mean()), float(z.std())
    back = np.array([[1 / spread, 0.0], [-centre / spread, 1.0]])
    design = np.column_stack([(z - centre) / spread, ones])
    errors = _standard_errors(design, back, y, expit(slope * z + fitted.intercept), group)
    line = _wald(np.array([slope, fitted.intercept]), errors, method, y)
    return CalibrationLine(line[0], line[1], in_the_large)


def error_at(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, at: float, patients: npt.ArrayLike | None = None
) -> float | None:
    """Standard error of the calibration line at one probability, in log-odds: how well the rows fix what it means.

    Parameters
    ----------
    labels, probabilities, patients
        As for `calibration_line`.
    at
        The probability, in (0, 1).

    Returns
    -------
    float or None
        None where there is no line, or fewer than two patients of a class.
    """
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    line = calibration_line(y, p, patients)
    if line.slope is None or line.intercept is None:
        return None
    rows = ~np.isnan(y)
    z, place = clipped_logit(p[rows]), float(logit(at))
    keys = np.arange(len(z)) if patients is None else np.asarray(patients)[rows]
    design = np.column_stack([z - place, np.ones(len(z))])  # its intercept is the line's height there
    fitted = expit(line.slope.value * z + line.intercept.value)
    errors = _standard_errors(design, np.eye(2), y[rows], fitted, np.unique(keys, return_inverse=True)[1])
    return None if errors is None else float(errors[1])


def _standard_errors(
    design: Floats, back: Floats, y: Floats, fitted: Floats, group: npt.NDArray[np.int64]
) -> Floats | None:
    """Root of the diagonal of the clustered sandwich, None with fewer than two patients of a class.

    `back` takes the coefficients of `design` to those that are reported.
    """
    if min(len(np.unique(group[y == label])) for label in (0, 1)) < 2:
        return None
    count = int(group.max()) + 1
    bread = back @ np.linalg.inv(design.T @ (design * (fitted * (1 - fitted))[:, None]))
    scores = design * (y - fitted)[:, None]
    sums = np.stack([np.bincount(group, column, count) for column in scores.T], axis=1)
    variance = bread @ (sums.T @ sums) @ bread.T * (count / (count - 1))
    return np.asarray(np.sqrt(np.diag(variance)), dtype=np.float64)


def _wald(values: Floats, errors: Floats | None, method: str, y: Floats) -> list[Estimate]:
    n, positives = len(y), int(y.sum())
    if errors is None:
        return [Estimate(float(v), None, None, method, n, positives) for v in values]
    half = norm.ppf((1 + LEVEL) / 2) * errors
    return [
        Estimate(float(v), float(v - h), float(v + h), method, n, positives) for v, h in zip(values, half, strict=True)
    ]
