"""Recalibrators that are fitted on validation rows: Platt scaling, temperature and isotonic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from cxrkit.evaluation.logistic import fit_logistic, varies
from cxrkit.evaluation.metrics import known

ISOTONIC_POSITIVES = 200
"""Isotonic regression overfits with fewer positives than this, so it is not offered."""

_FARTHEST = 1e9  # inverse temperatures beyond this are taken as no maximum

Floats = npt.NDArray[np.float64]


class Recalibrator(Protocol):
    """A fitted map from raw scores to probabilities; it rises with the score."""

    @property
    def n(self) -> int:
        """Known labels that it was fitted on."""

    @property
    def positives(self) -> int:
        """Those of them that are 1."""

    @property
    def parameters(self) -> dict[str, float]:
        """What was fitted, by name."""

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of raw scores, in the same shape; NaN stays NaN."""


@dataclass(frozen=True)
class Platt:
    """expit(slope * logit + intercept)."""

    slope: float
    intercept: float
    n: int
    positives: int

    @property
    def parameters(self) -> dict[str, float]:
        """Slope and intercept."""
        return {"slope": self.slope, "intercept": self.intercept}

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of logits."""
        return np.asarray(expit(self.slope * np.asarray(logits, dtype=np.float64) + self.intercept), dtype=np.float64)


@dataclass(frozen=True)
class Temperature:
    """expit(logit / temperature)."""

    temperature: float
    n: int
    positives: int

    @property
    def parameters(self) -> dict[str, float]:
        """The temperature."""
        return {"temperature": self.temperature}

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of logits."""
        return np.asarray(expit(np.asarray(logits, dtype=np.float64) / self.temperature), dtype=np.float64)


@dataclass(frozen=True)
class Isotonic:
    """Rising steps, joined by straight lines, through `scores` and `probabilities` (ascending, equally long)."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    n: int
    positives: int

    @property
    def parameters(self) -> dict[str, float]:
        """Number of distinct levels: the more, the closer it follows its own rows."""
        return {"levels": float(len(set(self.probabilities)))}

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of scores; beyond the fitted scores those of the ends. They may be exactly 0 or 1."""
        return np.asarray(np.interp(np.asarray(logits, dtype=np.float64), self.scores, self.probabilities))


def fit_platt(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Platt | None:
    """Logistic calibration of one finding by maximum likelihood (Platt 1999, no penalty).

    Where the classes do not overlap no maximum exists, and Platt's smoothed targets are fitted. Rows
    without a label are left out.

    Returns
    -------
    Platt or None
        None where a class is absent, where the logits are all alike, and where the slope is not
        positive, which would invert the ranking.
    """
    y, z = known(labels, logits)
    if not len(y) or y.min() == y.max() or not varies(z):
        return None
    fitted = fit_logistic(z[:, None], y)
    slope = float(fitted.coefficients[0])
    return Platt(slope, fitted.intercept, len(y), int(y.sum())) if slope > 0 else None


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Temperature | None:
    """One temperature for a model, by maximum likelihood over all its known labels (Guo et al. 2017).

    The likelihood is concave in a = 1 / temperature, so its maximum is the root of
    ``sum(z * (y - sigmoid(a z)))``.

    Parameters
    ----------
    logits, labels
        n x k (or n): raw outputs, and 0, 1 or NaN where unknown.

    Returns
    -------
    Temperature or None
        None where no positive maximum exists: the logits disagree with the labels on the whole, or no
        single one disagrees.
    """
    shape = np.shape(logits)
    if shape != np.shape(labels):
        raise ValueError(f"logits {shape} and labels {np.shape(labels)} must have one shape")
    y, z = known(np.ravel(labels), np.ravel(logits))

    def rise(a: float) -> float:
        return float(np.sum(z * (y - expit(a * z))))

    if not (z * (y - 0.5) < 0).any() or rise(0.0) <= 0:
        return None
    high = 1.0
    while rise(high) > 0:
        high *= 2
        if high > _FARTHEST:
            return None
    inverse = float(brentq(rise, 0.0, high, xtol=1e-14, rtol=1e-12))
    return Temperature(1 / inverse, len(y), int(y.sum()))


def fit_isotonic(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Isotonic | None:
    """Isotonic regression of one finding's labels on its scores (Zadrozny and Elkan 2002).

    Rows without a label are left out.

    Returns
    -------
    Isotonic or None
        None with fewer than 200 positives, or without a negative.
    """
    y, s = known(labels, scores)
    positives = int(y.sum())
    if positives < ISOTONIC_POSITIVES or positives == len(y):
        return None
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(s, y)
    return Isotonic(tuple(map(float, fitted.X_thresholds_)), tuple(map(float, fitted.y_thresholds_)), len(y), positives)
