"""The radiograph as it enters the network: pixels in display polarity, and what is known about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

AGE_BANDS: tuple[tuple[str, int, int], ...] = (
    ("under 1", 0, 0),
    ("1-5", 1, 5),
    ("6-17", 6, 17),
    ("18-44", 18, 44),
    ("45-64", 45, 64),
    ("65-89", 65, 89),
    ("90 or over", 90, 150),
)
"""Age bands in completed years; ages from 90 are one band, as de-identification rules ask."""


def age_band(years: float | None) -> str | None:
    """Return the band of an age in years, or None when it is unknown or impossible."""
    if years is None or not 0 <= years <= 150:
        return None
    return next(name for name, low, high in AGE_BANDS if int(years) <= high)


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One frontal radiograph, ready to be preprocessed.

    Attributes
    ----------
    pixels
        H x W float32 in 0..1, read-only, in display polarity: bone and fluid are bright.
    sha256
        Of the source bytes, in hexadecimal. The only identifier that is kept.
    view
        ``"PA"``, ``"AP"``, ``"LATERAL"`` or None when the file does not say.
    spacing_mm
        Row and column spacing of `pixels` in millimetres, or None.
    notes
        What was done to the image, one short sentence each (inverted, windowed, first frame ...).
    source_format
        ``"DICOM"``, ``"PNG"``, ``"JPEG"`` ...
    modality
        DICOM modality code, or None for plain images.
    age_band
        One of the names in `AGE_BANDS`, or None. The exact age is not kept.
    sex
        ``"F"``, ``"M"`` or None.
    colour
        How colourful the file was: mean saturation, and how much the hue varies beyond a tint; 0 for grey ones. See
        `cxrkit.imaging.decode.colourfulness`.
    body_part
        ``"CHEST"``, ``"OTHER"``, or None when the file does not say.
    displays
        Names of the windows and look-up tables that the file offers to be displayed with, the default
        first; empty where there is nothing to choose.
    display
        Which of them `pixels` shows, from 0.
    correction
        How it was turned or inverted since it was loaded; see `cxrkit.imaging.quality.corrected`.
    """

    pixels: npt.NDArray[np.float32]
    sha256: str
    view: str | None = None
    spacing_mm: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    source_format: str = ""
    modality: str | None = None
    age_band: str | None = None
    sex: Literal["F", "M"] | None = None
    colour: tuple[float, float] = (0.0, 0.0)
    body_part: Literal["CHEST", "OTHER"] | None = None
    displays: tuple[str, ...] = ()
    display: int = 0
    correction: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.pixels, dtype=np.float32)
        if pixels.ndim != 2 or pixels.size == 0:
            raise ValueError(f"pixels must be a non-empty H x W array, not of shape {pixels.shape}")
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0.0 and high <= 1.0):  # also false for NaN
            raise ValueError("pixels must be finite and lie in 0..1")
        if pixels.base is not None or (pixels is self.pixels and pixels.flags.writeable):
            pixels = pixels.copy()
        pixels.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)
        # no field: another radiograph that is made of this one by dataclasses.replace begins without
        object.__setattr__(self, "_derived", {})

    @property
    def key(self) -> str:
        """What tells this picture from every other one: source, display and correction."""
        return "/".join((self.sha256, str(self.display), *self.correction))

    def derived(self, make: Callable[[Radiograph], T]) -> T:
        """What a function of this radiograph alone gives, computed once and kept; threads may each compute it."""
        kept: dict[Any, Any] = self._derived  # type: ignore[attr-defined]
        if make not in kept:
            kept[make] = make(self)
        result: T = kept[make]
        return result

    def know(self, make: Callable[[Radiograph], T], result: T) -> None:
        """Have `derived` give what was computed elsewhere."""
        self._derived[make] = result  # type: ignore[attr-defined]

    @property
    def height(self) -> int:
        """Rows of `pixels`."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of `pixels`."""
        return int(self.pixels.shape[1])
