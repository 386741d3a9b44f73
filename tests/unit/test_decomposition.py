"""Parts of the Brier score by hand, from their definitions, and under patient weights."""

import numpy as np
import pytest

from cxrkit.evaluation.decomposition import PARTS, Binned, bin_of, decompose, decompose_weighted, ece_weighted
from cxrkit.evaluation.metrics import brier


def draw(seed, n=400, decimals=None):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, n)
    y = (rng.random(n) < p**1.3).astype(float)
    return y, p if decimals is None else p.round(decimals)


def by_definition(y, p, bins):
    """Murphy 1973 and Stephenson et al. 2008, bin by bin, around each bin's own means."""
    n, prevalence = len(y), y.mean()
    rel = res = within = 0.0
    for b in np.unique(bins):
        pb, yb = p[bins == b], y[bins == b]
        rel += len(pb) / n * (pb.mean() - yb.mean()) ** 2
        res += len(pb) / n * (yb.mean() - prevalence) ** 2
        within += (((pb - pb.mean()) ** 2).sum() - 2 * ((pb - pb.mean()) * (yb - yb.mean())).sum()) / n
    return {
        "brier": np.mean((p - y) ** 2),
        "reliability": rel,
        "resolution": res,
        "uncertainty": prevalence * (1 - prevalence),
        "within_bins": within,
    }


def test_by_hand():
    # Two bins of four. Low: p .1 .1 .3 .3, one positive (at .3). High: p .8 throughout, three positives.
    p = np.array([0.1, 0.1, 0.3, 0.3, 0.8, 0.8, 0.8, 0.8])
    y = np.array([0, 0, 1, 0, 1, 1, 1, 0])
    got = decompose(y, p, [0, 0, 0, 0, 1, 1, 1, 1])
    assert got.brier == pytest.approx((0.01 + 0.01 + 0.49 + 0.09 + 3 * 0.04 + 0.64) / 8)
    assert got.reliability == pytest.approx((4 * (0.2 - 0.25) ** 2 + 4 * (0.8 - 0.75) ** 2) / 8)
    assert got.resolution == pytest.approx(0.25**2)
    assert got.uncertainty == pytest.approx(0.25)
    # squares in the low bin 4 * .01; products -.1 (-1/4) * 2 + .1 (3/4) + .1 (-1/4) = .1
    assert got.within_bins == pytest.approx((0.04 - 0.2) / 8)
    assert ece_weighted(y, p, [0, 0, 0, 0, 1, 1, 1, 1], np.zeros(8), [[1.0]]) == pytest.approx(0.05)


@pytest.mark.parametrize("decimals", [None, 1])
def test_agrees_with_the_definitions(decimals):
    y, p = draw(0, decimals=decimals)
    bins = bin_of(p)
    got = decompose(y, p, bins)
    for name, value in by_definition(y, p, bins).items():
        assert getattr(got, name) == pytest.approx(value, abs=1e-14)
    assert got.brier == pytest.approx(brier(y, p))


def ece(y, p, bins):
    """The ECE over given bins, of the rows as they are."""
    return float(ece_weighted(y, p, bins, np.zeros(len(y)), [[1.0]])[0])


@pytest.mark.parametrize("decimals", [None, 2, 1])
def test_bins_hold_about_equally_many_and_equal_probabilities_share_one(decimals):
    y, p = draw(1, n=237, decimals=decimals)
    bins = bin_of(p)
    assert all(len(set(bins[p == value])) == 1 for value in np.unique(p))
    assert (np.diff(bins[np.argsort(p)]) >= 0).all()
    sizes = np.bincount(bins)
    assert decimals is not None or set(sizes) == {23, 24}
    by_hand = sum(n / 237 * abs(y[bins == b].mean() - p[bins == b].mean()) for b, n in enumerate(sizes) if n)
    assert ece(y, p, bins) == pytest.approx(by_hand, abs=1e-14)


def test_calibration_error_on_a_worked_example():
    # Two bins: (.1 .2 .3 | 0 0 1) mean .2 observed 1/3; (.7 .8 .9 | 1 1 1) mean .8 observed 1. ECE (2/15 + 1/5) / 2.
    y, p = np.array([0, 0, 1, 1, 1, 1]), np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    assert bin_of(p, 2).tolist() == [0, 0, 0, 1, 1, 1]
    assert ece(y, p, bin_of(p, 2)) == pytest.approx((2 / 15 + 1 / 5) / 2)


def test_equal_probabilities_are_calibrated_whatever_their_order():
    y, p = np.r_[np.ones(30), np.zeros(70)], np.full(100, 0.3)
    assert set(bin_of(p)) == {bin_of(p)[0]}
    assert ece(y, p, bin_of(p)) == pytest.approx(0.0, abs=1e-12)


def test_bins_by_hand():
    # ranks 1, 2.5, 2.5, 4, less a half, times 2 / 4: .25, 1, 1, 1.75
    assert bin_of([0.1, 0.2, 0.2, 0.4], 2).tolist() == [0, 1, 1, 1]
    assert bin_of([0.5] * 7).tolist() == [5] * 7
    assert bin_of([]).tolist() == []
    with pytest.raises(ValueError, match="finite"):
        bin_of([0.1, np.nan])


def test_weights_are_repetitions_of_patients_over_fixed_bins():
    y, p = draw(2)
    rng = np.random.default_rng(3)
    group, bins = rng.integers(0, 90, 400), bin_of(p)
    weights = rng.multinomial(100, np.full(100, 0.01), size=5).astype(float)  # ten patients without a known row
    parts, error = decompose_weighted(y, p, bins, group, weights), ece_weighted(y, p, bins, group, weights)
    for r in range(5):
        rows = np.repeat(np.arange(400), weights[r, group].astype(int))
        repeated = by_definition(y[rows], p[rows], bins[rows])
        assert {name: values[r] for name, values in parts.items()} == pytest.approx(repeated, abs=1e-13)
        own = bins[rows]
        gaps = [np.sum(own == b) * abs(np.mean((y - p)[rows][own == b])) for b in np.unique(own)]
        assert error[r] == pytest.approx(sum(gaps) / len(rows), abs=1e-13)
    both = Binned.of(y, p, bins, group, 100)(weights)
    assert both[:, :5] == pytest.approx(np.column_stack([parts[name] for name in PARTS]))
    assert both[:, 5] == pytest.approx(error)


def test_without_rows_nothing_is_defined():
    assert decompose([], [], []) is None
    weights = np.array([[0.0, 1.0], [1.0, 0.0]])
    got = Binned.of([1, 0], [0.7, 0.2], [0, 0], [0, 0], 2)(weights)
    assert np.isnan(got[0]).all()
    assert np.isfinite(got[1]).all()


def test_refuses_nonsense():
    with pytest.raises(ValueError, match="one length"):
        decompose([1, 0], [0.5, 0.5], [0])
    with pytest.raises(ValueError, match="0 or 1"):
        decompose([np.nan], [0.5], [0])
