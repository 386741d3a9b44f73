"""The part of the quality gate that looks at the network's features: is this a frontal chest, and how does it lie?

From the feature maps of the one pass come a few thousand numbers: the average of each channel and its difference
between the upper and the lower, the left and the right half. A linear classifier tells upright radiographs from those
that were turned or inverted, from screens that show one, and from drawn counterexamples; and the distance to the
nearest radiographs of the training set (Sun et al. 2022, arXiv 2204.06507) tells what is unlike all of them. The third
distance is that of the shape of the lungs, which depends least on where a radiograph was taken.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.errors import WeightsCorrupt
from cxrkit.model.lungs import Mask
from cxrkit.preset import Preset
from cxrkit.preset_folders import verified_gate
from cxrkit.quality import Correction, QualityIssue

Floats = npt.NDArray[np.float32]

GATE_FILE = "quality_gate.npz"
NEIGHBOURS = 5
GRID = 16
"""Rows and columns that the shape of the lungs is compared in."""

DISTANCES = 3
"""How many of the scores are distances; the others are log-odds."""

QUARTERS: tuple[tuple[Correction, ...], ...] = ((), ("rotate-90",), ("rotate-180",), ("rotate-270",))
PLACEMENTS: tuple[tuple[Correction, ...], ...] = (*QUARTERS, *((*turn, "invert") for turn in QUARTERS))
"""What brings a picture into place that was turned counter-clockwise by 0 to 3 quarters; then the same inverted."""

SCREEN, OTHER = len(PLACEMENTS), len(PLACEMENTS) + 1
CLASSES = OTHER + 1
_GROUPS = (0, 1, SCREEN, OTHER)  # where upright, misplaced, screen and other begin
ARRAYS = ("centre", "scale", "kernel", "bias", "axes", "spread", "upright", "references", "shapes", "limits")


def placed(pixels: Floats, placement: int) -> Floats:
    """Pixels that are turned and inverted so that `PLACEMENTS` of that number brings them into place."""
    turned = np.rot90(pixels, placement % 4)
    return np.ascontiguousarray(np.float32(1) - turned if placement >= 4 else turned, dtype=np.float32)


def descriptor(pooled: Floats) -> Floats:
    """Of what a head averages, (n, H, W, K): (n, 3 K) averages, upper less lower half, left less right half.

    The latter two are left out where there is but one row or column.
    """
    n, rows, columns, channels = pooled.shape
    weights = _halves(rows, columns)
    return np.asarray((weights @ pooled.reshape(n, rows * columns, channels)).reshape(n, -1), np.float32)


@lru_cache(maxsize=16)
def _halves(rows: int, columns: int) -> Floats:
    """(3, rows * columns) weights of the positions in the parts of a descriptor, or (1, ...)."""
    upper, left = np.zeros((2, rows, columns))
    half, side = rows // 2, columns // 2
    if half and side:
        upper[:half], upper[-half:] = 1 / (half * columns), -1 / (half * columns)
        left[:, :side], left[:, -side:] = 1 / (rows * side), -1 / (rows * side)
    parts = [np.full((rows, columns), 1 / (rows * columns)), *((upper, left) if half and side else ())]
    weights: Floats = np.stack(parts).reshape(len(parts), -1).astype(np.float32)
    weights.setflags(write=False)
    return weights


def lung_shape(mask: Mask | None) -> Floats:
    """A mask of the lungs -> (GRID * GRID,) share of lung in each cell; all 0 where none were found."""
    if mask is None:
        return np.zeros(GRID * GRID, np.float32)
    return cv2.resize(mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA).ravel()


def _product(rows: Floats, matrix: Floats) -> Floats:
    """``rows @ matrix``, each row by itself: a product of several is not rounded like that of one."""
    return np.concatenate([row @ matrix for row in rows[:, None]])


def _smallest(values: Floats) -> Floats:
    """(n, m) -> (n, NEIGHBOURS) smallest of each row, or all where there are fewer."""
    most = min(NEIGHBOURS, values.shape[1])
    return np.partition(values, most - 1, axis=1)[:, :most]


@dataclass(frozen=True)
class Verdict:
    """What the features say of one picture.

    Attributes
    ----------
    proposed
        What would bring it into place; empty where it lies rightly.
    screen, other
        Whether it looks like a screen with a radiograph on it, or like no radiograph.
    distance
        To the training radiographs, over the limit: the largest of the three.
    """

    proposed: tuple[Correction, ...]
    screen: bool
    other: bool
    distance: float

    def issues(self) -> tuple[QualityIssue, ...]:
        """Reasons to refuse; how the picture lies is not among them."""
        found = [QualityIssue("screenshot", "refuse")] if self.screen else []
        if self.other or self.distance > 1:
            found.append(QualityIssue("not-frontal-chest", "refuse"))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Gate:
    """What `cxrkit.training.gate_fitting` fitted for the weights of one preset.

    Attributes
    ----------
    centre, scale
        (D,) of the descriptor, which is brought to zero mean and unit variance over all that was fitted on.
    kernel, bias
        (D, C) and (C,) of the classifier; the classes are `PLACEMENTS`, then `SCREEN`, then `OTHER`.
    upright
        (D,) mean of the upright training radiographs, in those units.
    axes, spread
        (D, d) principal axes of upright training radiographs, as rows of unit length in columns, and (d,) the standard
        deviation along each, by which distances are divided.
    references
        (m, d): the upright training radiographs, and phantoms, there.
    shapes
        (k, GRID * GRID) lungs of upright training radiographs.
    limits
        Largest mean distance to the `NEIGHBOURS` nearest, largest distance from the space of the axes, and largest mean
        distance (1 - Dice coefficient) to as many lungs of the nearest shape; then the log-odds above which a picture
        counts as misplaced, as a screen, and as no radiograph.
    """

    centre: Floats
    scale: Floats
    kernel: Floats
    bias: Floats
    axes: Floats
    spread: Floats
    upright: Floats
    references: Floats
    shapes: Floats
    limits: Floats

    @cached_property
    def _reference_squares(self) -> Floats:
        return np.asarray((self.references**2).sum(axis=1))

    @cached_property
    def _shape_squares(self) -> Floats:
        return np.asarray((self.shapes**2).sum(axis=1))

    def scores(self, described: Floats, shapes: Floats) -> Floats:
        """(n, D) descriptors and (n, GRID * GRID) shapes of the lungs -> (n, 6), in the order of `limits`."""
        return self._scores(*self._logits(described), shapes)

    def _logits(self, described: Floats) -> tuple[Floats, Floats]:
        """(n, D) descriptors -> the same standardised, and their (n, C) logits."""
        standard = (described - self.centre) / self.scale
        return standard, np.asarray(_product(standard, self.kernel) + self.bias, np.float32)

    def _scores(self, standard: Floats, logits: Floats, shapes: Floats) -> Floats:
        """`scores` of what `_logits` gives."""
        share = np.exp(logits - logits.max(axis=1, keepdims=True))
        groups = np.add.reduceat(share, _GROUPS, axis=1)[:, 1:] / share.sum(axis=1, keepdims=True)
        groups = np.minimum(np.maximum(groups, 1e-12), 1 - 1e-7)
        around = standard - self.upright
        along = _product(around, self.axes)
        beyond = np.sqrt(np.maximum((around**2).sum(axis=1) - (along**2).sum(axis=1), 0) / around.shape[1])
        at = along / self.spread
        squares = (at**2).sum(axis=1)[:, None] - _product(2 * at, self.references.T) + self._reference_squares
        nearest = np.sqrt(np.maximum(_smallest(squares), 0)).mean(axis=1)
        overlap = _product(2 * shapes, self.shapes.T)
        both = (shapes**2).sum(axis=1)[:, None] + self._shape_squares
        unlike = _smallest(1 - overlap / np.maximum(both, 1e-6)).mean(axis=1)
        scores = np.empty((len(standard), len(self.limits)), np.float32)
        scores[:, 0], scores[:, 1], scores[:, 2] = nearest, beyond, unlike
        scores[:, DISTANCES:] = np.log(groups / (1 - groups))
        return scores

    def placement(self, described: Floats) -> npt.NDArray[np.int64]:
        """(n, D) -> (n,) the most probable number in `PLACEMENTS`, upright included."""
        return np.asarray(self._logits(described)[1][:, :SCREEN].argmax(axis=1))

    def judge(self, described: Floats, lungs: Mask | None) -> Verdict:
        """The verdict on one (1, D) descriptor and the lungs of the same picture; None where nothing looks for them."""
        return self.verdicts(described, [lungs])[0]

    def verdicts(self, described: Floats, lungs: Sequence[Mask | None]) -> list[Verdict]:
        """`judge` of n pictures, from their (n, D) descriptors."""
        standard, logits = self._logits(described)
        scores = self._scores(standard, logits, np.stack([lung_shape(mask) for mask in lungs]))
        return [self._verdict(*each) for each in zip(scores, logits[:, :SCREEN].argmax(axis=1), lungs, strict=True)]

    def _verdict(self, scores: Floats, turned: int, lungs: Mask | None) -> Verdict:
        """From (6,) scores and the number of the most probable placement, upright included."""
        limits = self.limits
        if lungs is None:
            scores[2] = 0
        misplaced, screen, other = (bool(over) for over in scores[DISTANCES:] > limits[DISTANCES:])
        # where a picture lies wrongly, its lungs have another shape, and nothing is lost by a second look
        misplaced |= bool(scores[2] > limits[2]) and not (screen or other)
        distance = float((scores[:DISTANCES] / limits[:DISTANCES]).max())
        return Verdict(PLACEMENTS[turned] if misplaced else (), screen, other, distance)

    # -- files ---------------------------------------------------------------------------------

    def save(self, path: Path) -> str:
        """Write the arrays, the large ones in float16; return the file's sha256."""
        buffer = io.BytesIO()
        halved = {"kernel", "axes", "references", "shapes"}
        arrays: dict[str, Any] = {
            name: getattr(self, name).astype(np.float16 if name in halved else np.float32) for name in ARRAYS
        }
        np.savez_compressed(buffer, **arrays)
        path.write_bytes(buffer.getvalue())
        return hashlib.sha256(buffer.getvalue()).hexdigest()

    @classmethod
    def load(cls, preset: Preset) -> Self | None:
        """The gate of a preset, or None where its card names none.

        Raises
        ------
        WeightsCorrupt
            The file is missing, is not the one that the card names, or is of a version without the lungs' shapes.
        """
        data = verified_gate(preset)
        if data is None:
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if not set(ARRAYS) <= set(arrays.files):
                raise WeightsCorrupt(
                    f"The quality gate of preset {preset.name!r} was fitted by another version of cxrkit.",
                    "Fit it again with scripts/fit_quality.py.",
                )
            return cls(**{name: arrays[name].astype(np.float32) for name in ARRAYS})
