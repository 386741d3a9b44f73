"""Checks of the picture itself, before any network sees it, and the corrections of how it lies.

The limits were set on radiographs of training and validation splits, so that hardly one of them is flagged; see
docs/decisions/0019. Nothing here says what a picture shows: that takes the model's features (`cxrkit.model.gate`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.imaging.derived import patient_text, working_copy
from cxrkit.quality import Correction, QualityIssue
from cxrkit.radiograph import Radiograph

Floats = npt.NDArray[np.float32]

LEAST_SIDE = 224
"""Below it the network's input is larger than the picture."""

RADIOGRAPHY = frozenset({"CR", "DX", "RG", "DR", "OT", "SC", "XC"})
"""Modalities of radiographs (PS3.3 C.7.3.1.1.1), and those of scans and photographs of films."""

TINT, VARIETY = 0.02, 0.03
"""Mean saturation above which a picture is tinted, and spread of hue above which it is a colour photograph."""

WHITE_SHARE, BLACK_SHARE, LEAST_DEVIATION = 0.35, 0.6, 0.04
"""Of the middle of the picture, 80 % of each side, with brightness 0..1."""

TURNS: dict[Correction, int] = {"rotate-90": 3, "rotate-180": 2, "rotate-270": 1}
"""Clockwise turns as counter-clockwise quarters, as numpy counts them."""

NAMES: dict[Correction, str] = {
    "invert": "Inverted",
    "rotate-90": "Turned by 90 degrees clockwise",
    "rotate-180": "Turned by 180 degrees",
    "rotate-270": "Turned by 90 degrees counter-clockwise",
}


def check_picture(radiograph: Radiograph) -> tuple[QualityIssue, ...]:
    """Reasons against a radiograph that its header and its pixels give.

    Parameters
    ----------
    radiograph
        As it was loaded. It is looked at in its working copy, text in a finer one. What takes long is kept
        with the radiograph (`cxrkit.imaging.derived`).
    """
    return (*_by_header(radiograph), *_by_colour(radiograph), *by_pixels(radiograph))


def by_pixels(radiograph: Radiograph) -> tuple[QualityIssue, ...]:
    """Those of `check_picture` that the pixels give."""
    return radiograph.derived(_by_pixels)


def know(radiograph: Radiograph, issues: tuple[QualityIssue, ...]) -> None:
    """Take `by_pixels` over from another process."""
    radiograph.know(_by_pixels, issues)


def _by_pixels(radiograph: Radiograph) -> tuple[QualityIssue, ...]:
    found = []
    if min(radiograph.height, radiograph.width) < LEAST_SIDE:
        found.append(QualityIssue("too-small", "warn"))
    small = working_copy(radiograph)
    rows, columns = (round(side / 10) for side in small.shape)
    middle = small[rows : small.shape[0] - rows, columns : small.shape[1] - columns]
    if cv2.countNonZero(cv2.compare(middle, 0.99, cv2.CMP_GT)) > WHITE_SHARE * middle.size:
        found.append(QualityIssue("over-exposed", "warn"))
    if cv2.countNonZero(cv2.compare(middle, 0.01, cv2.CMP_LT)) > BLACK_SHARE * middle.size:
        found.append(QualityIssue("under-exposed", "warn"))
    if cv2.meanStdDev(middle)[1].item() < LEAST_DEVIATION:
        found.append(QualityIssue("low-contrast", "warn"))
    if patient_text(radiograph):
        found.append(QualityIssue("burned-in-text", "warn"))
    return tuple(found)


def _by_header(radiograph: Radiograph) -> list[QualityIssue]:
    found = []
    if radiograph.modality is not None and radiograph.modality not in RADIOGRAPHY:
        found.append(QualityIssue("other-modality", "refuse"))
    if radiograph.body_part == "OTHER":
        found.append(QualityIssue("other-body-part", "refuse"))
    if radiograph.view == "LATERAL":
        found.append(QualityIssue("lateral", "refuse"))
    return found


def _by_colour(radiograph: Radiograph) -> list[QualityIssue]:
    saturation, variety = radiograph.colour
    if variety > VARIETY:
        return [QualityIssue("colour-photo", "refuse")]
    return [QualityIssue("tinted", "warn")] if saturation > TINT else []


def corrected(radiograph: Radiograph, corrections: Sequence[Correction]) -> Radiograph:
    """A radiograph turned and inverted, with a note for each; the source's sum stays.

    Raises
    ------
    ValueError
        An unknown correction.
    """
    pixels, spacing, notes = radiograph.pixels, radiograph.spacing_mm, list(radiograph.notes)
    for correction in corrections:
        if correction == "invert":
            pixels = np.float32(1) - pixels
        elif correction in TURNS:
            pixels = np.rot90(pixels, TURNS[correction])
            if spacing is not None and TURNS[correction] % 2:
                spacing = spacing[1], spacing[0]
        else:
            raise ValueError(f"unknown correction {correction!r}")
        notes.append(f"{NAMES[correction]}: as it was, it looked wrong to the model.")
    done = (*radiograph.correction, *corrections)
    return dataclasses.replace(radiograph, pixels=pixels, spacing_mm=spacing, notes=tuple(notes), correction=done)
