"""Measures of a confusion matrix that have no plain Wilson interval: F1, likelihood ratios, balanced accuracy.

Their intervals are built from Wilson limits, which stay inside the possible range and hold up for few
rows. All of them take the rows as independent; with several images per patient they are too narrow.
"""

from __future__ import annotations

from math import hypot, sqrt

from cxrkit.evaluation.metrics import Confusion, Estimate, proportion

JACCARD = "Wilson of tp / (tp + fp + fn)"
MOVER = "MOVER of Wilson limits"
MOVER_R = "MOVER-R of Wilson limits"


def f1(confusion: Confusion) -> Estimate | None:
    """Harmonic mean of sensitivity and PPV, 2 tp / (2 tp + fp + fn).

    With J = tp / (tp + fp + fn), F1 = 2 J / (1 + J) rises with J, and given tp + fp + fn the count tp is
    binomial, so Wilson's limits of J become those of F1.

    Returns
    -------
    Estimate or None
        `n` is tp + fp + fn, `positives` tp + fn; None where all three counts are 0.
    """
    rows = confusion.tp + confusion.fp + confusion.fn
    jaccard = proportion(confusion.tp, rows)
    if jaccard is None:
        return None
    value, low, high = (2 * j / (1 + j) for j in _limits(jaccard))
    return Estimate(value, low, high, JACCARD, rows, confusion.positives)


def balanced_accuracy(confusion: Confusion) -> Estimate | None:
    """Mean of sensitivity and specificity, with the MOVER interval (Zou and Donner 2008).

    The distance of each limit from the mean is half the root of the summed squares of the two rates'
    own distances. None where a class is empty.
    """
    first, second = confusion.sensitivity, confusion.specificity
    if first is None or second is None:
        return None
    (t1, l1, u1), (t2, l2, u2) = _limits(first), _limits(second)
    value = (t1 + t2) / 2
    low, high = value - hypot(t1 - l1, t2 - l2) / 2, value + hypot(u1 - t1, u2 - t2) / 2
    return Estimate(value, low, high, MOVER, confusion.positives + confusion.negatives, confusion.positives)


def likelihood_ratio_positive(confusion: Confusion) -> Estimate | None:
    """LR+ = sensitivity / (1 - specificity); None where a class is empty or there is no false positive."""
    return ratio_interval(confusion.tp, confusion.positives, confusion.fp, confusion.negatives)


def likelihood_ratio_negative(confusion: Confusion) -> Estimate | None:
    """LR- = (1 - sensitivity) / specificity; None where a class is empty or there is no true negative."""
    return ratio_interval(confusion.fn, confusion.positives, confusion.tn, confusion.negatives)


def ratio_interval(a_successes: int, a_n: int, b_successes: int, b_n: int) -> Estimate | None:
    """Ratio of two independent proportions, a / b, with the MOVER-R interval.

    (Donner and Zou 2012; Newcombe 2016, Stat Methods Med Res 25:1774, with Wilson limits.) With the
    proportions t1, t2 and their limits l, u the interval is Fieller's with each variance recovered
    from the limit on the side that matters. The lower limit is multiplied out, as its usual form
    divides by u2 (2 t2 - u2), which is 0 or negative where Wilson's u2 reaches twice t2.

    Returns
    -------
    Estimate or None
        `n` is a_n + b_n and `positives` a_n: for a likelihood ratio, a is counted over the rows whose
        label is 1. None where a group is empty or b has no success.
    """
    first, second = proportion(a_successes, a_n), proportion(b_successes, b_n)
    if first is None or second is None or b_successes == 0:
        return None
    (t1, l1, u1), (t2, l2, u2) = _limits(first), _limits(second)
    product = t1 * t2
    low = 0.0  # also where t1 is 0, when the form below is 0 / 0
    if a_successes:
        above, below = l1 * (2 * t1 - l1), u2 * (2 * t2 - u2)
        low = above / (product + sqrt(max(0.0, product**2 - above * below)))
    above, below = u1 * (2 * t1 - u1), l2 * (2 * t2 - l2)
    high = (product + sqrt(max(0.0, product**2 - above * below))) / below
    return Estimate(t1 / t2, low, high, MOVER_R, a_n + b_n, a_n)


def _limits(rate: Estimate) -> tuple[float, float, float]:
    if rate.low is None or rate.high is None:
        raise ValueError("a proportion always has Wilson limits")
    return rate.value, rate.low, rate.high
