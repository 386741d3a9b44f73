"""The contract that every backbone and head keeps: build, split, save, load, Grad-CAM."""

import functools
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from cxrkit.errors import PresetInvalid
from cxrkit.imaging.preprocessing import standardise, to_tensor
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.checkpoints import assign
from cxrkit.model.keras_head import head_of
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import build_network, set_trainable, split_frozen, split_network
from cxrkit.model.normalisation import BatchNormalization
from cxrkit.model.randomisation import cascade
from cxrkit.model.timing import tape_grad_cam
from cxrkit.radiograph import Radiograph
from tests.factory import make_preset


def radiograph(seed: int = 0, shape: tuple[int, int] = (90, 70)) -> Radiograph:
    return Radiograph(np.random.default_rng(seed).random(shape, dtype=np.float32), f"{seed:064x}")


# every backbone once, every head; VGG16 with the stack, behind its pooling
COMBINATIONS = [(b, "dense-stack" if b == "vgg16" else "gap-dense") for b in BACKBONES]
COMBINATIONS += [("cnn", "dropout-dense"), ("cnn", "dense-stack")]
WIPED = 0.25
DROPOUTS = {"efficientnetb0": 9, "dropout-dense": 1, "dense-stack": 3}


@pytest.fixture
def built_once(monkeypatch):
    """Networks of a test are built once: whoever builds next gets the same one, its weights wiped out.

    Building takes most of the time of the large ones.
    """

    @functools.cache
    def build(*key) -> keras.Model:
        backbone, outputs, options = key
        return build_network(backbone, outputs, **dict(options))

    def build_or_wipe(backbone, outputs, **options):
        network = build(backbone, outputs, tuple(options.items()))
        if build.cache_info().hits:
            for weight in network.weights:
                weight.assign(np.full(weight.shape, WIPED, np.float32))
        return network

    for module in ("building", "network"):  # the first is imported here, with what the second has
        monkeypatch.setattr(f"cxrkit.model.{module}.build_network", build_or_wipe)


@pytest.mark.parametrize(("backbone", "head"), COMBINATIONS)
@pytest.mark.usefixtures("built_once")
def test_contract(tmp_path, backbone, head):
    row = BACKBONES[backbone]
    findings = ("Effusion", "Mass", "Pneumonia") if backbone == "cnn" else ("Effusion",)  # a tape each
    preset = make_preset(tmp_path, findings=findings, backbone=backbone, head=head)
    manager = XRayModelManager(preset)  # loads the file
    network = manager.model
    image = radiograph()
    reading = manager.read(image)
    tensor = manager.preprocess(image)
    assert tensor.shape == (1, 64, 64, 3)
    assert tensor.dtype == np.float32

    assert not any((w == WIPED).all() for w in network.get_weights())
    whole = np.asarray(network(tensor))[0]
    logits = [reading.prediction.score(f).logit for f in preset.findings]
    np.testing.assert_allclose(logits, whole, rtol=1e-5, atol=1e-6)

    trunk, behind = split_network(network, preset.feature_layer)
    features = manager.runtime.features(tensor)[0]
    assert features.shape[0] == features.shape[1] > 1
    unrectified = np.moveaxis(features @ head_of(behind).alpha(features), -1, 0)
    expected = tape_grad_cam(network, manager.get_gradcam_layer())(tensor)
    assert np.abs(unrectified - expected).max() <= 1e-5 * np.abs(expected).max()
    maps = np.stack([reading.explanations[f].map for f in preset.findings])
    np.testing.assert_allclose(maps, np.maximum(unrectified, 0), rtol=1e-5)
    stages = cascade(network, preset.feature_layer)
    assert sorted(n.name for s in stages.values() for n in s) == sorted(n.name for n in network.layers if n.weights)
    assert all(stages.values())
    assert (next(iter(stages)), list(stages)[-1]) == ("head", "whole")

    # the two halves of either split share the network's layers
    for first, second in ((trunk, behind), split_frozen(network)):
        halves = {id(w) for half in (first, second) for w in half.weights}
        assert halves == {id(w) for w in network.weights}
        assert first.input.shape == network.input.shape
        assert second.output.shape == network.output.shape
        assert second.count_params() < first.count_params()
    assert first.output.shape == second.input.shape == (None, network.get_layer("pool").output.shape[-1])

    # dropout, in the head or as stochastic depth in the backbone, can be repeated
    seeds = [layer.seed for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert None not in seeds
    assert len(set(seeds)) == len(seeds) == DROPOUTS.get(backbone, DROPOUTS.get(head, 0))

    # what is trained grows from the head over the last block to everything
    names = [layer.name for layer in network.layers]
    trained = {}
    for part in ("head", "top", "all"):
        set_trainable(network, backbone, part)
        trained[part] = [layer.name for layer in network.layers if layer.trainable]
        assert trained[part] == names[-len(trained[part]) :]
    assert trained["head"][0] == "pool"
    assert trained["top"][0] == row.top
    assert trained["all"] == names
    assert row.feature_layer in trained["top"]
    assert any(network.get_layer(name).weights for name in trained["top"] if name not in trained["head"])


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


@pytest.mark.parametrize("backbone", ["densenet121", "resnet50", "vgg16", "mobilenetv2"])
def test_the_intensity_of_a_row_is_that_of_keras_own_preprocessing(backbone):
    row = BACKBONES[backbone]
    grey = np.random.default_rng(0).random((5, 6), dtype=np.float32)
    module = importlib.import_module(getattr(keras.applications, row.application).__module__)
    expected = module.preprocess_input(np.repeat(grey[..., None] * np.float32(255), 3, axis=-1))
    np.testing.assert_allclose(standardise(grey, row.intensity), expected, rtol=1e-5, atol=2e-5)


def test_efficientnet_computes_what_keras_network_with_imagenet_weights_does(monkeypatch):
    """Keras' network takes pixels in 0..255 and normalises them itself, with one layer more for ImageNet's weights."""
    module = importlib.import_module(keras.applications.EfficientNetB0.__module__)
    monkeypatch.setattr(module.file_utils, "get_file", lambda *args, **kwargs: "")
    monkeypatch.setattr(module.Functional, "load_weights", lambda self, path: None)
    keras.utils.set_random_seed(3)
    stock = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(64, 64, 3))
    # what the file says of Keras' own normalisation: mean, and as its variance the deviation
    (normalisation,) = (layer for layer in stock.layers if isinstance(layer, keras.layers.Normalization))
    stored = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 0)
    normalisation.set_weights([np.asarray(value, np.float32) for value in stored])
    normalisation.finalize_state()
    assert sum(isinstance(layer, keras.layers.Rescaling) for layer in stock.layers) == 2

    network = BACKBONES["efficientnetb0"].build(64)
    assign(network, {layer.name: layer.get_weights() for layer in stock.layers}, file="test")
    assert not any(isinstance(layer, (keras.layers.Normalization, keras.layers.Rescaling)) for layer in network.layers)
    grey = np.random.default_rng(0).random((2, 64, 64), dtype=np.float32)
    expected = np.asarray(stock(np.repeat(grey[..., None] * np.float32(255), 3, axis=-1)))
    found = np.asarray(network(standardise(grey, BACKBONES["efficientnetb0"].intensity)))
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
