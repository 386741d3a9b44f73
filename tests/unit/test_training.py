"""Training on a handful of synthetic images: it learns, it resumes, it refuses."""

import dataclasses
import json
import shutil

import cv2
import keras
import numpy as np
import pytest
from pydantic import TypeAdapter

from cxrkit.card import Population
from cxrkit.errors import ManifestError, TrainingError
from cxrkit.model.backbones import BACKBONES, Backbone
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.training import trainer
from cxrkit.training.augmentation import augment
from cxrkit.training.batches import ImageSet, batches, epoch_order
from cxrkit.training.recipe import Augmentation, Recipe, Stage
from cxrkit.training.session import run_training
from cxrkit.training.sources import Source, split_sources


def recipe(**changes) -> Recipe:
    base = Recipe(
        name="toy",
        title="Toy",
        version="0",
        backbone="cnn",
        head="gap-dense",
        findings=("Mass",),
        geometry="squash",
        intensity="sample-standard",
        stages=(Stage(32, 2, 8, 3e-3), Stage(48, 1, 8, 1e-3)),
        population=Population("nobody", ("18-44",), ("PA",)),
        intended_use="test",
        limits=(),
        data=("synthetic",),
        mixed_precision=False,
        augmentation=Augmentation(rotation=5),
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """80 noisy images, half of them with a bright blob; patients have two images each."""
    folder = tmp_path_factory.mktemp("toy")
    random = np.random.default_rng(0)
    rows = ["image,patient_id,split,Mass"]
    for number in range(80):
        picture = random.normal(90, 15, (48, 48))
        if positive := number % 4 < 2:
            cv2.circle(picture, tuple(int(v) for v in random.integers(12, 36, 2)), 8, 230, -1)
        cv2.imwrite(str(folder / f"{number}.png"), np.clip(picture, 0, 255).astype(np.uint8))
        rows.append(f"{number}.png,p{number // 2},{'test' if number >= 72 else 'train'},{int(positive)}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder / "index.csv"


SHORT = (Stage(32, 1, 8, 1e-3),)


def shallow_network(size: int | None) -> keras.Model:
    """A backbone of two blocks: tracing a training step takes time by the layer."""
    x = inputs = keras.Input((size, size, 3))
    for block in (1, 2):
        x = keras.layers.MaxPooling2D(4, padding="same", name=f"block{block}_pool")(x)
        x = keras.layers.Conv2D(32, 3, padding="same", use_bias=False, name=f"block{block}_conv")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    return keras.Model(inputs, keras.layers.ReLU(name="relu")(x), name="shallow")


@pytest.fixture(scope="module", autouse=True)
def backbones():
    """The table of backbones with ``shallow`` in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "shallow", Backbone(shallow_network, "block2_conv", None, "block2_conv"))
        yield


def shallow(**changes) -> Recipe:
    return recipe(**{"backbone": "shallow", **changes})


def run(table, out, where, lines=None, **changes) -> Preset:
    return run_training(
        shallow(**changes),
        [Source(table, hold_out=0.25)],
        out,
        where,
        command="test",
        progress=(lines if lines is not None else []).append,
    )


@pytest.fixture(scope="module")
def finished(backbones, table, tmp_path_factory):
    """A run of the recipe that reached its end: its preset in the folder ``whole``, its checkpoints in ``run``."""
    folder = tmp_path_factory.mktemp("finished")
    return run(table, folder / "whole", folder / "run"), folder


class Killed(BaseException):
    pass


def test_training_gives_a_calibrated_preset(finished):
    preset, folder = finished
    assert preset == Preset.load(folder / "whole")
    assert preset.input_size == 48
    assert preset.calibration["Mass"].split == "val (cut out of train)"
    assert preset.training.images + preset.training.validation_images == 72  # never a test row
    assert {p.rule for p in preset.operating_points} == {"youden", "screening", "rule-in"}
    for point in preset.operating_points:  # the kept scores say the same as the fit
        own = preset.custom_point("Mass", point.threshold)
        assert (own.sensitivity, own.specificity) == pytest.approx((point.sensitivity, point.specificity))
    history = json.loads((folder / "run" / "state.json").read_text())["history"]
    assert [row["epoch"] for row in history] == [1, 2, 1]


def test_training_resumes_after_a_kill(tmp_path, table, finished, monkeypatch):
    preset, _ = finished
    # killed in the middle of the second epoch, then in the middle of the second stage
    original, calls = trainer.batches, []

    def dying(*args):
        for step, batch in enumerate(original(*args)):
            calls.append(step)
            if len(calls) in (10, 20):
                raise Killed
            yield batch

    monkeypatch.setattr(trainer, "batches", dying)
    lines: list[str] = []
    for _ in range(2):
        with pytest.raises(Killed):
            run(table, tmp_path / "again", tmp_path / "run2", lines)
    resumed = run(table, tmp_path / "again", tmp_path / "run2", lines)
    assert any("resumed stage 1 after epoch 1" in line for line in lines)
    a, b = XRayModelManager(preset).model.get_weights(), XRayModelManager(resumed).model.get_weights()
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-3, atol=2e-4)  # threads add in another order
    with pytest.raises(TrainingError, match="another data and recipe"):
        run(table, tmp_path / "again", tmp_path / "run2", seed=99)
    # started once more after its end, it trains nothing and writes the same
    lines.clear()
    third = run(table, tmp_path / "third", tmp_path / "run2", lines)
    c = XRayModelManager(third).model.get_weights()
    assert all(np.array_equal(x, y) for x, y in zip(b, c, strict=True))
    assert not any("finished" in line for line in lines)


def test_it_learns_the_blob(tmp_path, table):
    run(table, tmp_path / "p", tmp_path / "r", backbone="cnn", stages=(Stage(32, 12, 8, 1e-2),))
    history = json.loads((tmp_path / "r" / "state.json").read_text())["history"]
    assert history[-1]["validation_auroc"]["Mass"] > 0.9


def test_a_start_hands_over_trunk_and_shared_findings(finished):
    from cxrkit.training.session import _initial

    preset, _ = finished
    trained = XRayModelManager(preset).model
    network = _initial(shallow(findings=("Nodule", "Mass")), None, preset)
    np.testing.assert_array_equal(network.get_layer("bn").get_weights()[3], trained.get_layer("bn").get_weights()[3])
    np.testing.assert_array_equal(
        network.get_layer("logits").get_weights()[0][:, 1], trained.get_layer("logits").get_weights()[0][:, 0]
    )
    with pytest.raises(TrainingError, match="another backbone"):
        _initial(recipe(backbone="cnn"), None, preset)
    with pytest.raises(TrainingError, match="another backbone or head"):
        _initial(shallow(head="dropout-dense"), None, preset)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, table):
    with pytest.raises(TrainingError, match=r"not finite in epoch 1, step \d+"):
        run(table, tmp_path / "p", tmp_path / "r", stages=(Stage(32, 3, 8, 1e30),))


def test_validation_never_shares_a_patient_and_test_rows_are_never_taken(table):
    parts = split_sources([Source(table, hold_out=0.25)], recipe(), False)
    training, validation = parts.training[0], parts.validation[0]
    assert not set(training.patients()) & set(validation.patients())
    assert "test" not in set(training.table["split"]) | set(validation.table["split"])
    assert parts.validation_name == "val (cut out of train)"
    # the cut does not depend on which other findings are asked for
    wide = recipe(findings=("Effusion", "Mass", "Hernia"))
    again = split_sources([Source(table, hold_out=0.25)], wide, True).validation[0]
    assert list(again.table["image"]) == list(validation.table["image"])


def edited(table, name, change):
    """A copy of the table beside it, with its rows changed."""
    header, *rows = table.read_text().splitlines()
    path = table.with_name(name)
    path.write_text("\n".join([header, *(row for row in map(change, rows) if row)]) + "\n")
    return path


def test_a_patient_or_an_image_on_both_sides_is_refused_across_tables(table):
    trained = edited(table, "trained.csv", lambda row: row.replace("test", "train"))
    with pytest.raises(ManifestError, match="patients stand in both"):
        split_sources([Source(table, hold_out=0.25), Source(trained, split="train")], recipe(), False)
    renamed = edited(table, "renamed.csv", lambda row: row.replace(",p", ",other-p").replace("test", "train"))
    with pytest.raises(ManifestError, match="identical to training images"):
        split_sources([Source(table, hold_out=0.25), Source(renamed, split="train")], recipe(), False)


def test_a_table_without_validation_or_training_rows_is_refused(tmp_path, table):
    with pytest.raises(TrainingError, match="no validation part"):
        run_training(recipe(), [Source(table)], tmp_path / "p", tmp_path / "r", command="", progress=print)
    with pytest.raises(TrainingError, match="no rows to train on"):
        split_sources([Source(table, split="test")], recipe(), False)
    with pytest.raises(ManifestError):
        split_sources([Source(table, split="nowhere")], recipe(), False)
    odd = edited(table, "odd.csv", lambda row: row.replace("train", "Training"))
    with pytest.raises(TrainingError, match="72 rows of a table have a split other than"):
        split_sources([Source(odd)], recipe(), False)


def test_a_run_folder_of_other_data_or_another_start_is_refused(tmp_path, table, finished):
    preset, folder = finished
    shutil.copytree(folder / "run", tmp_path / "r")
    flipped = edited(table, "flipped.csv", lambda row: row[:-1] + str(1 - int(row[-1])))
    with pytest.raises(TrainingError, match="checkpoint of another data"):
        run(flipped, tmp_path / "q", tmp_path / "r")
    with pytest.raises(TrainingError, match="checkpoint of another start"):
        run_training(
            shallow(),
            [Source(table, hold_out=0.25)],
            tmp_path / "q",
            tmp_path / "r",
            command="",
            progress=print,
            start=preset,
        )
    # the words of the card do not matter
    again = run(table, tmp_path / "q", tmp_path / "r", limits=("Mended words.",))
    assert again.limits == ("Mended words.",)
    assert again.name == "q"
    (tmp_path / "r" / "state.json").write_text("{")
    with pytest.raises(TrainingError, match="cannot be read"):
        run(table, tmp_path / "q", tmp_path / "r")
    assert str(tmp_path) not in Preset.load(tmp_path / "q").training.command


def test_a_failed_calibration_leaves_the_old_preset_untouched(tmp_path, table, finished, monkeypatch):
    _, folder = finished
    shutil.copytree(folder / "whole", tmp_path / "p")
    before = Preset.load(tmp_path / "p")
    changed = {"stages": SHORT, "seed": 4}

    def fail(*args, **kwargs):
        raise Killed

    monkeypatch.setattr("cxrkit.training.session.fit_calibration", fail)
    with pytest.raises(Killed):
        run(table, tmp_path / "p", tmp_path / "s", **changed)
    assert Preset.load(tmp_path / "p") == before
    XRayModelManager(Preset.load(tmp_path / "p"))
    with pytest.raises(Killed):
        run(table, tmp_path / "new", tmp_path / "s", **changed)
    assert not (tmp_path / "new").exists()


def test_epochs_are_seeded_and_repeat_by_weight():
    images = ImageSet(
        np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8),
        np.zeros((6, 1), np.float32),
        np.array([1, 1, 1, 0.5, 2, 0.0]),
    )
    order = epoch_order(images, (1, 2))
    np.testing.assert_array_equal(order, epoch_order(images, (1, 2)))
    counts = np.bincount(order, minlength=6)
    assert list(counts[:3]) == [1, 1, 1]
    assert counts[3] in (0, 1)
    assert counts[4] == 2
    assert counts[5] == 0
    a = [x for x, _ in batches(images, recipe(), 2, (7, 0))]
    b = [x for x, _ in batches(images, recipe(), 2, (7, 0))]
    assert len(a) >= 2
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
        assert x.shape == (2, 8, 8, 3)


def test_no_augmentation_is_the_identity_and_strong_one_stays_in_range():
    square = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    none = Augmentation(rotation=0, shift=0, zoom=0, aspect=0, brightness=0, contrast=0, gamma=0, noise=0)
    np.testing.assert_allclose(augment(square, none, np.random.default_rng(1)), square, atol=1e-6)
    wild = Augmentation(
        rotation=45, shift=0.3, zoom=0.5, aspect=0.5, brightness=0.5, contrast=1, gamma=1, noise=0.2, flip=True
    )
    for seed in range(20):
        out = augment(square, wild, np.random.default_rng(seed))
        assert out.min() >= 0
        assert out.max() <= 1
        assert out.dtype == np.float32


def test_flip_mirrors_left_and_right():
    square = np.zeros((16, 16), np.float32)
    square[:, :8] = 1
    mirror = Augmentation(rotation=0, shift=0, zoom=0, brightness=0, contrast=0, gamma=0, noise=0, flip=True)
    seen = {bool(augment(square, mirror, np.random.default_rng(seed))[8, 2] > 0.5) for seed in range(20)}
    assert seen == {True, False}


def test_a_malformed_recipe_is_named(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"name": "x", "surprise": 1}')
    with pytest.raises(TrainingError, match="malformed"):
        Recipe.load(path)
    with pytest.raises(TrainingError, match="does not exist"):
        Recipe.load(tmp_path / "none.json")
    for wrong, word in (
        ({"stages": [{"size": 32, "epochs": 0, "batch": 8, "learning_rate": 1e-3}]}, "epochs"),
        ({"stages": [{"size": -1, "epochs": 1, "batch": 8, "learning_rate": 1e-3}]}, "size"),
        ({"stages": [{"size": 32, "epochs": 1, "batch": 0, "learning_rate": 1e-3}]}, "batch"),
        ({"stages": []}, "no stages"),
        ({"name": "../evil"}, "name"),
        ({"findings": ["Mass", "Mass"]}, "repeated"),
        ({"backbone": "vgg99"}, "vgg99"),
        ({"head": "tail"}, "tail"),
        ({"reference_prevalence": {"source": "x", "by_finding": {"Hernia": 0.1}}}, "reference prevalence"),
    ):
        good = TypeAdapter(Recipe).dump_python(recipe(), mode="json")
        path.write_text(json.dumps(good | wrong))
        with pytest.raises(TrainingError, match=word):
            Recipe.load(path)
