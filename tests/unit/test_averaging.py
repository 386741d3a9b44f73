"""Averaged weights: the average of every step, statistics of normalisation that fit it, the same bits after a kill."""

import keras
import numpy as np
import pytest

from cxrkit.errors import TrainingError
from cxrkit.model.normalisation import BatchNormalization
from cxrkit.training import trainer
from cxrkit.training.averaging import SETTLING, settle
from cxrkit.training.recipe import Stage
from tests.factory_training import Killed, shallow_and_eager, toy_recipe, train_toy

AVERAGED = Stage(32, 2, 8, 3e-3, averaging=0.5)


def values(weight):
    return np.array(keras.ops.convert_to_numpy(weight))


@pytest.fixture(autouse=True, scope="module")
def _shallow_and_eager():
    with shallow_and_eager():
        yield


def test_a_stage_hands_on_the_moving_average_of_every_step(tmp_path, monkeypatch):
    networks, steps = [], []

    def compiling(network, *arguments):
        networks.append(network)
        compile_network(network, *arguments)

    compile_network = trainer.compile_network
    monkeypatch.setattr(trainer, "compile_network", compiling)
    original = trainer._train_epoch

    def training(trained, *arguments):
        step = trained.train_on_batch

        def watched(*data, **named):
            value = step(*data, **named)
            steps.append([values(weight) for weight in trained.trainable_variables])
            return value

        if not steps:
            monkeypatch.setattr(trained, "train_on_batch", watched)
        return original(trained, *arguments)

    monkeypatch.setattr(trainer, "_train_epoch", training)
    _, listener = train_toy(tmp_path, stages=(AVERAGED,))
    assert len(steps) == 8
    expected = steps[0]
    for after in steps[1:]:
        expected = [0.5 * average + 0.5 * weight for average, weight in zip(expected, after, strict=True)]
    for found, right in zip(networks[0].trainable_variables, expected, strict=True):
        np.testing.assert_allclose(values(found), right, rtol=1e-5, atol=1e-7)
    assert any(np.abs(values(found) - last).max() > 1e-4 for found, last in zip(
        networks[0].trainable_variables, steps[-1], strict=True))  # fmt: skip
    assert "hands on averaged weights: validation loss" in listener.lines[-1]


@pytest.mark.parametrize("moment", ["epoch", "network"])
def test_a_run_that_averages_is_resumed_to_the_same_bits(tmp_path, monkeypatch, moment):
    whole, _ = train_toy(tmp_path / "whole", stages=(AVERAGED,))
    left = [moment]
    for name, kind in (("save_epoch", "epoch"), ("save_network", "network")):
        original = getattr(trainer, name)

        def deadly(run, network, stage, *epoch, original=original, kind=kind):
            done = original(run, network, stage, *epoch)
            # in the second epoch, and after the average was taken
            if left == [kind] and (epoch or stage) in ((2,), 2):
                left.clear()
                raise Killed
            return done

        monkeypatch.setattr(trainer, name, deadly)
    with pytest.raises(Killed):
        train_toy(tmp_path / "killed", stages=(AVERAGED,))
    again, _ = train_toy(tmp_path / "killed", stages=(AVERAGED,))
    for ours, theirs in zip(again, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_settling_takes_the_plain_mean_of_the_batches_and_leaves_the_rest(tmp_path):
    inputs = keras.Input((6, 6, 2))
    free, frozen = BatchNormalization(momentum=0.9, name="free"), BatchNormalization(name="frozen")
    network = keras.Model(inputs, frozen(free(inputs)))
    frozen.trainable = False
    random = np.random.default_rng(0)
    data = [random.normal(3, 2, (4, 6, 6, 2)).astype(np.float32) for _ in range(5)]
    before = [values(weight) for weight in (*free.trainable_variables, *frozen.weights)]
    calls = []
    assert settle(network, ((x, None, None) for x in data), lambda: calls.append(1)) == 5 == len(calls)
    np.testing.assert_allclose(
        values(free.moving_mean), np.mean([x.mean(axis=(0, 1, 2)) for x in data], axis=0), rtol=1e-5
    )
    variance = np.mean([x.reshape(-1, 2).var(axis=0, ddof=1) for x in data], axis=0)
    np.testing.assert_allclose(values(free.moving_variance), variance, rtol=1e-4)
    assert free.momentum == 0.9
    for weight, was in zip((*free.trainable_variables, *frozen.weights), before, strict=True):
        np.testing.assert_array_equal(values(weight), was)
    endless = iter(lambda: (data[0], None, None), None)
    assert settle(network, endless, lambda: None) == SETTLING


def test_averaging_and_the_best_epoch_exclude_each_other():
    with pytest.raises(TrainingError, match="averages its weights and yet keeps"):
        toy_recipe(stages=(Stage(32, 2, 8, 3e-3, averaging=0.5, keep="best"),))
