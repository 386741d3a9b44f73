"""The contract that every backbone and head keeps: build, split, save, load, Grad-CAM."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cxrkit.errors import PresetInvalid
from cxrkit.imaging.preprocessing import to_tensor
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import HEADS, build_network, split_network
from cxrkit.model.normalisation import BatchNormalization
from cxrkit.model.timing import tape_grad_cam
from cxrkit.radiograph import Radiograph
from tests.factory import make_preset


def radiograph(seed: int = 0, shape: tuple[int, int] = (90, 70)) -> Radiograph:
    return Radiograph(np.random.default_rng(seed).random(shape, dtype=np.float32), f"{seed:064x}")


@pytest.mark.parametrize(
    ("backbone", "head"), [*((b, "gap-dense") for b in BACKBONES), *(("cnn", h) for h in HEADS if h != "gap-dense")]
)
def test_contract(tmp_path, backbone, head):
    preset = make_preset(tmp_path, backbone=backbone, head=head)
    manager = XRayModelManager(preset)
    image = radiograph()
    reading = manager.read(image)
    tensor = manager.preprocess(image)
    assert tensor.shape == (1, 64, 64, 3)
    assert tensor.dtype == np.float32

    whole = np.asarray(manager.model(tensor))[0]
    logits = [reading.prediction.score(f).logit for f in preset.findings]
    np.testing.assert_allclose(logits, whole, rtol=1e-5, atol=1e-6)

    expected = np.maximum(tape_grad_cam(manager.model, manager.get_gradcam_layer())(tensor), 0)
    maps = np.stack([reading.explanations[f].map for f in preset.findings])
    assert expected.max() > 0
    assert np.abs(maps - expected).max() <= 1e-5 * expected.max()

    trunk, whole_head = split_network(manager.model, preset.feature_layer)
    np.testing.assert_allclose(np.asarray(whole_head(trunk(tensor)))[0], whole, rtol=1e-6, atol=1e-6)


def test_fused_normalisation_equals_the_stock_layer_in_training_and_inference():
    random = np.random.default_rng(1)
    x = random.normal(2, 3, (8, 5, 6, 4)).astype(np.float32)
    stock, fused = keras.layers.BatchNormalization(momentum=0.9), BatchNormalization(momentum=0.9)
    for layer in (stock, fused):
        layer.build(x.shape)
        layer.set_weights([np.array(w, np.float32) for w in ([1, 2, 3, 0.5], [0.1, -1, 0, 2], [0] * 4, [1] * 4)])
    with tf.GradientTape(persistent=True) as tape:
        a, b = stock(x, training=True), fused(x, training=True)
        la, lb = tf.reduce_sum(a**3), tf.reduce_sum(b**3)
    np.testing.assert_allclose(a, b, atol=2e-5)
    for p, q in zip(
        tape.gradient(la, stock.trainable_variables), tape.gradient(lb, fused.trainable_variables), strict=True
    ):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-3)
    n = 8 * 5 * 6  # TensorFlow's operation reports the unbiased variance
    np.testing.assert_allclose(stock.moving_mean, fused.moving_mean, atol=1e-6)
    biased = (np.asarray(fused.moving_variance) - 0.9) * (n - 1) / n + 0.9
    np.testing.assert_allclose(stock.moving_variance, biased, rtol=1e-5)
    np.testing.assert_allclose(
        stock(x, training=False), fused(x, training=False), atol=0.05
    )  # the two variances differ by 1/n


def test_fused_normalisation_leaves_frozen_layers_alone():
    layer = BatchNormalization()
    layer.build((None, 3, 3, 2))
    layer.trainable = False
    before = [np.array(w) for w in layer.get_weights()]
    layer(np.random.default_rng(0).normal(5, 2, (4, 3, 3, 2)).astype(np.float32), training=True)
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_densenet_layer_and_size_are_those_of_the_preset(shipped):
    network = shipped("chestxray14").model
    assert network.count_params() == 7_051_854
    assert network.input_shape == build_network("cnn", 14).input_shape == (None, 224, 224, 3)
    assert network.get_layer("conv5_block16_concat").output.shape == (None, 7, 7, 1024)


def test_unknown_names_are_refused(shipped):
    with pytest.raises(PresetInvalid, match="vgg99"):
        build_network("vgg99", 1)
    with pytest.raises(PresetInvalid, match="tail"):
        build_network("cnn", 1, head="tail")
    with pytest.raises(PresetInvalid, match="no_such"):
        split_network(build_network("cnn", 1, input_size=32), "no_such")
    with pytest.raises(PresetInvalid, match="not a chain"):
        split_network(shipped("chestxray14").model, "conv5_block15_concat")


@pytest.mark.parametrize("geometry", ["squash", "pad", "crop"])
def test_tensor_is_standardised(tmp_path, geometry):
    preset = make_preset(tmp_path, geometry=geometry)
    tensor = to_tensor(radiograph(), preset)
    assert tensor.mean() == pytest.approx(0, abs=1e-5)
    assert tensor.std() == pytest.approx(1, abs=1e-4)
    assert (tensor[..., 0] == tensor[..., 2]).all()
