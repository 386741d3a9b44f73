"""Net benefit by hand, against counting, and under patient weights."""

import numpy as np
import pytest

from cxrkit.evaluation.decision import THRESHOLDS, NetBenefit, net_benefit, net_benefits
from cxrkit.evaluation.operating_points import at_threshold


def draw(seed, n=300, patients=80):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.25).astype(float)
    y[rng.random(n) < 0.1] = np.nan
    p = np.clip(rng.beta(2, 4, n) + 0.2 * np.nan_to_num(y), 0, 1).round(2)  # hundredths, to meet thresholds exactly
    return y, p, rng.integers(0, patients, n)


def test_by_hand():
    assert net_benefit(20, 10, 100, 0.2) == pytest.approx(0.175)  # .2 - .1 / 4
    assert net_benefit(3, 9, 12, 0.25) == pytest.approx(0.0)  # a false positive costs a third
    assert net_benefit(0, 0, 100, 0.3) == 0
    assert net_benefit(0, 0, 0, 0.3) is None
    for threshold in (0, 1, 1.5, np.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            net_benefit(1, 1, 2, threshold)


def test_curve_by_hand():
    # 100 rows, 30 positives. 20 positives and 10 negatives reach .2, 5 positives reach .5, all reach .1.
    y = np.r_[np.ones(30), np.zeros(70)]
    p = np.r_[np.full(5, 0.5), np.full(15, 0.2), np.full(10, 0.1), np.full(10, 0.3), np.full(60, 0.15)]
    worth = NetBenefit.of(y, p, np.arange(100), 100, [0.1, 0.2, 0.3, 0.5])
    assert worth.curve() == pytest.approx([0.3 - 0.7 / 9, 0.175, 0.05 - 0.1 * 3 / 7, 0.05])
    assert worth.treat_all_curve() == pytest.approx([0.3 - 0.7 / 9, 0.3 - 0.7 / 4, 0, 0.3 - 0.7])


def test_treat_all_crosses_zero_at_the_prevalence():
    y = np.r_[np.ones(12), np.zeros(28), np.nan]
    curve = NetBenefit.of(y, np.full(41, 0.5), np.arange(41), 41).treat_all_curve()
    assert THRESHOLDS[0] == 0.01
    assert THRESHOLDS[-1] == 0.5
    assert curve[THRESHOLDS.index(0.3)] == pytest.approx(0, abs=1e-15)
    assert (curve[:29] > 0).all()
    assert (curve[30:] < 0).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_counting_at_every_threshold(seed):
    y, p, group = draw(seed)
    worth = NetBenefit.of(y, p, group, 80)
    known = np.isfinite(y)
    for t, got, everyone in zip(THRESHOLDS, worth.curve(), worth.treat_all_curve(), strict=True):
        at = at_threshold(p, y, t)
        assert got == pytest.approx(net_benefit(at.tp, at.fp, known.sum(), t), abs=1e-12)
        assert everyone == pytest.approx(net_benefit(at.positives, at.negatives, known.sum(), t), abs=1e-12)


def test_weights_are_repetitions_of_patients():
    y, p, group = draw(2)
    weights = np.random.default_rng(3).multinomial(80, np.full(80, 1 / 80), size=6).astype(float)
    got = net_benefits(y, p, group, weights)
    assert got.shape == (6, 50)
    worth = NetBenefit.of(y, p, group, 80)
    for r in range(6):
        rows = np.repeat(np.arange(len(y)), weights[r, group].astype(int))
        repeated = NetBenefit.of(y[rows], p[rows], group[rows], 80)
        assert got[r] == pytest.approx(repeated.curve(), abs=1e-12)
        assert worth.treat_all(weights)[r] == pytest.approx(repeated.treat_all_curve(), abs=1e-12)


def test_a_replicate_without_a_known_row_is_undefined():
    weights = np.array([[1.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    got = net_benefits([1, 0, np.nan], [0.4, 0.2, 0.9], [1, 1, 0], weights, [0.25])
    assert got[1] == pytest.approx(0.5)
    assert np.isnan(got[[0, 2]]).all()


def test_refuses_nonsense():
    with pytest.raises(ValueError, match="ascending"):
        net_benefits([1, 0], [0.4, 0.2], [0, 1], np.ones((1, 2)), [0.3, 0.2])
    with pytest.raises(ValueError, match="finite"):
        net_benefits([1, 0], [0.4, np.nan], [0, 1], np.ones((1, 2)))
