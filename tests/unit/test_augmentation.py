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


def test_blur_smooths_about_half_of_the_images_up_to_its_range_and_keeps_their_mean():
    size = 64
    square = np.zeros((size, size), np.float32)
    square[:, ::2] = 1  # the finest stripes there are
    spread = [
        float(augment(square, Augmentation(**NONE, blur=0.05), np.random.default_rng(seed)).std())
        for seed in range(100)
    ]
    assert 30 < sum(each > 0.499 for each in spread) < 70
    assert min(spread) < 0.05
    out = augment(square, Augmentation(**NONE, blur=0.05), np.random.default_rng(int(np.argmin(spread))))
    assert out.mean() == pytest.approx(0.5, abs=0.01)
    assert 0 <= out.min() <= out.max() <= 1


def test_erase_paints_one_rectangle_of_at_most_its_side_with_the_mean():
    size = 50
    square = np.tile(np.linspace(0, 1, size, dtype=np.float32), (size, 1)) ** 3
    changed_at_all = 0
    for seed in range(60):
        out = augment(square, Augmentation(**NONE, erase=0.4), np.random.default_rng(seed))
        changed = np.abs(out - square) > 1e-4
        if not changed.any():
            continue
        changed_at_all += 1
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert rows[-1] - rows[0] < 0.4 * size + 1
        assert columns[-1] - columns[0] < 0.4 * size + 1
        np.testing.assert_allclose(out[changed], square.mean(), atol=1e-5)
    assert 15 < changed_at_all < 45
