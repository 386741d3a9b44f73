"""From stored values to display values: which transformations a DICOM header asks for, and in what order.

Modality LUT or rescale, then a VOI LUT, a window or the full range, then one inversion (PS3.3 C.11, PS3.4 N.2).
The header is anything with pydicom's ``Dataset`` look-up; pydicom itself is not needed here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrkit.imaging import greyscale
from cxrkit.imaging.alternatives import Show, resampled
from cxrkit.imaging.decode import check_dimensions
from cxrkit.imaging.dicom_facts import fact, number
from cxrkit.imaging.dicom_voi import Display, FullRange, table


def bit_field(words: npt.NDArray[Any], ds: Any) -> npt.NDArray[Any]:
    """The values within whole words: BitsStored bits, the last being HighBit (PS3.5 8.1.1).

    What else stands in a word, such as an overlay, is cut off. The type of `words` says whether the
    first bit is a sign.
    """
    allocated, bits = 8 * words.dtype.itemsize, min(int(ds.BitsStored), 8 * words.dtype.itemsize)
    high = int(number(ds, "HighBit") or 0)
    high = high if bits - 1 <= high < allocated else bits - 1
    if bits == allocated:
        return words
    return np.asarray((words << (allocated - 1 - high)) >> (allocated - bits))


def within_range(values: npt.NDArray[Any], ds: Any, notes: list[str]) -> npt.NDArray[Any]:
    """Values of a compressed frame, cut to the range of BitsStored bits.

    A lossy codestream has a depth of its own and may overshoot the white of the file; taking the last bits
    of such a value would turn it black. Where more than one in a hundred is beyond, the header is
    taken to be wrong instead, and nothing is cut.
    """
    bits = int(ds.BitsStored)
    low, top = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if values.dtype.kind == "i" else (0, 2**bits - 1)
    beyond = float(((values < low) | (values > top)).mean())
    if beyond > 0.01:
        notes.append("The picture uses more bits than the file declares; all of them are shown.")
    return np.clip(values, low, top) if 0 < beyond <= 0.01 else values


def shown_as(ds: Any, photometric: str, displays: tuple[Display, ...]) -> Show:
    """A function of stored grey values to 0..1 in display polarity, in one of the file's displays."""

    def show(stored: npt.NDArray[Any], chosen: int, notes: list[str]) -> npt.NDArray[np.float32]:
        return _display(ds, stored, photometric, displays, chosen, notes)

    return show


def _display(
    ds: Any,
    stored: npt.NDArray[Any],
    photometric: str,
    displays: tuple[Display, ...],
    chosen: int,
    notes: list[str],
) -> npt.NDArray[np.float32]:
    """The pixels; appends what was done to `notes`.

    Nothing here may depend on where a value stands or how often: `cxrkit.imaging.alternatives` gives each value once.
    """
    padding = _padding(ds, stored)
    values = stored
    if ds.get("ModalityLUTSequence"):
        found = table(ds, ds.ModalityLUTSequence[0])
        if found is not None:
            values = greyscale.look_up(stored, found[0], found[1])
        notes.append(f"The modality LUT of the file {'was applied' if found else 'is empty and was not applied'}.")
    elif "RescaleSlope" in ds and "RescaleIntercept" in ds:
        slope, intercept = number(ds, "RescaleSlope"), number(ds, "RescaleIntercept")
        if slope is None or intercept is None or not (math.isfinite(slope) and math.isfinite(intercept)):
            notes.append("The rescale slope or intercept of the file is empty or malformed; neither was applied.")
        elif (slope, intercept) != (1.0, 0.0):
            values = stored * slope + intercept
            notes.append("The rescale slope and intercept of the file were applied.")
    pixels = _values_of_interest(values, displays, chosen, notes)
    if pixels is None:
        pixels = greyscale.stretch(values, None if padding is None else ~padding)
    if photometric == "MONOCHROME1" or fact(ds, "PresentationLUTShape") == "INVERSE":
        pixels = np.float32(1) - pixels
        notes.append("Inverted, because the file stores bright as dark.")
    if padding is not None and padding.any() and not padding.all():
        pixels = np.where(padding, np.float32(0), pixels)
        notes.append("Padding around the picture is shown black.")
    return pixels


def square(
    pixels: npt.NDArray[np.float32],
    spacing: tuple[float, float] | None,
    notes: list[str],
    aspect_ratio: tuple[float, float] | None = None,
) -> tuple[npt.NDArray[np.float32], tuple[float, float] | None]:
    """Enlarge the coarser axis when rows and columns are spaced differently, so that proportions are true.

    The aspect ratio, of a pixel's height to its width, counts where no spacing is known (PS3.3 C.7.6.3.1.7).
    """
    size = spacing or aspect_ratio
    if size is None or abs(size[0] / size[1] - 1) < 0.01:
        return pixels, spacing
    fine = min(size)
    rows, columns = (round(count * step / fine) for count, step in zip(pixels.shape, size, strict=True))
    check_dimensions(rows, columns)
    notes.append("Resampled, because its pixels are not square.")
    return resampled(pixels, (rows, columns)), (fine, fine) if spacing else None


def _values_of_interest(
    values: npt.NDArray[Any], displays: tuple[Display, ...], chosen: int, notes: list[str]
) -> npt.NDArray[np.float32] | None:
    """VOI LUT or window to 0..1; None for the full range, and for what leaves no picture."""
    display, several = displays[chosen], len(displays) > 1
    place = f"display {chosen + 1} of {len(displays)}: {display.name}"
    if isinstance(display, FullRange):
        unusable = display.instead_of
        if several and not unusable:
            notes.append(f"Shown as {place}.")
    else:
        pixels = display.apply(values)
        unusable = "" if float(np.ptp(pixels)) > 0 else display.said
        if not unusable:
            notes.append(f"Shown as {place}." if several else f"{display.said} was applied.")
            return pixels
    if unusable:
        said = f" ({place})" if several else ""
        notes.append(f"{unusable} is unusable; the full range of values is shown instead{said}.")
    return None


def _padding(ds: Any, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Where stored values are padding (PS3.3 C.7.5.1.1.2), or None."""
    low, high = number(ds, "PixelPaddingValue"), number(ds, "PixelPaddingRangeLimit")
    if low is None:
        return None
    ends = [low, low if high is None else high]
    if stored.dtype.kind == "i":  # a negative value that was written as unsigned
        top = 2 ** (int(ds.BitsAllocated) - 1)
        ends = [end - 2 * top if end >= top else end for end in ends]
    low, high = sorted(ends)
    return np.asarray((stored >= low) & (stored <= high))
