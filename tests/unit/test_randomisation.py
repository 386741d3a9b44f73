"""Weights drawn anew on a copy, from the output down."""

import itertools

import keras
import numpy as np
import pytest

from cxrkit.model.backbones import BACKBONES
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import HEADS, build_network
from cxrkit.model.randomisation import cascade, cascaded_maps, draw_anew
from cxrkit.radiograph import Radiograph
from tests.factory import make_preset


def radiographs(number=3):
    rng = np.random.default_rng(0)
    return [Radiograph(rng.random((64, 64), dtype=np.float32), str(i)) for i in range(number)]


def tensors(manager, images):
    return np.concatenate([manager.preprocess(image) for image in images])


def assert_complete(network, stages):
    staged = [layer.name for layers in stages.values() for layer in layers]
    assert sorted(staged) == sorted(layer.name for layer in network.layers if layer.weights)
    assert all(stages.values())


def test_stages_of_densenet(shipped):
    network = shipped("chestxray14").model
    stages = cascade(network, BACKBONES["densenet121"].feature_layer)
    assert list(stages) == ["head", "conv5", "conv4", "conv3", "conv2", "whole"]
    assert_complete(network, stages)
    assert [layer.name for layer in stages["head"]] == ["bn", "logits"]
    assert {layer.name.split("_")[0] for layer in stages["conv4"]} == {"conv4", "pool4"}
    assert {layer.name.split("_")[0] for layer in stages["whole"]} == {"conv1"}


@pytest.mark.parametrize("head", HEADS)
def test_every_weight_is_in_one_stage(head):
    """Of the other backbones the contract says so, in test_network.py."""
    network = build_network("cnn", 2, input_size=32, head=head)
    stages = cascade(network, BACKBONES["cnn"].feature_layer)
    assert_complete(network, stages)
    assert (next(iter(stages)), list(stages)[-1]) == ("head", "whole")


def test_a_layer_starts_again_as_its_initialiser_says():
    network = build_network("cnn", 2, input_size=32)
    dense, norm = network.get_layer("logits"), network.get_layer("bn")
    norm.set_weights([np.full(256, 3.0)] * 4)
    dense.set_weights([np.full((256, 2), 9.0), np.ones(2)])
    for layer in (dense, norm):
        draw_anew(layer, np.random.default_rng(0))
    assert [float(np.unique(w)[0]) for w in norm.get_weights()] == [1, 0, 0, 1]
    kernel, bias = dense.get_weights()
    assert not bias.any()
    limit = np.sqrt(6 / (256 + 2))  # Glorot and Bengio 2010
    assert 0.9 * limit < np.abs(kernel).max() <= limit
    draw_anew(dense, np.random.default_rng(0))
    np.testing.assert_array_equal(dense.get_weights()[0], kernel)
    draw_anew(dense, np.random.default_rng(1))
    assert (dense.get_weights()[0] != kernel).mean() > 0.9


@pytest.mark.parametrize("head", ["gap-dense", "dense-stack"])
def test_the_cascade(tmp_path, head):
    manager = XRayModelManager(make_preset(tmp_path, head=head))
    images = radiographs()
    before = [w.copy() for w in manager.model.get_weights()]
    stages = dict(cascaded_maps(manager, tensors(manager, images), seed=4))
    assert list(stages) == ["none", "head", "block5", "block4", "block3", "block2", "whole"]
    assert {maps.shape for maps in stages.values()} == {(3, 3, 4, 4)}
    # without a new weight these are the manager's own maps
    for image, maps in zip(images, stages["none"], strict=True):
        own = manager.read(image).explanations
        np.testing.assert_allclose(maps, [own[f].map for f in manager.findings], rtol=1e-4, atol=1e-6)
    for one, other in itertools.pairwise(stages.values()):
        assert np.abs(one - other).max() > 0
    # the manager that others read with is as it was
    for one, other in zip(before, manager.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_whole_network_depends_on_no_trained_weight(tmp_path):
    one = XRayModelManager(make_preset(tmp_path, "one", seed=1))
    other = XRayModelManager(make_preset(tmp_path, "other", seed=2))
    images = tensors(one, radiographs())
    ends = [dict(cascaded_maps(manager, images, seed=3)) for manager in (one, other)]
    np.testing.assert_allclose(ends[0]["whole"], ends[1]["whole"], rtol=1e-5, atol=1e-9)
    assert np.abs(ends[0]["block2"] - ends[1]["block2"]).max() > 0
    another = dict(cascaded_maps(one, images, seed=5))
    assert np.abs(another["whole"] - ends[0]["whole"]).max() > 0


def test_the_layers_names_alone_make_the_stages():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 1, name="stem_conv")(inputs)
    x = keras.layers.Conv2D(2, 1, name="block1a_conv")(x)
    x = keras.layers.Conv2D(2, 1, name="block2a_conv")(x)
    x = keras.layers.Conv2D(2, 1, name="block_3_expand")(x)
    x = keras.layers.Conv2D(2, 1, name="Conv_3")(x)
    x = keras.layers.Conv2D(2, 1, name="top_conv")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    network = keras.Model(inputs, keras.layers.Dense(1, name="logits")(x))
    stages = {name: [layer.name for layer in layers] for name, layers in cascade(network, "top_conv").items()}
    assert stages == {
        "head": ["logits"],
        "block_3": ["top_conv", "Conv_3", "block_3_expand"],
        "block2a": ["block2a_conv"],
        "whole": ["block1a_conv", "stem_conv"],
    }
