"""What a marker at the border does to the scores, with the border in the picture and with it cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cxrkit.imaging.mishaps import lettered
from cxrkit.imaging.preprocessing import to_tensor
from cxrkit.radiograph import Radiograph

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager


@dataclass(frozen=True)
class Shift:
    """Logit and probability of one finding, without and with the marker, under one framing.

    `border` is the share of each side that was cut off before the network saw the picture.
    """

    finding: str
    border: float
    logits: tuple[float, float]
    probabilities: tuple[float, float]

    @property
    def by_marker(self) -> float:
        """By how much the marker moved the logit."""
        return self.logits[1] - self.logits[0]


def marker_shifts(
    manager: XRayModelManager, radiograph: Radiograph, words: str, brightness: float, borders: tuple[float, ...]
) -> tuple[Shift, ...]:
    """Scores of a radiograph without and with a marker, for every border, in one pass.

    Parameters
    ----------
    words, brightness
        Of the marker, see `cxrkit.imaging.mishaps.lettered`.
    borders
        Shares of each side, cut off in place of the preset's own.

    Returns
    -------
    tuple
        By border, then in the order of the findings.
    """
    marked = lettered(radiograph, words, brightness=brightness)
    rules = [replace(manager.preset, border=border) for border in borders]
    tensors = np.concatenate([to_tensor(picture, rule) for rule in rules for picture in (radiograph, marked)])
    logits = manager.head.logits(manager.runtime.features(tensors)).reshape(len(borders), 2, -1)
    found = []
    for border, (without, with_marker) in zip(borders, logits.tolist(), strict=True):
        for finding, pair in zip(manager.findings, zip(without, with_marker, strict=True), strict=True):
            probability = manager.preset.calibration[finding].probability
            found.append(Shift(finding, border, pair, (probability(pair[0]), probability(pair[1]))))
    return tuple(found)
