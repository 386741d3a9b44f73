"""Grad-CAM by hand-worked numbers, and honesty where there is no evidence."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from cxrkit.errors import PresetInvalid
from cxrkit.imaging.preprocessing import covered_box, to_square
from cxrkit.model.checkpoints import assign, read_layers, save_weights
from cxrkit.model.gradcam import grad_cam
from cxrkit.model.head import Affine, Head, Linear, MaxPool, Rectifier
from cxrkit.model.keras_head import head_of
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import build_network
from cxrkit.preset_folders import file_sha256
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box
from tests.factory import make_preset


def test_alpha_and_map_by_hand():
    # one channel is positive at 1 of 4 positions, the other at 3 of 4 after scale and offset
    features = np.array([[[1.0, 2.0], [-1.0, 0.5]], [[-2.0, 3.0], [-3.0, -1.0]]], np.float32)
    head = Head(
        (Affine(np.array([2, 1], np.float32), np.zeros(2, np.float32)), Rectifier()),
        (Linear(np.array([[4, -4], [1, -1]], np.float32), np.array([0.5, 0], np.float32)),),
    )
    # pooled: (2*1)/4 = .5 and (2+.5+3)/4 = 1.375 -> 4*.5 + 1.375 + .5
    np.testing.assert_allclose(head.logits(features[None])[0], [3.875, -3.375])
    alpha = head.alpha(features)
    np.testing.assert_allclose(alpha[:, 0], [2 * 0.25 * 4 / 4, 1 * 0.75 * 1 / 4])  # .5 and .1875
    maps = grad_cam(features, alpha)
    # .5*A1 + .1875*A2, negative sums cut
    np.testing.assert_allclose(maps[0], [[0.875, 0.0], [0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(maps[1], [[0.0, 0.40625], [0.4375, 1.6875]], atol=1e-6)


def test_alpha_through_max_pooling_and_a_stack_by_hand():
    # one channel, 2 x 3 positions; windows of 2 x 2 leave the third column out and choose the 3
    features = np.array([[1.0, 3.0, 9.0], [2.0, -1.0, 9.0]], np.float32)[..., None]
    stack = (
        Linear(np.array([[2.0, -1.0]], np.float32), np.array([0.0, 1.0], np.float32)),  # 6, -2
        Rectifier(),  # the second is shut
        Linear(np.array([[5.0, 0.5], [7.0, 7.0]], np.float32), np.array([1.0, 0.0], np.float32)),
    )
    head = Head((MaxPool((2, 2), (2, 2)),), stack)
    np.testing.assert_allclose(head.logits(features[None])[0], [31.0, 3.0])
    np.testing.assert_allclose(head.alpha(features), [[2 * 5 / 6, 2 * 0.5 / 6]])
    # a rectifier before the pooling shuts what the window chooses, its ceiling too
    negative = Head((Rectifier(), MaxPool((2, 2), (2, 2))), stack[:1])
    np.testing.assert_array_equal(negative.alpha(-np.abs(features)), [[0, 0]])
    capped = Head((Rectifier(6.0), MaxPool((1, 1), (1, 1))), stack[:1])
    np.testing.assert_allclose(capped.logits(features[None])[0], [2 * 3, -2])  # mean of 1, 3, 6, 2, 0, 6 is 3
    np.testing.assert_allclose(capped.alpha(features), [[2 * 3 / 6 / 6, -1 * 3 / 6 / 6]])  # 3 of 6 pass


def test_the_chain_of_steps_equals_a_tape():
    """Batch normalisation twice, overlapping pooling, ReLU6 and a normalised stack: no closed form by hand."""
    inputs = x = keras.Input((7, 6, 5))
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(max_value=1.5)(x)
    x = keras.layers.MaxPooling2D((3, 2), strides=(2, 1))(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(8, activation="relu6")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Dense(6, use_bias=False, activation="relu")(x)
    network = keras.Model(inputs, keras.layers.Dense(3)(x))
    random = np.random.default_rng(3)
    network.set_weights(
        [
            random.uniform(0.2, 1, w.shape) * random.choice([1, -0.2], w.shape) ** (w.ndim > 1)
            for w in network.get_weights()
        ]
    )
    features = random.normal(0.3, 1, (1, 7, 6, 5)).astype(np.float32)
    head = head_of(network)
    np.testing.assert_allclose(head.logits(features), network(features), rtol=1e-5, atol=1e-6)
    tensor = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        logits = network(tensor, training=False)[0]
    expected = np.asarray(tape.jacobian(logits, tensor))[:, 0].mean(axis=(1, 2)).T
    assert np.abs(expected).min() > 0
    np.testing.assert_allclose(head.alpha(features[0]), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("behind", "name"),
    [
        ([keras.layers.Conv2D(2, 1, name="a_conv"), keras.layers.GlobalAveragePooling2D()], "a_conv"),
        ([keras.layers.Activation("swish", name="a_swish"), keras.layers.GlobalAveragePooling2D()], "a_swish"),
        ([keras.layers.ReLU(negative_slope=0.1, name="leaky"), keras.layers.GlobalAveragePooling2D()], "leaky"),
        ([keras.layers.MaxPooling2D(padding="same", name="ragged"), keras.layers.GlobalAveragePooling2D()], "ragged"),
        ([keras.layers.GlobalMaxPooling2D(name="largest")], "largest"),
        ([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, "sigmoid", name="risk")], "risk"),
        ([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, "relu", name="last")], "last"),
        ([keras.layers.GlobalAveragePooling2D(name="only")], "only"),
    ],
)
def test_a_head_that_cannot_be_explained_is_refused_by_layer(behind, name):
    x = inputs = keras.Input((4, 4, 3))
    for layer in behind:
        x = layer(x)
    with pytest.raises(PresetInvalid, match=name) as caught:
        head_of(keras.Model(inputs, x))
    assert caught.value.remedy


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
    head = Head((Rectifier(),), (Linear(np.eye(2, dtype=np.float32), np.zeros(2, np.float32)),))
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
