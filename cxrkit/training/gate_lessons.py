"""What the quality gate of a preset learns from: pictures made of radiographs of several collections."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cxrkit.errors import TrainingError
from cxrkit.imaging.counterexamples import DRAWN, screen
from cxrkit.imaging.drawing import SIDE
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.preprocessing import standardise, to_square
from cxrkit.model.gate import OTHER, PLACEMENTS, SCREEN, lung_shape, placed
from cxrkit.model.manager import XRayModelManager
from cxrkit.training.appearance import as_elsewhere
from cxrkit.training.augmentation import augment
from cxrkit.training.recipe import Augmentation

Floats = npt.NDArray[np.float32]
Tell = Callable[[str], None]
DRAWN_EACH = 4
"""Drawn counterexamples per training radiograph."""

ELSEWHERE_EACH = 2
"""Pictures of each radiograph that look as if they came from elsewhere; the first of them lies rightly."""

PHANTOMS, PHANTOM_SEEDS = 8, 1000
"""Drawn chests among the radiographs, so that the page can be tried without a patient; and their first seed."""

UPRIGHT_ONLY = -1
"""Class of upright radiographs that the classifier does not learn from, and distances are taken from."""

NO_COLLECTION = "phantoms"
AS_IT_IS = "as it is"
BATCH = 16
_CHANGES = Augmentation(
    rotation=8, shift=0.05, zoom=0.15, aspect=0.15, brightness=0.1, contrast=0.3, gamma=0.3, blur=0.006, noise=0.02
)


@dataclass(frozen=True, eq=False)
class Lessons:
    """Descriptors of pictures with what they show.

    Attributes
    ----------
    described
        (n, D), see `cxrkit.model.gate.descriptor`.
    shapes
        (n, GRID * GRID), see `cxrkit.model.gate.lung_shape`.
    classes
        (n,) numbers in `PLACEMENTS`, `SCREEN`, `OTHER` or `UPRIGHT_ONLY`.
    collections
        (n,) name of the collection that the radiograph of the picture is from, or `NO_COLLECTION`.
    kinds
        (n,) ``"as it is"``, ``"changed"``, ``"elsewhere"``, ``"screen"``, or the name of the counterexample.
    """

    described: Floats
    shapes: Floats
    classes: npt.NDArray[np.int64]
    collections: npt.NDArray[np.str_]
    kinds: npt.NDArray[np.str_]

    def only(self, rows: npt.NDArray[np.bool_]) -> Lessons:
        """The lessons for which `rows` is true."""
        return Lessons(
            self.described[rows], self.shapes[rows], self.classes[rows], self.collections[rows], self.kinds[rows]
        )


def lessons(
    manager: XRayModelManager,
    taught: dict[str, Sequence[Path]],
    further: dict[str, Sequence[Path]],
    seed: int,
    tell: Tell,
) -> Lessons:
    """Lessons of radiographs per collection: `taught` with all that is made of them, `further` as they are.

    What is made of a radiograph depends on the seed and its own picture, not on the others.
    """
    described: list[Floats] = []
    shapes: list[Floats] = []
    waiting: list[tuple[Floats, int, str, str]] = []
    known: list[tuple[int, str, str]] = []

    def describe(least: int) -> None:
        if len(waiting) >= least:
            described.append(describe_pictures(manager, [picture for picture, *_ in waiting]))
            shapes.append(lung_shapes(manager, [picture for picture, *_ in waiting]))
            known.extend((number, collection, kind) for _, number, collection, kind in waiting)
            waiting.clear()

    def teach(pixels: Floats, collection: str) -> None:
        random = np.random.default_rng([seed, zlib.crc32(np.ascontiguousarray(pixels).tobytes())])
        waiting.extend((picture, number, collection, kind) for picture, number, kind in lesson(pixels, random))
        describe(BATCH)

    for k in range(PHANTOMS):
        teach(phantom(PHANTOM_SEEDS + k).pixels, NO_COLLECTION)
    for collection, paths in taught.items():
        for path in paths:
            teach(load_radiograph(path).pixels, collection)
        tell(f"{collection}: {len(paths)} radiographs turned, inverted and set beside counterexamples")
    for collection, paths in further.items():
        for path in paths:
            square = to_square(load_radiograph(path).pixels, "squash", SIDE)
            waiting.append((square, UPRIGHT_ONLY, collection, AS_IT_IS))
            describe(BATCH)
        tell(f"{collection}: {len(paths)} further radiographs as they are")
    describe(1)
    classes, collections, kinds = zip(*known, strict=True)
    return Lessons(
        np.concatenate(described), np.concatenate(shapes), np.array(classes), np.array(collections), np.array(kinds)
    )


def lesson(pixels: Floats, random: np.random.Generator) -> Iterator[tuple[Floats, int, str]]:
    """Pictures made of one radiograph, with their classes and kinds; the first is the radiograph itself."""
    square = to_square(pixels, "squash", SIDE)
    yield square, 0, AS_IT_IS
    for number in range(len(PLACEMENTS)):
        yield placed(augment(square, _CHANGES, random), number), number, "changed"
    others = random.choice(np.arange(1, len(PLACEMENTS)), ELSEWHERE_EACH - 1, replace=False)
    for number in (0, *others.tolist()):
        yield placed(as_elsewhere(augment(square, _CHANGES, random), random), number), number, "elsewhere"
    yield screen(random, pixels), SCREEN, "screen"
    for kind in random.choice(sorted(DRAWN), DRAWN_EACH, replace=False).tolist():
        picture = to_square(DRAWN[kind](random, pixels), "squash", SIDE)
        # no turning makes a radiograph of it
        yield placed(picture, int(random.integers(len(PLACEMENTS)))) if random.random() < 0.5 else picture, OTHER, kind


def describe_pictures(manager: XRayModelManager, pictures: Sequence[Floats]) -> Floats:
    """(n, D) descriptors of pictures of any size."""
    preset = manager.preset
    squares = np.stack([to_square(p, preset.geometry, preset.input_size, preset.border) for p in pictures])
    return manager.describe(manager.runtime.features(standardise(squares, preset.intensity)))


def lung_shapes(manager: XRayModelManager, pictures: Sequence[Floats]) -> Floats:
    """(n, GRID * GRID) shapes of the lungs in pictures of any size.

    Raises
    ------
    TrainingError
        There is no lung network.
    """
    if manager.lungs is None:
        raise TrainingError("The quality gate looks at the lungs, and their network is missing.", "Restore it first.")
    return np.stack([lung_shape(manager.lungs.find(picture)) for picture in pictures])
