"""Calibration against statsmodels' logistic regression, and the thin-split rules."""

import numpy as np
import pytest
from scipy.special import expit, logit
from statsmodels.discrete.discrete_model import Logit

from cxrkit.card import ReferencePrevalence
from cxrkit.errors import ManifestError, PresetInvalid
from cxrkit.evaluation.calibration import apply_calibration, fit_calibration


def draw(rng, n, slope=0.7, intercept=-1.0):
    z = rng.normal(0, 2, n)
    return z, (rng.random(n) < expit(slope * z + intercept)).astype(float)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_own_platt_is_the_unpenalised_maximum_likelihood(seed):
    z, y = draw(np.random.default_rng(seed), 500)
    fitted = fit_calibration(z[:, None], y[:, None], ["A"], split="val")["A"]
    oracle = Logit(y, np.column_stack([z, np.ones(500)])).fit(disp=0, tol=1e-12).params
    assert fitted.method == "platt"
    assert (fitted.slope, fitted.intercept) == pytest.approx(tuple(oracle), abs=1e-5)
    assert (fitted.n, fitted.positives, fitted.split) == (500, int(y.sum()), "val")
    assert fitted.prevalence == pytest.approx(y.mean())


def test_shared_slope_is_the_joint_maximum_likelihood_with_an_intercept_each():
    rng = np.random.default_rng(3)
    columns = [draw(rng, 60, intercept=b) for b in (-1.5, -2.0, -2.5)]
    z, y = (np.stack([c[i] for c in columns], axis=1) for i in (0, 1))
    y[::7, 1] = np.nan
    fitted = fit_calibration(z, y, ["A", "B", "C"], split="val")
    known = np.isfinite(y)
    design = np.concatenate(
        [np.column_stack([z[known[:, k], k], np.eye(3)[[k] * known[:, k].sum()]]) for k in range(3)]
    )
    labels = np.concatenate([y[known[:, k], k] for k in range(3)])
    oracle = Logit(labels, design).fit(disp=0, tol=1e-12).params
    for k, name in enumerate("ABC"):
        one = fitted[name]
        assert one.method == "shared-slope"
        assert one.slope == pytest.approx(oracle[0], abs=1e-5)
        rows = known[:, k]
        smoothed = (y[rows, k].sum() + 0.5) / (rows.sum() + 1)
        assert expit(one.slope * z[rows, k] + one.intercept).mean() == pytest.approx(smoothed, abs=1e-9)
        assert one.prevalence == pytest.approx(smoothed)


def test_thirty_positives_earn_a_finding_its_own_slope():
    rng = np.random.default_rng(4)
    z = rng.normal(size=(200, 2))
    y = np.zeros((200, 2))
    for k, positives in enumerate((30, 29)):
        y[np.argsort(-(z[:, k] + rng.normal(size=200)))[:positives], k] = 1
    fitted = fit_calibration(z, y, ["Thirty", "Fewer"], split="val")
    assert [fitted[f].method for f in fitted] == ["platt", "shared-slope"]
    assert fitted["Thirty"].slope != fitted["Fewer"].slope


def test_no_positive_at_all_still_gives_a_small_finite_probability():
    rng = np.random.default_rng(5)
    z = rng.normal(size=(99, 2))
    y = np.stack([rng.random(99) < expit(z[:, 0]), np.zeros(99)], axis=1).astype(float)
    fitted = fit_calibration(z, y, ["A", "None"], split="val")
    assert fitted["None"].method == "shared-slope"
    assert fitted["None"].slope == pytest.approx(fitted["A"].slope, abs=0.2)
    p = apply_calibration(z, fitted, ["A", "None"])
    assert p[:, 1].mean() == pytest.approx(0.5 / 100)


def test_shift_to_the_reference_moves_the_intercept_by_the_prior_odds():
    z, y = draw(np.random.default_rng(6), 400)
    plain = fit_calibration(z[:, None], y[:, None], ["A"], split="val")["A"]
    shifted = fit_calibration(
        z[:, None], y[:, None], ["A"], split="val", reference=ReferencePrevalence("a release", {"A": 0.012})
    )["A"]
    assert shifted.slope == plain.slope
    assert shifted.intercept - plain.intercept == pytest.approx(logit(0.012) - logit(y.mean()), abs=1e-9)
    assert shifted.prevalence == 0.012


def test_a_shift_to_the_prevalence_of_the_split_itself_changes_nothing():
    rng = np.random.default_rng(12)
    z, y = draw(rng, 150)
    few = np.stack([rng.normal(size=150), np.r_[np.ones(7), np.zeros(143)]])
    cases = {
        "platt": (z[:, None], y[:, None], y.mean()),
        "shared-slope": (np.stack([z, few[0]], 1), np.stack([y, few[1]], 1), 7.5 / 151),
    }
    for method, (logits, labels, own) in cases.items():
        names = ["A", "B"][: labels.shape[1]]
        plain = fit_calibration(logits, labels, names, split="val")[names[-1]]
        reference = ReferencePrevalence("the split", dict.fromkeys(names, own))
        shifted = fit_calibration(logits, labels, names, split="val", reference=reference)[names[-1]]
        assert plain.method == shifted.method == method
        assert shifted.intercept == pytest.approx(plain.intercept, abs=1e-9)


def test_prior_shift_is_bayes_rule_on_a_worked_example():
    # Likelihood ratio 3 at this logit: at a prevalence of 1/2 p = .75; at 1/10 p = (1/9 * 3) / (1/9 * 3 + 1) = .25.
    z = np.repeat([np.log(3.0), -np.log(3.0)], 400)
    y = np.r_[np.ones(300), np.zeros(100), np.ones(100), np.zeros(300)]
    at_half, at_tenth = (
        fit_calibration(z[:, None], y[:, None], ["A"], split="v", reference=ReferencePrevalence("s", {"A": share}))["A"]
        for share in (0.5, 0.1)
    )
    assert at_half.probability(np.log(3.0)) == pytest.approx(0.75, abs=1e-6)
    assert at_tenth.probability(np.log(3.0)) == pytest.approx(0.25, abs=1e-6)


def test_an_inverted_finding_takes_the_shared_slope_and_is_never_inverted():
    rng = np.random.default_rng(7)
    good, bad = draw(rng, 300, slope=2.0, intercept=0.0), draw(rng, 300, slope=-0.5, intercept=0.0)
    fitted = fit_calibration(np.stack([good[0], bad[0]], 1), np.stack([good[1], bad[1]], 1), ["G", "B"], split="val")
    assert fitted["G"].method == "platt"
    assert fitted["B"].method == "shared-slope"
    assert fitted["B"].slope > 0


def test_a_single_inverted_finding_keeps_its_ranking_by_slope_one():
    z, y = draw(np.random.default_rng(8), 200, slope=-1.0)
    fitted = fit_calibration(z[:, None], y[:, None], ["A"], split="val")["A"]
    assert (fitted.method, fitted.slope) == ("identity", 1.0)
    assert expit(z + fitted.intercept).mean() == pytest.approx((y.sum() + 0.5) / 201)


def test_separable_classes_give_a_finite_slope_by_platts_smoothed_targets():
    z = np.r_[np.linspace(-2, -1, 20), np.linspace(1, 2, 10)]
    y = (z > 0).astype(float)
    fitted = fit_calibration(z[:, None], y[:, None], ["A"], split="val")["A"]
    # At the maximum the mean probability equals the mean target, (10 * 11/12 + 20 * 1/22) / 30.
    assert expit(fitted.slope * z + fitted.intercept).mean() == pytest.approx((110 / 12 + 20 / 22) / 30, abs=1e-6)
    assert 1 < fitted.slope < 20
    # and that mean is the prevalence at which its probabilities are stated, and from which a shift starts
    assert fitted.prevalence == pytest.approx((110 / 12 + 20 / 22) / 30)


@pytest.mark.parametrize("noise", [0.0, 1e-13])
@pytest.mark.parametrize("level", [0.0, 3.0, -40.0])
def test_equal_logits_have_no_slope_and_nothing_warns(level, noise):
    rng = np.random.default_rng(13)
    z, y = draw(rng, 120)
    flat = level + noise * rng.normal(size=120)
    alone = fit_calibration(flat[:, None], y[:, None], ["A"], split="val")["A"]
    assert (alone.method, alone.slope) == ("identity", 1.0)
    assert alone.probability(level) == pytest.approx((y.sum() + 0.5) / 121, abs=1e-6)
    beside = fit_calibration(np.stack([flat, z], 1), np.stack([y, y], 1), ["A", "B"], split="val")
    assert beside["A"].method == "shared-slope"
    assert beside["A"].slope == pytest.approx(beside["B"].slope, abs=1e-6)
    assert beside["A"].probability(level) == pytest.approx((y.sum() + 0.5) / 121, abs=1e-6)


def test_logits_far_from_zero_are_fitted_as_well_as_centred_ones():
    z, y = draw(np.random.default_rng(14), 300)
    near, far = (fit_calibration(v[:, None], y[:, None], ["A"], split="val")["A"] for v in (z, z + 1e6))
    assert far.slope == pytest.approx(near.slope, rel=1e-6)


def test_a_finding_without_labels_is_marked_as_never_fitted():
    z, y = draw(np.random.default_rng(9), 100)
    labels = np.stack([y, np.full(100, np.nan)], axis=1)
    fitted = fit_calibration(np.stack([z, z], axis=1), labels, ["A", "B"], split="val")["B"]
    assert (fitted.method, fitted.n, fitted.prevalence) == ("identity", 0, None)


def test_no_label_at_all_is_refused():
    with pytest.raises(ManifestError, match="no known label"):
        fit_calibration(np.zeros((4, 1)), np.full((4, 1), np.nan), ["A"], split="val")


@pytest.mark.parametrize("by_finding", [{}, {"B": 0.5}])
def test_a_reference_that_lacks_the_finding_is_refused(by_finding):
    z, y = draw(np.random.default_rng(10), 50)
    with pytest.raises(PresetInvalid, match="reference prevalence of A"):
        fit_calibration(z[:, None], y[:, None], ["A"], split="val", reference=ReferencePrevalence("s", by_finding))


def test_apply_agrees_with_the_card():
    z, y = draw(np.random.default_rng(11), 80)
    fitted = fit_calibration(z[:, None], y[:, None], ["A"], split="val")
    p = apply_calibration(z[:, None], fitted, ["A"])[:, 0]
    assert p == pytest.approx([fitted["A"].probability(v) for v in z], abs=1e-12)
