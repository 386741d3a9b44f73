"""Predictive values and likelihood ratios on worked numbers."""

import pytest

from cxrkit.evaluation.utility import likelihood_ratios, predictive_values


@pytest.mark.parametrize(("prevalence", "ppv"), [(0.625, 0.937), (0.10, 0.498), (0.05, 0.320), (0.012, 0.098)])
def test_predictive_value_collapses_with_prevalence(prevalence, ppv):
    assert round(predictive_values(0.8769, 0.9017, prevalence)[0], 3) == ppv


def test_negative_predictive_value():
    # Of 1,000 with 100 ill: 90 true positives, 10 missed, 720 true negatives, so 720 / 730.
    assert predictive_values(0.9, 0.8, 0.1)[1] == pytest.approx(720 / 730)


def test_what_cannot_occur_is_undefined():
    assert predictive_values(0.0, 1.0, 0.3) == (None, pytest.approx(0.7))
    assert predictive_values(1.0, 0.0, 0.3) == (pytest.approx(0.3), None)
    assert predictive_values(0.9, 0.8, 0.0) == (0.0, 1.0)
    assert likelihood_ratios(0.9, 1.0) == (None, pytest.approx(0.1))
    assert likelihood_ratios(0.9, 0.0) == (pytest.approx(0.9), None)


def test_likelihood_ratios():
    assert likelihood_ratios(0.9, 0.8) == (pytest.approx(4.5), pytest.approx(0.125))


@pytest.mark.parametrize("shares", [(1.1, 0.5, 0.5), (0.5, -0.1, 0.5), (0.5, 0.5, float("nan"))])
def test_shares_outside_0_to_1_are_refused(shares):
    with pytest.raises(ValueError, match="between 0 and 1"):
        predictive_values(*shares)
