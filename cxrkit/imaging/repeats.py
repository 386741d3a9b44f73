"""A radiograph as it might have come out a second time: changed a little, in ways that mean nothing for a finding."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.radiograph import Radiograph

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SmallChanges:
    """Ranges of what is changed; each is drawn evenly from minus to plus its range, unless said otherwise.

    Attributes
    ----------
    rotation
        Degrees.
    shift, scale
        Shares of the side, and of the size.
    exposure
        Change of brightness as a share of the whole range of grey.
    gamma
        The exponent of the pixels lies between ``exp(-gamma)`` and ``exp(gamma)``.
    noise
        Largest standard deviation of white noise, as a share of the whole range of grey; from 0 on.
    quality
        Lowest and highest JPEG quality that the picture is compressed with.
    """

    rotation: float = 2.0
    shift: float = 0.02
    scale: float = 0.03
    exposure: float = 0.03
    gamma: float = 0.1
    noise: float = 0.01
    quality: tuple[int, int] = (75, 95)

    def describe(self) -> tuple[str, ...]:
        """Each change with its range, in words."""
        low, high = np.exp(-self.gamma), np.exp(self.gamma)
        return (
            f"rotation up to {self.rotation:g} degrees either way",
            f"shift up to {100 * self.shift:g} % of the side",
            f"scale up to {100 * self.scale:g} % larger or smaller",
            f"brightness up to {100 * self.exposure:g} % of the grey range",
            f"gamma {low:.2f} to {high:.2f}",
            f"white noise up to {100 * self.noise:g} % of the grey range",
            f"JPEG compression of quality {self.quality[0]} to {self.quality[1]}",
        )


SMALL = SmallChanges()
"""What the repeatability of the presets is measured with."""


def repeat(radiograph: Radiograph, changes: SmallChanges, random: np.random.Generator) -> Radiograph:
    """A copy of a radiograph with all of the changes at once, each drawn anew.

    Edges are mirrored outwards, so that no black wedge tells of the rotation.

    Parameters
    ----------
    radiograph
        H x W pixels in 0..1.
    changes
        Their ranges.
    random
        Where the draws come from: the same state gives the same copy.
    """
    height, width = radiograph.pixels.shape
    angle, zoom = random.uniform(-1, 1) * changes.rotation, 1 + random.uniform(-1, 1) * changes.scale
    across, down = random.uniform(-changes.shift, changes.shift, size=2)
    affine = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, zoom)
    affine[:, 2] += across * width, down * height
    moved = cv2.warpAffine(
        radiograph.pixels, affine, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    power = np.float32(np.exp(random.uniform(-changes.gamma, changes.gamma)))
    brighter = np.float32(random.uniform(-changes.exposure, changes.exposure))
    exposed = np.clip(np.asarray(moved, np.float32), 0, 1) ** power + brighter
    deviation = np.float32(random.uniform(0, changes.noise))
    exposed += random.standard_normal(exposed.shape, dtype=np.float32) * deviation
    pixels = _compressed(np.clip(exposed, 0, 1), int(random.integers(changes.quality[0], changes.quality[1] + 1)))
    # the spacing is dropped, because a scaled picture has another
    return dataclasses.replace(radiograph, pixels=pixels, spacing_mm=None)


def _compressed(pixels: Floats, quality: int) -> Floats:
    levels = np.rint(pixels * 255).astype(np.uint8)
    done, encoded = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not compress the picture")
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)
