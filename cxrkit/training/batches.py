"""Training images in memory, and seeded batches of them prepared one step ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from cxrkit.data.manifest import Manifest
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.preprocessing import standardise, to_square
from cxrkit.training.augmentation import augment
from cxrkit.training.recipe import Recipe

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
Batch = tuple[Floats, Floats, Floats]
"""x (batch, ...), labels (batch, k) and loss weights (batch,)."""
Progress = Callable[[str], None]
T = TypeVar("T")
_AHEAD = 2


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of equal size with their labels.

    Attributes
    ----------
    squares
        (n, S, S) uint8; 8 bits suffice for training, and 6,000 images at 224 px then take 300 MB.
    labels
        (n, k) float32, NaN where unknown.
    weight
        (n,) expected number of times that an image is shown per epoch.
    sample_weight
        (n,) float32, weight of an image in the loss.
    """

    squares: npt.NDArray[np.uint8]
    labels: Floats
    weight: npt.NDArray[np.float64]
    sample_weight: Floats

    def __len__(self) -> int:
        return len(self.squares)


def load_images(
    manifests: Sequence[Manifest],
    repeats: Sequence[float],
    weights: Sequence[float],
    recipe: Recipe,
    size: int,
    progress: Progress,
    check: Callable[[], None] = lambda: None,
) -> ImageSet:
    """Read the images of all manifests through the one preprocessing at one size.

    Parameters
    ----------
    repeats, weights
        Of the images of each manifest: how often an epoch shows them, and their weight in the loss.
    progress
        Takes a line after every thousand images.
    check
        Called after each image; may raise, for instance `KeyboardInterrupt`.
    """
    paths = [path for manifest in manifests for path in manifest.images]

    def square(path: Path) -> npt.NDArray[np.uint8]:
        pixels = to_square(load_radiograph(path).pixels, recipe.geometry, size, recipe.border)
        return np.rint(pixels * 255).astype(np.uint8)

    squares = np.empty((len(paths), size, size), np.uint8)
    with ThreadPoolExecutor(2) as pool:
        for number, image in enumerate(pool.map(square, paths)):
            squares[number] = image
            check()
            if number % 1000 == 999:
                progress(f"read {number + 1} of {len(paths)} images at {size} px")
    labels = np.concatenate([m.labels for m in manifests])
    sizes = [len(manifest) for manifest in manifests]
    repeated, weighted = (np.repeat(np.array(each, dtype=float), sizes) for each in (repeats, weights))
    return ImageSet(squares, labels, repeated, weighted.astype(np.float32))


def batches(images: ImageSet, order: Rows, recipe: Recipe, batch: int, seed: tuple[int, ...]) -> Iterator[Batch]:
    """Augmented batches of an epoch in its order.

    The last, smaller part of the order is left out, so that every step has the same shape.
    """

    def prepare(step: int) -> Batch:
        rows = order[step * batch : (step + 1) * batch]
        x = _augmented(images, rows, recipe, (*seed, step))
        return x, images.labels[rows], images.sample_weight[rows]

    yield from _ahead(prepare, len(order) // batch)


def version_batches(images: ImageSet, recipe: Recipe, batch: int, seed: tuple[int, ...]) -> Iterator[Floats]:
    """All images in order, each augmented once: x (<= batch, S, S, 3)."""

    def prepare(step: int) -> Floats:
        rows = np.arange(step * batch, min((step + 1) * batch, len(images)))
        return _augmented(images, rows, recipe, (*seed, step))

    yield from _ahead(prepare, -(-len(images) // batch))


def plain_batches(images: ImageSet, intensity: str, batch: int) -> Iterator[Floats]:
    """All images in order without augmentation: x (<= batch, S, S, 3)."""

    def prepare(step: int) -> Floats:
        squares = images.squares[step * batch : (step + 1) * batch]
        return standardise(squares.astype(np.float32) / 255.0, intensity)

    yield from _ahead(prepare, -(-len(images) // batch))


def vector_batches(features: Floats, images: ImageSet, order: Rows, batch: int) -> Iterator[Batch]:
    """`batches` of feature vectors (n, K) in place of the images."""
    for step in range(len(order) // batch):
        rows = order[step * batch : (step + 1) * batch]
        yield features[rows], images.labels[rows], images.sample_weight[rows]


def _augmented(images: ImageSet, rows: Rows, recipe: Recipe, seed: tuple[int, ...]) -> Floats:
    random = np.random.default_rng(seed)
    squares = [augment(images.squares[row].astype(np.float32) / 255.0, recipe.augmentation, random) for row in rows]
    return standardise(np.stack(squares), recipe.intensity)


def _ahead(prepare: Callable[[int], T], steps: int) -> Iterator[T]:
    """``prepare(0), prepare(1), ...``, worked out by two threads ahead of the one that takes them."""
    with ThreadPoolExecutor(_AHEAD) as pool:
        waiting = [pool.submit(prepare, step) for step in range(min(_AHEAD, steps))]
        for step in range(steps):
            ready = waiting.pop(0).result()
            if step + _AHEAD < steps:
                waiting.append(pool.submit(prepare, step + _AHEAD))
            yield ready
