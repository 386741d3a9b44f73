"""The displays that a DICOM header offers: its VOI LUTs, its windows, and the full range of values.

PS3.3 C.11.2.1.1: of several VOI LUTs, several windows, or both, one may be applied; to offer more means that
alternative views may be presented. VOI LUTs stand before windows here, and the first of all is the default.
Explanations (WindowCenterWidthExplanation, LUTExplanation) are free text, which may name a patient, and are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from cxrkit.errors import CorruptFile
from cxrkit.imaging import greyscale
from cxrkit.imaging.dicom_facts import count, fact, number

MOST = 8
"""Displays of one file that are offered, the full range among them."""

FUNCTIONS = {"LINEAR": "", "LINEAR_EXACT": " (exact)", "SIGMOID": " (sigmoid)"}


@dataclass(frozen=True)
class Window:
    """A window for which `cxrkit.imaging.greyscale.window_usable` is true (PS3.3 C.11.2.1.2)."""

    centre: float
    width: float
    function: str
    said: ClassVar[str] = "The display window of the file"

    @property
    def name(self) -> str:
        """Centre and width, and the function unless it is the usual one."""
        return f"Window {self.centre:.10g} / {self.width:.10g}{FUNCTIONS[self.function]}"

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Output of the modality transformation to 0..1."""
        return greyscale.apply_window(values, self.centre, self.width, self.function)


@dataclass(frozen=True, eq=False)
class VoiLut:
    """One item of VOILUTSequence, numbered from 1 (PS3.3 C.11.2.1.1)."""

    number: int
    first: int
    entries: npt.NDArray[Any]
    bits: int
    said: ClassVar[str] = "The VOI LUT of the file"

    @property
    def name(self) -> str:
        """Its number: what else the file says about it is free text."""
        return f"VOI LUT {self.number}"

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Output of the modality transformation to 0..1."""
        return greyscale.scale_table(greyscale.look_up(values, self.first, self.entries), self.bits)


@dataclass(frozen=True)
class FullRange:
    """The smallest value black, the largest white; `instead_of` is what the file asks for and cannot be applied."""

    instead_of: str = ""
    name: ClassVar[str] = "Full range"


Display: TypeAlias = Window | VoiLut | FullRange


def offered(ds: Any) -> tuple[Display, ...]:
    """Every display of a file, the default first; at least one, and at most `MOST`.

    What cannot be applied is left out, but for the first: there the full range stands instead of it, and
    the reader is told. Equal windows are one. The full range ends every list of several.

    Raises
    ------
    CorruptFile
        The first display is a look-up table that is cut off.
    """
    found = [*_tables(ds), *_windows(ds)]
    if not found:
        return (FullRange(),)
    usable = {found[0].name: found[0]}
    for display in found[1:]:
        if not isinstance(display, FullRange):
            usable.setdefault(display.name, display)
    displays = tuple(usable.values())[: MOST - 1]
    return displays if len(displays) == 1 or FullRange.name in usable else (*displays, FullRange())


def names(displays: tuple[Display, ...]) -> tuple[str, ...]:
    """Names to choose by; empty where there is nothing to choose."""
    return tuple(display.name for display in displays) if len(displays) > 1 else ()


def table(ds: Any, item: Any) -> tuple[int, npt.NDArray[Any], int] | None:
    """First mapped value, entries and bits of a look-up table (PS3.3 C.11.1.1.1); None when it is empty.

    Raises
    ------
    CorruptFile
        It has fewer entries than it says.
    """
    if not item.get("LUTDescriptor") or not item.get("LUTData"):
        return None
    entries, first, bits = (int(number) for number in item.LUTDescriptor)
    entries = entries % 2**16 or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        little = ds.original_encoding[1] is not False
        narrow = len(data) in (entries, entries + 1)  # one byte an entry, padded to even length
        values = np.frombuffer(
            data[: entries * (1 if narrow else 2)], np.uint8 if narrow else "<u2" if little else ">u2"
        )
    else:
        values = np.atleast_1d(np.asarray(data, dtype=np.int64))[:entries] % 2**16
    if len(values) < entries or not 8 <= bits <= 16:
        raise CorruptFile(
            "A look-up table of the DICOM file is incomplete.", "Export the radiograph from the archive again."
        )
    return first, values, bits


def _tables(ds: Any) -> Iterator[Display]:
    for place, item in enumerate((ds.get("VOILUTSequence") or ())[:MOST]):
        try:
            found = table(ds, item)
        except CorruptFile:
            if place == 0:
                raise
            continue
        yield FullRange(VoiLut.said) if found is None else VoiLut(place + 1, *found)


def _windows(ds: Any) -> Iterator[Display]:
    if "WindowCenter" not in ds or "WindowWidth" not in ds:
        return
    function = (fact(ds, "VOILUTFunction") or "LINEAR").upper()
    several = min(count(ds, "WindowCenter"), count(ds, "WindowWidth"), 8 * MOST)
    for place in range(max(1, several)):
        centre, width = number(ds, "WindowCenter", place), number(ds, "WindowWidth", place)
        if centre is not None and width is not None and greyscale.window_usable(centre, width, function):
            yield Window(centre, width, function)
        else:
            yield FullRange(Window.said)
