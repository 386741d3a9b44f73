"""Finding the lungs: a small segmentation network of its own, the same for every preset.

It tells how much of a map's evidence lies outside of the lungs and whether a part of them is cut off. It is a U-Net
(Ronneberger et al. 2015, arXiv 1505.04597) of 128 x 128 pixels, trained by ``scripts/train_lungs.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.imaging.derived import working_copy
from cxrkit.imaging.preprocessing import standard_plane, to_square
from cxrkit.lung_card import LUNGS, LungCard, load_card
from cxrkit.model.compiled import Blueprint, compiled_form
from cxrkit.model.runtimes import Runtime, RuntimeName, chosen
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
SIDE = 128
"""Rows and columns of the network's input and of the mask."""

EDGE_LIMIT = 0.2
"""Share of one side of the picture above which the lung that lies on it is cut off."""

LEAST = 0.05
"""Share of the picture below which what was found is no pair of lungs; both together cover about a quarter."""


def lung_input(pixels: Floats) -> Floats:
    """(128, 128, 1) network input of H x W pixels in 0..1; the proportions are not kept."""
    return standard_plane(to_square(pixels, "squash", SIDE))[..., None]


def lung_tensor(radiograph: Radiograph) -> Floats:
    """`lung_input` of a radiograph, from its working copy; kept with the radiograph, for all models that read it."""
    return radiograph.derived(_lung_tensor)


def _lung_tensor(radiograph: Radiograph) -> Floats:
    return lung_input(working_copy(radiograph))


def lung_mask(logits: Floats) -> Mask:
    """The two largest regions above 0 of a map of logits (H x W), without specks and holes.

    All False where they cover less than `LEAST` of the picture.
    """
    above = (logits > 0).view(np.uint8)
    count, regions, facts, _ = cv2.connectedComponentsWithStats(above, connectivity=4, ltype=cv2.CV_16U)
    sizes = facts[:, cv2.CC_STAT_AREA]
    largest = sorted(range(1, count), key=lambda k: -int(sizes[k]))[:2]
    chosen = np.zeros(above.shape, np.bool_)
    for k in largest:
        if sizes[k] >= 0.1 * sizes[largest[0]]:
            chosen |= regions == k
    # corners alone: between them a contour runs straight or along a diagonal, so that the same is filled
    outer, _ = cv2.findContours(chosen.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled: Mask = cv2.drawContours(np.zeros(above.shape, np.uint8), outer, -1, 1, -1).view(np.bool_)
    return filled if np.count_nonzero(filled) >= LEAST * filled.size else np.zeros(above.shape, np.bool_)


class LungFinder:
    """The shipped lung network, verified; safe to share between threads.

    Raises
    ------
    WeightsMissing, WeightsCorrupt, WeightsMismatch, PresetInvalid
        As for a preset; `load` returns None where there is no card at all.
    """

    def __init__(self, card: LungCard, folder: Path, runtime: RuntimeName = "auto", *, bulk: bool = False) -> None:
        self.card = card
        self._runtime = _opened(chosen(runtime), card, folder, bulk)

    def find(self, pixels: Floats) -> Mask:
        """128 x 128 mask of the lungs in H x W pixels in 0..1, each axis scaled on its own."""
        return self.masks([lung_input(pixels)])[0]

    def begin(self, tensor: Floats) -> Callable[[], Mask]:
        """Begin to find those of one `lung_tensor`; what is returned waits for the mask and must be called once."""
        finish = self._runtime.begin(tensor[None])
        return lambda: _mask_of(finish()[0, ..., 0])

    def masks(self, tensors: Sequence[Floats]) -> list[Mask]:
        """Masks of the lungs, in one pass, from inputs of the network: see `lung_tensor`."""
        logits = self._runtime.features(np.stack(tensors))
        return [_mask_of(one) for one in logits[..., 0]]


def _mask_of(logits: Floats) -> Mask:
    # enlarged as the network's last layer would do it, in a tenth of the time
    return lung_mask(cv2.resize(logits, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))


def _opened(runtime: RuntimeName, card: LungCard, folder: Path, bulk: bool) -> Runtime:
    if runtime == "openvino":
        from cxrkit.model.openvino_runtime import OpenVinoRuntime

        form = compiled_form(Blueprint.of_lungs(card, folder))
        return OpenVinoRuntime(form.trunk, bulk=bulk, singly=not bulk)
    from cxrkit.model.checkpoints import load_layers
    from cxrkit.model.keras_runtimes import open_runtime
    from cxrkit.model.lung_network import build_lung_network, without_enlargement

    network = build_lung_network()
    load_layers(network, card.verified_weights(folder))
    return open_runtime(runtime, without_enlargement(network))


def shipped_finder(folder: Path = LUNGS, runtime: RuntimeName = "auto", *, bulk: bool = False) -> LungFinder | None:
    """The lung network in a folder, loaded once; None where there is no card.

    It ships with cxrkit and serves every preset, those of other weights folders, too.
    """
    card = load_card(folder)
    return None if card is None else _finder(folder, card, chosen(runtime), bulk)


@lru_cache(maxsize=4)
def _finder(folder: Path, card: LungCard, runtime: RuntimeName, bulk: bool) -> LungFinder:
    return LungFinder(card, folder, runtime, bulk=bulk)


def share_inside(mask: Mask, box: Box, height: int, width: int, grid: tuple[int, int]) -> Floats | None:
    """How much of each cell of a map's grid is lung.

    Parameters
    ----------
    mask
        Of the whole radiograph, of any resolution.
    box
        The part of the radiograph of `height` x `width` pixels that the grid covers; what is beyond it is no lung.
    grid
        Rows and columns of the map.

    Returns
    -------
    ndarray or None
        `grid` float32 in 0..1; None when no lungs were found.
    """
    if not mask.any():
        return None
    down = _overlaps(box.top, box.bottom, height, mask.shape[0], grid[0])
    across = _overlaps(box.left, box.right, width, mask.shape[1], grid[1])
    return np.asarray(down @ mask.astype(np.float32) @ across.T)


def _overlaps(first: float, last: float, size: int, cells: int, parts: int) -> Floats:
    """(parts, cells) share of each part of an edge of the box that lies in each cell of the mask."""
    ends = (first + (last - first) / parts * np.arange(parts + 1))[:, None] / size * cells
    edges = np.arange(cells + 1)
    common = np.minimum(ends[1:], edges[1:]) - np.maximum(ends[:-1], edges[:-1])
    return np.asarray(np.maximum(common, 0) / (ends[1] - ends[0]), np.float32)


def outside_shares(maps: Floats, inside: Floats | None) -> list[float | None]:
    """Per map of (C, H, W) the share of its evidence that lies outside of the lungs.

    None where there is no evidence, or no lungs. The evidence of a cell counts as spread evenly over it, although what
    a cell has seen reaches further.
    """
    if inside is None:
        return [None] * len(maps)
    totals, within = maps.sum(axis=(1, 2)).tolist(), (maps * inside).sum(axis=(1, 2)).tolist()
    return [1 - part / total if total > 0 else None for total, part in zip(totals, within, strict=True)]


def edge_share(mask: Mask) -> float:
    """How much of the picture's edge is lung: the largest share of its four sides."""
    return max(np.count_nonzero(side) / side.size for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
