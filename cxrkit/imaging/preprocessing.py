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


def covered_box(height: int, width: int, geometry: str) -> Box:
    """The part of an H x W radiograph that the square network input shows, in pixels.

    ``"squash"``: the whole. ``"crop"``: the central square. ``"pad"``: the smallest centred square
    around the whole, reaching beyond its edges.
    """
    if geometry == "squash":
        return Box(0.0, 0.0, float(width), float(height))
    if geometry in ("crop", "pad"):
        side = float(min(height, width) if geometry == "crop" else max(height, width))
        left, top = (width - side) / 2, (height - side) / 2
        return Box(left, top, left + side, top + side)
    raise ValueError(f"unknown geometry {geometry!r}")


def to_square(pixels: Floats, geometry: str, size: int) -> Floats:
    """Bring H x W pixels in 0..1 to size x size by the geometry rule.

    Shrinking averages over areas, so that fine noise does not alias; enlarging is linear. Padding is
    black (0).
    """
    height, width = pixels.shape
    if geometry == "crop" and height != width:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[top : top + side, left : left + side]
    elif geometry == "pad" and height != width:
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        padding = (top, side - height - top, left, side - width - left)
        pixels = cv2.copyMakeBorder(pixels, *padding, cv2.BORDER_CONSTANT, value=0.0)
    elif geometry not in ("squash", "crop", "pad"):
        raise ValueError(f"unknown geometry {geometry!r}")
    if pixels.shape == (size, size):
        return np.array(pixels, dtype=np.float32)
    shrinking = max(pixels.shape) > size
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
