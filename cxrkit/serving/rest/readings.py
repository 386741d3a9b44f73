"""From a file's bytes to the answers of the API. All of this runs in the reading threads."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxrkit.card import OperatingPoint
from cxrkit.errors import DisplayUnknown, UnsuitableImage
from cxrkit.imaging.alternatives import no_such_display
from cxrkit.imaging.quality import corrected
from cxrkit.imaging.worker import load_untrusted, load_untrusted_with_alternatives
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Reading
from cxrkit.serving.pictures import map_pictures
from cxrkit.serving.records import remarks, to_record
from cxrkit.serving.rest.bodies import Body
from cxrkit.serving.rest.schemas import ReadingQuery

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager

LONG_SIDE = 640
"""Of each picture where a reading has one per finding, in pixels."""


@dataclass(frozen=True, eq=False)
class Read:
    """A reading, the radiograph as it was read, and the preset that it was read with."""

    upright: Radiograph
    reading: Reading
    preset: Preset


def read(body: Body, manager: XRayModelManager, query: ReadingQuery) -> Read:
    """Decode a file, in a process of its own, and read it.

    Raises
    ------
    RadiographError, DisplayUnknown
        It cannot be used as a radiograph.
    Overloaded
        Its turn to be decoded, or to be read, did not come.
    """
    radiograph = _loaded(body, query.display)
    reading = manager.read(radiograph, correct=not query.as_it_lies)
    if reading.quality.refused and query.all_the_same:
        reading = reading.override()
    return Read(corrected(radiograph, reading.quality.correction), reading, manager.preset)


def record(read: Read, query: ReadingQuery) -> dict[str, Any]:
    """A reading as `cxrkit.serving.rest.schemas.ReadingRecord` describes it."""
    found = to_record(read.reading, read.preset)
    pictures: dict[str, bytes] = {}
    if query.maps == "png":
        with_map = [f for f in found["findings"] if read.reading.explanations[f].has_positive_evidence]
        pictures = map_pictures(read.upright, read.reading, with_map, LONG_SIDE) if with_map else {}
    for finding, entry in found["findings"].items():
        points = entry["operating_points"]
        entry["operating_points"] = {r: p for r, p in points.items() if query.rule in (None, r)}
        if query.maps == "png":
            entry["map"] = _map(read.reading, finding, pictures.get(finding))
    return found


def pneumonia_answer(read: Read) -> dict[str, Any]:
    """A reading of a preset with one finding, as `cxrkit.serving.rest.schemas.PneumoniaAnswer` describes it.

    Raises
    ------
    UnsuitableImage
        The picture is refused: this answer has no place for a reservation.
    """
    reading = read.reading
    if reading.quality.refused:
        raise UnsuitableImage(
            f"No reading is given for this picture. {' '.join(remarks(reading.quality.to_dict()))}",
            "Send a frontal chest radiograph, or ask POST /v1/readings with all_the_same=true.",
        )
    (finding,) = read.preset.findings
    probability = reading.prediction[finding]
    point: OperatingPoint | None = read.preset.operating_point(finding, "youden")
    positive = probability >= (0.5 if point is None else point.threshold)
    explanation = reading.explanations[finding]
    picture = None
    if explanation.has_positive_evidence:
        picture = _base64(map_pictures(read.upright, reading, [finding])[finding])
    return {
        "diagnosis": finding.upper() if positive else "NORMAL",
        "confidence": round(100 * (probability if positive else 1 - probability), 2),
        "raw_score": round(probability, 4),
        "status": "success",
        "gradcam_available": picture is not None,
        "gradcam": picture,
    }


def _loaded(body: Body, display: int) -> Radiograph:
    if display == 1:
        return load_untrusted(body.data, name=body.name)
    radiograph, others = load_untrusted_with_alternatives(body.data, name=body.name)
    if others is not None:
        return others.show(radiograph, display - 1)
    if display <= len(radiograph.displays):
        raise DisplayUnknown("The file is too large to choose among its displays.", "Read it without choosing one.")
    raise no_such_display(1)


def _map(reading: Reading, finding: str, picture: bytes | None) -> dict[str, Any]:
    explanation = reading.explanations[finding]
    rows, columns = explanation.map.shape
    return {
        "method": explanation.method,
        "layer": explanation.layer,
        "rows": rows,
        "columns": columns,
        "box": vars(explanation.box),
        "peak": explanation.peak,
        "has_positive_evidence": explanation.has_positive_evidence,
        "share_outside_lungs": explanation.outside_lungs,
        "png": None if picture is None else _base64(picture),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
