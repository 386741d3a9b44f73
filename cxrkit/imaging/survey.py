"""Look at every image of a table once before anything is done with them: which can be read, which are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxrkit.data.manifest import Manifest
from cxrkit.errors import ManifestError, RadiographError
from cxrkit.imaging.loading import load_radiograph
from cxrkit.radiograph import Radiograph

_WORKERS = 2  # decoding spends its time in C with the interpreter unlocked
_LISTED = 20
_OFF_TIE = 1e-3  # no ratio of 8-bit levels lies so close below a half: rounding never hangs on the last bit


@dataclass(frozen=True)
class Unreadable:
    """An image that is no usable radiograph: the number of its row, and why in two sentences."""

    row: int
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.message}"


@dataclass(frozen=True, eq=False)
class Survey:
    """What decoding n images showed.

    Attributes
    ----------
    digests
        n digests of pixels, see `pixel_digest`; None where the image cannot be read.
    unreadable
        In the order of the rows.
    """

    digests: tuple[str | None, ...]
    unreadable: tuple[Unreadable, ...]


def pixel_digest(radiograph: Radiograph) -> str:
    """Checksum of what a picture shows: its shape, and its pixels stretched to 256 levels.

    The same picture has the same digest as PNG and as DICOM, inverted in storage or not, and at
    another contrast setting that shows all of its levels. One that was mirrored, turned, scaled,
    cropped, compressed with loss, rounded to fewer bits or shown through a window that clips the
    darkest or the brightest levels has another digest.
    """
    pixels = radiograph.pixels.astype(np.float64)
    low, span = pixels.min(), np.ptp(pixels)
    levels = np.floor((pixels - low) * (255 / span if span > 0 else 0.0) + (0.5 + _OFF_TIE)).astype(np.uint8)
    return hashlib.sha256(f"{levels.shape[0]} x {levels.shape[1]}\n".encode() + levels.tobytes()).hexdigest()


def survey(manifest: Manifest, *, progress: Callable[[int, int], None] | None = None) -> Survey:
    """Decode every image of a manifest; calls `progress` with (images done, n) after each."""

    def look(path: Path) -> str | RadiographError:
        try:
            return pixel_digest(load_radiograph(path))
        except RadiographError as error:
            return error

    digests: list[str | None] = []
    unreadable: list[Unreadable] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for row, seen in zip(manifest.rows.tolist(), pool.map(look, manifest.images), strict=True):
            if isinstance(seen, RadiographError):
                unreadable.append(Unreadable(row, seen.message, seen.remedy))
                digests.append(None)
            else:
                digests.append(seen)
            if progress is not None:
                progress(len(digests), len(manifest))
    return Survey(tuple(digests), tuple(unreadable))


def readable(
    manifest: Manifest, *, skip: bool, progress: Callable[[int, int], None] | None = None
) -> tuple[Manifest, tuple[Unreadable, ...]]:
    """The rows whose images can be read, and the others.

    Parameters
    ----------
    skip
        Leave unreadable images out instead of refusing the table.
    progress
        Called with (images done, n).

    Raises
    ------
    ManifestError
        Images cannot be read and may not be skipped, or none can; lists the first 20 by row and reason.
    """
    seen = survey(manifest, progress=progress)
    return keep_readable(manifest, seen, skip=skip), seen.unreadable


def keep_readable(manifest: Manifest, seen: Survey, *, skip: bool) -> Manifest:
    """`readable` for a manifest that has been surveyed."""
    if not seen.unreadable:
        return manifest
    kept = np.array([digest is not None for digest in seen.digests])
    if not skip or not kept.any():
        raise unreadable_error([str(one) for one in seen.unreadable], len(manifest))
    return manifest.subset(kept)


def unreadable_error(unreadable: Sequence[str], images: int) -> ManifestError:
    """The refusal of so many images, some of which cannot be read: ``"row 7: The file is empty."`` ..."""
    listed = list(unreadable[:_LISTED])
    if len(unreadable) > _LISTED:
        listed.append(f"and {len(unreadable) - _LISTED} more")
    return ManifestError(
        "\n  ".join([f"{len(unreadable)} of {images} images cannot be read:", *listed]),
        "Mend or remove them, or leave them out with --skip-unreadable."
        if len(unreadable) < images
        else "Check that these are radiographs.",
    )
