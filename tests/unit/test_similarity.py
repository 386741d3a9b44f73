"""Structural similarity against TensorFlow's, and shares of evidence by hand."""

import numpy as np
import pytest

from cxrkit.evaluation.maps import enlarge
from cxrkit.evaluation.similarity import border_band, evidence_share, map_similarity, ssim


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ssim_agrees_with_tensorflow(seed):
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(seed)
    x = enlarge(rng.random((4, 7, 7)), side=64)
    y = 0.5 * x + 0.5 * enlarge(rng.random((4, 7, 7)), side=64)
    y[0] = rng.random((64, 64))
    x, y = np.clip(x, 0, 1), np.clip(y, 0, 1)
    expected = tf.image.ssim(x[..., None].astype(np.float32), y[..., None].astype(np.float32), max_val=1.0).numpy()
    np.testing.assert_allclose(ssim(x, y), expected, atol=2e-5)


def test_ssim_of_flat_images_by_hand():
    # no variance: luminance alone, (2 * .2 * .6 + 1e-4) / (.04 + .36 + 1e-4)
    got = ssim(np.full((16, 16), 0.2), np.full((16, 16), 0.6))
    assert got == pytest.approx((0.24 + 1e-4) / (0.40 + 1e-4))


def test_ssim_wants_room_for_its_window():
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(np.zeros((10, 20)), np.zeros((10, 20)))


def test_maps_are_compared_by_shape_not_by_size():
    grid = np.random.default_rng(3).random((7, 7))
    assert map_similarity(grid, 1e-6 * grid) == pytest.approx(1.0)
    assert map_similarity(grid, grid[::-1, ::-1]) < 0.5
    assert map_similarity(grid, np.zeros((7, 7))) < 0.5


def test_evidence_share_by_hand():
    v = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert evidence_share(v, np.array([[True, False], [False, True]])) == 0.5
    assert evidence_share(v, np.zeros((2, 2), bool)) == 0.0
    assert evidence_share(np.zeros((2, 2)), np.ones((2, 2), bool)) is None


def test_border_band():
    band = border_band(20, 0.1)
    assert band.sum() == 400 - 16 * 16
    assert band[1, 10]
    assert not band[2, 10]
    assert evidence_share(np.ones((20, 20)), band) == pytest.approx(0.36)
