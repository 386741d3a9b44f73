"""The one preprocessing: training, evaluation, dashboard, API and bulk scoring all come through here."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box

Floats = npt.NDArray[np.float32]


class InputRule(Protocol):
    """What of a preset decides how a radiograph becomes a tensor."""

    @property
    def input_size(self) -> int: ...
    @property
    def geometry(self) -> str: ...
    @property
    def intensity(self) -> str: ...


def _placed(height: int, width: int, geometry: str) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what the square shows, in whole pixels; beyond the edges for ``"pad"``.

    Where the margins cannot be equal, the one on the left or at the top is the smaller.
    """
    if geometry == "squash":
        return 0, 0, width, height
    if geometry == "crop":
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
    elif geometry == "pad":
        side = max(height, width)
        left, top = -((side - width) // 2), -((side - height) // 2)
    else:
        raise ValueError(f"unknown geometry {geometry!r}")
    return left, top, left + side, top + side


def covered_box(height: int, width: int, geometry: str) -> Box:
    """The part of an H x W radiograph that the square network input shows, in pixels.

    ``"squash"``: the whole. ``"crop"``: the central square. ``"pad"``: the smallest centred square
    around the whole, reaching beyond its edges. The numbers are whole: the very ones of `to_square`.
    """
    return Box(*map(float, _placed(height, width, geometry)))


def to_square(pixels: Floats, geometry: str, size: int) -> Floats:
    """Bring H x W pixels in 0..1 to size x size by the geometry rule.

    Shrinking averages over areas, so that fine noise does not alias; enlarging is linear; each axis as
    it needs. Padding is black (0).
    """
    height, width = pixels.shape
    left, top, right, bottom = _placed(height, width, geometry)
    pixels = pixels[max(top, 0) : bottom, max(left, 0) : right]
    margins = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    if any(margins):
        pixels = cv2.copyMakeBorder(pixels, *margins, cv2.BORDER_CONSTANT, value=0.0)
    if pixels.shape == (size, size):
        return np.array(pixels, dtype=np.float32)
    height, width = pixels.shape
    shrinking = max(height, width) > size
    if shrinking and min(height, width) < size:
        # Where one axis grows, OpenCV's INTER_AREA is linear along both: shrink the other one before.
        pixels = cv2.resize(pixels, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
        shrinking = False
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    square: Floats = np.asarray(cv2.resize(pixels, (size, size), interpolation=how), dtype=np.float32)
    return square


def standardise(squares: Floats, intensity: str) -> Floats:
    """Apply the intensity rule to ... x S x S images, each on its own; same shape, float32.

    ``"sample-standard"`` gives zero mean and unit variance (a constant image becomes all zero),
    ``"unit"`` leaves 0..1.
    """
    if intensity == "unit":
        return squares.astype(np.float32)
    if intensity == "sample-standard":
        mean = squares.mean(axis=(-2, -1), keepdims=True, dtype=np.float64)
        deviation = squares.std(axis=(-2, -1), keepdims=True, dtype=np.float64)
        return ((squares - mean) / np.maximum(deviation, 1e-6)).astype(np.float32)
    raise ValueError(f"unknown intensity rule {intensity!r}")


def to_tensor(radiograph: Radiograph, rule: InputRule) -> Floats:
    """Network input of a radiograph: float32 of shape (1, S, S, 3), three equal channels.

    Scale to 0..1 (the radiograph is already), resize by the rule's geometry, then the rule's intensity.
    """
    square = to_square(radiograph.pixels, rule.geometry, rule.input_size)
    plane = standardise(square, rule.intensity)
    return np.repeat(plane[None, :, :, None], 3, axis=3)
