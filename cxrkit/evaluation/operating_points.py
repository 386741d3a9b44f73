"""Named thresholds, chosen once on a validation split and then left alone.

A calibrated probability p counts as positive when p >= threshold. Thresholds stand midway between
neighbouring scores of the fitting split, so that the last digit of a score decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cxrkit.card import OperatingPoint, Rule
from cxrkit.evaluation.metrics import Confusion

TARGET = 0.95
"""Sensitivity of the screening point, specificity of the rule-in point ..."""

STRICT_TARGET = 0.99
"""... and where Youden's point reaches the target already."""

Floats = npt.NDArray[np.float64]


def fit_operating_points(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    findings: Sequence[str],
    *,
    split: str,
    weights_sha256: str,
) -> tuple[OperatingPoint, ...]:
    """Choose the thresholds of each finding.

    - ``youden``: the largest sensitivity + specificity - 1 (Youden 1950); the lowest such threshold.
    - ``screening``: the highest threshold, up to Youden's, with a sensitivity of at least 0.95, or of 0.99
      where Youden's point has 0.95 already.
    - ``rule-in``: the lowest threshold, from Youden's on, with a specificity of at least 0.95, or of 0.99
      where Youden's point has 0.95 already.

    A good model meets 0.95 of both over a range of thresholds. With that target alone, its screening
    threshold would lie above its rule-in threshold, the reverse of what the names promise.

    Parameters
    ----------
    probabilities
        n x k calibrated probabilities.
    labels
        n x k, 0, 1, or NaN where unknown.
    findings
        The k names.
    split
        Name of the split, for the record.
    weights_sha256
        Of the weights that gave the probabilities; the points belong to them.

    Returns
    -------
    tuple of OperatingPoint
        Three per finding, in the order of `findings`; none for a finding without both classes.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    if p.shape != y.shape or p.ndim != 2 or p.shape[1] != len(findings):
        raise ValueError(f"probabilities {p.shape} and labels {y.shape} must both be n x {len(findings)}")
    points = []
    for k, finding in enumerate(findings):
        known = np.isfinite(y[:, k])
        scores, truth = p[known, k], y[known, k]
        for rule, threshold in _thresholds(scores, truth).items():
            at = at_threshold(scores, truth, threshold)
            points.append(
                OperatingPoint(
                    finding=finding,
                    rule=rule,
                    threshold=threshold,
                    sensitivity=at.tp / at.positives,
                    specificity=at.tn / at.negatives,
                    split=split,
                    n=len(truth),
                    positives=at.positives,
                    weights_sha256=weights_sha256,
                )
            )
    return tuple(points)


def at_threshold(probabilities: npt.ArrayLike, labels: npt.ArrayLike, threshold: float) -> Confusion:
    """Count what a threshold gives on one finding: p >= threshold is positive, NaN labels are left out."""
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    known = np.isfinite(y)
    called, truth = p[known] >= threshold, y[known] == 1
    return Confusion(
        tp=int((called & truth).sum()),
        fp=int((called & ~truth).sum()),
        tn=int((~called & ~truth).sum()),
        fn=int((~called & truth).sum()),
    )


def _thresholds(scores: Floats, truth: Floats) -> dict[Rule, float]:
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return {}
    candidates = separating_thresholds(scores)
    called = len(scores) - np.searchsorted(np.sort(scores), candidates, side="left")
    tp = positives - np.searchsorted(np.sort(scores[truth == 1]), candidates, side="left")
    fp = called - tp
    # Whole numbers (J times positives times negatives), so that equal J compare equal.
    best = tp * negatives - fp * positives
    youden = int(np.argmax(best))
    sensitivity, specificity = tp / positives, (negatives - fp) / negatives
    chosen: dict[Rule, float] = {"youden": float(candidates[youden])}
    screening = np.flatnonzero(sensitivity >= _target(sensitivity[youden]))
    chosen["screening"] = float(candidates[min(screening[-1], youden)])
    rule_in = np.flatnonzero(specificity >= _target(specificity[youden]))
    if len(rule_in):  # none when too many negatives score exactly 1
        chosen["rule-in"] = float(candidates[max(rule_in[0], youden)])
    return chosen


def _target(at_youden: float) -> float:
    return STRICT_TARGET if at_youden >= TARGET else TARGET


def separating_thresholds(scores: Floats) -> Floats:
    """Ascending thresholds that separate every pair of neighbouring scores (n), and all scores from 0 and 1."""
    edges = np.unique(scores)
    middle = (edges[:-1] + edges[1:]) / 2
    middle = np.where(middle > edges[:-1], middle, edges[1:])  # neighbours without a double between them
    above = (edges[-1] + 1.0) / 2
    return np.concatenate([[edges[0] / 2], middle, [above] if above > edges[-1] else []])
