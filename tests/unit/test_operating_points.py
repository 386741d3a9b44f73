"""Operating points on hand-worked scores, and their guarantees on drawn ones."""

import numpy as np
import pytest

from cxrkit.evaluation.operating_points import at_threshold, fit_operating_points

SHA = "f" * 64


def fit(p, y, findings=("A",)):
    points = fit_operating_points(
        np.asarray(p).reshape(len(p), -1), np.asarray(y).reshape(len(y), -1), findings, split="val", weights_sha256=SHA
    )
    return {(point.finding, point.rule): point for point in points}


def test_worked_example():
    # Negatives .1 .2 .3 .6, positives .4 .5 .7 .9. J: at >= .35 sens 1, spec .75, J .75 (best).
    points = fit([0.1, 0.2, 0.3, 0.6, 0.4, 0.5, 0.7, 0.9], [0, 0, 0, 0, 1, 1, 1, 1])
    youden, screening, rule_in = (points["A", rule] for rule in ("youden", "screening", "rule-in"))
    assert (youden.threshold, youden.sensitivity, youden.specificity) == (pytest.approx(0.35), 1.0, 0.75)
    assert (screening.threshold, screening.sensitivity, screening.specificity) == (pytest.approx(0.35), 1.0, 0.75)
    assert (rule_in.threshold, rule_in.sensitivity, rule_in.specificity) == (pytest.approx(0.65), 0.5, 1.0)
    assert (youden.n, youden.positives, youden.split, youden.weights_sha256) == (8, 4, "val", SHA)
    assert not youden.supported


def test_of_equal_youden_indices_the_most_sensitive_is_taken():
    # Thresholds .15 (sens 1, spec .5) and .35 (sens .5, spec 1) both have J = .5.
    point = fit([0.1, 0.3, 0.2, 0.4], [0, 0, 1, 1])["A", "youden"]
    assert (point.threshold, point.sensitivity, point.specificity) == (pytest.approx(0.15), 1.0, 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_screening_and_rule_in_hold_and_are_the_tightest(seed):
    rng = np.random.default_rng(seed)
    y = (rng.random(400) < 0.3).astype(float)
    p = np.round(1 / (1 + np.exp(-(rng.normal(size=400) + 1.5 * y))), 2)  # many ties
    points = fit(p, y)
    screening, rule_in, youden = (points["A", rule] for rule in ("screening", "rule-in", "youden"))
    assert screening.sensitivity >= 0.95
    assert rule_in.specificity >= 0.95
    higher = p[p >= screening.threshold].min() + 1e-9
    assert np.mean(p[y == 1] >= higher) < 0.95
    lower = p[p < rule_in.threshold].max()
    assert np.mean(p[y == 0] < lower) < 0.95
    best = max(np.mean(p[y == 1] >= t) - np.mean(p[y == 0] >= t) for t in np.unique(p))
    assert youden.sensitivity + youden.specificity - 1 == pytest.approx(best)
    for point in points.values():
        assert np.abs(p - point.threshold).min() > 1e-6  # never on a score


@pytest.mark.parametrize("shift", [0.0, 1.5, 3.5, 4.0, 9.0])
def test_screening_never_lies_above_youden_nor_rule_in_below(shift):
    rng = np.random.default_rng(7)
    y = (rng.random(400) < 0.6).astype(float)
    points = fit(1 / (1 + np.exp(-(rng.normal(size=400) + shift * y))), y)
    screening, youden, rule_in = (points["A", rule] for rule in ("screening", "youden", "rule-in"))
    assert screening.threshold <= youden.threshold <= rule_in.threshold
    assert screening.sensitivity >= (0.99 if youden.sensitivity >= 0.95 else 0.95)
    assert rule_in.specificity >= (0.99 if youden.specificity >= 0.95 else 0.95)
    if 0.95 <= youden.sensitivity < 0.99:
        assert screening.threshold < youden.threshold
    if 0.95 <= youden.specificity < 0.99:
        assert youden.threshold < rule_in.threshold


def test_thresholds_stay_between_scores_that_differ_by_one_bit():
    low = 0.5
    high = np.nextafter(low, 1.0)
    point = fit([low, high], [0, 1])["A", "youden"]
    assert (point.sensitivity, point.specificity) == (1.0, 1.0)


def test_a_finding_without_both_classes_gets_no_point():
    p = np.tile([[0.2], [0.8], [0.5]], (1, 4))
    y = np.array([[0, 0, 1, np.nan], [1, 0, 1, np.nan], [0, 0, 1, np.nan]])
    assert {finding for finding, _ in fit(p, y, ("Both", "Zeros", "Ones", "Unknown"))} == {"Both"}


def test_unknown_labels_are_left_out():
    with_unknown = fit([0.1, 0.95, 0.2, 0.6, 0.9], [0, np.nan, 0, 1, 1])["A", "youden"]
    assert with_unknown == fit([0.1, 0.2, 0.6, 0.9], [0, 0, 1, 1])["A", "youden"]


def test_no_rule_in_where_certain_scores_are_wrong_too_often():
    assert set(rule for _, rule in fit([1.0, 1.0, 0.2], [0, 1, 1])) == {"youden", "screening"}


def test_at_threshold_counts_the_threshold_itself_as_positive():
    at = at_threshold([0.5, 0.5, 0.49, 0.7, 0.1], [1, 0, 1, np.nan, 0], 0.5)
    assert (at.tp, at.fp, at.tn, at.fn) == (1, 1, 1, 1)
