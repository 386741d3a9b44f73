"""Every display of one picture, kept without its file: to choose another is a look-up, not a second decoding.

Whatever a greyscale display does (modality LUT, VOI LUT or window, inversion, padding) is a function of the
stored value alone. So a table per display over the values that occur, and the place of each pixel in it (two
bytes), give the same pictures as decoding the file anew, for about half of the memory of one of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.errors import DisplayUnknown
from cxrkit.imaging.decode import has_contrast
from cxrkit.radiograph import Radiograph

MOST_VALUES = 2**16

MOST_PIXELS = 25_000_000
"""A session keeps two bytes more for each of them."""

Show = Callable[[npt.NDArray[Any], int, list[str]], npt.NDArray[np.float32]]
"""Stored values of any shape, the number of a display, and a list for its notes; to display values."""


@dataclass(frozen=True, eq=False)
class Alternatives:
    """The displays of one picture.

    Attributes
    ----------
    places
        H x W uint16: where the stored value of each pixel stands in a table.
    tables
        K x N float32: the display values of N stored values, per display.
    notes
        Per display, what it does to the picture.
    choices
        Numbers of those displays that show a picture; the others leave it blank.
    """

    places: npt.NDArray[np.uint16]
    tables: npt.NDArray[np.float32]
    notes: tuple[tuple[str, ...], ...]
    choices: tuple[int, ...]

    def __post_init__(self) -> None:
        displays, values = self.tables.shape
        if self.places.ndim != 2 or not self.places.size or int(self.places.max()) >= values:
            raise ValueError("a pixel has no place in the tables")
        if len(self.notes) != displays or not all(self.notes) or not set(self.choices) <= set(range(displays)):
            raise ValueError("notes and choices must be those of the tables")

    def show(self, radiograph: Radiograph, display: int) -> Radiograph:
        """The same radiograph in another display.

        Parameters
        ----------
        radiograph
            The picture that this was made of, in whichever display.
        display
            One of `choices`.

        Raises
        ------
        DisplayUnknown
            It is none of them.
        """
        if display not in self.choices:
            raise no_such_display(len(self.tables))
        pixels = resampled(self.tables[display][self.places], radiograph.pixels.shape)
        before, notes = self.notes[radiograph.display], radiograph.notes
        start = notes.index(before[0])
        notes = (*notes[:start], *self.notes[display], *notes[start + len(before) :])
        return dataclasses.replace(radiograph, pixels=pixels, notes=notes, display=display)


def alternatives(stored: npt.NDArray[Any], displays: int, show: Show) -> Alternatives | None:
    """Make the tables of so many displays.

    None for more than `MOST_PIXELS`, and where more than `MOST_VALUES` values lie between the extremes.
    """
    low, high = int(stored.min()), int(stored.max())
    if high - low >= MOST_VALUES or stored.size > MOST_PIXELS:
        return None
    from_low = stored.astype(np.int32 if stored.itemsize < 4 else np.int64) - low
    occurs = np.zeros(high - low + 1, bool)
    occurs[from_low] = True
    values = (np.flatnonzero(occurs) + low).astype(stored.dtype)
    places = (np.cumsum(occurs) - 1).astype(np.uint16)[from_low]
    places.setflags(write=False)
    notes: tuple[list[str], ...] = tuple([] for _ in range(displays))
    tables = np.stack([show(values, display, notes[display]) for display in range(displays)])
    tables.setflags(write=False)
    choices = tuple(display for display in range(displays) if has_contrast(tables[display]))
    return Alternatives(places, tables, tuple(map(tuple, notes)), choices)


def no_such_display(displays: int) -> DisplayUnknown:
    """The error for a display that a file with so many does not have."""
    if displays <= 1:
        return DisplayUnknown("The file has only one way to be displayed.", "Read it without choosing a display.")
    return DisplayUnknown(f"The file has no such display: it has {displays}.", "Choose one of those that it has.")


def resampled(pixels: npt.NDArray[np.float32], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Pixels in 0..1 at another number of rows and columns."""
    if pixels.shape == shape:
        return pixels
    return np.clip(cv2.resize(pixels, shape[::-1], interpolation=cv2.INTER_LINEAR), 0, 1, dtype=np.float32)
