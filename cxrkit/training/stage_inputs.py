"""What a stage trains on: the images themselves, or features of them that a frozen backbone gave once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from cxrkit.training.batches import (
    Batch,
    Floats,
    ImageSet,
    Rows,
    batches,
    plain_batches,
    vector_batches,
    version_batches,
)
from cxrkit.training.recipe import Recipe
from cxrkit.training.validation import predict

Check = Callable[[], None]


class Inputs(Protocol):
    """Batches to train on and to validate on."""

    def epoch(self, order: Rows, epoch: int, seed: tuple[int, ...]) -> Iterator[Batch]:
        """Batches of an epoch, counted from 0, in its order."""
        ...

    def validation(self) -> Iterator[Floats]:
        """The validation part in order."""
        ...


class ImageInputs:
    """Images, augmented anew in each epoch."""

    def __init__(self, recipe: Recipe, batch: int, training: ImageSet, validation: ImageSet) -> None:
        self._recipe, self._batch = recipe, batch
        self._training, self._validation = training, validation

    def epoch(self, order: Rows, epoch: int, seed: tuple[int, ...]) -> Iterator[Batch]:
        """Batches of an epoch in its order."""
        return batches(self._training, order, self._recipe, self._batch, seed)

    def validation(self) -> Iterator[Floats]:
        """The validation part in order."""
        return plain_batches(self._validation, self._recipe.intensity, self._batch)


class FeatureInputs:
    """Feature vectors of a frozen backbone, which is run here once over all images and kept versions.

    The vectors are held in memory (4 KB per image and version with the 1,024 features of DenseNet-121),
    and in the run's folder, so that a killed run goes on with the very same ones.

    Parameters
    ----------
    recipe, number
        The recipe and its stage, counted from 0.
    backbone
        (batch, S, S, 3) -> (batch, K).
    folder
        Where the vectors are kept, as ``.npy``.
    say, check
        Takes lines of text; is called after each batch.
    """

    def __init__(
        self,
        recipe: Recipe,
        number: int,
        backbone: keras.Model,
        training: ImageSet,
        validation: ImageSet,
        folder: Path,
        say: Callable[[str], None],
        check: Check,
    ) -> None:
        stage = recipe.stages[number]
        self._batch, self._training = stage.batch, training

        def features(images: ImageSet, part: str, inputs: Callable[[], Iterator[Floats]]) -> Floats:
            def compute() -> Floats:
                say(f"computing the features of {len(images)} images ({part})")
                return predict(backbone, inputs(), stage.batch, check)

            path = folder / f"stage{number + 1}-features-{part.replace(' ', '-')}.npy"
            return _kept(path, (len(images), *backbone.output_shape[1:]), compute)

        def plain(images: ImageSet) -> Callable[[], Iterator[Floats]]:
            return lambda: plain_batches(images, recipe.intensity, stage.batch)

        def drawn(view: int) -> Callable[[], Iterator[Floats]]:
            return lambda: version_batches(training, recipe, stage.batch, (recipe.seed, number, view))

        self._versions = [
            features(training, f"version {view + 1}", drawn(view) if stage.views > 1 else plain(training))
            for view in range(stage.views)
        ]
        self._validated = features(validation, "validation", plain(validation))

    def epoch(self, order: Rows, epoch: int, seed: tuple[int, ...]) -> Iterator[Batch]:
        """Batches of an epoch in its order; the epochs take the versions in turn."""
        return vector_batches(self._versions[epoch % len(self._versions)], self._training, order, self._batch)

    def validation(self) -> Iterator[Floats]:
        """The validation part in order."""
        for start in range(0, len(self._validated), self._batch):
            yield self._validated[start : start + self._batch]


def _kept(path: Path, shape: tuple[int, ...], compute: Callable[[], Floats]) -> Floats:
    """Features from a file, or else computed and written to it; the file appears whole or not at all."""
    if path.is_file():
        stored: Floats = np.load(path, allow_pickle=False)
        if stored.shape == shape:
            return stored
    features = compute()
    temporary = path.with_suffix(".writing")
    with temporary.open("wb") as file:
        np.save(file, features)
    temporary.replace(path)
    return features
