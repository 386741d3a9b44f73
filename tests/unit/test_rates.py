"""Intervals built from Wilson limits, by hand, against statsmodels, and by their coverage."""

from itertools import product
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import confint_proportions_2indep

from cxrkit.evaluation.metrics import Confusion
from cxrkit.evaluation.rates import (
    balanced_accuracy,
    f1,
    likelihood_ratio_negative,
    likelihood_ratio_positive,
    ratio_interval,
)

Z2 = 1.959963984540054**2


def wilson(k, n):
    """Wilson 1927, written out."""
    centre, half = k + Z2 / 2, sqrt(Z2) * sqrt(k * (n - k) / n + Z2 / 4)
    return (centre - half) / (n + Z2), (centre + half) / (n + Z2)


def test_f1_by_hand():
    # J = 8/10; F1 = 16/18. Wilson limits of 8/10: .4902, .9433; F1 limits 2 J / (1 + J): .6579, .9708.
    got = f1(Confusion(tp=8, fp=1, tn=50, fn=1))
    assert got.value == pytest.approx(16 / 18)
    assert (got.low, got.high) == pytest.approx((0.6579, 0.9708), abs=1e-4)
    low, high = wilson(8, 10)
    assert (got.low, got.high) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)), abs=1e-12)
    assert (got.n, got.positives) == (10, 9)


def test_f1_ignores_true_negatives_and_is_zero_without_true_positives():
    assert f1(Confusion(8, 1, 0, 1)) == f1(Confusion(8, 1, 10**6, 1))
    assert (f1(Confusion(0, 3, 5, 2)).value, f1(Confusion(0, 3, 5, 2)).low) == (0, 0)
    assert f1(Confusion(0, 0, 5, 0)) is None


def test_balanced_accuracy_by_hand():
    # sensitivity 8/10 (.4902, .9433), specificity 45/50 (.7864, .9565); mean .85
    got = balanced_accuracy(Confusion(tp=8, fp=5, tn=45, fn=2))
    assert got.value == pytest.approx(0.85)
    assert got.low == pytest.approx(0.85 - sqrt((0.8 - 0.4902) ** 2 + (0.9 - 0.7864) ** 2) / 2, abs=1e-4)
    assert got.high == pytest.approx(0.85 + sqrt((0.9433 - 0.8) ** 2 + (0.9565 - 0.9) ** 2) / 2, abs=1e-4)
    assert (got.n, got.positives) == (60, 10)
    assert balanced_accuracy(Confusion(0, 5, 45, 0)) is None


def test_likelihood_ratios_by_hand():
    # sensitivity 16/20, 1 - specificity 10/100. Fieller's quadratic with the limits, in its usual form.
    got = likelihood_ratio_positive(Confusion(tp=16, fp=10, tn=90, fn=4))
    (l1, u1), (l2, u2) = wilson(16, 20), wilson(10, 100)
    t1, t2 = 0.8, 0.1
    low = (t1 * t2 - sqrt((t1 * t2) ** 2 - l1 * u2 * (2 * t1 - l1) * (2 * t2 - u2))) / (u2 * (2 * t2 - u2))
    high = (t1 * t2 + sqrt((t1 * t2) ** 2 - u1 * l2 * (2 * t1 - u1) * (2 * t2 - l2))) / (l2 * (2 * t2 - l2))
    assert got.value == pytest.approx(8.0)
    assert (got.low, got.high) == pytest.approx((low, high), rel=1e-9)
    # With the limits .5840 and .9193, .0552 and .1744: .5933 / (.08 + .0612) and (.08 + .0374) / .00799.
    assert (got.low, got.high) == pytest.approx((4.20, 14.68), abs=0.01)
    assert (got.n, got.positives) == (120, 20)
    assert likelihood_ratio_negative(Confusion(tp=16, fp=10, tn=90, fn=4)).value == pytest.approx(0.2 / 0.9)


def test_lower_limit_survives_an_upper_wilson_limit_at_twice_the_proportion():
    # 1 of 100: Wilson's upper limit .0545 lies above 2 * .01, where the usual form would divide by less than 0.
    got = ratio_interval(15, 20, 1, 100)
    assert got.value == pytest.approx(75)
    assert 0 < got.low < got.value < got.high < np.inf


def test_undefined_and_zero_ratios():
    perfect = Confusion(tp=10, fp=0, tn=30, fn=0)
    assert likelihood_ratio_positive(perfect) is None
    best = likelihood_ratio_negative(perfect)
    assert (best.value, best.low) == (0, 0)
    assert 0 < best.high < 1
    assert ratio_interval(0, 0, 1, 2) is None
    assert likelihood_ratio_negative(Confusion(3, 5, 0, 2)) is None


@pytest.mark.parametrize(("a", "n", "b", "m"), [(1600, 2000, 800, 8000), (150, 1000, 700, 900), (90, 3000, 60, 4000)])
def test_large_samples_agree_with_the_score_interval(a, n, b, m):
    got = ratio_interval(a, n, b, m)
    oracle = confint_proportions_2indep(a, n, b, m, compare="ratio", method="score")
    assert (got.low, got.high) == pytest.approx(oracle, rel=0.01)


@pytest.mark.parametrize(("sensitivity", "one_less_specificity"), [(0.8, 0.2), (0.6, 0.1), (0.95, 0.5)])
def test_exact_coverage_over_all_tables(sensitivity, one_less_specificity):
    n, m = 30, 40
    truth = sensitivity / one_less_specificity
    mean = (sensitivity + 1 - one_less_specificity) / 2
    of_ratio = of_mean = defined = 0.0
    for tp, fp in product(range(n + 1), range(m + 1)):
        chance = binom.pmf(tp, n, sensitivity) * binom.pmf(fp, m, one_less_specificity)
        if chance < 1e-6:
            continue
        table = Confusion(tp, fp, m - fp, n - tp)
        both = balanced_accuracy(table)
        of_mean += chance * (both.low <= mean <= both.high)
        ratio = likelihood_ratio_positive(table)
        if ratio is not None:
            defined += chance
            of_ratio += chance * (ratio.low <= truth <= ratio.high)
    assert 0.93 <= of_mean <= 0.985
    assert 0.93 <= of_ratio / defined <= 0.985


def test_coverage_of_f1_by_simulation():
    shares = np.array([0.15, 0.1, 0.7, 0.05])  # tp, fp, tn, fn
    truth = 0.3 / (0.3 + 0.15)
    tables = np.random.default_rng(0).multinomial(120, shares, size=2000)
    kinds, times = np.unique(tables[:, [0, 1, 3]], axis=0, return_counts=True)
    covered = sum(
        times[i] * (got.low <= truth <= got.high)
        for i, (tp, fp, fn) in enumerate(kinds.tolist())
        for got in [f1(Confusion(tp, fp, 0, fn))]
    )
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)
