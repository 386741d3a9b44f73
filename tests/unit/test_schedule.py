"""The optimiser of a stage, and what scores do to a stage, against Keras' own callbacks."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrkit.model.backbones import BACKBONES
from cxrkit.training.batches import ImageSet
from cxrkit.training.recipe import Stage
from cxrkit.training.schedule import Watch, build_optimizer
from cxrkit.training.validation import score
from tests.factory_training import FINDINGS, LOSS, SHALLOW, toy_recipe


@pytest.fixture(autouse=True, scope="module")
def _backbones():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "shallow", SHALLOW)
        yield


class Model:
    """What Keras' callbacks need of a model."""

    def __init__(self):
        self.optimizer = keras.optimizers.SGD(1.0)
        self.stop_training = False


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, math.nan]), min_size=1, max_size=14),
    st.sampled_from(["auroc", "accuracy", "loss"]),
    st.integers(1, 3),
    st.integers(1, 4),
)
def test_plateau_and_early_stopping_are_those_of_keras(values, monitor, plateau_patience, patience):
    stage = Stage(
        32, 20, 8, 1.0, schedule="plateau", monitor=monitor, plateau_patience=plateau_patience, patience=patience
    )
    mode = "min" if monitor == "loss" else "max"
    model = Model()
    plateau = keras.callbacks.ReduceLROnPlateau("m", 0.5, plateau_patience, mode=mode, min_delta=0)
    stopping = keras.callbacks.EarlyStopping("m", 0, patience, mode=mode)
    watch = Watch(1.0)
    for callback in (plateau, stopping):
        callback.set_model(model)
        callback.on_train_begin()
    # Keras takes a NaN in the first epoch for the best value there can be, we do not
    for epoch, value in enumerate([0.2, *values]):
        for callback in (plateau, stopping):
            callback.on_epoch_end(epoch, {"m": value})
        improved = watch.see(value, stage)
        assert improved == (stopping.wait == 0)
        assert watch.learning_rate == pytest.approx(float(model.optimizer.learning_rate))
        if epoch:  # Keras never stops after the first epoch
            assert watch.stops(stage) == model.stop_training
        if model.stop_training:
            break


def test_a_score_that_is_not_a_number_is_never_the_best():
    watch, stage = Watch(0.1), Stage(32, 20, 8, 0.1, monitor="loss")
    assert [watch.see(value, stage) for value in (math.nan, 0.7, math.nan, 0.6)] == [False, True, False, True]


def test_a_constant_rate_stays_and_no_patience_never_stops():
    watch, stage = Watch(0.1), Stage(32, 20, 8, 0.1, schedule="constant")
    for _ in range(50):
        watch.see(0.5, stage)
    assert watch.learning_rate == 0.1
    assert not watch.stops(stage)


def test_cosine_warms_up_and_falls_to_a_hundredth():
    optimizer = build_optimizer(toy_recipe(warmup=0.1), Stage(32, 5, 8, 2e-3), 20)
    rates = [float(optimizer._learning_rate(step)) for step in range(101)]
    assert rates[0] == pytest.approx(2e-5, rel=1e-3)
    assert int(np.argmax(rates)) == 10
    assert rates[10] == pytest.approx(2e-3, rel=1e-3)
    assert rates[55] == pytest.approx(2e-3 * (0.01 + 0.99 * 0.5), rel=1e-3)
    assert rates[100] == pytest.approx(2e-5, rel=1e-3)


def test_adamw_decays_kernels_only_and_adam_nothing():
    stage = Stage(32, 1, 8, 0.1, schedule="constant")
    kernel, bias = (keras.Variable([1.0], name=name) for name in ("kernel", "bias"))
    moved = {}
    for kind in ("adamw", "adam"):
        for variable in (kernel, bias):
            variable.assign([1.0])
        optimizer = build_optimizer(toy_recipe(optimizer=kind, weight_decay=0.5), stage, 1)
        zero = keras.ops.zeros(1)
        optimizer.apply([zero, zero], [kernel, bias])
        moved[kind] = [float(variable.numpy()[0]) for variable in (kernel, bias)]
    assert moved["adamw"] == pytest.approx([1 - 0.1 * 0.5, 1.0])
    assert moved["adam"] == [1.0, 1.0]


def test_validation_scores_by_hand():
    labels = np.array([[1, 0], [0, np.nan], [1, 1], [0, np.nan]], np.float32)
    logits = np.array([[2.0, -1.0], [1.0, 5.0], [0.5, 3.0], [-2.0, 0.0]], np.float32)
    images = ImageSet(np.zeros((4, 8, 8), np.uint8), labels, np.ones(4), np.array([1, 2, 1, 1], np.float32))
    scores = score(logits, images, FINDINGS, LOSS)
    assert scores.accuracy == pytest.approx(5 / 6)  # of the known labels only the second of the first finding is wrong
    assert scores.auroc == {"Mass": 0.75, "Nodule": 1.0, "mean": 0.875}
    softplus = np.log1p(np.exp(np.array([-2.0, 1.0, -0.5, -2.0])))
    mass = 0.5 * np.average(softplus, weights=[1, 2, 1, 1])
    nodule = (0.2 * np.log1p(np.exp(-1)) + 0.8 * np.log1p(np.exp(-3))) / 2
    assert scores.loss == pytest.approx(mass + nodule, rel=1e-6)  # without the smoothing of LOSS
    for monitor, value in (("loss", scores.loss), ("accuracy", scores.accuracy), ("auroc", 0.875)):
        assert scores.monitored(Stage(32, 1, 8, 0.1, monitor=monitor)) == value
