"""Is one model better than another on the same rows? DeLong's paired test, and Holm's adjustment over findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

from cxrkit.evaluation.metrics import LEVEL, Estimate, known
from cxrkit.evaluation.placements import placements

METHOD = "paired DeLong"


@dataclass(frozen=True)
class PairedAreas:
    """AUROC of two score vectors over the same rows, and their difference.

    `difference` is ours less theirs. `standard_error` and `p` (two-sided, of no difference) are None
    where they cannot be had; see `paired_delong`.
    """

    ours: float
    theirs: float
    difference: Estimate
    standard_error: float | None
    p: float | None


def paired_delong(labels: npt.ArrayLike, ours: npt.ArrayLike, theirs: npt.ArrayLike) -> PairedAreas | None:
    """DeLong's test for two correlated ROC curves (DeLong et al. 1988).

    The variance of the difference is that of the paired differences of the placement values, over the
    positives and over the negatives, each divided by its count: the paper's L S L' for L = (1, -1). It
    takes the rows as independent; with several images per patient resample patients instead.

    Parameters
    ----------
    labels
        n, 0, 1 or NaN; rows without a label are left out.
    ours, theirs
        n each, higher for positive. They need not share a scale.

    Returns
    -------
    PairedAreas or None
        None when a class is absent. With a single row in a class there is no variance: no standard
        error, interval or p. Scores that rank every row alike have a difference of exactly 0, with the
        interval 0..0 and p = 1. Where the variance is 0 all the same, as when both separate the classes
        without overlap, the standard error is 0 and there is neither interval nor p: the sample says
        nothing of the spread, and a p of 0 would claim too much.

    Raises
    ------
    ValueError
        The lengths differ, a label is not 0 or 1, or a score of a known label is not finite.
    """
    (y, a), (_, b) = known(labels, ours), known(labels, theirs)
    m = int(y.sum())
    n = len(y) - m
    if m == 0 or n == 0:
        return None
    (a10, a01), (b10, b01) = (placements(s[y == 1], s[y == 0]) for s in (a, b))
    first, second = float(a10.mean()), float(b10.mean())
    value = first - second
    d10, d01 = a10 - b10, a01 - b01

    def without_ends(standard_error: float | None) -> PairedAreas:
        return PairedAreas(first, second, Estimate(value, None, None, METHOD, m + n, m), standard_error, None)

    if np.array_equal(rankdata(a), rankdata(b)):
        return PairedAreas(first, second, Estimate(0.0, 0.0, 0.0, METHOD, m + n, m), 0.0, 1.0)
    if min(m, n) < 2:
        return without_ends(None)
    # Placement values are multiples of 1 / 2n and 1 / 2m, so smaller spreads are rounding.
    if np.ptp(d10) < 1 / (4 * n) and np.ptp(d01) < 1 / (4 * m):
        return without_ends(0.0)
    standard_error = float(np.sqrt(d10.var(ddof=1) / m + d01.var(ddof=1) / n))
    half = float(norm.ppf((1 + LEVEL) / 2)) * standard_error
    difference = Estimate(value, max(-1.0, value - half), min(1.0, value + half), METHOD, m + n, m)
    return PairedAreas(first, second, difference, standard_error, float(2 * norm.sf(abs(value) / standard_error)))


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjust p values for their number by Holm's step-down procedure (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1, then made no smaller than the one before and no
    larger than 1. A None stays None and is not counted among the m tests.
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for step, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - step) * p))
        adjusted[place] = largest
    return tuple(adjusted)
