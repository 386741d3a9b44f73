"""Recalibrators against statsmodels, scikit-learn and plain minimisation; what cannot be fitted is None."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from statsmodels.discrete.discrete_model import Logit

from cxrkit.evaluation.calibration import fit_calibration
from cxrkit.evaluation.recalibration import fit_isotonic, fit_platt, fit_temperature


def draw(seed, n=900, k=None, slope=0.5, intercept=-0.5):
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, n if k is None else (n, k))
    return z, (rng.random(z.shape) < expit(slope * z + intercept)).astype(float)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_platt_is_the_maximum_likelihood(seed):
    z, y = draw(seed)
    holes = np.r_[y, np.nan, np.nan]
    got = fit_platt(np.r_[z, 50, np.nan], holes)
    oracle = Logit(y, np.column_stack([z, np.ones_like(z)])).fit(disp=0, tol=1e-12).params
    assert (got.slope, got.intercept) == pytest.approx(tuple(oracle), abs=1e-6)
    assert (got.n, got.positives) == (900, y.sum())
    assert got.apply(z) == pytest.approx(expit(oracle[0] * z + oracle[1]), abs=1e-6)
    assert got.parameters == {"slope": got.slope, "intercept": got.intercept}


def test_platt_is_the_calibration_that_a_preset_of_one_finding_gets():
    for z, y in (draw(3), (np.array([-2.0, -1, 1, 2]), np.array([0.0, 0, 1, 1]))):
        stored, got = fit_calibration(z[:, None], y[:, None], ["A"], split="val")["A"], fit_platt(z, y)
        assert (got.slope, got.intercept) == (stored.slope, stored.intercept)


def test_platt_refuses_what_has_no_rising_fit():
    z, y = draw(4)
    assert fit_platt(z, 1 - y) is None
    assert fit_platt(z, np.ones_like(z)) is None
    assert fit_platt(np.full(10, 3.0), [0, 1] * 5) is None
    assert fit_platt([], []) is None


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_temperature_is_the_maximum_likelihood_over_all_findings(seed):
    z, y = draw(seed, n=300, k=3, slope=0.4, intercept=0.0)
    y[::5, 1] = np.nan
    z[::5, 1] = np.nan
    got = fit_temperature(z, y)
    known = np.isfinite(y)

    def loss(log_t):
        scaled = z[known] / np.exp(log_t)
        return np.sum(np.logaddexp(0, scaled) - y[known] * scaled)

    oracle = np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-10}).x)
    assert got.temperature == pytest.approx(oracle, rel=1e-5)
    assert got.temperature == pytest.approx(2.5, rel=0.25)
    assert (got.n, got.positives) == (known.sum(), np.nansum(y))
    assert got.apply([[got.temperature, 0.0]]) == pytest.approx(np.array([[expit(1), 0.5]]))


def test_temperature_by_hand():
    # Three of four labels agree with logits of +-2: sigmoid(2 / T) = 3/4, so 2 / T = log 3.
    assert fit_temperature([2, -2, 2, -2], [1, 0, 1, 1]).temperature == pytest.approx(2 / np.log(3))


def test_temperature_refuses_what_has_no_maximum():
    z, y = draw(5)
    assert fit_temperature(z, 1 - y) is None
    assert fit_temperature(z, (z > 0).astype(float)) is None
    assert fit_temperature([0, 0], [0, 1]) is None
    assert fit_temperature([], []) is None
    with pytest.raises(ValueError, match="one shape"):
        fit_temperature([[1, 2]], [1, 0])


@pytest.mark.parametrize("decimals", [8, 0])
def test_isotonic_agrees_with_scikit_learn(decimals):
    z, y = draw(6)
    z = z.round(decimals)
    got = fit_isotonic(z, y)
    grid = np.linspace(-12, 12, 501)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(z, y).predict(grid)
    assert got.apply(grid) == pytest.approx(oracle, abs=1e-9)
    assert (np.diff(got.apply(grid)) >= 0).all()
    assert got.apply(z).mean() == pytest.approx(y.mean())  # pools keep their means
    assert got.parameters["levels"] == len(np.unique(got.probabilities))
    assert np.isnan(got.apply([np.nan, 0.0])).tolist() == [True, False]


def test_isotonic_needs_two_hundred_positives():
    z = np.arange(500.0)
    assert fit_isotonic(z, (z < 199).astype(float)) is None
    assert fit_isotonic(z, (z < 200).astype(float)).positives == 200
    assert fit_isotonic(z, np.ones(500)) is None
