"""Stages of a run: what they train, what they hand on, and that a run killed anywhere ends with the same bits."""

import json
import math
from itertools import count, pairwise

import numpy as np
import pytest

from cxrkit.errors import TrainingError
from cxrkit.model.backbones import BACKBONES
from cxrkit.training import stage_inputs, trainer
from cxrkit.training.batches import ImageSet
from cxrkit.training.recipe import Augmentation, Stage
from cxrkit.training.validation import Scores
from tests.factory_training import SHALLOW, Killed, shallow_and_eager, toy_images, toy_recipe, train_toy


@pytest.fixture(autouse=True, scope="module")
def _shallow_and_eager():
    with shallow_and_eager():
        yield


HEAD = Stage(32, 2, 16, 1e-2, trainable="head", views=2, schedule="plateau", plateau_patience=1, monitor="loss")
WHOLE = Stage(32, 2, 16, 3e-3, keep="best", patience=1, monitor="loss")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Weights and reports of a run of a head stage and a whole stage that nothing disturbed, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return *train_toy(folder, stages=(HEAD, WHOLE)), folder


def test_a_run_killed_in_the_middle_of_a_write_or_stopped_ends_with_the_same_bits(tmp_path, whole, monkeypatch):
    # one of each kind of write, and of those in the second stage; after a batch of features, and of an epoch
    moments = {
        "check 2",
        "check 20",
        "save_network 1",
        "_kept stage1-features-version-2.npy",
        "write_state (0, 1)",
        "save_epoch (1, 2)",
        "save_network 2",
        "write_state (1, 0)",
        "save_epoch (2, 1)",
        "write_state (1, 2)",
    }

    def die(moment):
        if moment in moments:
            moments.remove(moment)
            raise Killed

    def deadly(module, name, label, half_written=False):
        original = getattr(module, name)

        def wrapper(*arguments, **named):
            if half_written and f"{name} {label(*arguments)}" in moments:
                file = tmp_path / original(*arguments, **named)
                file.write_bytes(file.read_bytes()[:1000])
            die(f"{name} {label(*arguments)}")
            return original(*arguments, **named)

        monkeypatch.setattr(module, name, wrapper)

    deadly(trainer, "save_network", lambda run, network, stage: stage, half_written=True)
    deadly(trainer, "save_epoch", lambda run, trained, stage, epoch: (stage, epoch), half_written=True)
    deadly(trainer, "write_state", lambda run, state: (state.stage, state.epoch))
    deadly(stage_inputs, "_kept", lambda path, *_: path.name)
    calls = count()
    for _ in range(len(moments) + 1):
        try:
            weights, listener = train_toy(tmp_path, stages=(HEAD, WHOLE), check=lambda: die(f"check {next(calls)}"))
            break
        except Killed:
            continue
    assert not moments
    for ours, theirs in zip(weights, whole[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    told = [{**row, "seconds": 0} for row in [*listener.before, *listener.rows]]
    assert told == [{**row, "seconds": 0} for row in whole[1].rows]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before-stage3.weights.h5", "state.json"]


def test_a_finished_run_started_again_trains_nothing(whole, monkeypatch):
    def unexpected(size):
        raise AssertionError("nothing is left to train on")

    weights, listener = train_toy(whole[2], stages=(HEAD, WHOLE), loader=unexpected)
    assert not listener.rows
    assert listener.before == whole[1].rows
    for ours, theirs in zip(weights, whole[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_rows_of_the_history_say_what_is_promised(whole):
    rows = whole[1].rows
    assert [(row["stage"], row["epoch"], row["trainable"]) for row in rows] == [
        (1, 1, "head"),
        (1, 2, "head"),
        (2, 1, "all"),
        (2, 2, "all"),
    ]
    for row in rows:
        assert set(row) == {
            *("stage", "trainable", "size", "epoch", "loss", "learning_rate", "seconds"),
            *("validation_loss", "validation_accuracy", "validation_auroc"),
        }
        assert set(row["validation_auroc"]) == {"Mass", "Nodule", "mean"}
        assert 0 <= row["validation_accuracy"] <= 1
    assert whole[1].begun == [(1, 2, 1, 2, 2), (1, 2, 2, 2, 2), (2, 2, 1, 2, 2), (2, 2, 2, 2, 2)]
    assert len(whole[1].losses) == 8
    json.dumps(rows, allow_nan=False)


def changed(before, after):
    return [bool((a != b).any()) for a, b in zip(before, after, strict=True)]


def test_a_stage_changes_only_what_it_trains(tmp_path, monkeypatch):
    seen = []
    original = trainer.save_network

    def watching(run, network, stage):
        seen.append(
            {layer.name: [np.array(w) for w in layer.get_weights()] for layer in network.layers if layer.weights}
        )
        return original(run, network, stage)

    monkeypatch.setattr(trainer, "save_network", watching)
    parts = ("head", "top", "all")
    train_toy(tmp_path, stages=[Stage(32, 1, 36, 1e-2, trainable=part) for part in parts])
    moved = [{name for name in before if any(changed(before[name], after[name]))} for before, after in pairwise(seen)]
    # batch normalisation of a frozen part keeps its moving averages, too
    assert moved == [
        {"logits"},
        {"logits", "bn", "block2_conv"},
        {"logits", "bn", "block2_conv", "block1_conv"},
    ]


def test_cached_features_are_those_of_the_backbone_and_are_computed_once(tmp_path, monkeypatch):
    runs = []
    original = stage_inputs.predict

    def counting(network, inputs, batch, check):
        found = original(network, inputs, batch, check)
        runs.append(found)
        return found

    monkeypatch.setattr(stage_inputs, "predict", counting)
    plain = {"stages": [Stage(32, 3, 16, 1e-2, trainable="head")], "head": "gap-dense", "sampling": "stratified"}
    none = dict.fromkeys(("rotation", "shift", "zoom", "brightness", "contrast", "gamma", "noise"), 0.0)
    plain["augmentation"] = Augmentation(**none)
    cached, listener = train_toy(tmp_path / "cached", **plain)
    assert [len(features) for features in runs] == [36, 20]
    assert [line for line in listener.lines if "features" in line] == [
        "computing the features of 36 images (version 1)",
        "computing the features of 20 images (validation)",
    ]
    # without augmentation and dropout, running the frozen backbone each time gives the same
    rerun, _ = train_toy(tmp_path / "rerun", cache_features=False, **plain)
    assert len(runs) == 2
    for ours, theirs in zip(cached, rerun, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    with pytest.raises(TrainingError, match="differs in its cache of features"):
        train_toy(tmp_path / "rerun", **plain)


def test_versions_of_the_images_are_taken_in_turn(tmp_path):
    class Contrast:
        """Stands for a backbone with one feature."""

        output_shape = (None, 1)

        @staticmethod
        def predict_on_batch(x):
            return np.asarray(x).std(axis=(1, 2))[:, :1]

    stage = Stage(32, 4, 10, 1e-2, trainable="head", views=3)
    recipe = toy_recipe(stages=(stage,), intensity="unit")
    images = toy_images(25)

    def inputs():
        return stage_inputs.FeatureInputs(
            recipe, 0, Contrast, images, toy_images(7), tmp_path, lambda line: None, lambda: None
        )

    order = np.arange(25)
    first = [[x for x, _, _ in inputs().epoch(order, epoch, (0,))] for epoch in range(4)]
    stored = [[x for x, _, _ in inputs().epoch(order, epoch, (0,))] for epoch in range(4)]
    assert [len(x) for x in inputs().validation()] == [7]
    assert len(list(tmp_path.iterdir())) == 4
    assert [x.shape for x in first[0]] == [(10, 1), (10, 1)]
    for epoch, other in ((0, 1), (1, 2), (0, 2)):
        assert not np.allclose(first[epoch][0], first[other][0])
    for epoch in range(4):
        np.testing.assert_array_equal(first[epoch], first[epoch % 3])
        np.testing.assert_array_equal(first[epoch], stored[epoch])


def test_a_loss_that_is_not_finite_stops_a_stage_and_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    original = trainer._train_epoch

    def poisoned(trained, batches, where, *others):
        if "epoch 2" in where:
            batches = ((x, y, weight * (math.nan if step else 1)) for step, (x, y, weight) in enumerate(batches))
        return original(trained, batches, where, *others)

    stages = [Stage(32, 3, 16, 1e-3, trainable="head")]
    monkeypatch.setattr(trainer, "_train_epoch", poisoned)
    with pytest.raises(TrainingError, match="not finite in stage 1, epoch 2, step 2") as caught:
        train_toy(tmp_path, stages=stages)
    assert str(tmp_path) not in caught.value.message
    assert caught.value.remedy.startswith("Begin a new run with a lower learning rate")  # another rate is another run
    assert json.loads((tmp_path / "state.json").read_text())["checkpoint"] == "stage1-epoch1.weights.h5"
    monkeypatch.undo()
    monkeypatch.setitem(BACKBONES, "shallow", SHALLOW)
    weights, listener = train_toy(tmp_path, stages=stages)
    assert [row["epoch"] for row in listener.rows] == [2, 3]
    assert all(np.isfinite(w).all() for w in weights)


def scored(monkeypatch, values):
    """Let the validation of epoch after epoch give these values."""
    given = iter(values)

    def score(*_):
        value = next(given)
        return Scores(value, value, {"Mass": value, "mean": value})

    monkeypatch.setattr(trainer, "score", score)


def test_the_best_epoch_is_handed_on_and_the_stage_stops_early(tmp_path, monkeypatch):
    saved = {}
    original = trainer.save_epoch

    def keeping(run, trained, stage, epoch):
        saved[epoch] = trained.get_weights()
        return original(run, trained, stage, epoch)

    monkeypatch.setattr(trainer, "save_epoch", keeping)
    scored(monkeypatch, [0.5, 0.8, 0.8, 0.7, 0.9])
    weights, listener = train_toy(tmp_path, stages=[Stage(32, 9, 36, 1e-2, keep="best", patience=2)])
    assert [row["epoch"] for row in listener.rows] == [1, 2, 3, 4]
    assert any(changed(saved[2], saved[4]))
    for ours, best in zip(weights, saved[2], strict=True):
        np.testing.assert_array_equal(ours, best)


def test_a_plateau_lowers_the_learning_rate_also_after_a_kill(tmp_path, monkeypatch):
    stage = Stage(32, 6, 36, 0.5e-2, schedule="plateau", plateau_patience=2, plateau_factor=0.1, monitor="loss")
    scored(monkeypatch, [0.5, 0.6, 0.6])
    with pytest.raises(StopIteration):  # after the third epoch, which was saved
        train_toy(tmp_path, stages=[stage])
    scored(monkeypatch, [0.6, 0.7, 0.6])
    _, listener = train_toy(tmp_path, stages=[stage])
    rates = [row["learning_rate"] for row in [*listener.before, *listener.rows]]
    assert rates == pytest.approx([5e-3, 5e-3, 5e-3, 5e-4, 5e-4, 5e-5])


def one_class(size):
    images, validation = toy_images(), toy_images(20, size)
    return images, ImageSet(
        validation.squares, np.zeros((20, 2), np.float32), validation.weight, validation.sample_weight
    )


def test_a_score_that_validation_cannot_give_is_refused_before_training(tmp_path):
    with pytest.raises(TrainingError, match="Stage 1 goes by the AUROC") as caught:
        train_toy(tmp_path, stages=[Stage(32, 2, 36, 1e-3, keep="best")], loader=one_class)
    assert '"monitor"' in caught.value.remedy
    _, listener = train_toy(tmp_path / "last", stages=[Stage(32, 1, 36, 1e-3)], loader=one_class)
    assert listener.rows[0]["validation_auroc"] == {"mean": None}

    def unlabelled(size):
        images, validation = one_class(size)
        return images, ImageSet(
            validation.squares, np.full((20, 2), np.nan, np.float32), validation.weight, validation.sample_weight
        )

    with pytest.raises(TrainingError, match="no known label"):
        train_toy(tmp_path / "n", stages=[Stage(32, 2, 36, 1e-3, patience=1, monitor="loss")], loader=unlabelled)


def test_best_weights_that_do_not_exist_are_not_made_up(tmp_path, monkeypatch):
    scored(monkeypatch, [math.nan])
    with pytest.raises(TrainingError, match="No epoch of stage 1 had a validation auroc"):
        train_toy(tmp_path, stages=[Stage(32, 1, 36, 1e-3, keep="best")])


def test_fewer_images_than_a_batch_are_refused_before_the_features(tmp_path):
    with pytest.raises(TrainingError, match="fewer training images than one batch"):
        train_toy(tmp_path, stages=[Stage(32, 1, 64, 1e-3, trainable="head")])


def test_an_epoch_that_draws_fewer_images_than_a_batch_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "epoch_order", lambda *_: np.arange(15))
    with pytest.raises(TrainingError, match="fewer training images"):
        train_toy(tmp_path, stages=[Stage(32, 1, 16, 1e-3)])


def test_a_checkpoint_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    scored(monkeypatch, [0.5])
    with pytest.raises(StopIteration):
        train_toy(tmp_path, stages=[Stage(32, 2, 36, 1e-3)])
    (tmp_path / "stage1-epoch1.weights.h5").write_bytes(b"not HDF5")
    with pytest.raises(TrainingError, match="checkpoint in the run folder cannot be read"):
        train_toy(tmp_path, stages=[Stage(32, 2, 36, 1e-3)])
    (tmp_path / "stage1-epoch1.weights.h5").unlink()
    with pytest.raises(TrainingError, match="lost its checkpoint"):
        train_toy(tmp_path, stages=[Stage(32, 2, 36, 1e-3)])
