"""What a model says to one radiograph after each of the mishaps of `cxrkit.imaging.mishaps`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrkit.charts.overlay import display_copy
from cxrkit.imaging.mishaps import mishaps
from cxrkit.quality import QualityReport
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Prediction

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager

THUMBNAIL = 240


@dataclass(frozen=True)
class MishapReading:
    """One mishap: words for it, a small picture as a data URI, and what model and quality gate say to it."""

    name: str
    words: str
    uri: str
    prediction: Prediction
    quality: QualityReport


def read_mishaps(manager: XRayModelManager, radiograph: Radiograph) -> tuple[MishapReading, ...]:
    """Read a radiograph as it lies, and after every mishap; nothing is put into place before it is read."""
    found = []
    for mishap in mishaps(radiograph):
        reading = manager.read(mishap.radiograph, correct=False)
        uri = display_copy(mishap.radiograph, THUMBNAIL).uri
        found.append(MishapReading(mishap.name, mishap.words, uri, reading.prediction, reading.quality))
    return tuple(found)
