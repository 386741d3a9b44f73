"""The reflected interval by hand, and by how often it holds a truth that the percentile interval misses."""

import numpy as np
import pytest
from scipy.special import expit

from cxrkit.evaluation.bootstrap import percentile_interval
from cxrkit.evaluation.decomposition import Binned, bin_of
from cxrkit.evaluation.reflection import reflected_interval


def test_by_hand():
    samples = np.arange(0, 1001) / 1000  # quantiles .025 and .975
    assert reflected_interval(samples, 0.6) == pytest.approx((0.225, 1.175))
    assert reflected_interval(samples, 0.4) == pytest.approx((0, 0.775))
    assert reflected_interval(samples + 1, 0.5) == (0, 0.5)  # 1 - 1.025 < 0: extended to the value
    assert reflected_interval(samples, 0.8, squared=True) == pytest.approx(
        (np.sqrt(1.28 - 0.975**2), np.sqrt(1.28 - 0.025**2))
    )
    assert reflected_interval(np.r_[np.full(9, np.nan), samples[:5]], 0.1) is None


def test_a_calibrated_model_is_found_calibrated():
    rng = np.random.default_rng(0)
    held = {"ece": 0, "percentile": 0, "reliability": 0}
    for _ in range(100):
        z = rng.normal(-1, 1.2, 300)
        y, p = (rng.random(300) < expit(z)).astype(float), expit(z)
        sums = Binned.of(y, p, bin_of(p), np.arange(300), 300)
        drawn = sums(rng.multinomial(300, np.full(300, 1 / 300), size=200).astype(float))
        value = sums(np.ones((1, 300)))[0]
        held["reliability"] += reflected_interval(drawn[:, 1], value[1])[0] == 0  # the truth of both is 0
        held["ece"] += reflected_interval(drawn[:, 5], value[5], squared=True)[0] == 0
        held["percentile"] += percentile_interval(drawn[:, 5])[0] == 0
    assert min(held["ece"], held["reliability"]) >= 93
    assert held["percentile"] == 0


def test_a_model_that_is_too_extreme_is_found_out():
    rng = np.random.default_rng(1)
    z = rng.normal(-1, 1.2, 3000)
    y, p = (rng.random(3000) < expit(z)).astype(float), expit(2 * z)
    sums = Binned.of(y, p, bin_of(p), np.arange(3000), 3000)
    drawn = sums(rng.multinomial(3000, np.full(3000, 1 / 3000), size=200).astype(float))
    value = sums(np.ones((1, 3000)))[0]
    low, high = reflected_interval(drawn[:, 5], value[5], squared=True)
    assert 0 < low < value[5] < high
