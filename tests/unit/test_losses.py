"""The weighted binary cross-entropy against hand-worked and published numbers."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from cxrkit.card import LabelCount
from cxrkit.errors import TrainingError
from cxrkit.model.losses import as_keras_loss, weighted_bce
from cxrkit.training.weighting import class_weights, of_one_class

Y = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 0], [1, 0, 1]], dtype=float)


@pytest.mark.parametrize("p", [0.7, 0.3])
def test_golden_values_of_the_epsilon_form(p):
    loss = weighted_bce([0.25, 0.25, 0.5], [0.75, 0.75, 0.5], from_logits=False, epsilon=1.0)
    assert float(loss(Y, np.full(Y.shape, p))) == pytest.approx(-0.4956, abs=1e-4)


def test_the_positive_term_takes_w_pos():
    loss = weighted_bce([0.9], [0.1], from_logits=False)
    assert float(loss(np.array([[1.0]]), np.array([[0.5]]))) == pytest.approx(0.9 * np.log(2), abs=1e-6)
    assert float(loss(np.array([[0.0]]), np.array([[0.5]]))) == pytest.approx(0.1 * np.log(2), abs=1e-6)


def test_logit_form_equals_the_epsilon_form():
    random = np.random.default_rng(3)
    z = random.uniform(-4, 4, (200, 5))
    y = random.integers(0, 2, z.shape).astype(float)
    y[random.random(y.shape) < 0.2] = np.nan
    prevalence = [0.01, 0.1, 0.3, 0.5, 0.9]
    w_pos, w_neg = [1 - p for p in prevalence], prevalence
    p = 1 / (1 + np.exp(-z))
    a = float(weighted_bce(w_pos, w_neg)(y, z))
    b = float(weighted_bce(w_pos, w_neg, from_logits=False, epsilon=1e-7)(y, p))
    # independent of keras, in plain float64
    known = ~np.isnan(y)
    terms = np.where(known, w_pos * np.nan_to_num(y) * np.log(p) + w_neg * (1 - np.nan_to_num(y)) * np.log(1 - p), 0)
    oracle = -(terms.sum(axis=0) / known.sum(axis=0)).sum()
    assert a == pytest.approx(b, abs=1e-5)
    assert a == pytest.approx(oracle, abs=1e-10)


def test_unknown_labels_take_no_part():
    loss = weighted_bce([0.5, 0.5], [0.5, 0.5])
    z = np.array([[2.0, -1.0], [0.5, 3.0]])
    some = float(loss(np.array([[1.0, np.nan], [0.0, np.nan]]), z))
    alone = float(weighted_bce([0.5], [0.5])(np.array([[1.0], [0.0]]), z[:, :1]))
    assert some == pytest.approx(alone, abs=1e-12)
    assert float(loss(np.full((2, 2), np.nan), z)) == 0.0


def test_gradient_of_unknown_labels_is_zero_not_nan():
    import tensorflow as tf

    z = tf.Variable([[2.0, -1.0], [400.0, -400.0]])
    with tf.GradientTape() as tape:
        value = weighted_bce([0.5, 0.5], [0.5, 0.5])(tf.constant([[1.0, float("nan")], [0.0, 1.0]]), z)
    gradient = tape.gradient(value, z).numpy()
    assert gradient[0, 1] == 0.0
    assert np.isfinite(gradient).all()


def test_weights_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="equally many"):
        weighted_bce([0.5], [0.5, 0.5])


def test_label_smoothing_moves_known_labels_and_leaves_unknown_ones_out():
    z = np.array([[2.0, -1.0], [0.5, 3.0]])
    y = np.array([[1.0, np.nan], [0.0, 1.0]])
    smoothed = weighted_bce([0.7, 0.4], [0.3, 0.6], label_smoothing=0.2)
    # 1 is taught as 0.9 with the weight of positives, 0 as 0.1 with that of negatives; worked with each softplus
    log_p, log_q = -np.log1p(np.exp(-z)), -np.log1p(np.exp(z))
    first = (0.7 * (0.9 * log_p[0, 0] + 0.1 * log_q[0, 0]) + 0.3 * (0.1 * log_p[1, 0] + 0.9 * log_q[1, 0])) / 2
    second = 0.4 * (0.9 * log_p[1, 1] + 0.1 * log_q[1, 1])
    assert float(smoothed(y, z)) == pytest.approx(-first - second, abs=1e-12)
    plain = weighted_bce([0.7, 0.4], [0.3, 0.6])
    assert float(smoothed.without_smoothing()(y, z)) == float(plain(y, z))
    with pytest.raises(ValueError, match="not in 0"):
        weighted_bce([0.5], [0.5], label_smoothing=1.5)


def test_smoothing_teaches_the_negatives_of_a_rare_finding_as_negatives():
    loss = weighted_bce([0.99], [0.01], label_smoothing=0.1)
    at = [float(loss(np.zeros((3, 1)), np.full((3, 1), np.log(p / (1 - p))))) for p in (0.04, 0.05, 0.06, 0.8)]
    assert at[1] == min(at)  # 0.1 / 2, whatever the weights


def test_sample_weights_form_the_weighted_mean_over_known_labels():
    random = np.random.default_rng(5)
    z, weight = random.normal(size=(40, 3)), random.uniform(0, 0.01, 40)
    weight[:5] = 0
    y = random.integers(0, 2, z.shape).astype(float)
    y[random.random(y.shape) < 0.3] = np.nan
    w_pos, w_neg = np.array([0.9, 0.5, 2.0]), np.array([0.1, 0.5, 3.0])
    loss = weighted_bce(list(w_pos), list(w_neg))
    terms = np.where(y == 1, w_pos * np.log1p(np.exp(-z)), w_neg * np.log1p(np.exp(z)))
    oracle = sum(np.average(terms[known, k], weights=weight[known]) for k, known in enumerate(~np.isnan(y).T))
    assert float(loss(y, z, weight)) == pytest.approx(oracle, abs=1e-10)
    # a weight of 2 is an image shown twice; equal weights are none; no weight at all is no loss
    twice = float(loss(np.repeat(y, 2, axis=0)[1:], np.repeat(z, 2, axis=0)[1:]))
    assert float(loss(y, z, np.array([1.0] + [2.0] * 39))) == pytest.approx(twice, abs=1e-10)
    assert float(loss(y, z, np.full(40, 0.3))) == pytest.approx(float(loss(y, z)), abs=1e-10)
    assert float(loss(y, z, np.zeros(40))) == 0.0


def test_keras_hands_sample_weights_to_the_loss():
    loss = weighted_bce([0.5, 0.8], [0.5, 0.2])
    y, z, weight = np.array([[1.0, 0.0], [0.0, np.nan]]), np.array([[0.3, 2.0], [1.0, -1.0]]), np.array([1.0, 3.0])
    assert float(as_keras_loss(loss)(y, z, sample_weight=weight)) == float(loss(y, z, weight))
    assert float(as_keras_loss(loss)(y, z)) == float(loss(y, z))


def counts(*pairs):
    return [LabelCount(f"F{number}", positives, total) for number, (positives, total) in enumerate(pairs)]


def test_balanced_class_weights_are_those_of_scikit_learn():
    pairs = [(3, 10), (1, 400), (250, 400)]
    w_pos, w_neg = class_weights("balanced", counts(*pairs))
    for ours, (positives, total) in zip(zip(w_neg, w_pos, strict=True), pairs, strict=True):
        labels = np.repeat([1, 0], [positives, total - positives])
        np.testing.assert_allclose(ours, compute_class_weight("balanced", classes=np.array([0, 1]), y=labels))


def test_class_weights_by_prevalence_and_none():
    assert class_weights("prevalence", counts((1, 4), (3, 4))) == ((0.75, 0.25), (0.25, 0.75))
    assert class_weights("none", counts((1, 4), (0, 4))) == ((1.0, 1.0), (1.0, 1.0))


@pytest.mark.parametrize("kind", ["prevalence", "balanced"])
@pytest.mark.parametrize("positives", [0, 4])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_finding_of_one_class_adds_nothing_to_the_loss(kind, positives, smoothing):
    loss = weighted_bce(*class_weights(kind, counts((positives, 4))), label_smoothing=smoothing)
    assert float(loss(np.full((4, 1), positives / 4), np.array([[0.3], [-2.0], [1.0], [4.0]]))) == 0.0


def test_findings_of_one_class_are_named_and_nothing_to_learn_is_refused():
    assert of_one_class(counts((0, 4), (1, 4), (4, 4))) == ("F0", "F2")
    assert of_one_class(counts((1, 4))) == ()
    with pytest.raises(TrainingError, match="No finding has both"):
        of_one_class(counts((0, 4), (4, 4)))


def test_a_finding_without_labels_has_no_class_weights():
    with pytest.raises(TrainingError, match="no known training labels of F1"):
        class_weights("none", counts((1, 4), (0, 0)))
