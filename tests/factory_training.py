"""Toy recipes, images and a shallow backbone for tests of training, which start in a fraction of a second."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cxrkit.card import Population
from cxrkit.model.backbones import BACKBONES, Backbone
from cxrkit.model.losses import weighted_bce
from cxrkit.training.batches import ImageSet
from cxrkit.training.recipe import Augmentation, Recipe, Stage
from cxrkit.training.trainer import train_network

FINDINGS = ("Mass", "Nodule")
LOSS = weighted_bce([0.5, 0.8], [0.5, 0.2], label_smoothing=0.1)


def toy_recipe(**changes: Any) -> Recipe:
    """A recipe of one short stage of the shallow backbone."""
    settings: dict[str, Any] = dict(
        name="toy",
        title="Toy",
        version="0",
        backbone="shallow",
        head="dropout-dense",
        findings=FINDINGS,
        geometry="squash",
        intensity="sample-standard",
        stages=(Stage(32, 2, 8, 3e-3),),
        population=Population("nobody", ("18-44",), ("PA",)),
        intended_use="test",
        limits=(),
        data=("synthetic",),
        mixed_precision=False,
        augmentation=Augmentation(rotation=5),
    )
    return Recipe(**settings | changes)


def shallow_network(size: int | None) -> keras.Model:
    """A backbone of two blocks: tracing a training step takes time by the layer."""
    x = inputs = keras.Input((size, size, 3))
    for block in (1, 2):
        x = keras.layers.MaxPooling2D(4, padding="same", name=f"block{block}_pool")(x)
        x = keras.layers.Conv2D(32, 3, padding="same", use_bias=False, name=f"block{block}_conv")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    return keras.Model(inputs, keras.layers.ReLU(name="relu")(x), name="shallow")


SHALLOW = Backbone(shallow_network, "block2_conv", None, top="block2_conv")


def toy_images(number: int = 36, size: int = 32, seed: int = 0) -> ImageSet:
    """Noise, brighter in the middle where the first finding is; some labels of the second are unknown."""
    random = np.random.default_rng(seed)
    labels = np.stack([np.arange(number) % 2, np.arange(number) % 5 == 0], axis=1).astype(np.float32)
    squares = random.integers(0, 120, (number, size, size))
    squares[:, size // 4 : -size // 4, size // 4 : -size // 4] += (100 * labels[:, 0]).astype(int)[:, None, None]
    labels[random.random(number) < 0.2, 1] = np.nan
    return ImageSet(squares.astype(np.uint8), labels, np.ones(number), np.ones(number, np.float32))


def toy_loader(size: int) -> tuple[ImageSet, ImageSet]:
    """36 training and 20 validation images."""
    return toy_images(36, size), toy_images(20, size, seed=1)


class Listener:
    """A reporter that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.before: list[dict[str, Any]] = []
        self.begun: list[tuple[int, ...]] = []
        self.losses: list[float] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def resumed(self, history: Any) -> None:
        self.before = list(history)

    def epoch_begins(self, stage: int, stages: int, epoch: int, epochs: int, steps: int) -> None:
        self.begun.append((stage, stages, epoch, epochs, steps))

    def step(self, step: int, loss: float) -> None:
        self.losses.append(loss)

    def epoch_ends(self, row: dict[str, Any]) -> None:
        self.rows.append(row)


def train_toy(run: str | os.PathLike[str], **changes: Any) -> tuple[list[np.ndarray], Listener]:
    """Train on the toy images; weights of the network and what was reported.

    `check`, `loader`, `cache_features` and `recipe` go to `train_network`, the rest changes the recipe.
    """
    listener = Listener()
    given = {name: changes.pop(name) for name in ("check", "cache_features", "initial") if name in changes}
    loader = changes.pop("loader", toy_loader)
    network = train_network(toy_recipe(**changes), loader, LOSS, Path(run), listener, **given)
    return network.get_weights(), listener


class Killed(BaseException):
    """Nothing in the code can catch it by intention, as it cannot a signal."""


@contextmanager
def shallow_and_eager() -> Iterator[None]:
    """The shallow backbone has a name, and training steps are not traced: a stage starts at once."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "shallow", SHALLOW)
        yield
    tf.config.run_functions_eagerly(before)
