"""Augmentation: nothing where nothing is asked for, and each change in its range."""

import cv2
import numpy as np
import pytest

from cxrkit.training.augmentation import augment
from cxrkit.training.recipe import Augmentation

NONE = dict.fromkeys(("rotation", "shift", "zoom", "brightness", "contrast", "gamma", "noise"), 0.0)


def test_no_augmentation_is_the_identity_and_strong_one_stays_in_range():
    square = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    np.testing.assert_allclose(augment(square, Augmentation(**NONE), np.random.default_rng(1)), square, atol=1e-6)
    wild = Augmentation(
        rotation=45,
        shift=0.3,
        zoom=0.5,
        shear=0.5,
        aspect=0.5,
        brightness=0.5,
        contrast=1,
        gamma=1,
        noise=0.2,
        flip=True,
    )
    for seed in range(20):
        out = augment(square, wild, np.random.default_rng(seed))
        assert out.min() >= 0
        assert out.max() <= 1
        assert out.dtype == np.float32


def test_flip_mirrors_left_and_right():
    square = np.zeros((16, 16), np.float32)
    square[:, :8] = 1
    mirror = Augmentation(**NONE, flip=True)
    seen = {bool(augment(square, mirror, np.random.default_rng(seed))[8, 2] > 0.5) for seed in range(20)}
    assert seen == {True, False}


def test_shear_moves_the_upper_edge_against_the_lower_one():
    size = 101
    square = np.zeros((size, size), np.float32)
    square[:, 50] = 1  # an upright line through the centre
    leans = []
    for seed in range(200):
        out = augment(square, Augmentation(**NONE, shear=0.2), np.random.default_rng(seed))
        above, below = (float(np.average(np.arange(size), weights=out[row])) for row in (0, size - 1))
        leans.append((above - below) / (size - 1))
        assert (above + below) / 2 == pytest.approx(50, abs=0.6)  # about the centre
        middle = np.average(np.arange(size), weights=out[size // 2])
        assert middle == pytest.approx(50, abs=0.1)
    assert np.abs(leans).max() <= 0.21
    assert min(leans) < -0.17
    assert max(leans) > 0.17


def test_a_rule_without_shear_draws_as_it_did_before_there_was_any():
    square = np.random.default_rng(0).random((32, 32), dtype=np.float32)
    drawn = np.random.default_rng(1)
    augment(square, Augmentation(**NONE), drawn)
    expected = np.random.default_rng(1)
    expected.uniform(size=9)  # angle, zoom, stretch, two shifts, gain, offset, power, noise
    assert drawn.random() == expected.random()


def test_nothing_is_turned_upside_down():
    square = np.tile(np.linspace(0, 1, 64, dtype=np.float32)[:, None], (1, 64))
    rule = Augmentation(rotation=20, shift=0.2, zoom=0.2, shear=0.2, aspect=0.2, noise=0, flip=True)
    for seed in range(50):
        out = cv2.GaussianBlur(augment(square, rule, np.random.default_rng(seed)), (0, 0), 2)
        assert out[54].mean() > out[10].mean()
