"""Metrics against scikit-learn and confidenceinterval, hand-worked numbers, and a slow honest bootstrap."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from cxrkit.evaluation.bootstrap import Counts, Discrimination, patient_numbers, resample
from cxrkit.evaluation.metrics import (
    Confusion,
    auroc,
    average_precision,
    brier,
    known,
    proportion,
)


def draw(seed, n=300, ties=False):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(float)
    p = 1 / (1 + np.exp(-(rng.normal(size=n) + y - 1)))
    return y, np.round(p, 1) if ties else p


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_delong_agrees_with_an_independent_implementation(seed):
    confidenceinterval = pytest.importorskip("confidenceinterval")
    y, p = draw(seed)
    ours = auroc(y, p)
    value, (low, high) = confidenceinterval.roc_auc_score(y.astype(int).tolist(), p.tolist())
    assert (ours.value, ours.low, ours.high) == pytest.approx((value, low, high), abs=1e-3)


def test_delong_on_a_worked_example():
    # Positives 3 1 4, negatives 0 2. Wins: 3 beats both (1), 1 beats one (1/2), 4 beats both (1): AUROC 5/6.
    # V10 = 1, 1/2, 1 (variance 1/12); V01 = 1, 2/3 (variance 1/18). SE^2 = 1/36 + 1/36 = 1/18.
    ours = auroc([1, 1, 1, 0, 0], [3, 1, 4, 0, 2])
    assert ours.value == pytest.approx(5 / 6)
    assert ours.low == pytest.approx(5 / 6 - 1.959964 / np.sqrt(18), abs=1e-6)
    assert ours.high == 1.0
    assert (ours.n, ours.positives) == (5, 3)


@pytest.mark.parametrize("ties", [False, True])
def test_point_values_agree_with_scikit_learn(ties):
    y, p = draw(5, ties=ties)
    assert auroc(y, p).value == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert average_precision(y, p) == pytest.approx(average_precision_score(y, p), abs=1e-12)
    assert brier(y, p) == pytest.approx(brier_score_loss(y, p), abs=1e-12)


def test_unknown_labels_are_left_out():
    y, p = draw(6)
    masked = np.r_[y, np.full(50, np.nan)]
    scores = np.r_[p, np.full(50, np.nan)]
    assert auroc(masked, scores) == auroc(y, p)
    assert average_precision(masked, scores) == average_precision(y, p)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], [np.nan] * 3])
def test_one_class_is_undefined_not_a_half(labels):
    assert auroc(labels, [0.1, 0.2, 0.3]) is None
    assert average_precision(labels, [0.1, 0.2, 0.3]) is None


def test_a_single_positive_has_a_value_but_no_interval():
    ours = auroc([1, 0, 0], [0.9, 0.1, 0.2])
    assert (ours.value, ours.low, ours.high) == (1.0, None, None)


def test_known_refuses_what_it_cannot_judge():
    for labels, scores in (([2.0], [0.1]), ([1.0], [np.nan]), ([1.0, 0.0], [0.5])):
        with pytest.raises(ValueError, match="must be"):
            known(labels, scores)


def test_wilson_on_published_numbers():
    # Newcombe 1998, table I: 81 of 263 gives .2553 to .3662, 0 of 20 gives 0 to .1611.
    some, none = proportion(81, 263), proportion(0, 20)
    assert (some.low, some.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert proportion(0, 0) is None


def test_rates_of_a_confusion_table():
    at = Confusion(tp=342, fp=23, tn=211, fn=48)
    assert at.sensitivity.value == pytest.approx(342 / 390)
    assert at.specificity.value == pytest.approx(211 / 234)
    assert at.ppv.value == pytest.approx(342 / 365)
    assert at.npv.value == pytest.approx(211 / 259)
    empty = Confusion(tp=0, fp=0, tn=4, fn=0)
    assert empty.sensitivity is None
    assert empty.ppv is None
    assert empty.specificity.value == 1.0


def test_bootstrap_replicates_equal_the_statistics_of_the_drawn_rows():
    rng = np.random.default_rng(8)
    y, p = draw(9, n=80, ties=True)
    labels = np.stack([y, np.where(rng.random(80) < 0.2, np.nan, 1 - y)], axis=1)
    scores = np.stack([p, rng.random(80)], axis=1)
    patients = rng.integers(0, 30, 80)
    names, group = np.unique(patients, return_inverse=True)
    columns = {k: Discrimination.of(labels[:, k], scores[:, k], group) for k in range(2)}
    cells = np.stack([y, p], axis=1)
    got = resample({**columns, "sums": Counts.of(cells, group)}, group, replicates=40, seed=3)
    drawn = np.random.default_rng(3).integers(0, len(names), (40, len(names)))
    for r in range(40):
        rows = np.concatenate([np.flatnonzero(group == g) for g in drawn[r]])
        for k in range(2):
            some = rows[~np.isnan(labels[rows, k])]
            truth, score = labels[some, k], scores[some, k]
            area, precision, square, share = got[k][r]
            assert share == pytest.approx(truth.mean())
            assert area == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
            assert precision == pytest.approx(average_precision_score(truth, score), abs=1e-12)
            assert square == pytest.approx(np.mean((truth - score) ** 2), abs=1e-12)
        assert got["sums"][r] == pytest.approx(cells[rows].sum(axis=0))


def areas(y, p, patients, **options):
    """The statistic and its replicates of the AUROC."""
    group = patient_numbers(patients)
    column = Discrimination.of(y, p, group)
    return column, resample({"it": column}, group, **options)["it"][:, 0]


def test_bootstrap_is_seeded_and_close_to_delong_for_independent_rows():
    y, p = draw(10, n=600)
    column, first = areas(y, p, np.arange(600), seed=1)
    np.testing.assert_array_equal(first, areas(y, p, np.arange(600), seed=1)[1])
    assert not np.array_equal(first, areas(y, p, np.arange(600), seed=2)[1])
    delong = auroc(y, p)
    assert column.interval(first) == pytest.approx((delong.low, delong.high), abs=0.006)


def test_images_of_one_patient_widen_the_interval():
    y, p = draw(11, n=100)
    repeated = np.repeat(y, 9), np.repeat(p, 9)

    def width(patients):
        column, samples = areas(*repeated, patients)
        low, high = column.interval(samples)
        return high - low

    assert width(np.repeat(np.arange(100), 9)) > 2.5 * width(np.arange(900))  # a factor of 3 in theory


def test_bootstrap_gives_no_interval_where_one_patient_holds_a_class():
    y = np.r_[np.ones(5), np.zeros(20)]
    column, samples = areas(y, np.linspace(0, 1, 25), np.r_[np.zeros(5), np.arange(1, 21)], replicates=200)
    assert column.interval(samples) is None


def test_statistics_of_one_call_share_their_draws():
    y, p = draw(12, n=400)
    group = np.arange(400)
    got = resample({s: Discrimination.of(y, s * p, group) for s in (1, -1)}, group, replicates=300)
    np.testing.assert_allclose(got[1][:, 0] + got[-1][:, 0], 1, atol=1e-12)  # each pair sums to one
