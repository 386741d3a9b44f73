"""Files of Keras and SavedModels become presets with their own logits, and nothing in them acts."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from cxrkit.card import PublishedThreshold
from cxrkit.conversion.imported_card import Rule
from cxrkit.conversion.importing import ValidationPart, Wishes, import_weights
from cxrkit.conversion.keras_source import SIGNATURES, find_backbone
from cxrkit.conversion.kinds import KINDS
from cxrkit.conversion.naming import read_findings, settle_findings
from cxrkit.conversion.parity import compare
from cxrkit.errors import ExtraMissing, ImportRefused, WeightsCorrupt, WeightsMismatch, WeightsMissing
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.preprocessing import to_tensor
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.checkpoints import read_layers
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import build_network
from cxrkit.preset import Preset
from cxrkit.preset_folders import verified_weights
from cxrkit.serving.records import format_record, to_record
from scripts import import_weights as script
from tests.factory import randomise

THREE = ("Effusion", "Lung_Lesion", "Mass")
ASKED = Wishes(findings=THREE, geometry="squash", intensity="unit", input_size=64)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A network from elsewhere: our plain backbone, an output layer of another name, probabilities."""
    keras.utils.set_random_seed(4)
    own = build_network("cnn", 3, input_size=64)
    randomise(own, 4)
    features = own.get_layer("pool").output
    out = keras.layers.Dense(3, activation="sigmoid", name="predictions")(features)
    built = keras.Model(own.input, out)
    kernel = np.random.default_rng(1).normal(0, 0.5, (256, 3))
    built.get_layer("predictions").set_weights([kernel, np.array([0.1, -0.2, 0.3])])
    return built


@pytest.fixture(scope="module")
def saved(network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network in every form."""
    folder = tmp_path_factory.mktemp("saved")
    network.save(folder / "whole.keras")
    with _silence():
        network.save(folder / "whole.h5")
    network.save_weights(folder / "alone.weights.h5")
    network.export(folder / "exported", verbose=False)
    return folder


class _silence:
    """Keras warns that its old format is old."""

    def __enter__(self) -> None:
        import logging

        self.before = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        import logging

        logging.disable(self.before)


@cache
def picture() -> Any:
    """A phantom, drawn once."""
    return phantom(size=100)


def expected(network: keras.Model, preset: Preset) -> np.ndarray:
    """Logits of the source network for the phantom."""
    tensor = to_tensor(picture(), preset)
    p = keras.ops.convert_to_numpy(network(tensor, training=False)).astype(np.float64)
    return np.asarray(np.log(p / (1 - p))[0])


@pytest.mark.parametrize("name", ["whole.keras", "whole.h5", "alone.weights.h5", "exported"])
def test_every_form_becomes_a_preset_with_the_networks_logits(
    name: str, network: keras.Model, saved: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    preset = import_weights(saved / name, "keras", tmp_path / "mine", wishes=ASKED, command="x", tell=said.append)
    reading = XRayModelManager(preset).read(picture())
    found = [reading.prediction.score(f).logit for f in THREE]
    np.testing.assert_allclose(found, expected(network, preset), atol=1e-4)
    assert (preset.backbone, preset.feature_layer, preset.findings) == ("cnn", "block5_conv", THREE)
    assert not preset.label_counts
    assert not preset.operating_points
    assert preset.training.images is None
    assert "on 4 images" in preset.training.summary
    assert preset.notice.startswith("Weights from elsewhere")
    assert {c.method for c in preset.calibration.values()} == {"identity"}
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["model.weights.h5", "preset.json"]
    assert "largest difference" in said[-1]


def test_a_dense_stack_is_recognised_by_its_shapes(tmp_path: Path) -> None:
    own = build_network("cnn", 3, input_size=64, head="dense-stack")
    randomise(own, 2)
    renamed = keras.models.clone_model(
        own,
        clone_function=lambda layer: type(layer).from_config(
            {**layer.get_config(), "name": {"dense1": "fc_a", "logits": "out"}.get(layer.name, layer.name)}
        ),
    )
    renamed.set_weights(own.get_weights())
    renamed.save(tmp_path / "stack.keras")
    preset = import_weights(tmp_path / "stack.keras", "keras", tmp_path / "stack", wishes=ASKED)
    assert preset.head == "dense-stack"


def test_the_source_projects_files_load_in_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S4's order of findings and its two files, on a small backbone in the place of DenseNet-121."""
    from cxrkit.conversion import sources

    monkeypatch.setattr(sources, "S4_BACKBONE", "cnn")
    whole = build_network("cnn", 14, input_size=64)
    randomise(whole, 3)
    out = keras.layers.Activation("sigmoid")(whole.output)
    backbone = keras.Model(whole.input, whole.get_layer("relu").output)
    with _silence():
        keras.Model(whole.input, out).save(tmp_path / "pretrained_model.h5")
        backbone.save(tmp_path / "densenet.h5")
    wishes = Wishes(input_size=64, first=tmp_path / "densenet.h5")
    with h5py.File(tmp_path / "pretrained_model.h5") as described, h5py.File(tmp_path / "alone.h5", "w") as alone:
        for name, group in described["model_weights"].items():
            alone.copy(group, name)
        alone.attrs.update(described["model_weights"].attrs)
    other = import_weights(tmp_path / "alone.h5", "s4", tmp_path / "alone", wishes=Wishes(input_size=64))
    preset = import_weights(tmp_path / "pretrained_model.h5", "s4", tmp_path / "s4", wishes=wishes)
    for name, arrays in read_layers(verified_weights(other))[0].items():
        for one, two in zip(arrays, read_layers(verified_weights(preset))[0][name], strict=True):
            np.testing.assert_array_equal(one, two)
    assert preset.findings[:3] == ("Cardiomegaly", "Emphysema", "Effusion")
    assert preset.intensity == "sample-standard"
    reading = XRayModelManager(preset).read(picture())
    tensor = to_tensor(picture(), preset)
    theirs = keras.ops.convert_to_numpy(whole(tensor, training=False))[0]
    np.testing.assert_allclose([reading.prediction.score(f).logit for f in preset.findings], theirs, atol=1e-4)


def test_every_backbone_of_the_table_can_be_recognised() -> None:
    assert set(SIGNATURES) == set(BACKBONES)
    assert find_backbone({"block5_conv": [], "logits": []}) == "cnn"
    with pytest.raises(WeightsMismatch):
        find_backbone({"block5_conv": [], "top_conv": []})


# -- what is refused ---------------------------------------------------------------------------


def edited(saved: Path, target: Path, change: Any) -> Path:
    """The ``.keras`` file with its description changed."""
    with zipfile.ZipFile(saved / "whole.keras") as source, zipfile.ZipFile(target, "w") as out:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            out.writestr(name, content)
    return target


def first_activation(config: dict[str, Any]) -> dict[str, Any]:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == "ReLU")


LAMBDA = {"class_name": "__lambda__", "config": {"value": "eNo=", "defaults": None, "closure": None}}
HOSTILE = {
    "a Lambda": lambda c: first_activation(c).update(class_name="Lambda", config={"function": LAMBDA}),
    "a class of another package": lambda c: first_activation(c).update(module="subprocess", class_name="Popen"),
    "a plain name of another package": lambda c: first_activation(c).update(module="mine", class_name="Dense"),
    "a registered class": lambda c: first_activation(c).update(registered_name="mine>ReLU"),
    "a function": lambda c: c["config"].update(
        extra={"class_name": "function", "module": "os", "config": "system", "registered_name": "function"}
    ),
    "a class without a module": lambda c: first_activation(c).update(module=None, class_name="TFSMLayer"),
    "a class that is no text": lambda c: first_activation(c).update(class_name=["ReLU"]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_description_that_names_more_than_plain_layers_is_refused(
    name: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = edited(saved, tmp_path / "hostile.keras", HOSTILE[name])
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("Keras saw it"))
    with pytest.raises(ImportRefused, match="not among the plain layers"):
        import_weights(file, "keras", tmp_path / "mine", wishes=ASKED)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("change", [{"filters": 3_000_000}, {"filters": 1e9}, {"kernel_size": [3, 5000]}])
def test_a_short_description_of_a_huge_network_is_refused(
    change: dict[str, Any], saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def enlarge(config: dict[str, Any]) -> None:
        layer = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Conv2D")
        layer["config"].update(change)

    file = edited(saved, tmp_path / "huge.keras", enlarge)
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("Keras saw it"))
    with pytest.raises(ImportRefused, match=f"{next(iter(change))} of more than"):
        import_weights(file, "keras", tmp_path / "mine", wishes=ASKED)


def test_the_same_holds_for_the_old_format(saved: Path, tmp_path: Path) -> None:
    file = tmp_path / "hostile.h5"
    shutil.copy(saved / "whole.h5", file)
    with h5py.File(file, "r+") as h5:
        h5.attrs["model_config"] = h5.attrs["model_config"].replace('"ReLU"', '"Lambda"')
    for kind, wishes in (("keras", ASKED), ("s4", Wishes(input_size=64))):
        with pytest.raises(ImportRefused, match="holds a Lambda"):
            import_weights(file, kind, tmp_path / "mine", wishes=wishes)


def test_what_is_checked_is_what_keras_reads(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be HDF5 and a zip archive at once, with a description in each."""
    file = tmp_path / "both.h5"
    shutil.copy(saved / "whole.h5", file)
    with h5py.File(file, "r+") as h5:
        h5.attrs["model_config"] = h5.attrs["model_config"].replace('"ReLU"', '"Lambda"')
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("config.json", '{"class_name": "Functional", "config": {}}')
    assert h5py.is_hdf5(file)
    assert zipfile.is_zipfile(file)
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("Keras saw it"))
    with pytest.raises(ImportRefused, match="holds a Lambda"):
        import_weights(file, "keras", tmp_path / "mine", wishes=ASKED)


@pytest.mark.parametrize("name", ["trained.keras", "trained.h5"])
def test_how_a_network_was_trained_does_not_matter(name: str, network: keras.Model, tmp_path: Path) -> None:
    """Optimiser, loss and metrics stand in the description too, and any of them may be the trainer's own."""
    trained = keras.models.clone_model(network)
    trained.set_weights(network.get_weights())
    trained.compile("adam", loss=keras.losses.BinaryFocalCrossentropy(), metrics=[keras.metrics.AUC(multi_label=True)])
    with _silence():
        trained.save(tmp_path / name)
    preset = import_weights(tmp_path / name, "keras", tmp_path / "mine", wishes=ASKED)
    assert preset.findings == THREE


def test_augmentation_within_a_network_is_left_out(network: keras.Model, tmp_path: Path) -> None:
    inputs = keras.Input((64, 64, 3))
    turned = keras.layers.RandomRotation(0.1)(keras.layers.RandomFlip("horizontal")(inputs))
    backbone = keras.Model(network.input, network.get_layer("pool").output)
    whole = keras.Model(inputs, network.get_layer("predictions")(backbone(turned)))
    whole.save(tmp_path / "augmented.keras")
    preset = import_weights(tmp_path / "augmented.keras", "keras", tmp_path / "mine", wishes=ASKED)
    found = [XRayModelManager(preset).read(picture()).prediction.score(f).logit for f in THREE]
    np.testing.assert_allclose(found, expected(network, preset), atol=1e-4)


def test_a_network_that_rescales_within_is_refused(network: keras.Model, tmp_path: Path) -> None:
    inputs = keras.Input((64, 64, 3))
    backbone = keras.Model(network.input, network.get_layer("pool").output)
    scaled = backbone(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    keras.Model(inputs, network.get_layer("predictions")(scaled)).save(tmp_path / "rescaled.keras")
    with pytest.raises(ImportRefused, match="other logits than its source"):
        import_weights(tmp_path / "rescaled.keras", "keras", tmp_path / "mine", wishes=ASKED)


def test_a_network_that_ends_otherwise_is_refused(network: keras.Model, tmp_path: Path) -> None:
    soft = keras.Model(network.input, keras.layers.Dense(3, activation="softmax")(network.get_layer("pool").output))
    soft.save(tmp_path / "soft.keras")
    with pytest.raises(ImportRefused, match="ends in a softmax"):
        import_weights(tmp_path / "soft.keras", "keras", tmp_path / "mine", wishes=ASKED)


def test_a_saved_model_with_more_than_arithmetic_is_refused(saved: Path, tmp_path: Path) -> None:
    import tensorflow as tf

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 64, 64, 3), tf.float32)])
        def serve(self, x: Any) -> Any:
            tf.io.write_file(str(tmp_path / "canary"), "x")
            return tf.reduce_mean(x, (1, 2))

    module = Writer()
    tf.saved_model.save(module, str(tmp_path / "writer"), signatures=module.serve)
    with pytest.raises(ImportRefused, match="operation WriteFile"):
        import_weights(tmp_path / "writer", "keras", tmp_path / "mine", wishes=ASKED)
    assert not (tmp_path / "canary").exists()


def test_a_signature_that_leads_nowhere_is_refused(saved: Path, tmp_path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    shutil.copytree(saved / "exported", tmp_path / "astray")
    file, model = tmp_path / "astray" / "saved_model.pb", saved_model_pb2.SavedModel()
    model.ParseFromString(file.read_bytes())
    for meta in model.meta_graphs:
        for given in meta.signature_def["serving_default"].inputs.values():
            given.name = "nowhere:0"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ImportRefused, match="cannot be run"):
        import_weights(tmp_path / "astray", "keras", tmp_path / "mine", wishes=ASKED)
    assert not (tmp_path / "mine").exists()


def test_damaged_folders_and_files_are_refused(saved: Path, tmp_path: Path) -> None:
    def refused(path: Path, error: type[Exception]) -> None:
        with pytest.raises(error):
            import_weights(path, "keras", tmp_path / "mine", wishes=ASKED)

    refused(tmp_path / "absent.keras", WeightsMissing)
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", WeightsMissing)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"\xff" * 40)
    refused(tmp_path / "broken", WeightsCorrupt)
    shutil.copytree(saved / "exported", tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "variables")
    refused(tmp_path / "bare", WeightsCorrupt)
    (tmp_path / "cut.keras").write_bytes((saved / "whole.keras").read_bytes()[:2000])
    refused(tmp_path / "cut.keras", WeightsCorrupt)
    (tmp_path / "cut.h5").write_bytes((saved / "whole.h5").read_bytes()[:2000])
    refused(tmp_path / "cut.h5", WeightsCorrupt)
    assert not (tmp_path / "mine").exists()


def test_nan_and_a_foreign_backbone_are_refused(network: keras.Model, tmp_path: Path) -> None:
    spoilt = keras.models.clone_model(network)
    weights = network.get_weights()
    weights[0] = np.full_like(weights[0], np.nan)
    spoilt.set_weights(weights)
    spoilt.save(tmp_path / "nan.keras")
    with pytest.raises(WeightsCorrupt, match=r"'block1_conv' .* NaN"):
        import_weights(tmp_path / "nan.keras", "keras", tmp_path / "mine", wishes=ASKED)
    x = keras.Input((64, 64, 3))
    other = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name="mine")(x)))
    keras.Model(x, other).save(tmp_path / "other.keras")
    with pytest.raises(WeightsMismatch, match="no known backbone"):
        import_weights(tmp_path / "other.keras", "keras", tmp_path / "mine", wishes=ASKED)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (Wishes(geometry="squash", intensity="unit", input_size=64), "order of the findings is not known"),
        (Wishes(THREE, geometry="squash", input_size=64), "intensity is missing"),
        (Wishes(THREE, intensity="unit", input_size=64), "geometry is missing"),
        (Wishes(THREE[:2], geometry="squash", intensity="unit", input_size=64), "3 outputs, but --findings names 2"),
        (Wishes(("A", "B", "A"), geometry="squash", intensity="unit", input_size=64), "empty or repeated"),
        (Wishes(("A", "B", "C C"), geometry="squash", intensity="unit", input_size=64), "characters"),
        (Wishes(("A", "", "C"), geometry="squash", intensity="unit", input_size=64), "without a name"),
    ],
)
def test_what_a_preset_must_know_is_asked_for(wishes: Wishes, words: str, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match=words):
        import_weights(saved / "whole.keras", "keras", tmp_path / "mine", wishes=wishes)
    assert not (tmp_path / "mine").exists()


def test_kinds_are_known_and_not_contradicted(saved: Path, tmp_path: Path) -> None:
    file = saved / "whole.keras"
    with pytest.raises(ImportRefused, match="no kind"):
        import_weights(file, "torch7", tmp_path / "mine")
    with pytest.raises(ImportRefused, match="were trained with the intensity"):
        import_weights(file, "s4", tmp_path / "other", wishes=ASKED)


# -- the parts ---------------------------------------------------------------------------------


def test_parity_is_absolute_to_ten_and_relative_beyond() -> None:
    images = np.zeros((1, 32, 32, 3), np.float32)

    def gives(*logits: float) -> Any:
        return lambda _: np.array([logits], np.float64)

    assert compare(gives(1.0, 10.0), gives(1.00009, 10.00009), images).difference == pytest.approx(9e-5)
    assert compare(gives(1000.0), gives(1000.009), images).images == 1
    for one, other in ((1.0, 1.00011), (1000.0, 1000.011), (np.nan, np.nan), (1.0, np.nan), (np.inf, np.inf)):
        with pytest.raises(ImportRefused):
            compare(gives(one), gives(other), images)
    with pytest.raises(ImportRefused, match="1 outputs, the converted one 2"):
        compare(gives(1.0), gives(1.0, 2.0), images)
    assert compare(gives(np.inf), gives(20.0), images, rounded=True).difference < 1e-8
    with pytest.raises(ImportRefused):
        compare(gives(np.inf), gives(6.0), images, rounded=True)


def test_logits_that_do_not_depend_on_the_image_prove_nothing() -> None:
    images = np.zeros((3, 32, 32, 3), np.float32)
    same, telling = np.array([[2.0, -1.0]] * 3), np.array([[2.0, -1.0], [2.0, -1.0], [2.0, -0.99]])
    with pytest.raises(ImportRefused, match="same logits for every image"):
        compare(lambda _: same, lambda _: same + 1e-6, images)
    assert compare(lambda _: telling, lambda _: telling, images).difference == 0


def test_everybody_who_names_the_findings_must_agree() -> None:
    assert settle_findings(2, ("A", "B"), None, ("A", "B")) == ("A", "B")
    assert settle_findings(2, ("A", ""), None, ("A", "B")) == ("A", "")  # one that the publisher did not train
    for outputs, kind, given, own, words in (
        (2, None, None, None, "not known"),
        (2, ("A", "B"), ("B", "A"), None, "the kind and of --findings differ at output 1"),
        (2, None, ("A", "B"), ("A", "C"), "--findings and of the file differ at output 2"),
        (2, ("A", "B"), ("A",), None, "in their number"),
        (1, ("", ""), None, None, "1 outputs"),
        (1, ("",), None, None, "empty"),
    ):
        with pytest.raises(ImportRefused, match=words):
            settle_findings(outputs, kind, given, own)


def test_findings_are_read_from_a_list_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("Effusion\n\nMass\n")
    assert read_findings(" A, B,,C", None) == ("A", "B", "", "C")
    assert read_findings(None, tmp_path / "names.txt") == ("Effusion", "", "Mass")
    assert read_findings(None, None) is None
    with pytest.raises(ImportRefused, match="cannot be read"):
        read_findings(None, tmp_path / "absent.txt")


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_table_of_kinds_is_consistent(kind: Any) -> None:
    assert len(kind.thresholds) in (0, len(kind.findings or ()))
    assert bool(kind.thresholds) == bool(kind.thresholds_source)
    named = [name for name in kind.findings or () if name]
    assert len(set(named)) == len(named)
    for name, threshold in zip(kind.findings or (), kind.thresholds, strict=False):
        assert bool(name) == (0 < threshold < 1)
    assert kind.licence.endswith(".")
    assert Rule(64, kind.geometry or "crop", kind.intensity or "unit").border == 0


def test_calibration_is_fitted_on_validation_rows_of_the_users_own(saved: Path, tmp_path: Path) -> None:
    lines = ["image,split,Effusion,Mass"]
    for k in range(12):
        keras.utils.save_img(tmp_path / f"{k}.png", np.random.default_rng(k).uniform(0, 255, (64, 64, 1)), scale=False)
        lines.append(f"{k}.png,{'val' if k < 10 else 'test'},{k % 2},{k % 3 % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    part = ValidationPart(tmp_path / "labels.csv", allow_missing=True)
    preset = import_weights(saved / "whole.keras", "keras", tmp_path / "mine", wishes=ASKED, validation=part)
    assert preset.calibration["Effusion"].n == 10
    assert preset.calibration["Lung_Lesion"].n == 0
    assert {p.finding for p in preset.operating_points} == {"Effusion", "Mass"}
    assert {p.split for p in preset.operating_points} == {"val"}
    assert preset.limits[0].startswith("Taken over as they are; calibration and operating points were fitted on 10")
    assert not any("no calibration" in text for text in preset.limits)
    assert preset.limits[1].startswith("Not calibrated, for want of labels")
    assert preset.limits[1].endswith(": Lung_Lesion.")


def test_a_published_threshold_moves_with_the_calibration(tiny_folder: Path) -> None:
    import dataclasses

    from cxrkit.card import Calibration

    preset = dataclasses.replace(
        Preset.load(tiny_folder / "tiny"), published_thresholds=(PublishedThreshold("Mass", 0.2, "a paper"),)
    )
    assert preset.published_threshold("Effusion") is None
    identity = dataclasses.replace(
        preset, calibration={f: Calibration(1.0, 0.0, "identity", "none", 0, 0) for f in preset.findings}
    )
    assert identity.published_threshold("Mass") == 0.2
    fitted = Calibration(2.0, -1.0, "platt", "val", 100, 50)
    moved = dataclasses.replace(preset, calibration=dict.fromkeys(preset.findings, fitted))
    logit = np.log(0.2 / 0.8)
    assert moved.published_threshold("Mass") == pytest.approx(1 / (1 + np.exp(-(2 * logit - 1))))


def test_a_record_names_the_published_threshold_apart_from_operating_points(tiny_folder: Path) -> None:
    import dataclasses

    preset = dataclasses.replace(
        Preset.load(tiny_folder / "tiny"),
        operating_points=(),
        published_thresholds=(PublishedThreshold("Mass", 1e-9, "a paper"),),
    )
    record = to_record(XRayModelManager(preset).read(picture()), preset)
    mass = record["findings"]["Mass"]
    assert mass["operating_points"] == {}
    assert mass["published_threshold"]["positive"] is True
    assert mass["published_threshold"]["source"] == "a paper"
    assert "published_threshold" not in record["findings"]["Effusion"]
    lines = format_record("x.png", record).splitlines()
    assert any("Mass" in line and line.endswith("past published") for line in lines)
    assert any("Effusion" in line and line.endswith("no supported threshold") for line in lines)


def test_without_torch_the_comparison_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("torch_network", "torch_source"):
        monkeypatch.delitem(sys.modules, f"cxrkit.conversion.{name}", raising=False)
    with pytest.raises(ExtraMissing) as caught:
        importlib.import_module("cxrkit.conversion.torch_source")
    assert "requirements-torch.txt" in caught.value.remedy


# -- the door ----------------------------------------------------------------------------------


def test_the_script_imports_and_names_no_folders(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = str(saved / "whole.keras"), str(tmp_path / "mine")
    asked = ["--kind", "keras", "--findings", ",".join(THREE), "--geometry", "squash", "--intensity", "unit"]
    assert script.main([file, *asked, "--input-size", "64", f"--out={out}", "--title", "Mine"]) == 0
    preset = Preset.load(out)
    assert preset.title == "Mine"
    assert str(tmp_path) not in preset.training.command
    assert "Licence" in preset.limits[-1]
    assert "3 findings" in capsys.readouterr().out
    (tmp_path / "mine" / "evaluation.json").write_text("{}")
    assert script.main([file, *asked, "--input-size", "64", "--out", out]) == 2
    assert "stands in the folder already" in capsys.readouterr().err
    assert Preset.load(out) == preset
    assert script.main([file, *asked, "--input-size", "64", "--out", out, "--replace"]) == 0
    assert not (tmp_path / "mine" / "evaluation.json").exists()  # of the weights before
    with pytest.raises(SystemExit):
        script.main([file, *asked, "--out", out, "--allow-missing"])
