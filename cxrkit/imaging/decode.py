"""What raster and DICOM decoding share: limits, checks and the step from colour to grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cxrkit.errors import TooLarge, UnsuitableImage, UnsupportedFormat

if TYPE_CHECKING:
    from cxrkit.imaging.alternatives import Alternatives

MAX_BYTES = 200 * 2**20
"""Largest accepted file, and largest accepted content of a deflated DICOM file, in bytes."""

MAX_PIXELS = 100_000_000
"""Rows times columns. A 43 cm detector at 0.1 mm has 18.5 million, a film scanned at 0.05 mm 60 million."""

MAX_RATIO = 200
"""Decoded bytes per byte of a compressed picture. Radiographs shrink to a third without loss, and to a hundredth where
hardly anything is left to see."""

UNSUSPICIOUS = 16 * 2**20
"""Decoded bytes below which the ratio is not looked at: drawings shrink to next to nothing."""

MIN_SIDE = 32
"""Fewer rows or columns than this show no chest."""

MAX_ASPECT = 4.0
"""Longer side over shorter side."""

MIN_CONTRAST = 1.0 / 512
"""Half a grey level of an 8-bit display; a picture that spans less is blank."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in the luminance of ITU-R BT.601."""


@dataclass(frozen=True)
class Decoded:
    """A decoded file before it becomes a Radiograph: see `cxrkit.radiograph.Radiograph` for the fields."""

    pixels: npt.NDArray[np.float32]
    source_format: str
    notes: tuple[str, ...] = ()
    view: str | None = None
    spacing_mm: tuple[float, float] | None = None
    modality: str | None = None
    age_band: str | None = None
    sex: Literal["F", "M"] | None = None
    colour: tuple[float, float] = (0.0, 0.0)
    body_part: Literal["CHEST", "OTHER"] | None = None
    displays: tuple[str, ...] = ()
    display: int = 0
    alternatives: Alternatives | None = None


def check_bytes(size: int) -> None:
    """Refuse a file of more bytes than `MAX_BYTES`.

    Raises
    ------
    TooLarge
    """
    if size > MAX_BYTES:
        raise TooLarge(
            f"The file is larger than the {MAX_BYTES // 2**20} MB that are accepted.",
            "Export the single radiograph instead of a whole study or series.",
        )


def check_ratio(compressed: int, decoded: float) -> None:
    """Refuse, before it is decoded, what would swell more than a radiograph does; both in bytes.

    Raises
    ------
    TooLarge
        More than `MAX_RATIO` times, unless the result is smaller than `UNSUSPICIOUS`.
    """
    if decoded > most_decoded(compressed):
        raise TooLarge(
            "The file unpacks to far more than a radiograph of its size needs.",
            "Export the radiograph from the archive again.",
        )


def most_decoded(compressed: int) -> int:
    """Bytes that so many compressed ones may decode to."""
    return max(UNSUSPICIOUS, MAX_RATIO * compressed)


def check_dimensions(rows: int, columns: int) -> None:
    """Refuse sizes before anything is decoded.

    Raises
    ------
    TooLarge
        More than `MAX_PIXELS`.
    UnsuitableImage
        A side below `MIN_SIDE`, or a strip beyond `MAX_ASPECT`.
    """
    if rows * columns > MAX_PIXELS:
        raise TooLarge(
            f"The image has {columns} x {rows} pixels, more than the {MAX_PIXELS // 10**6} million that are accepted.",
            "Export the radiograph at the detector's own resolution or smaller.",
        )
    if min(rows, columns) < MIN_SIDE:
        raise UnsuitableImage(
            f"The image has only {columns} x {rows} pixels, which is too small to be a radiograph.",
            f"Use the original image; both sides need at least {MIN_SIDE} pixels.",
        )
    if max(rows, columns) > MAX_ASPECT * min(rows, columns):
        raise UnsuitableImage(
            f"The image is a narrow strip of {columns} x {rows} pixels.",
            "Use the whole radiograph instead of a strip of it.",
        )


def has_contrast(pixels: npt.NDArray[np.float32]) -> bool:
    """Whether the darkest and the brightest pixel differ by `MIN_CONTRAST` at least."""
    return float(pixels.max()) - float(pixels.min()) >= MIN_CONTRAST


def check_contrast(pixels: npt.NDArray[np.float32]) -> None:
    """Refuse a picture in 0..1 that is blank.

    Raises
    ------
    UnsuitableImage
        Its darkest and brightest pixel differ by less than `MIN_CONTRAST`.
    """
    if not has_contrast(pixels):
        raise UnsuitableImage(
            "The image is blank: all of its pixels have the same brightness.",
            "Check the exposure and the export, and use the original image.",
        )


def decoder_absent(package: str) -> UnsupportedFormat:
    """The error for a file that is sound, but whose decoder cannot be imported; `package` is what pip installs."""
    return UnsupportedFormat(
        "The decoder for this encoding is not installed.",
        f"Install it (pip install {package}), or export the radiograph uncompressed.",
    )


def luminance(colour: npt.NDArray[Any], full_scale: float) -> tuple[npt.NDArray[np.float32], bool]:
    """Grey picture of an H x W x 3 array of red, green and blue.

    Parameters
    ----------
    colour
        Integers in 0..`full_scale`.
    full_scale
        The value of full brightness.

    Returns
    -------
    grey : H x W float32 in 0..1
    coloured : bool
        False when the three channels were equal, so that nothing was lost.
    """
    red, green, blue = (colour[..., channel] for channel in range(3))
    scale = np.float32(full_scale)
    if np.array_equal(red, green) and np.array_equal(red, blue):
        grey = red.astype(np.float32)
        grey /= scale
        return grey, False
    grey = red * np.float32(LUMA[0])
    grey += green * np.float32(LUMA[1])
    grey += blue * np.float32(LUMA[2])
    grey /= scale
    return np.minimum(grey, np.float32(1), out=grey), True


def colourfulness(colour: npt.NDArray[Any], full_scale: float) -> tuple[float, float]:
    """Mean saturation of a picture, and how much its hue varies beyond a tint.

    The saturation of a pixel is the length of its red-green and yellow-blue differences (Hasler and Suesstrunk 2003). A
    tint makes them a smooth function of the brightness; what is left after a cubic of it is taken off is the variety
    that a photograph has and a tinted film has not.

    Parameters
    ----------
    colour
        H x W x 3 red, green and blue in 0..`full_scale`. Looked at in at most 256 rows and columns.

    Returns
    -------
    saturation, variety : float
        Both on the scale of brightness 0..1.
    """
    step = max(1, -(-max(colour.shape[:2]) // 256))
    small = colour[::step, ::step, :3].reshape(-1, 3).astype(np.float64) / full_scale
    red, green, blue = small.T
    differences = np.stack([red - green, (red + green) / 2 - blue], axis=1)
    powers = np.vander(small @ LUMA, 4)
    taken_off, *_ = np.linalg.lstsq(powers, differences, rcond=None)
    left = differences - powers @ taken_off
    return float(np.hypot(*differences.T).mean()), float(np.hypot(*left.std(axis=0)))
