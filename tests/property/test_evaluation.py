"""What holds of every table: the parts of the Brier score add up, and intervals keep to the possible range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrkit.evaluation.comparison import holm, paired_delong
from cxrkit.evaluation.decision import NetBenefit
from cxrkit.evaluation.decomposition import bin_of, decompose, decompose_weighted
from cxrkit.evaluation.metrics import Confusion, auroc
from cxrkit.evaluation.rates import balanced_accuracy, f1, likelihood_ratio_negative, likelihood_ratio_positive

COUNT = st.integers(0, 5000)
PROBABILITY = st.floats(0, 1) | st.integers(0, 10).map(lambda tenths: tenths / 10)
ROWS = st.lists(st.tuples(st.booleans(), PROBABILITY), min_size=1, max_size=60)


def columns(rows):
    y, *others = zip(*rows, strict=True)
    return np.array(y, dtype=float), *(np.array(values, dtype=float) for values in others)


@given(ROWS, st.integers(1, 12), st.data())
def test_parts_add_up_to_the_brier_score(rows, bins, data):
    y, p = columns(rows)
    place = bin_of(p, bins)
    got = decompose(y, p, place)
    assert got.brier == pytest.approx(np.mean((p - y) ** 2), abs=1e-13)
    assert got.reliability - got.resolution + got.uncertainty + got.within_bins == pytest.approx(got.brier, abs=1e-13)
    group = np.arange(len(y)) % 5
    weights = np.array([data.draw(st.lists(st.integers(0, 4), min_size=5, max_size=5))], dtype=float)
    if weights[0, group].sum():
        parts = {name: values[0] for name, values in decompose_weighted(y, p, place, group, weights).items()}
        total = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within_bins"]
        assert total == pytest.approx(parts["brier"], abs=1e-13)


@given(COUNT, COUNT, COUNT, COUNT)
def test_intervals_hold_their_value_and_keep_to_the_range(tp, fp, tn, fn):
    table = Confusion(tp, fp, tn, fn)
    for measure, highest in (
        (f1, 1),
        (balanced_accuracy, 1),
        (likelihood_ratio_positive, np.inf),
        (likelihood_ratio_negative, np.inf),
    ):
        got = measure(table)
        if got is not None:
            slack = 1e-12 * max(1.0, got.value)
            assert -1e-12 <= got.low <= got.value + slack
            assert got.value - slack <= got.high <= highest + 1e-12
            assert np.isfinite(got.high)


@given(st.lists(st.tuples(st.booleans(), PROBABILITY, PROBABILITY), min_size=2, max_size=40))
def test_the_paired_difference_is_that_of_the_areas(rows):
    y, a, b = columns(rows)
    got = paired_delong(y, a, b)
    if got is None:
        assert auroc(y, a) is None
        return
    assert got.difference.value == pytest.approx(auroc(y, a).value - auroc(y, b).value, abs=1e-12)
    if got.difference.low is not None:
        assert got.difference.low <= got.difference.value <= got.difference.high
        assert 0 <= got.p <= 1
        if got.standard_error > 0:  # the test and an interval that is not clipped tell the same story
            assert (got.p < 0.05) == (abs(got.difference.value) > 1.959963984540054 * got.standard_error)


@given(st.lists(st.none() | st.floats(0, 1), max_size=14))
def test_holm_keeps_the_order_and_never_lowers(p_values):
    adjusted = holm(p_values)
    pairs = sorted((p, q) for p, q in zip(p_values, adjusted, strict=True) if p is not None)
    assert all(p <= q <= 1 for p, q in pairs)
    assert [q for _, q in pairs] == sorted(q for _, q in pairs)
    assert [q is None for q in adjusted] == [p is None for p in p_values]


@given(ROWS)
def test_net_benefit_never_exceeds_the_prevalence(rows):
    y, p = columns(rows)
    worth = NetBenefit.of(y, p, np.arange(len(y)), len(y))
    assert (worth.curve() <= y.mean() + 1e-12).all()
    perfect = NetBenefit.of(y, y, np.arange(len(y)), len(y))
    assert perfect.curve() == pytest.approx(np.full(50, y.mean()))
