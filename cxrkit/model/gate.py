"""The part of the quality gate that looks at the network's features: is this a frontal chest, and how does it lie?

From the feature maps of the one pass come a few thousand numbers: the average of each channel and its difference
between the upper and the lower, the left and the right half. A linear classifier tells upright radiographs from those
that were turned or inverted, from screens that show one, and from drawn counterexamples; and the distance to the
nearest radiographs of the training set (Sun et al. 2022, arXiv 2204.06507) tells what is unlike all of them.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cxrkit.model.head import Head
from cxrkit.preset import Preset
from cxrkit.quality import Correction, QualityIssue

Floats = npt.NDArray[np.float32]

GATE_FILE = "quality_gate.npz"
NEIGHBOURS = 5
QUARTERS: tuple[tuple[Correction, ...], ...] = ((), ("rotate-90",), ("rotate-180",), ("rotate-270",))
PLACEMENTS: tuple[tuple[Correction, ...], ...] = (*QUARTERS, *((*turn, "invert") for turn in QUARTERS))
"""What brings a picture into place that was turned counter-clockwise by 0 to 3 quarters; then the same inverted."""

SCREEN, OTHER = len(PLACEMENTS), len(PLACEMENTS) + 1
CLASSES = OTHER + 1
ARRAYS = ("centre", "scale", "kernel", "bias", "axes", "spread", "upright", "references", "limits")


def placed(pixels: Floats, placement: int) -> Floats:
    """Pixels that are turned and inverted so that `PLACEMENTS` of that number brings them into place."""
    turned = np.rot90(pixels, placement % 4)
    return np.ascontiguousarray(np.float32(1) - turned if placement >= 4 else turned, dtype=np.float32)


def descriptor(features: Floats, head: Head) -> Floats:
    """(n, H, W, K) feature maps -> (n, 3 K): averages, upper less lower half, left less right half."""
    x = head.before_average(features)
    rows, columns = x.shape[1] // 2, x.shape[2] // 2
    parts = [x.mean(axis=(1, 2))]
    if rows and columns:
        parts.append(x[:, :rows].mean(axis=(1, 2)) - x[:, -rows:].mean(axis=(1, 2)))
        parts.append(x[:, :, :columns].mean(axis=(1, 2)) - x[:, :, -columns:].mean(axis=(1, 2)))
    return np.concatenate(parts, axis=1).astype(np.float32)


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
        To the training radiographs, over the limit.
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
    limits
        Largest mean distance to the `NEIGHBOURS` nearest, and largest distance from the space of the axes; then the
        log-odds above which a picture counts as misplaced, as a screen, and as no radiograph.
    """

    centre: Floats
    scale: Floats
    kernel: Floats
    bias: Floats
    axes: Floats
    spread: Floats
    upright: Floats
    references: Floats
    limits: Floats

    def scores(self, described: Floats) -> Floats:
        """(n, D) descriptors -> (n, 5), in the order of `limits`."""
        standard = (described - self.centre) / self.scale
        logits = standard @ self.kernel + self.bias
        logits = logits - logits.max(axis=1, keepdims=True)
        share = np.exp(logits)
        share /= share.sum(axis=1, keepdims=True)
        groups = np.stack([share[:, 1:SCREEN].sum(axis=1), share[:, SCREEN], share[:, OTHER]], axis=1)
        groups = np.clip(groups, 1e-12, 1 - 1e-7)
        around = standard - self.upright
        along = around @ self.axes
        beyond = np.sqrt(np.maximum((around**2).sum(axis=1) - (along**2).sum(axis=1), 0) / around.shape[1])
        at = along / self.spread
        squares = (at**2).sum(axis=1)[:, None] - 2 * at @ self.references.T + (self.references**2).sum(axis=1)
        nearest = np.sort(np.sqrt(np.maximum(squares, 0)), axis=1)[:, :NEIGHBOURS].mean(axis=1)
        return np.column_stack([nearest, beyond, np.log(groups / (1 - groups))]).astype(np.float32)

    def placement(self, described: Floats) -> npt.NDArray[np.int64]:
        """(n, D) -> (n,) the most probable number in `PLACEMENTS`, upright included."""
        logits = ((described - self.centre) / self.scale) @ self.kernel + self.bias
        return np.asarray(logits[:, :SCREEN].argmax(axis=1))

    def judge(self, described: Floats) -> Verdict:
        """The verdict on one (1, D) descriptor."""
        scores, limits = self.scores(described)[0], self.limits
        turned = int(self.placement(described)[0])
        proposed = PLACEMENTS[turned] if scores[2] > limits[2] else ()
        distance = float((scores[:2] / limits[:2]).max())
        return Verdict(proposed, bool(scores[3] > limits[3]), bool(scores[4] > limits[4]), distance)

    # -- files ---------------------------------------------------------------------------------

    def save(self, path: Path) -> str:
        """Write the arrays, the large ones in float16; return the file's sha256."""
        buffer = io.BytesIO()
        halved = {"kernel", "axes", "references"}
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
            The file is missing, or is not the one that the card names.
        """
        data = preset.verified_gate()
        if data is None:
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(**{name: arrays[name].astype(np.float32) for name in ARRAYS})
