"""Augmentation: each training image a little turned, shifted, stretched and exposed otherwise."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.training.recipe import Augmentation

Floats = npt.NDArray[np.float32]


def augment(square: Floats, rule: Augmentation, random: np.random.Generator) -> Floats:
    """Change one S x S image in 0..1 at random; returns a new S x S float32 image in 0..1.

    The geometric changes are one affine resampling about the centre; edges are mirrored outwards so
    that no black wedge betrays the rotation.
    """
    size = square.shape[0]
    angle = np.deg2rad(random.uniform(-rule.rotation, rule.rotation))
    zoom = np.exp(random.uniform(-1, 1) * np.log1p(rule.zoom))
    stretch = np.exp(random.uniform(-1, 1) * np.log1p(rule.aspect) / 2)
    shift = random.uniform(-rule.shift, rule.shift, size=2) * size
    sign = -1.0 if rule.flip and random.random() < 0.5 else 1.0
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([sign * zoom * stretch, zoom / stretch])
    centre = np.array([(size - 1) / 2, (size - 1) / 2])
    affine = np.hstack([linear, (centre + shift - linear @ centre)[:, None]])
    moved = cv2.warpAffine(square, affine, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)

    gain = np.exp(random.uniform(-rule.contrast, rule.contrast))
    offset = random.uniform(-rule.brightness, rule.brightness)
    power = np.exp(random.uniform(-rule.gamma, rule.gamma))
    exposed = np.clip((np.asarray(moved) - 0.5) * gain + 0.5 + offset, 0.0, 1.0) ** power
    deviation = random.uniform(0.0, rule.noise)
    exposed = exposed + random.standard_normal(exposed.shape, dtype=np.float32) * np.float32(deviation)
    return np.clip(exposed, 0.0, 1.0).astype(np.float32)
