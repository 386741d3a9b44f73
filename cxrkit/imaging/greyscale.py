"""The DICOM greyscale pipeline as plain arithmetic: look-up tables and display windows (PS3.3 C.11)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
WINDOW_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def window_usable(centre: float, width: float, function: str) -> bool:
    """Whether a window can be computed: finite, and of a width that PS3.3 C.11.2.1.2 allows.

    The width is at least 1 for LINEAR and above 0 for the others. The bound of 1e9 keeps the
    arithmetic far from overflow; pixel values have 32 bits at most.
    """
    if not (math.isfinite(centre) and math.isfinite(width)) or abs(centre) > 1e10 or width > 1e10:
        return False
    return function in WINDOW_FUNCTIONS and (width >= 1 if function == "LINEAR" else width > 0)


def apply_window(values: Array, centre: float, width: float, function: str = "LINEAR") -> npt.NDArray[np.float32]:
    """Map values through a display window to 0..1.

    PS3.3 C.11.2.1.2 with output minimum 0 and maximum 1. For LINEAR the window covers `width`
    integer values, so that the slope is 1 / (width - 1) and the middle lies at centre - 0.5;
    LINEAR_EXACT has neither offset (C.11.2.1.3.2); SIGMOID is
    1 / (1 + exp(-4 (x - centre) / width)) (C.11.2.1.3.1).

    Parameters
    ----------
    values
        Output of the modality transformation, any shape.
    centre, width, function
        A window for which `window_usable` is true.

    Returns
    -------
    float32 in 0..1, of the shape of `values`.
    """
    if not window_usable(centre, width, function):
        raise ValueError(f"unusable window: centre {centre}, width {width}, function {function}")
    x = values.astype(np.float64)
    if function == "SIGMOID":
        x -= centre
        x *= -4.0 / width
        np.clip(x, -700, 700, out=x)  # exp(709) is the largest in float64
        np.exp(x, out=x)
        x += 1.0
        np.reciprocal(x, out=x)
    elif function == "LINEAR" and width == 1:
        x = np.where(x <= centre - 0.5, 0.0, 1.0)
    else:
        span, middle = (width - 1, centre - 0.5) if function == "LINEAR" else (width, centre)
        x -= middle
        x /= span
        x += 0.5
    np.clip(x, 0.0, 1.0, out=x)
    return x.astype(np.float32)


def look_up(values: Array, first: int, table: Array) -> Array:
    """Map values through a look-up table whose entry 0 belongs to the value `first`.

    Values below `first` take the first entry, values beyond the table the last
    (PS3.3 C.11.1.1.1 and C.11.2.1.1).
    """
    low = float(values.min()) if values.size else 0.0
    if first > 2**15 - 1 and low < 0:  # a negative first value that was written as unsigned
        first -= 2**16
    index = np.rint(values) if values.dtype.kind == "f" else values
    index = np.clip(index.astype(np.int64) - first, 0, len(table) - 1)
    return np.asarray(table[index])


def scale_table(values: Array, bits: int) -> npt.NDArray[np.float32]:
    """Output of a VOI look-up table of `bits` bits, scaled to 0..1.

    A table that holds larger values than its descriptor allows is scaled by the bits it uses.
    """
    bits = max(bits, int(values.max()).bit_length())
    return values.astype(np.float32) / np.float32(2**bits - 1)


def stretch(values: Array, used: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.float32]:
    """Scale values linearly so that their smallest becomes 0 and their largest 1.

    Parameters
    ----------
    values
        Any real numbers, any shape.
    used
        Where values count for the smallest and largest; None for everywhere. Values outside of it are
        clipped into the range. All values are used when none is marked.

    Returns
    -------
    float32 in 0..1; all 0 when the values do not differ.
    """
    counted = values if used is None or not used.any() else values[used]
    low, high = float(counted.min()), float(counted.max())
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(high - low)) or high <= low:
        return np.zeros(values.shape, np.float32)
    x = values.astype(np.float64)
    x -= low
    x /= high - low
    np.clip(x, 0.0, 1.0, out=x)
    return x.astype(np.float32)
