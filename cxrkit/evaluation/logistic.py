"""Logistic regression without a penalty: the fit behind calibration, recalibration and its slope."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]


class Logistic(NamedTuple):
    """A fitted logistic model, and the mean of its targets, which is the mean of its probabilities."""

    coefficients: Floats
    intercept: float
    mean: float


def varies(z: Floats) -> bool:
    """Whether logits differ by more than rounding; no slope can be fitted where they do not."""
    return float(np.ptp(z)) > 1e-9 * max(1.0, float(np.abs(z).max()))


def fit_logistic(features: Floats, y: Floats) -> Logistic:
    """Logistic regression without a penalty, on features whose first column varies.

    When the first coefficient's column separates the classes, so that no maximum exists, the targets
    are smoothed to (n1 + 1) / (n1 + 2) and 1 / (n0 + 2) (Platt 1999, eq. 2).
    """
    targets = y.astype(np.float64)
    if separable(features, y):
        ones = y.sum()
        targets = np.where(y == 1, (ones + 1) / (ones + 2), 1 / (len(y) - ones + 2))
    centre, spread = float(features[:, 0].mean()), float(features[:, 0].std())
    design = np.column_stack([(features[:, :1] - centre) / spread, features[:, 1:]])
    # a target between 0 and 1 is one row of each class, weighted by it; other targets leave one of weight 0
    weights = np.r_[targets, 1 - targets]
    counted = weights > 0
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(
        np.concatenate([design, design])[counted],
        np.r_[np.ones(len(y)), np.zeros(len(y))][counted],
        sample_weight=weights[counted],
    )
    coefficients = fitted.coef_[0].astype(np.float64)
    coefficients[0] /= spread
    intercept = float(fitted.intercept_[0]) - coefficients[0] * centre
    return Logistic(coefficients, float(intercept), float(targets.mean()))


def separable(features: Floats, y: Floats) -> bool:
    """True when, in every group of equal indicators, no negative's score reaches a positive's (or the reverse)."""
    group = features[:, 1:] @ np.arange(1, features.shape[1]) if features.shape[1] > 1 else np.zeros(len(y))
    above, below = [], []
    for value in np.unique(group):
        one, zero = (features[(group == value) & (y == label), 0] for label in (1, 0))
        above.append(one.min() >= zero.max())
        below.append(one.max() <= zero.min())
    return all(above) or all(below)


def intercept_for(scores: Floats, mean: float) -> float:
    """The b for which mean(sigmoid(scores + b)) is `mean`; it is unique because the mean rises with b."""
    centre = float(logit(mean))
    low, high = centre - float(scores.max()) - 1.0, centre - float(scores.min()) + 1.0
    return float(brentq(lambda b: float(expit(scores + b).mean()) - mean, low, high, xtol=1e-12))
