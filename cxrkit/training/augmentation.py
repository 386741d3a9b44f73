"""Augmentation: each training image a little turned, shifted, stretched and exposed otherwise."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.training.recipe import Augmentation

Floats = npt.NDArray[np.float32]
_LEAST_BLUR = 0.1
"""Pixels; below it a Gaussian is the image itself, and OpenCV takes 0 for "work it out"."""


def augment(square: Floats, rule: Augmentation, random: np.random.Generator) -> Floats:
    """Change one S x S image in 0..1 at random; returns a new S x S float32 image in 0..1.

    The geometric changes (shear, stretch, zoom and left-right mirroring, then rotation, then shift) are
    one affine resampling about the centre; edges are mirrored outwards so that no black wedge betrays
    the rotation. The image is never turned upside down: no film hangs so. A rule of zeros changes nothing.

    Parameters
    ----------
    square
        S x S float32 in 0..1.
    rule
        Ranges of the changes.
    random
        Where the draws come from: the same state gives the same image.
    """
    size = square.shape[0]
    angle = np.deg2rad(random.uniform(-rule.rotation, rule.rotation))
    zoom = np.exp(random.uniform(-1, 1) * np.log1p(rule.zoom))
    stretch = np.exp(random.uniform(-1, 1) * np.log1p(rule.aspect) / 2)
    shift = random.uniform(-rule.shift, rule.shift, size=2) * size
    sign = -1.0 if rule.flip and random.random() < 0.5 else 1.0
    cosine, sine = np.cos(angle), np.sin(angle)
    # drawn only where asked for (blur and erase too), so that rules without it keep their stream of draws
    lean = random.uniform(-rule.shear, rule.shear) if rule.shear else 0.0
    scaled = np.diag([sign * zoom * stretch, zoom / stretch]) @ np.array([[1.0, lean], [0.0, 1.0]])
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ scaled
    centre = np.array([(size - 1) / 2, (size - 1) / 2])
    affine = np.hstack([linear, (centre + shift - linear @ centre)[:, None]])
    moved = cv2.warpAffine(square, affine, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)

    # plain floats: numpy's own would turn the image to double precision, which takes twice the time
    gain = float(np.exp(random.uniform(-rule.contrast, rule.contrast)))
    offset = float(random.uniform(-rule.brightness, rule.brightness))
    power = float(np.exp(random.uniform(-rule.gamma, rule.gamma)))
    exposed = np.clip((np.asarray(moved, dtype=np.float32) - 0.5) * gain + (0.5 + offset), 0.0, 1.0) ** power
    if rule.blur and random.random() < 0.5:
        exposed = cv2.GaussianBlur(exposed, (0, 0), max(random.uniform(0.0, rule.blur) * size, _LEAST_BLUR))
    deviation = np.float32(random.uniform(0.0, rule.noise))
    if deviation > 0:
        exposed += random.standard_normal(exposed.shape, dtype=np.float32) * deviation
    if rule.erase and random.random() < 0.5:
        _erase(exposed, rule.erase, random)
    return np.clip(exposed, 0.0, 1.0)


def _erase(square: Floats, largest: float, random: np.random.Generator) -> None:
    """Paint a rectangle over with the mean, so that no single spot can carry the whole decision."""
    size = square.shape[0]
    height, width = (max(1, round(random.uniform(0.0, largest) * size)) for _ in range(2))
    top, left = int(random.integers(0, size - height + 1)), int(random.integers(0, size - width + 1))
    square[top : top + height, left : left + width] = square.mean()
