"""What several parts ask of a radiograph's pixels, computed once and kept with it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.imaging.burned_in import find_text
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box

Floats = npt.NDArray[np.float32]

SIDE = 256
"""The longer side of a working copy has at least so many pixels, and less than twice as many, where it was shrunk."""


def working_copy(radiograph: Radiograph) -> Floats:
    """Pixels averaged over squares of whole pixels, for what needs no detail; read-only.

    A last row or column that fills no square is left out. A radiograph of less than ``2 * SIDE`` pixels is its own.
    """
    return radiograph.derived(_working_copy)


def suspected_text(radiograph: Radiograph) -> tuple[Box, ...]:
    """Boxes of what looks like text in the picture itself: see `cxrkit.imaging.burned_in.find_text`."""
    return radiograph.derived(_suspected_text)


def working_shape(height: int, width: int) -> tuple[int, int] | None:
    """Rows and columns of the working copy; None where a radiograph of this size is its own."""
    factor = max(height, width) // SIDE
    return None if factor < 2 else (height // factor, width // factor)


def know(radiograph: Radiograph, working: Floats | None, text: tuple[Box, ...]) -> None:
    """Take over what another process computed."""
    radiograph.know(_working_copy, radiograph.pixels if working is None else working)
    radiograph.know(_suspected_text, text)


def patient_text(radiograph: Radiograph) -> tuple[Box, ...]:
    """`suspected_text` where it may name a patient: a phantom's letters say that it is none."""
    return () if radiograph.source_format == "phantom" else suspected_text(radiograph)


def _working_copy(radiograph: Radiograph) -> Floats:
    shape = working_shape(radiograph.height, radiograph.width)
    if shape is None:
        return radiograph.pixels
    rows, columns = shape
    factor = max(radiograph.height, radiograph.width) // SIDE
    whole = radiograph.pixels[: rows * factor, : columns * factor]
    small: Floats = np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
    small.setflags(write=False)
    return small


def _suspected_text(radiograph: Radiograph) -> tuple[Box, ...]:
    return find_text(radiograph.pixels)
