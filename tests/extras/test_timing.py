"""How the training benchmark takes turns and forms its ratios, and that the ways do what they say."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from cxrkit.training import timing
from cxrkit.training.recipe import Recipe, Stage


def test_ratios_are_medians_of_the_rounds_and_times_are_per_image() -> None:
    times = {"ours": [0.4, 9.0, 0.6], "theirs": [0.2, 10.0, 0.5]}
    found = timing.summarise(times, 4, {"ours_to_theirs": ("ours", "theirs")})
    # medians 0.6 s and 0.5 s of 4 images; ratios 2.0, 0.9 and 1.2
    assert found == {"median_ms_per_image": {"ours": 150.0, "theirs": 125.0}, "ratios": {"ours_to_theirs": 1.2}}


def test_the_ways_take_turns_after_two_warm_ups() -> None:
    calls: list[str] = []
    times = timing.alternate({name: lambda name=name: calls.append(name) for name in "ab"}, 3)
    assert "".join(calls) == "abab" + "ababab"
    assert [len(seconds) for seconds in times.values()] == [3, 3]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    stages = (
        Stage(size=32, epochs=1, batch=4, learning_rate=1e-3),
        Stage(size=32, epochs=1, batch=4, learning_rate=1e-2, trainable="head"),
    )
    return Recipe(
        name="tiny",
        title="Tiny",
        version="1",
        backbone="cnn",
        head="gap-dense",
        findings=("A", "B"),
        geometry="squash",
        intensity="sample-standard",
        stages=stages,
        intended_use="A test.",
        limits=(),
        mixed_precision=False,
    )


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_is_a_step_of_the_training(recipe: Recipe, fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    compiling = timing.compile_network
    monkeypatch.setattr(
        timing, "compile_network", lambda network, *rest: built.append(network) or compiling(network, *rest)
    )
    x, y = timing.batch_of(4, 32, 2)
    step = timing.training_step(recipe, recipe.stages[0], x, y, fused=fused)
    kinds = {type(layer) for layer in built[0].layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert (kinds == {keras.layers.BatchNormalization}) == (not fused)
    before = built[0].get_weights()
    assert np.isfinite(step())
    assert not all(np.array_equal(a, b) for a, b in zip(before, built[0].get_weights(), strict=True))


def test_both_steps_of_a_frozen_stage_learn_the_head_alone(recipe: Recipe) -> None:
    x, y = timing.batch_of(4, 32, 2)
    ways = timing.head_steps(recipe, recipe.stages[1], x, y)
    cached = [ways["head_on_cached_features"]() for _ in range(5)]
    # they share the head: what one has learnt the other goes on from
    again = ways["head_with_backbone"]()
    assert cached[0] > cached[-1] > again
