"""Calibration slope, intercept and calibration in the large against statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from cxrkit.evaluation.calibration_line import calibration_line, clipped_logit


def draw(seed, patients=150, images=4):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(patients), images)
    z = np.repeat(rng.normal(-1, 1.5, patients), images) + rng.normal(0, 0.5, patients * images)
    y = (rng.random(len(z)) < expit(0.6 * z - 0.4 + np.repeat(rng.normal(size=patients), images))).astype(float)
    return y, expit(z), group


def ends(estimate):
    return estimate.value, estimate.low, estimate.high


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("clustered", [True, False])
def test_agrees_with_statsmodels(seed, clustered):
    y, p, group = draw(seed)
    if not clustered:
        group = np.arange(len(y))
    count = len(np.unique(group))
    got = calibration_line(y, p, group if clustered else None)
    z = logit(p)
    # statsmodels' own small-sample factor also counts the parameters; ours is G / (G - 1)
    robust = {"cov_type": "cluster", "cov_kwds": {"groups": group, "use_correction": False}}
    line = sm.Logit(y, np.column_stack([z, np.ones_like(z)])).fit(disp=0, tol=1e-12, **robust)
    large = sm.GLM(y, np.ones((len(z), 1)), family=sm.families.Binomial(), offset=z).fit(tol=1e-12, **robust)
    factor = np.sqrt(count / (count - 1))
    for estimate, value, error in (
        (got.slope, line.params[0], line.bse[0]),
        (got.intercept, line.params[1], line.bse[1]),
        (got.in_the_large, large.params[0], large.bse[0]),
    ):
        half = 1.959963984540054 * error * factor
        assert ends(estimate) == pytest.approx((value, value - half, value + half), abs=1e-6)
        assert (estimate.n, estimate.positives) == (len(y), y.sum())
    assert ("cluster" in got.slope.method) == clustered


def test_images_of_one_patient_count_once():
    y, p, _ = draw(3, patients=200, images=1)
    alone = calibration_line(y, p)
    together = calibration_line(np.tile(y, 5), np.tile(p, 5), np.tile(np.arange(200), 5))
    assert ends(together.slope) == pytest.approx(ends(alone.slope), abs=1e-6)
    assert ends(together.in_the_large) == pytest.approx(ends(alone.in_the_large), abs=1e-6)


def test_calibration_in_the_large_by_hand():
    # All rows at p = .5, so the fitted intercept is the logit of 3/4. Variance p (1 - p) n / (n p (1 - p))^2
    # times n / (n - 1): 1 / (40 * 3/16) * 40/39.
    y = np.r_[np.ones(30), np.zeros(10)]
    got = calibration_line(y, np.full(40, 0.5))
    error = np.sqrt(16 / 120 * 40 / 39)
    assert ends(got.in_the_large) == pytest.approx(
        (np.log(3), np.log(3) - 1.959964 * error, np.log(3) + 1.959964 * error), abs=1e-6
    )
    assert (got.slope, got.intercept) == (None, None)


def test_known_distortion_comes_back():
    rng = np.random.default_rng(4)
    z = rng.normal(size=40_000)
    y = (rng.random(40_000) < expit(z)).astype(float)
    got = calibration_line(y, expit(2 * z + 1))  # so z = (logit p - 1) / 2
    assert got.slope.low < 0.5 < got.slope.high
    assert got.intercept.low < -0.5 < got.intercept.high
    assert got.in_the_large.high < 0


def test_probabilities_that_hardly_differ_have_a_line_and_an_interval():
    y, p, group = draw(5)
    narrow = expit(3 + 1e-6 * (logit(p) - logit(p).mean()))
    wide, got = calibration_line(y, p, group).slope, calibration_line(y, narrow, group).slope
    assert np.array(ends(got)) / 1e6 == pytest.approx(ends(wide), rel=1e-5)


def test_certain_probabilities_are_clipped():
    y = np.array([1, 0, 1, 0, 1, 0, 0, 1.0])
    p = np.array([1, 0, 0.6, 0.3, 0, 1, 0.2, 0.8])
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    assert calibration_line(y, p) == calibration_line(y, clipped)
    assert clipped_logit([0, 0.5, 1]) == pytest.approx([-16.118, 0, 16.118], abs=1e-3)


def test_what_cannot_be_had_is_none():
    absent = calibration_line([1, 1, np.nan], [0.2, 0.3, 0.4])
    assert (absent.slope, absent.intercept, absent.in_the_large) == (None, None, None)
    assert calibration_line([np.nan], [0.5]).in_the_large is None
    separated = calibration_line([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9])
    assert (separated.slope, separated.intercept) == (None, None)
    assert np.isfinite(separated.in_the_large.low)
    two = calibration_line([0, 1, 0, 1, 0, 0], [0.1, 0.3, 0.5, 0.2, 0.4, 0.3], [1, 2, 3, 2, 3, 1])
    assert (two.slope.low, two.in_the_large.high) == (None, None)  # one patient has all the positives
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration_line([0, 1], [0.5, 1.5])
