"""Cross-fitting: patients stay together, no row is judged by a fit that saw it, and counts are the smallest."""

import numpy as np
import pytest
from scipy.special import expit

from cxrkit.evaluation.cross_fitting import cross_fit, cross_fit_points, patient_folds
from cxrkit.evaluation.operating_points import at_threshold, fit_operating_points
from cxrkit.evaluation.recalibration import fit_isotonic, fit_platt, fit_temperature

NAMES = ("A", "B")


def draw(seed, patients=400, images=3, shares=(0.0, -1.0)):
    rng = np.random.default_rng(seed)
    keys = np.repeat([f"p{i:03d}" for i in rng.permutation(patients)], images)
    z = rng.normal(0, 2, (len(keys), 2))
    y = (rng.random(z.shape) < expit(0.6 * z + np.array(shares))).astype(float)
    y[rng.random(z.shape) < 0.05] = np.nan
    return z, y, keys


def test_folds_keep_patients_together_and_deal_findings_evenly():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 300, 1000)
    y = (rng.random((1000, 3)) < [0.02, 0.1, 0.4]).astype(float)
    fold = patient_folds(y, keys)
    assert sorted(set(fold)) == [0, 1, 2, 3, 4]
    assert all(len(set(fold[keys == key])) == 1 for key in np.unique(keys))
    sizes = [len(np.unique(keys[fold == f])) for f in range(5)]
    assert max(sizes) - min(sizes) <= 1
    of_rarest = [len(np.unique(keys[(fold == f) & (y[:, 0] == 1)])) for f in range(5)]
    assert max(of_rarest) - min(of_rarest) <= 1
    np.testing.assert_array_equal(fold, patient_folds(y, keys))
    assert not np.array_equal(fold, patient_folds(y, keys, seed=1))


def test_folds_do_not_depend_on_the_order_of_rows():
    _, y, keys = draw(1)
    order = np.random.default_rng(2).permutation(len(keys))
    np.testing.assert_array_equal(patient_folds(y[order], keys[order]), patient_folds(y, keys)[order])


def test_folds_refuse_nonsense():
    with pytest.raises(ValueError, match="two folds"):
        patient_folds(np.zeros((4, 1)), np.arange(4), folds=1)
    with pytest.raises(ValueError, match="n x k"):
        patient_folds(np.zeros((4, 1)), np.arange(3))
    assert sorted(patient_folds(np.zeros((3, 1)), np.arange(3))) == [0, 1, 2]


def test_each_fold_is_recalibrated_by_the_others():
    z, y, keys = draw(3)
    got = cross_fit(z, y, keys)
    fold = patient_folds(y, keys)
    for f in range(5):
        held, others = fold == f, fold != f
        temperature = fit_temperature(z[others], y[others])
        for k in range(2):
            rows = held, k
            platt, isotonic = fit_platt(z[others, k], y[others, k]), fit_isotonic(z[others, k], y[others, k])
            np.testing.assert_allclose(got["platt"].probabilities[rows], platt.apply(z[rows]))
            np.testing.assert_allclose(got["isotonic"].probabilities[rows], isotonic.apply(z[rows]))
            np.testing.assert_allclose(got["temperature"].probabilities[rows], temperature.apply(z[rows]))
    others = [fold != f for f in range(5)]
    assert got["platt"].n == got["isotonic"].n == tuple(min(np.isfinite(y[o, k]).sum() for o in others) for k in (0, 1))
    assert got["platt"].positives == tuple(min(np.nansum(y[o, k]) for o in others) for k in (0, 1))
    assert got["temperature"].n == (min(np.isfinite(y[o]).sum() for o in others),) * 2
    slopes = [fit_platt(z[o, 1], y[o, 1]).slope for o in others]
    assert got["platt"].parameters(1)["slope"] == pytest.approx(np.median(slopes))


def test_no_row_is_judged_by_its_own_label():
    z, y, keys = draw(4)
    first = cross_fit(z, y, keys)
    fold = patient_folds(y, keys)
    changed = y.copy()
    for key in np.unique(keys[fold == 2]):  # labels trade places within a patient, which leaves the folds alone
        rows = np.flatnonzero(keys == key)
        changed[rows, 1] = changed[rows[::-1], 1]
    second = cross_fit(z, changed, keys)
    same = np.isclose(first["platt"].probabilities[:, 1], second["platt"].probabilities[:, 1], rtol=1e-12)
    assert not np.array_equal(y, changed, equal_nan=True)
    assert same[fold == 2].all()
    assert not same[fold != 2].any()


def test_a_finding_that_some_fold_cannot_fit_is_left_out_whole():
    z, y, keys = draw(5, patients=100)
    y[:, 1] = np.where(np.isnan(y[:, 1]), np.nan, 0)
    got = cross_fit(z, y, keys)
    assert np.isnan(got["platt"].probabilities[:, 1]).all()
    assert np.isfinite(got["platt"].probabilities[:, 0]).all()
    assert (got["platt"].positives[1], got["platt"].fits[1], got["platt"].parameters(1)) == (0, (), {})
    assert np.isnan(got["isotonic"].probabilities).all()  # fewer than 200 positives in the other folds
    assert 0 < got["isotonic"].positives[0] < 200
    alone = cross_fit(z, y, np.full(len(z), "one patient"))
    assert all(np.isnan(method.probabilities).all() for method in alone.values())


def test_unknown_labels_may_lack_their_logits():
    z, y, keys = draw(6)
    z[np.isnan(y)] = np.nan
    got = cross_fit(z, y, keys)["platt"]
    np.testing.assert_array_equal(np.isnan(got.probabilities), np.isnan(y))


def test_points_of_the_other_folds_call_each_fold():
    z, y, keys = draw(7)
    p = expit(z)
    got = cross_fit_points(p, y, keys, NAMES)
    fold = patient_folds(y, keys)
    fitted = [
        {
            (o.finding, o.rule): o
            for o in fit_operating_points(p[fold != f], y[fold != f], NAMES, split="", weights_sha256="")
        }
        for f in range(5)
    ]
    assert list(got["B"]) == ["youden", "screening", "rule-in"]
    for k, finding in enumerate(NAMES):
        for rule, point in got[finding].items():
            own = [of_fold[finding, rule] for of_fold in fitted]
            assert point.thresholds == tuple(o.threshold for o in own)
            assert (point.n, point.positives) == (min(o.n for o in own), min(o.positives for o in own))
            assert point.supported
            np.testing.assert_array_equal(np.isnan(point.calls), np.isnan(y[:, k]))
            parts = [at_threshold(p[fold == f, k], y[fold == f, k], own[f].threshold) for f in range(5)]
            whole = point.confusion(y[:, k])
            assert (whole.tp, whole.fp, whole.tn, whole.fn) == tuple(
                sum(getattr(part, cell) for part in parts) for cell in ("tp", "fp", "tn", "fn")
            )
            assert whole.positives + whole.negatives == np.isfinite(y[:, k]).sum()


def test_points_without_enough_to_fit_on():
    z, y, keys = draw(8, patients=60, images=1)
    y[:, 0] = 0
    y[3, 0] = 1  # the fold that holds it leaves the others without a positive
    got = cross_fit_points(expit(z), y, keys, NAMES)
    assert got["A"] == {}
    assert not got["B"]["youden"].supported
    assert got["B"]["youden"].positives < 30
