"""From raw logits to probabilities: Platt scaling that survives thin validation splits.

A finding with few positives cannot carry a slope of its own, so such findings share one slope and
keep an intercept each. A prior shift then restates the probabilities at a reference prevalence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from cxrkit.card import MINIMUM_POSITIVES, Calibration, ReferencePrevalence
from cxrkit.errors import ManifestError, PresetInvalid
from cxrkit.evaluation.logistic import fit_logistic, intercept_for, varies

Floats = npt.NDArray[np.float64]


def fit_calibration(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    findings: Sequence[str],
    *,
    split: str,
    reference: ReferencePrevalence | None = None,
) -> dict[str, Calibration]:
    """Fit one logistic calibration per finding on a validation split.

    - ``"platt"``: own slope and intercept by maximum likelihood (Platt 1999, no penalty), for a
      preset of one finding, or where a finding has at least 30 positives and 30 negatives. Where
      the classes do not overlap no maximum exists; Platt's smoothed targets are then fitted.
    - ``"shared-slope"``: the slope of one logistic model over all findings with an intercept each;
      the finding's intercept then makes the mean probability (positives + 0.5) / (n + 1). It also
      stands in for a finding whose own slope is not positive, which would invert its ranking.
    - ``"identity"``: slope 1. With an intercept for the same mean where no positive slope can be
      fitted at all, as where every logit is the same, and without any (prevalence None) where the
      split has no label of the finding.

    Where a reference prevalence is given, each intercept is shifted by
    ``logit(reference) - logit(m)`` (Elkan 2001; Saerens et al. 2002), m being the mean probability
    that the fit gives on the split: positives / n for ``"platt"`` (the mean of Platt's targets where
    they were smoothed), (positives + 0.5) / (n + 1) for the others. This assumes that only the share
    of positives differs, not how they look.

    Parameters
    ----------
    logits
        n x k raw outputs.
    labels
        n x k, 0, 1, or NaN where unknown.
    findings
        The k names.
    split
        Name of the split, for the record.
    reference
        Prevalence to which to shift, per finding.

    Returns
    -------
    dict
        Finding -> calibration, in the order of `findings`.

    Raises
    ------
    ManifestError
        The split has no known label at all.
    PresetInvalid
        The reference lacks a finding.
    """
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    if z.shape != y.shape or z.ndim != 2 or z.shape[1] != len(findings):
        raise ValueError(f"logits {z.shape} and labels {y.shape} must both be n x {len(findings)}")
    if not np.isfinite(y).any():
        raise ManifestError(
            "The validation split has no known label.", "Give a validation split with labels to calibrate on."
        )
    if not np.isfinite(z).all():
        raise ValueError("a logit is not finite")
    shared = _shared_slope(z, y)
    return {
        finding: _fit_one(z[known, k], y[known, k], finding, len(findings), shared, split, reference)
        for k, finding in enumerate(findings)
        for known in [np.isfinite(y[:, k])]
    }


def apply_calibration(logits: npt.ArrayLike, calibration: Mapping[str, Calibration], findings: Sequence[str]) -> Floats:
    """n x k calibrated probabilities of n x k logits."""
    z = np.asarray(logits, dtype=np.float64)
    slope = np.array([calibration[f].slope for f in findings])
    intercept = np.array([calibration[f].intercept for f in findings])
    return np.asarray(expit(slope * z + intercept), dtype=np.float64)


def _fit_one(
    z: Floats,
    y: Floats,
    finding: str,
    findings: int,
    shared: float | None,
    split: str,
    reference: ReferencePrevalence | None,
) -> Calibration:
    n, positives = len(y), int(y.sum())
    if n == 0:
        return Calibration(1.0, 0.0, "identity", split, 0, 0)
    fewest = min(positives, n - positives)
    smoothed = (positives + 0.5) / (n + 1)
    enough = fewest >= (1 if findings == 1 else MINIMUM_POSITIVES)
    own = fit_logistic(z[:, None], y) if enough and varies(z) else None
    method: Literal["platt", "shared-slope", "identity"]
    if own is not None and own.coefficients[0] > 0:
        slope, intercept, method = float(own.coefficients[0]), own.intercept, "platt"
        prevalence = own.mean
    else:
        slope, method = (shared, "shared-slope") if shared is not None else (1.0, "identity")
        intercept, prevalence = intercept_for(slope * z, smoothed), smoothed
    if reference is not None:
        fitted, prevalence = prevalence, _reference(reference, finding)
        intercept += float(logit(prevalence) - logit(fitted))
    return Calibration(slope, intercept, method, split, n, positives, prevalence)


def _shared_slope(z: Floats, y: Floats) -> float | None:
    """Slope of the joint model over the findings with both classes, or None when it is not positive.

    A finding whose logits are all equal says nothing of the slope, as its intercept fits it alone.
    """
    columns = [
        k
        for k in range(y.shape[1])
        if np.nanmin(y[:, k], initial=1) < np.nanmax(y[:, k], initial=0) and varies(z[np.isfinite(y[:, k]), k])
    ]
    if not columns:
        return None
    # One design row per known label: its logit, then an indicator per finding (the first is the intercept).
    rows, targets = [], []
    for place, k in enumerate(columns):
        known = np.isfinite(y[:, k])
        design = np.zeros((int(known.sum()), len(columns)))
        design[:, 0] = z[known, k]
        if place:
            design[:, place] = 1.0
        rows.append(design)
        targets.append(y[known, k])
    slope = float(fit_logistic(np.concatenate(rows), np.concatenate(targets)).coefficients[0])
    return slope if slope > 0 else None


def _reference(reference: ReferencePrevalence, finding: str) -> float:
    value = reference.by_finding.get(finding)
    if value is None:
        raise PresetInvalid(
            f"The reference prevalence of {finding} is missing.",
            "Name a prevalence for every finding, or none at all.",
        )
    return value
