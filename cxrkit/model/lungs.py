"""Finding the lungs: a small segmentation network of its own, the same for every preset.

It tells how much of a map's evidence lies outside of the lungs and whether a part of them is cut off. It is a U-Net
(Ronneberger et al. 2015, arXiv 1505.04597) of 128 x 128 pixels, trained by ``scripts/train_lungs.py``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from cxrkit.imaging.preprocessing import standardise, to_square
from cxrkit.lung_card import LUNGS, LungCard, load_card
from cxrkit.model.checkpoints import assign, read_layers
from cxrkit.model.runtimes import RuntimeName, open_runtime
from cxrkit.reading import Box

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
SIDE = 128
"""Rows and columns of the network's input and of the mask."""

WIDTHS = (16, 24, 48, 80)
"""Channels of the four levels, the first at half the resolution of the input."""

OUTPUT = "lung"
EDGE_LIMIT = 0.2
"""Share of one side of the picture above which the lung that lies on it is cut off."""

LEAST = 0.05
"""Share of the picture below which what was found is no pair of lungs; both together cover about a quarter."""


def build_lung_network() -> keras.Model:
    """(n, 128, 128, 1) standardised pixels -> (n, 128, 128, 1) logits, with random weights."""

    def block(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
        for k in "ab":
            x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_conv_{k}")(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm_{k}")(x)
            x = layers.ReLU()(x)
        return x

    start = keras.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(WIDTHS[0], 5, strides=2, padding="same", name="stem")(start)
    passed = []
    for level, width in enumerate(WIDTHS[:-1]):
        x = block(x, width, f"down{level}")
        passed.append(x)
        x = layers.MaxPooling2D()(x)
    x = block(x, WIDTHS[-1], "bottom")
    for level in range(len(WIDTHS) - 2, -1, -1):
        x = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(x), passed[level]])
        x = block(x, WIDTHS[level], f"up{level}")
    x = layers.Conv2D(1, 1, name=OUTPUT, dtype="float32")(x)
    return keras.Model(start, layers.UpSampling2D(interpolation="bilinear")(x), name="lungs")


def lung_input(pixels: Floats) -> Floats:
    """(128, 128, 1) network input of H x W pixels in 0..1; the proportions are not kept."""
    return standardise(to_square(pixels, "squash", SIDE), "sample-standard")[..., :1]


def lung_mask(logits: Floats) -> Mask:
    """The two largest regions above 0 of a map of logits (H x W), without specks and holes.

    All False where they cover less than `LEAST` of the picture.
    """
    above = (logits > 0).astype(np.uint8)
    count, regions, facts, _ = cv2.connectedComponentsWithStats(above, connectivity=4)
    sizes = facts[:, cv2.CC_STAT_AREA]
    largest = sorted(range(1, count), key=lambda k: -int(sizes[k]))[:2]
    kept = [k for k in largest if sizes[k] >= 0.1 * sizes[largest[0]]]
    mask = np.isin(regions, kept) if kept else np.zeros(above.shape, np.bool_)
    outer, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled: Mask = np.asarray(cv2.drawContours(np.zeros(above.shape, np.uint8), outer, -1, 1, -1) > 0)
    return filled if filled.mean() >= LEAST else np.zeros(above.shape, np.bool_)


class LungFinder:
    """The shipped lung network, verified; safe to share between threads.

    Raises
    ------
    WeightsMissing, WeightsCorrupt, WeightsMismatch, PresetInvalid
        As for a preset; `load` returns None where there is no card at all.
    """

    def __init__(self, card: LungCard, folder: Path, runtime: RuntimeName = "auto") -> None:
        self.card = card
        path = card.verified_weights(folder)
        network = build_lung_network()
        assign(network, read_layers(path)[0], file=card.weights_file)
        self._runtime = open_runtime(runtime, network)

    def find(self, pixels: Floats) -> Mask:
        """128 x 128 mask of the lungs in H x W pixels in 0..1, each axis scaled on its own."""
        return lung_mask(self._runtime.features(lung_input(pixels)[None])[0, ..., 0])


def shipped_finder(folder: Path = LUNGS) -> LungFinder | None:
    """The lung network in a folder, loaded once; None where there is no card.

    It ships with cxrkit and serves every preset, those of other weights folders, too.
    """
    card = load_card(folder)
    return None if card is None else _finder(folder, card)


@lru_cache(maxsize=2)
def _finder(folder: Path, card: LungCard) -> LungFinder:
    return LungFinder(card, folder)


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
    rows, columns = grid
    fine = 32  # samples along a side of a cell
    y = box.top + (np.arange(rows * fine) + 0.5) / (rows * fine) * (box.bottom - box.top)
    x = box.left + (np.arange(columns * fine) + 0.5) / (columns * fine) * (box.right - box.left)
    r, c = np.floor(y / height * mask.shape[0]).astype(int), np.floor(x / width * mask.shape[1]).astype(int)
    seen = np.zeros((rows * fine, columns * fine), np.float32)
    known_r, known_c = (r >= 0) & (r < mask.shape[0]), (c >= 0) & (c < mask.shape[1])
    seen[np.ix_(known_r, known_c)] = mask[np.ix_(r[known_r], c[known_c])]
    return np.asarray(seen.reshape(rows, fine, columns, fine).mean(axis=(1, 3)))


def outside_share(map_: Floats, inside: Floats | None) -> float | None:
    """Share of a map's evidence that lies outside of the lungs; None when there is no evidence, or no lungs.

    The evidence of a cell counts as spread evenly over it, although what a cell has seen reaches further.
    """
    total = float(map_.sum())
    return None if inside is None or total <= 0 else float(1 - (map_ * inside).sum() / total)


def edge_share(mask: Mask) -> float:
    """How much of the picture's edge is lung: the largest share of its four sides."""
    return max(float(side.mean()) for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
