"""The weighted binary cross-entropy against hand-worked and published numbers."""

import numpy as np
import pytest

from cxrkit.model.losses import weighted_bce

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
