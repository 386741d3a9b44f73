"""Small kernels to try on a picture: what one convolution answers to."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Kernel(NamedTuple):
    """A kernel by name, with what it answers to and its (h, w) weights."""

    name: str
    words: str
    weights: Floats


def _of(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows, dtype=np.float32)


KERNELS: tuple[Kernel, ...] = (
    Kernel(
        "Upright edges",
        "Answers where dark turns into bright from left to right (positive), or the other way round (negative).",
        _of((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    ),
    Kernel(
        "Level edges",
        "Answers where dark turns into bright downwards: ribs from above, the diaphragm.",
        _of((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    ),
    Kernel(
        "Points and thin lines",
        "Answers to what differs from its surroundings on all sides: vessels, noise, lettering.",
        _of((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    ),
    Kernel(
        "Blobs",
        "Answers to a bright patch of about five pixels on a darker ground.",
        _of(
            (-1, -1, -1, -1, -1, -1, -1),
            (-1, -1, 1, 1, 1, -1, -1),
            (-1, 1, 2, 2, 2, 1, -1),
            (-1, 1, 2, 4, 2, 1, -1),
            (-1, 1, 2, 2, 2, 1, -1),
            (-1, -1, 1, 1, 1, -1, -1),
            (-1, -1, -1, -1, -1, -1, -1),
        )
        - np.float32(4 / 49),
    ),
    Kernel("Mean", "Answers to brightness alone, and blurs: every weight is the same.", np.full((5, 5), 1 / 25, "f4")),
)
"""Drawn by hand; a network learns its own."""


def respond(pixels: Floats, weights: Floats) -> Floats:
    """What a kernel answers at every position: the sum of weights times pixels, as networks compute it.

    Parameters
    ----------
    pixels
        (H, W); beyond its edges it goes on mirrored.
    weights
        (h, w), both odd.

    Returns
    -------
    ndarray
        (H, W) float32.
    """
    return np.asarray(cv2.filter2D(pixels, cv2.CV_32F, weights, borderType=cv2.BORDER_REFLECT_101), np.float32)
