"""Weights files: every form loads whole, and every damaged or foreign one is refused by name."""

import dataclasses
import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from cxrkit.errors import PresetInvalid, PresetNotFound, WeightsCorrupt, WeightsMismatch, WeightsMissing
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.checkpoints import load_imagenet, read_layers, save_weights
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import build_network
from cxrkit.preset import Preset
from cxrkit.preset_folders import file_sha256
from tests.factory import make_preset


def randomised(model: keras.Model) -> keras.Model:
    """The model with normalisation as after a training, not the identity."""
    random = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def short_densenet(size: int | None) -> keras.Model:
    """A few of DenseNet-121's layers under their own names, with few channels."""
    x = inputs = keras.Input((size, size, 3))
    for name in ("conv1", "conv5_block16_2"):
        x = keras.layers.Conv2D(8, 3, strides=4, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
    x = keras.layers.Concatenate(name="conv5_block16_concat")([x, x])
    x = keras.layers.BatchNormalization(name="bn")(x)
    return keras.Model(inputs, keras.layers.ReLU(name="relu")(x), name="densenet121")


@pytest.fixture
def short(monkeypatch) -> keras.Model:
    """A trained short DenseNet; it stands in the table of backbones where DenseNet-121 stood."""
    monkeypatch.setitem(BACKBONES, "densenet121", dataclasses.replace(BACKBONES["densenet121"], build=short_densenet))
    return randomised(short_densenet(64))


def write_legacy(model: keras.Model, path, slashes: bool, inside: str | None = None) -> None:
    """The layout of Keras 2: names of layers and weights as attributes."""
    with h5py.File(path, "w") as h5:
        root = h5.create_group(inside) if inside else h5
        layers = [layer for layer in model.layers if layer.weights]
        names = [
            f"{a.name.split('_')[0]}/{a.name.split('_')[1]}"
            if slashes and a.name in ("conv1_conv", "conv1_bn")
            else a.name
            for a in layers
        ]
        root.attrs["layer_names"] = [n.encode() for n in names]
        for layer, name in zip(layers, names, strict=True):
            group = root.create_group(name)
            keys = [f"{name}/{w.name}:0" for w in layer.weights]
            group.attrs["weight_names"] = [k.encode() for k in keys]
            for key, value in zip(keys, layer.get_weights(), strict=True):
                group.create_dataset(key, data=value)


def store(model: keras.Model, folder: Path, form: str) -> Path:
    path = folder / {"keras3": "b.weights.h5", "h5": "b.h5", "hdf5": "b.hdf5", "whole": "m.h5"}[form]
    if form == "keras3":
        model.save_weights(path)
    else:
        write_legacy(model, path, slashes=form == "h5", inside="model_weights" if form == "whole" else None)
    return path


def assert_fills_the_backbone(trained: keras.Model, path: Path) -> None:
    network = build_network("densenet121", 3, input_size=64)
    head = network.get_layer("logits").get_weights()
    load_imagenet(network, "densenet121", path)
    for layer in trained.layers:
        if layer.weights:
            for a, b in zip(layer.get_weights(), network.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(head[0], network.get_layer("logits").get_weights()[0])


@pytest.mark.parametrize("form", ["keras3", "h5", "hdf5", "whole"])
def test_imagenet_weights_of_every_form_fill_the_backbone(tmp_path, short, form):
    assert_fills_the_backbone(short, store(short, tmp_path, form))


def test_imagenet_weights_as_keras_publishes_them_fill_densenet(tmp_path):
    """The whole network, as Keras itself builds it without the top, in the form of its weights' file."""
    keras.utils.set_random_seed(5)
    trained = keras.applications.DenseNet121(include_top=False, weights=None, input_shape=(64, 64, 3))
    assert_fills_the_backbone(randomised(trained), store(trained, tmp_path, "h5"))


def test_a_file_of_keras_with_other_names_inside_is_read_by_position(tmp_path, short, monkeypatch):
    """As Keras reads it: the file that it publishes for MobileNetV2 has names that its network has not."""
    monkeypatch.setattr(keras.applications, "DenseNet121", lambda **options: short_densenet(64))
    path = store(short, tmp_path, "hdf5")
    rename_layers(path, "old")
    assert_fills_the_backbone(short, path)
    with h5py.File(path, "r+") as h5:  # two layers that do not fit each other's place
        h5.attrs["layer_names"] = h5.attrs["layer_names"][::-1]
    with pytest.raises(WeightsMismatch, match="conv1_conv"):
        load_imagenet(build_network("densenet121", 3, input_size=64), "densenet121", path)


def rename_layers(path: Path, prefix: str) -> None:
    with h5py.File(path, "r+") as h5:
        names = [str(name) for name in h5.attrs["layer_names"]]
        for name in names:
            h5.move(name, f"{prefix}_{name}")
        h5.attrs["layer_names"] = [f"{prefix}_{name}".encode() for name in names]


def test_damaged_and_foreign_backbones_are_refused_and_change_nothing(tmp_path, short):
    network = build_network("densenet121", 3, input_size=64)
    before = [w.copy() for w in network.get_weights()]
    whole = tmp_path / "good.weights.h5"
    short.save_weights(whole)
    cut = tmp_path / "cut.weights.h5"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    text = tmp_path / "text.h5"
    text.write_text("version https://git-lfs.github.com/spec/v1")
    empty = tmp_path / "empty.h5"
    h5py.File(empty, "w").close()
    other = tmp_path / "other.weights.h5"
    build_network("cnn", 3, input_size=32).save_weights(other)
    for path, error, word in (
        (tmp_path / "none.h5", WeightsMissing, "none.h5"),
        (cut, WeightsCorrupt, "cut.weights.h5"),
        (text, WeightsCorrupt, "text.h5"),
        (empty, WeightsCorrupt, "empty.h5"),
        (other, WeightsMismatch, "conv1_conv"),
    ):
        with pytest.raises(error, match=word) as caught:
            load_imagenet(network, "densenet121", path)
        assert caught.value.remedy
        assert str(tmp_path) not in str(caught.value)
    with h5py.File(whole, "r+") as h5:
        group = next(g for g in h5["layers"].values() if g["vars"].attrs.get("name") == "conv5_block16_2_conv")
        del group["vars"]["0"]
        group["vars"]["0"] = np.zeros((3, 3, 4, 8), np.float32)
    with pytest.raises(WeightsMismatch, match="conv5_block16_2_conv"):
        load_imagenet(network, "densenet121", whole)
    for a, b in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("short")
def test_without_a_network_the_download_says_so(monkeypatch):
    network = build_network("densenet121", 1, input_size=32)

    def fail(**kwargs):
        raise Exception("URL fetch failure on https://example.invalid: None -- unreachable")

    monkeypatch.setattr(keras.applications, "DenseNet121", fail)
    with pytest.raises(WeightsMissing, match="could not be downloaded") as caught:
        load_imagenet(network, "densenet121")
    assert "--imagenet" in caught.value.remedy
    assert "scripts/fetch_weights.py imagenet" in caught.value.remedy
    assert "~" not in caught.value.remedy


def test_what_keras_does_not_publish_is_asked_for_as_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))  # where nobody has put a fetched file
    network = build_network("cnn", 1, input_size=32)
    before = network.get_layer("block3_conv").get_weights()[0]
    for backbone in ("cnn", "resnet18"):
        with pytest.raises(WeightsMissing, match=f"no ImageNet weights for {backbone}") as caught:
            load_imagenet(network, backbone)
        assert "--imagenet FILE" in caught.value.remedy
    keras.utils.set_random_seed(7)
    other = build_network("cnn", 5, input_size=None)  # another head does not matter
    other.save_weights(tmp_path / "cnn.weights.h5")
    load_imagenet(network, "cnn", tmp_path / "cnn.weights.h5")
    after = network.get_layer("block3_conv").get_weights()[0]
    np.testing.assert_array_equal(after, other.get_layer("block3_conv").get_weights()[0])
    assert (after != before).any()


def test_stored_weights_are_close_and_half_as_large(tmp_path):
    network = build_network("cnn", 2, input_size=32)
    save_weights(network, tmp_path / "w.weights.h5", ["A", "B"])
    arrays, findings = read_layers(tmp_path / "w.weights.h5")
    assert findings == ["A", "B"]
    for layer in network.layers:
        for a, b in zip(layer.get_weights(), arrays.get(layer.name, []), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == ["w.weights.h5"]
    network.load_weights(tmp_path / "w.weights.h5")  # Keras itself reads the form too


def test_normalisation_statistics_keep_full_precision(tmp_path):
    network = build_network("cnn", 1, input_size=32)
    layer = network.get_layer("bn")
    gamma, beta, mean, _ = layer.get_weights()
    layer.set_weights([gamma, beta, mean + 1e-9, np.full(256, 123456.789, np.float32)])
    save_weights(network, tmp_path / "w.weights.h5", ["A"])
    stored = read_layers(tmp_path / "w.weights.h5")[0]["bn"]
    np.testing.assert_array_equal(stored[3], np.full(256, 123456.789, np.float32))
    np.testing.assert_array_equal(stored[2], mean + np.float32(1e-9))


def edit_card(preset: Preset, **changes) -> None:
    path = Path(preset.folder) / "preset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_truncated_missing_or_swapped_weights_file_cannot_read(tmp_path):
    preset = make_preset(tmp_path, "a")
    weights = tmp_path / "a" / "model.weights.h5"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1000])
    with pytest.raises(WeightsCorrupt, match="sha256"):
        XRayModelManager(preset)
    weights.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    with pytest.raises(WeightsCorrupt, match="sha256"):
        XRayModelManager("a", folder=tmp_path)
    weights.unlink()
    with pytest.raises(WeightsMissing, match=r"model\.weights\.h5"):
        XRayModelManager(preset)
    with pytest.raises(PresetNotFound, match="nothing"):
        XRayModelManager("nothing", folder=tmp_path)


def test_a_card_without_a_checksum_cannot_read(tmp_path):
    preset = make_preset(tmp_path, "a")
    blank = dataclasses.replace(preset, weights_sha256="", operating_points=())
    with pytest.raises(WeightsCorrupt):
        XRayModelManager(blank)


def test_findings_in_another_order_than_the_weights_are_refused_by_name(tmp_path):
    preset = make_preset(tmp_path, "a", ("Effusion", "Mass", "Pneumonia"))
    swapped = dataclasses.replace(
        preset,
        findings=("Mass", "Effusion", "Pneumonia"),
        label_counts=tuple(preset.label_counts[i] for i in (1, 0, 2)),
    )
    with pytest.raises(WeightsMismatch, match=r"Output 1 .* is Effusion, but the card says Mass"):
        XRayModelManager(swapped)


def test_weights_of_another_head_are_refused_by_layer(tmp_path):
    preset = make_preset(tmp_path, "a", ("Effusion", "Mass"))
    weights = tmp_path / "a" / "model.weights.h5"
    save_weights(build_network("cnn", 3, input_size=64), weights, ["Effusion", "Mass"])
    sha256 = file_sha256(weights)
    wrong = dataclasses.replace(preset, weights_sha256=sha256, operating_points=())
    with pytest.raises(WeightsMismatch, match="logits"):
        XRayModelManager(wrong)


def test_nan_weights_are_refused(tmp_path):
    preset = make_preset(tmp_path, "a", ("Effusion",))
    network = build_network("cnn", 1, input_size=64)
    network.get_layer("logits").set_weights([np.full((256, 1), np.nan), np.zeros(1)])
    save_weights(network, tmp_path / "a" / "model.weights.h5", ["Effusion"])
    wrong = dataclasses.replace(
        preset, weights_sha256=file_sha256(tmp_path / "a" / "model.weights.h5"), operating_points=()
    )
    with pytest.raises(WeightsCorrupt, match="logits"):
        XRayModelManager(wrong)


def test_unknown_fields_in_a_card_are_named(tmp_path):
    preset = make_preset(tmp_path, "a")
    edit_card(preset, surprise=1)
    with pytest.raises(PresetInvalid, match="surprise"):
        Preset.load(preset.folder)


def test_the_manager_loads_imagenet_first_and_the_presets_weights_over_it(tmp_path, short):
    preset = make_preset(tmp_path, "a", ("Effusion",), backbone="densenet121")
    path = tmp_path / "b.weights.h5"
    short.save_weights(path)
    direct, two_steps = XRayModelManager(preset), XRayModelManager(preset, imagenet=path)
    for a, b in zip(direct.model.get_weights(), two_steps.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    path.write_bytes(b"broken")
    with pytest.raises(WeightsCorrupt, match=r"b\.weights\.h5"):
        XRayModelManager(preset, imagenet=path)
