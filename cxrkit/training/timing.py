"""Timing a training step and an epoch of a frozen stage, each against another way, side by side in one run."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.model.losses import weighted_bce
from cxrkit.model.network import build_network, set_trainable, split_frozen
from cxrkit.training.recipe import Recipe, Stage
from cxrkit.training.trainer import compile_network, precision

Floats = npt.NDArray[np.float32]
Way = Callable[[], Any]
WEIGHTS = (0.8, 0.2)
"""Of the positive and the negative term of the loss, for every finding."""


def batch_of(images: int, size: int, findings: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Random images (images, size, size, 3) and labels (images, findings), a fifth of them positive."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(images, size, size, 3)).astype(np.float32)
    return x, (random.random((images, findings)) < 0.2).astype(np.float32)


def training_step(recipe: Recipe, stage: Stage, x: Floats, y: Floats, *, fused: bool = True) -> Way:
    """One step of the project's own training on always the same batch.

    Parameters
    ----------
    recipe, stage
        Settings of the network and of its optimiser.
    x, y
        Images and labels; see `batch_of`.
    fused
        False puts Keras' own batch normalisation into the place of ours.

    Returns
    -------
    Callable
        A step; returns the loss.
    """
    with precision(recipe.mixed_precision):
        network = build_network(
            recipe.backbone, y.shape[1], input_size=stage.size, head=recipe.head, momentum=recipe.momentum
        )
        if not fused:
            network = keras.models.clone_model(network, clone_function=_stock)
    return _step(network, recipe, stage, x, y)


def head_steps(recipe: Recipe, stage: Stage, x: Floats, y: Floats) -> dict[str, Way]:
    """A step of a frozen stage on features that were computed once, and the same step with the backbone run.

    Both pass `x` once and learn the head alone, so that their ratio is that of the epochs.
    """
    with precision(recipe.mixed_precision):
        network = build_network(
            recipe.backbone, y.shape[1], input_size=stage.size, head=recipe.head, momentum=recipe.momentum
        )
        set_trainable(network, recipe.backbone, "head")
        backbone, head = split_frozen(network)
    features = np.asarray(backbone.predict_on_batch(x), dtype=np.float32)
    return {
        "head_on_cached_features": _step(head, recipe, stage, features, y),
        "head_with_backbone": _step(network, recipe, stage, x, y),
    }


def alternate(ways: Mapping[str, Way], rounds: int) -> dict[str, list[float]]:
    """Seconds of every way in every round; the ways take turns, so that a busy machine slows all of them."""
    for _ in range(2):  # trace; then in turns too, for memory that lay idle meanwhile may have been reclaimed
        for way in ways.values():
            way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - began)
    return times


def summarise(times: Mapping[str, list[float]], images: int, ratios: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Median milliseconds per image of each way, and the medians of the rounds' ratios.

    Parameters
    ----------
    times
        From `alternate`.
    images
        In each step.
    ratios
        Name -> the ways above and below the line.
    """
    return {
        "median_ms_per_image": {
            name: round(statistics.median(seconds) / images * 1e3, 2) for name, seconds in times.items()
        },
        "ratios": {
            name: round(statistics.median(a / b for a, b in zip(times[over], times[under], strict=True)), 3)
            for name, (over, under) in ratios.items()
        },
    }


def surroundings(*libraries: str) -> dict[str, Any]:
    """Machine and versions, for the record of a measurement."""
    return {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in libraries}},
    }


def _step(network: keras.Model, recipe: Recipe, stage: Stage, x: Floats, y: Floats) -> Way:
    loss = weighted_bce(*(y.shape[1] * [weight] for weight in WEIGHTS))
    compile_network(network, recipe, stage, 1000, loss)

    def step() -> float:
        return float(np.asarray(network.train_on_batch(x, y)).ravel()[0])

    return step


def _stock(layer: keras.Layer) -> keras.Layer:
    config = layer.get_config()
    if isinstance(layer, keras.layers.BatchNormalization):
        return keras.layers.BatchNormalization.from_config(config)
    return type(layer).from_config(config)
