"""Radiographs made worse on purpose: how much does a model depend on sharpness, framing and exposure?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.errors import ManifestError
from cxrkit.radiograph import Radiograph

Floats = npt.NDArray[np.float32]


def _blur(pixels: Floats, share: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), share * pixels.shape[1]), dtype=np.float32)


def _shrink(pixels: Floats, factor: float) -> Floats:
    height, width = pixels.shape
    smaller = cv2.resize(
        pixels, (max(1, round(factor * width)), max(1, round(factor * height))), None, 0, 0, cv2.INTER_AREA
    )
    framed = np.zeros_like(pixels)
    top, left = (height - smaller.shape[0]) // 2, (width - smaller.shape[1]) // 2
    framed[top : top + smaller.shape[0], left : left + smaller.shape[1]] = smaller
    return framed


def _gamma(pixels: Floats, exponent: float) -> Floats:
    return np.asarray(pixels ** np.float32(exponent), dtype=np.float32)


def _noise(pixels: Floats, deviation: float) -> Floats:
    # begun anew for each image, so that it is degraded in the same way whatever was scored before it
    random = np.random.default_rng(0)
    return pixels + random.standard_normal(pixels.shape, dtype=np.float32) * np.float32(deviation)


class _Change(NamedTuple):
    apply: Callable[[Floats, float], Floats]
    low: float
    high: float


CHANGES: Mapping[str, _Change] = {
    "blur": _Change(_blur, 0.0005, 0.1),
    "shrink": _Change(_shrink, 0.5, 1.0),
    "gamma": _Change(_gamma, 0.1, 10.0),
    "noise": _Change(_noise, 0.0, 1.0),
}
"""What can be done to an image, and between which amounts; `degrade` says what each amount is."""


def parse_degradation(pairs: Mapping[str, str]) -> dict[str, float]:
    """Changes and their amounts from text, in the order given.

    Raises
    ------
    ManifestError
        A change is unknown, or its amount is not a number in its range.
    """
    changes = {}
    for name, text in pairs.items():
        if name not in CHANGES:
            raise ManifestError(f"Images cannot be degraded by {name!r}.", f"Choose from {', '.join(CHANGES)}.")
        change = CHANGES[name]
        try:
            amount = float(text)
        except ValueError:
            amount = float("nan")
        if not change.low <= amount <= change.high:  # also false for NaN
            raise ManifestError(
                f"{text!r} is no amount of {name}.", f"Give a number between {change.low:g} and {change.high:g}."
            )
        changes[name] = amount
    return changes


def degrade(radiograph: Radiograph, changes: Mapping[str, float]) -> Radiograph:
    """A copy of a radiograph whose pixels were made worse, with a note that says so.

    Parameters
    ----------
    radiograph
        H x W pixels in 0..1.
    changes
        Done in their order: ``blur``, standard deviation of a Gaussian as a share of the width; ``shrink``,
        the factor by which the image is made smaller about its centre, black around it; ``gamma``, an
        exponent of the pixels (above 1 darkens); ``noise``, standard deviation of white noise, the same
        for equal images. The result is cut to 0..1.
    """
    pixels = radiograph.pixels
    for name, amount in changes.items():
        pixels = np.clip(CHANGES[name].apply(pixels, amount), 0.0, 1.0)
    notes = (*radiograph.notes, f"Degraded: {describe(changes)}.")
    # the spacing is dropped, because a shrunken image has another
    return dataclasses.replace(radiograph, pixels=pixels, spacing_mm=None, notes=notes)


def describe(changes: Mapping[str, float]) -> str:
    """The changes in words, such as ``"blur 0.009, gamma 1.5"``."""
    return ", ".join(f"{name} {amount:g}" for name, amount in changes.items())
