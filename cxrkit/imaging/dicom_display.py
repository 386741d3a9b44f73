"""From stored values to display values: which transformations a DICOM header asks for, and in what order.

Modality LUT or rescale, then VOI LUT or window, then one inversion (PS3.3 C.11, PS3.4 N.2).
The header is anything with pydicom's ``Dataset`` look-up; pydicom itself is not needed here.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.errors import CorruptFile
from cxrkit.imaging import greyscale
from cxrkit.imaging.decode import check_dimensions
from cxrkit.imaging.dicom_facts import fact, number


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


def display(ds: Any, stored: npt.NDArray[Any], photometric: str, notes: list[str]) -> npt.NDArray[np.float32]:
    """Stored grey values to 0..1 in display polarity; appends what was done to `notes`."""
    padding = _padding(ds, stored)
    values = stored
    if ds.get("ModalityLUTSequence"):
        table = _table(ds, ds.ModalityLUTSequence[0])
        if table is not None:
            values = greyscale.look_up(stored, table[0], table[1])
        notes.append(f"The modality LUT of the file {'was applied' if table else 'is empty and was not applied'}.")
    elif "RescaleSlope" in ds and "RescaleIntercept" in ds:
        slope, intercept = number(ds, "RescaleSlope"), number(ds, "RescaleIntercept")
        if slope is None or intercept is None or not (math.isfinite(slope) and math.isfinite(intercept)):
            notes.append("The rescale slope or intercept of the file is empty or malformed; neither was applied.")
        elif (slope, intercept) != (1.0, 0.0):
            values = stored * slope + intercept
            notes.append("The rescale slope and intercept of the file were applied.")
    pixels = _values_of_interest(ds, values, notes)
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
    pixels: npt.NDArray[np.float32], spacing: tuple[float, float] | None, notes: list[str]
) -> tuple[npt.NDArray[np.float32], tuple[float, float] | None]:
    """Enlarge the coarser axis when rows and columns are spaced differently, so that proportions are true."""
    if spacing is None or abs(spacing[0] / spacing[1] - 1) < 0.01:
        return pixels, spacing
    fine = min(spacing)
    rows, columns = (round(count * step / fine) for count, step in zip(pixels.shape, spacing, strict=True))
    check_dimensions(rows, columns)
    notes.append("Resampled, because its pixels are not square.")
    resampled = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.clip(resampled, 0, 1, dtype=np.float32), (fine, fine)


def _values_of_interest(ds: Any, values: npt.NDArray[Any], notes: list[str]) -> npt.NDArray[np.float32] | None:
    """VOI LUT or window to 0..1; None when there is none, or none that leaves a picture."""
    pixels: npt.NDArray[np.float32] | None = None
    if ds.get("VOILUTSequence"):
        note = "The VOI LUT of the file"
        table = _table(ds, ds.VOILUTSequence[0])
        if table is not None:
            first, entries, bits = table
            pixels = greyscale.scale_table(greyscale.look_up(values, first, entries), bits)
    elif "WindowCenter" in ds and "WindowWidth" in ds:
        centre, width = number(ds, "WindowCenter"), number(ds, "WindowWidth")
        function = (fact(ds, "VOILUTFunction") or "LINEAR").upper()
        note = "The display window of the file"
        if centre is not None and width is not None and greyscale.window_usable(centre, width, function):
            pixels = greyscale.apply_window(values, centre, width, function)
    else:
        return None
    if pixels is None or not float(np.ptp(pixels)) > 0:
        notes.append(f"{note} is unusable; the full range of values is shown instead.")
        return None
    notes.append(f"{note} was applied.")
    return pixels


def _table(ds: Any, item: Any) -> tuple[int, npt.NDArray[Any], int] | None:
    """First mapped value, entries and bits of a look-up table (PS3.3 C.11.1.1.1); None when it is empty."""
    if not item.get("LUTDescriptor") or not item.get("LUTData"):
        return None
    entries, first, bits = (int(number) for number in item.LUTDescriptor)
    entries = entries % 2**16 or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        little = ds.original_encoding[1] is not False
        wide = len(data) >= 2 * entries
        table = np.frombuffer(data, ("<u2" if little else ">u2") if wide else np.uint8)[:entries]
    else:
        table = np.atleast_1d(np.asarray(data, dtype=np.int64))[:entries] % 2**16
    if len(table) < entries or not 8 <= bits <= 16:
        raise CorruptFile(
            "A look-up table of the DICOM file is incomplete.", "Export the radiograph from the archive again."
        )
    return first, table, bits


def _padding(ds: Any, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Where stored values are padding (PS3.3 C.7.5.1.1.2), or None."""
    low = number(ds, "PixelPaddingValue")
    if low is None:
        return None
    high = number(ds, "PixelPaddingRangeLimit")
    low, high = sorted((low, low if high is None else high))
    return np.asarray((stored >= low) & (stored <= high))
