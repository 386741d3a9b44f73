"""The one preprocessing: training, evaluation, dashboard, API and bulk scoring all come through here."""

from __future__ import annotations

from collections.abc import Sequence
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
    @property
    def border(self) -> float: ...


_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of ImageNet's pixels on 0..1, red, green, blue
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_CAFFE_MEAN = np.array([103.939, 116.779, 123.68], np.float32)  # on 0..255, blue, green, red


def _cut(side: int, border: float) -> int:
    """Whole pixels that a border takes off either end of a side; at least one pixel is left."""
    return min(int(border * side + 1e-9), (side - 1) // 2)  # 0.29 * 100 is just below 29


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


def covered_box(height: int, width: int, geometry: str, border: float = 0.0) -> Box:
    """The part of an H x W radiograph that the square network input shows, in pixels.

    Of what is left within the border, ``"squash"``: the whole. ``"crop"``: the central square.
    ``"pad"``: the smallest centred square around the whole, reaching beyond its edges. The numbers are
    whole: the very ones of `to_square`.
    """
    x, y = _cut(width, border), _cut(height, border)
    left, top, right, bottom = _placed(height - 2 * y, width - 2 * x, geometry)
    return Box(*map(float, (left + x, top + y, right + x, bottom + y)))


def to_square(pixels: Floats, geometry: str, size: int, border: float = 0.0) -> Floats:
    """Bring H x W pixels in 0..1 to size x size by the geometry rule, without their border.

    The border is a share of each side, cut off at both of its ends. Shrinking averages over areas, so
    that fine noise does not alias; enlarging is linear; each axis as it needs. Padding is black (0).
    """
    height, width = pixels.shape
    x, y = _cut(width, border), _cut(height, border)
    pixels = pixels[y : height - y, x : width - x]
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


def standard_plane(squares: Floats) -> Floats:
    """(..., S, S) at zero mean and unit variance, each image on its own; a constant one becomes all zero."""
    if squares.ndim == 2:  # the same in one pass
        mean, deviation = (value[0, 0] for value in cv2.meanStdDev(squares))
        plane = squares - np.float32(mean)
        plane *= np.float32(1 / max(deviation, 1e-6))  # without another array, which costs more than the product
        return np.asarray(plane, np.float32)
    mean = squares.mean(axis=(-2, -1), keepdims=True, dtype=np.float64)
    deviation = squares.std(axis=(-2, -1), keepdims=True, dtype=np.float64)
    return np.asarray((squares - mean) / np.maximum(deviation, 1e-6), np.float32)


def standardise(squares: Floats, intensity: str, out: Floats | None = None) -> Floats:
    """Network input of grey images in 0..1 by the intensity rule, each image on its own.

    Parameters
    ----------
    squares
        (..., S, S).
    intensity
        ``"sample-standard"`` gives zero mean and unit variance (a constant image becomes all zero);
        ``"unit"`` leaves 0..1; ``"symmetric"`` gives -1..1; ``"imagenet"`` subtracts ImageNet's mean of
        each channel and divides by its deviation; ``"caffe"`` gives 0..255 less ImageNet's mean, channels
        in the order blue, green, red; ``"xrv"`` gives -1024..1024.
    out
        (..., S, S, 3) float32, contiguous: what is to be filled and returned, instead of a new array.

    Returns
    -------
    ndarray
        (..., S, S, 3) float32.
    """
    if intensity == "imagenet":
        return _kept((squares[..., None] - _MEAN) / _DEVIATION, out)
    if intensity == "caffe":
        return _kept(squares[..., None] * np.float32(255) - _CAFFE_MEAN, out)
    if intensity == "unit":
        plane = squares.astype(np.float32)
    elif intensity == "sample-standard":
        plane = standard_plane(squares)
    elif intensity == "symmetric":
        plane = np.asarray(squares * 2 - 1, dtype=np.float32)
    elif intensity == "xrv":
        plane = np.asarray((squares * 2 - 1) * 1024, dtype=np.float32)
    else:
        raise ValueError(f"unknown intensity rule {intensity!r}")
    if plane.ndim == 2:  # the same five times as fast
        return np.asarray(cv2.cvtColor(plane, cv2.COLOR_GRAY2BGR, dst=out))
    return _kept(np.repeat(plane[..., None], 3, axis=-1), out)


def _kept(values: npt.NDArray[np.floating], out: Floats | None) -> Floats:
    if out is None:
        return np.asarray(values, dtype=np.float32)
    out[...] = values
    return out


def to_tensor(radiograph: Radiograph, rule: InputRule) -> Floats:
    """Network input of a radiograph: float32 of shape (1, S, S, 3).

    Scale to 0..1 (the radiograph is already), cut the rule's border off, resize by its geometry, then its
    intensity.
    """
    return to_tensors([radiograph], rule)


def to_tensors(radiographs: Sequence[Radiograph], rule: InputRule) -> Floats:
    """`to_tensor` of n radiographs, one after the other: float32 of shape (n, S, S, 3)."""
    side = rule.input_size
    tensors = np.empty((len(radiographs), side, side, 3), np.float32)
    for radiograph, tensor in zip(radiographs, tensors, strict=True):
        standardise(to_square(radiograph.pixels, rule.geometry, side, rule.border), rule.intensity, out=tensor)
    return tensors
