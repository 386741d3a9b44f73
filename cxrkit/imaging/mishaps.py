"""What happens to radiographs on their way to a reader: turned, inverted, lettered, blurred, cut off.

Each is made of a radiograph that is at hand, so that a model can be asked about it before and after.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.imaging.degradation import degrade
from cxrkit.radiograph import Radiograph

Floats = npt.NDArray[np.float32]
MARKER_BAND = 0.08
"""Share of each side in which `lettered` keeps its marker: about where markers stand on real films."""


class Mishap(NamedTuple):
    """What happened, in a word and in a sentence, and what became of the radiograph."""

    name: str
    words: str
    radiograph: Radiograph


def _changed(radiograph: Radiograph, pixels: npt.NDArray[np.floating], what: str) -> Radiograph:
    # the spacing is dropped, because some of these pictures have another
    notes = (*radiograph.notes, f"Changed on purpose: {what}.")
    cut = np.clip(pixels, 0, 1).astype(np.float32)
    return dataclasses.replace(radiograph, pixels=cut, spacing_mm=None, notes=notes)


def lettered(radiograph: Radiograph, words: str = "PORTABLE", *, brightness: float = 1.0) -> Radiograph:
    """A copy with a lettered marker on the left, turned upright along the edge, within `MARKER_BAND`.

    Parameters
    ----------
    words
        Plain letters and digits.
    brightness
        0 to 1, of the letters.
    """
    height, width = radiograph.pixels.shape
    thick = int(MARKER_BAND * width)
    stroke = max(1, round(thick / 12))
    (across, up), below = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 1.0, stroke)
    scale = min((thick - 2 * stroke - 2) / (up + below), 0.8 * height / across)
    size = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)[0]
    ink = np.zeros((thick, height), np.uint8)  # OpenCV letters 8-bit pictures only, and only from left to right
    cv2.putText(
        ink,
        words,
        ((height - size[0]) // 2, (thick + size[1]) // 2),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        255,
        stroke,
        cv2.LINE_AA,
    )
    cover = np.zeros((height, width), np.float32)
    cover[:, :thick] = np.rot90(ink).astype(np.float32) / 255
    return _changed(radiograph, radiograph.pixels * (1 - cover) + brightness * cover, f"marker {words!r} at the border")


def _framed(radiograph: Radiograph) -> Floats:
    pixels = radiograph.pixels.copy()
    band = max(1, round(0.05 * min(pixels.shape)))
    pixels[:band], pixels[-band:], pixels[:, :band], pixels[:, -band:] = 1, 1, 1, 1
    return pixels


def _cropped(radiograph: Radiograph) -> Floats:
    """The upper 62 % of a radiograph: the lung bases are gone."""
    return radiograph.pixels[: max(1, round(0.62 * radiograph.height))]


_MADE: tuple[tuple[str, str, Callable[[Radiograph], npt.NDArray[np.floating]]], ...] = (
    ("Inverted", "Black and white exchanged, as in a file whose header was lost.", lambda r: 1 - r.pixels),
    ("On its side", "Turned by a quarter.", lambda r: np.rot90(r.pixels)),
    ("Mirrored", "Left and right exchanged: the heart lies on the wrong side.", lambda r: r.pixels[:, ::-1]),
    ("White frame", "A bright rim, as of a scanned film.", _framed),
    ("Bases cut off", "The lower 38 % lie outside of the picture.", _cropped),
)
_DEGRADED: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("Blurred", "Out of focus: a Gaussian of 1.2 % of the width.", {"blur": 0.012}),
    ("Too dark", "Exposed too little, or shown in a wrong window (gamma 2).", {"gamma": 2.0}),
    ("Noisy", "Grain of a tenth of full white.", {"noise": 0.1}),
    ("Small in the frame", "Seven tenths of its size, black around it.", {"shrink": 0.7}),
)


def mishaps(radiograph: Radiograph) -> tuple[Mishap, ...]:
    """The radiograph as it is, and what becomes of it in ten mishaps."""
    found = [Mishap("As it is", "Nothing was changed.", radiograph)]
    found += [Mishap(name, words, _changed(radiograph, make(radiograph), name)) for name, words, make in _MADE]
    found.append(Mishap("Marker at the border", "Letters along the left edge.", lettered(radiograph)))
    found += [Mishap(name, words, degrade(radiograph, changes)) for name, words, changes in _DEGRADED]
    return tuple(found)
