"""Grad-CAM by hand-worked numbers, and honesty where there is no evidence."""

import dataclasses

import numpy as np
import pytest

from cxrkit.imaging.preprocessing import covered_box, to_square
from cxrkit.model.checkpoints import assign, read_layers, save_weights
from cxrkit.model.gradcam import LinearHead, grad_cam
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import build_network
from cxrkit.preset import file_sha256
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box
from tests.factory import make_preset


def test_alpha_and_map_by_hand():
    # one channel is positive at 1 of 4 positions, the other at 3 of 4 after scale and offset
    features = np.array([[[1.0, 2.0], [-1.0, 0.5]], [[-2.0, 3.0], [-3.0, -1.0]]], np.float32)
    head = LinearHead(
        scale=np.array([2.0, 1.0], np.float32),
        offset=np.zeros(2, np.float32),
        kernel=np.array([[4.0, -4.0], [1.0, -1.0]], np.float32),
        bias=np.array([0.5, 0.0], np.float32),
    )
    # pooled: (2*1)/4 = .5 and (2+.5+3)/4 = 1.375 -> 4*.5 + 1.375 + .5
    np.testing.assert_allclose(head.logits(features[None])[0], [3.875, -3.375])
    alpha = head.alpha(features)
    np.testing.assert_allclose(alpha[:, 0], [2 * 0.25 * 4 / 4, 1 * 0.75 * 1 / 4])  # .5 and .1875
    maps = grad_cam(features, alpha)
    # .5*A1 + .1875*A2, negative sums cut
    np.testing.assert_allclose(maps[0], [[0.875, 0.0], [0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(maps[1], [[0.0, 0.40625], [0.4375, 1.6875]], atol=1e-6)


def test_no_positive_evidence_is_all_zero_and_flagged(tmp_path):
    preset = make_preset(tmp_path, findings=("Effusion", "Mass"))
    network = build_network("cnn", 2, input_size=64)
    arrays, _ = read_layers(tmp_path / "tiny" / "model.weights.h5")
    arrays["bn"][1][:] = 0.0  # positive only where the features are
    arrays["bn"][2][:] = 0.0
    arrays["block5_conv"][0][:] = np.abs(arrays["block5_conv"][0])
    arrays["logits"][0][:, 0] = -1.0  # nothing can speak for the first finding, everything for the second
    arrays["logits"][0][:, 1] = 1.0
    assign(network, arrays, file="test")
    save_weights(network, tmp_path / "tiny" / "model.weights.h5", preset.findings)
    sha256 = file_sha256(tmp_path / "tiny" / "model.weights.h5")
    manager = XRayModelManager(dataclasses.replace(preset, weights_sha256=sha256, operating_points=()))
    pixels = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    explanations = manager.read(Radiograph(pixels, "0")).explanations
    assert not explanations["Effusion"].has_positive_evidence
    assert not explanations["Effusion"].map.any()
    assert explanations["Mass"].has_positive_evidence
    assert explanations["Mass"].map.max() == explanations["Mass"].peak > 0


def test_a_map_near_zero_is_not_blown_up():
    features = np.full((2, 2, 1), 1e-6, np.float32)
    assert grad_cam(features, np.array([[1.0]], np.float32)).max() == pytest.approx(1e-6)


def test_a_planted_square_is_found_for_its_finding_alone():
    features = np.zeros((7, 7, 2), np.float32)
    features[2, 5, 0] = 8.0
    features[6, 0, 1] = 8.0
    head = LinearHead(
        np.ones(2, np.float32), np.zeros(2, np.float32), np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    )
    maps = grad_cam(features, head.alpha(features))
    assert np.unravel_index(maps[0].argmax(), (7, 7)) == (2, 5)
    assert np.unravel_index(maps[1].argmax(), (7, 7)) == (6, 0)


@pytest.mark.parametrize(
    ("geometry", "box"),
    [
        ("squash", Box(0, 0, 300, 200)),
        ("crop", Box(50, 0, 250, 200)),
        ("pad", Box(0, -50, 300, 250)),
    ],
)
def test_box_covers_what_the_network_saw(geometry, box):
    assert covered_box(200, 300, geometry) == box
    # a bright dot lands in the tensor where the box says
    pixels = np.zeros((200, 300), np.float32)
    pixels[95:105, 195:205] = 1.0
    square = to_square(pixels, geometry, 100)
    row, column = np.unravel_index(square.argmax(), square.shape)
    x = box.left + (column + 0.5) / 100 * (box.right - box.left)
    y = box.top + (row + 0.5) / 100 * (box.bottom - box.top)
    assert x == pytest.approx(200, abs=6)
    assert y == pytest.approx(100, abs=6)


def test_radiographs_are_read_only_copies():
    pixels = np.zeros((4, 4), np.float32)
    image = Radiograph(pixels, "0")
    pixels[0, 0] = 1
    assert image.pixels[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0] = 1
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Radiograph(np.full((2, 2), np.nan, np.float32), "0")
