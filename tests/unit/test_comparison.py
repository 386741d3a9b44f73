"""DeLong's paired test against its O(mn) definition, by hand, and against an independent package."""

import numpy as np
import pytest
from confidenceinterval.delong import delong_roc_variance, fastDeLong_no_weights
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from cxrkit.evaluation.comparison import holm, paired_delong
from cxrkit.evaluation.placements import placements


def draw(seed, n=200, decimals=None):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(float)
    shared = rng.normal(size=n)
    a, b = (shift * y + shared + rng.normal(size=n) for shift in (1.6, 1.0))
    return (y, a, b) if decimals is None else (y, a.round(decimals), b.round(decimals))


def by_definition(y, scores):
    """AUROCs and covariance of DeLong et al. 1988, eq. 4 to 6, from the kernel of every pair."""
    x, z = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    psi = np.array([[[(s[i] > s[j]) + 0.5 * (s[i] == s[j]) for j in z] for i in x] for s in scores])
    theta = psi.mean(axis=(1, 2))
    v10, v01 = psi.mean(axis=2) - theta[:, None], psi.mean(axis=1) - theta[:, None]
    m, n = len(x), len(z)
    return theta, v10 @ v10.T / (m - 1) / m + v01 @ v01.T / (n - 1) / n


@pytest.mark.parametrize("decimals", [None, 0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agrees_with_the_definition(seed, decimals):
    y, a, b = draw(seed, 120, decimals)
    theta, s = by_definition(y, (a, b))
    error = np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    value = theta[0] - theta[1]
    got = paired_delong(y, a, b)
    assert (got.ours, got.theirs, got.difference.value) == pytest.approx((*theta, value), abs=1e-12)
    assert got.standard_error == pytest.approx(error, rel=1e-10)
    assert got.p == pytest.approx(2 * norm.cdf(-abs(value) / error), rel=1e-8)
    assert (got.difference.low, got.difference.high) == pytest.approx(
        (value - 1.959964 * error, value + 1.959964 * error), abs=1e-6
    )
    assert (got.difference.n, got.difference.positives) == (120, y.sum())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agrees_with_an_independent_package(seed):
    y, a, b = draw(seed)
    for scores in (a, b):
        v10, v01 = placements(scores[y == 1], scores[y == 0])
        area, variance = delong_roc_variance(y == 1, scores)
        assert v10.mean() == pytest.approx(area, abs=1e-3)
        assert v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01) == pytest.approx(float(variance), rel=1e-3)
    order = np.argsort(-y, kind="stable")
    areas, s = fastDeLong_no_weights(np.stack([a, b])[:, order], int(y.sum()))
    got = paired_delong(y, a, b)
    assert (got.ours, got.theirs) == pytest.approx(tuple(areas), abs=1e-3)
    assert got.standard_error == pytest.approx(np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1]), rel=1e-3)


def test_by_hand():
    # Positives 3 1 4, negatives 0 2: V10 = 1, 1/2, 1; V01 = 1, 2/3. AUROC 5/6.
    # The other scores: positives 3 5 1, negatives 2 4: V10 = 1/2, 1, 0; V01 = 2/3, 1/3. AUROC 1/2.
    # Differences: 1/2, -1/2, 1 (variance 7/12) and 1/3, 1/3 (variance 0). SE^2 = 7/36.
    got = paired_delong([1, 1, 1, 0, 0], [3, 1, 4, 0, 2], [3, 5, 1, 2, 4])
    assert (got.ours, got.theirs, got.difference.value) == pytest.approx((5 / 6, 1 / 2, 1 / 3))
    assert got.standard_error == pytest.approx(np.sqrt(7) / 6)
    assert got.difference.low == pytest.approx(1 / 3 - 1.959964 * np.sqrt(7) / 6, abs=1e-6)
    assert got.difference.high == 1.0  # 1.198 before clipping
    assert got.p == pytest.approx(0.4497, abs=1e-4)  # z = 2 / sqrt(7) = .7559


def test_exchanging_the_models_changes_the_sign_only():
    y, a, b = draw(3)
    one, other = paired_delong(y, a, b), paired_delong(y, b, a)
    assert (one.difference.value, one.difference.low) == pytest.approx(
        (-other.difference.value, -other.difference.high)
    )
    assert one.p == pytest.approx(other.p)


def test_rows_without_a_label_are_left_out():
    y, a, b = draw(4)
    holes = np.r_[y, np.nan, np.nan]
    assert paired_delong(holes, np.r_[a, np.nan, 9], np.r_[b, 1, np.nan]) == paired_delong(y, a, b)


def test_scores_that_rank_alike_do_not_differ():
    y, a, _ = draw(5)
    got = paired_delong(y, a, 3 * a - 7)
    assert (got.difference.value, got.difference.low, got.difference.high) == (0, 0, 0)
    assert (got.standard_error, got.p) == (0, 1)


def test_what_cannot_be_had_is_none():
    single = paired_delong([1, 0, 0, 0], [4, 3, 2, 1], [1, 2, 3, 0])
    assert single.difference.value == pytest.approx(2 / 3)
    assert (single.difference.low, single.standard_error, single.p) == (None, None, None)
    # both separate without overlap but rank otherwise: no spread in the sample, so no claim
    both = paired_delong([1, 1, 0, 0], [4, 3, 2, 1], [3, 4, 1, 2])
    assert (both.difference.value, both.difference.high, both.standard_error, both.p) == (0, None, 0, None)
    opposite = paired_delong([1, 1, 0, 0], [4, 3, 2, 1], [1, 2, 3, 4])
    assert (opposite.difference.value, opposite.difference.low, opposite.p) == (1, None, None)
    assert paired_delong([1, 1], [1, 2], [2, 1]) is None
    with pytest.raises(ValueError, match="one length"):
        paired_delong([1, 0], [1, 2], [1, 2, 3])


def test_false_alarms_are_as_often_as_promised():
    rng = np.random.default_rng(6)
    y = np.r_[np.ones(40), np.zeros(60)]
    shared = rng.normal(size=(1000, 100))
    pairs = [1.2 * y + shared + rng.normal(size=(1000, 100)) for _ in range(2)]
    alarms = np.mean([paired_delong(y, a, b).p < 0.05 for a, b in zip(*pairs, strict=True)])
    assert alarms == pytest.approx(0.05, abs=0.02)


def test_holm_by_hand_and_against_statsmodels():
    # Sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, made to rise: .04 .06 .06 .06
    assert holm([0.03, None, 0.01, 0.04, 0.02]) == pytest.approx((0.06, None, 0.04, 0.06, 0.06))
    p = np.random.default_rng(7).random(14) ** 4
    assert holm(p.tolist()) == pytest.approx(tuple(multipletests(p, method="holm")[1]))
    assert holm([]) == ()
    assert holm([None]) == (None,)
