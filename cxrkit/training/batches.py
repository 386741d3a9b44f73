"""Training images in memory, and seeded batches of them prepared one step ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cxrkit.data.manifest import Manifest
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.preprocessing import standardise, to_square
from cxrkit.training.augmentation import augment
from cxrkit.training.recipe import Recipe

Floats = npt.NDArray[np.float32]
Progress = Callable[[str], None]


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
    """

    squares: npt.NDArray[np.uint8]
    labels: Floats
    weight: npt.NDArray[np.float64]


def load_images(
    manifests: Sequence[Manifest], repeats: Sequence[float], recipe: Recipe, size: int, progress: Progress
) -> ImageSet:
    """Read the images of all manifests through the one preprocessing at one size."""
    paths = [path for manifest in manifests for path in manifest.images]

    def square(path: Path) -> npt.NDArray[np.uint8]:
        pixels = to_square(load_radiograph(path).pixels, recipe.geometry, size, recipe.border)
        return np.rint(pixels * 255).astype(np.uint8)

    squares = np.empty((len(paths), size, size), np.uint8)
    with ThreadPoolExecutor(2) as pool:
        for number, image in enumerate(pool.map(square, paths)):
            squares[number] = image
            if number % 1000 == 999:
                progress(f"read {number + 1} of {len(paths)} images at {size} px")
    labels = np.concatenate([m.labels for m in manifests])
    weight = np.concatenate([np.full(len(m), r, dtype=float) for m, r in zip(manifests, repeats, strict=True)])
    return ImageSet(squares, labels, weight)


def epoch_order(images: ImageSet, seed: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """Order of images in an epoch: an image of weight 1.5 appears once, and again with probability 0.5."""
    random = np.random.default_rng(seed)
    times = np.floor(images.weight + random.random(len(images.weight))).astype(int)
    return random.permutation(np.repeat(np.arange(len(times)), times))


def batches(images: ImageSet, recipe: Recipe, batch: int, seed: tuple[int, ...]) -> Iterator[tuple[Floats, Floats]]:
    """Augmented batches of one epoch: x (batch, S, S, 3) and y (batch, k), in a seeded order.

    The last, smaller part of the order is left out, so that every step has the same shape. One thread
    prepares the next batch while the current one trains.
    """
    order = epoch_order(images, seed)
    steps = len(order) // batch

    def prepare(step: int) -> tuple[Floats, Floats]:
        random = np.random.default_rng((*seed, step))
        rows = order[step * batch : (step + 1) * batch]
        squares = np.stack(
            [augment(images.squares[r].astype(np.float32) / 255.0, recipe.augmentation, random) for r in rows]
        )
        return standardise(squares, recipe.intensity), images.labels[rows]

    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(prepare, step) for step in range(min(2, steps))]
        for step in range(steps):
            ready = waiting.pop(0).result()
            if step + 2 < steps:
                waiting.append(pool.submit(prepare, step + 2))
            yield ready


def plain_batches(images: ImageSet, intensity: str, batch: int) -> Iterator[Floats]:
    """All images in order without augmentation: x (<= batch, S, S, 3)."""
    numbers = iter(range(len(images.squares)))
    while rows := list(islice(numbers, batch)):
        yield standardise(images.squares[rows].astype(np.float32) / 255.0, intensity)
