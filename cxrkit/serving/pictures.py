"""A map over its radiograph as a picture that explains itself wherever it goes: for the API and for scripts."""

from __future__ import annotations

from collections.abc import Sequence

from cxrkit.charts import overlay
from cxrkit.findings import finding_text
from cxrkit.imaging.derived import suspected_text
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Reading
from cxrkit.serving.records import remarks


def map_pictures(
    upright: Radiograph, reading: Reading, findings: Sequence[str], long_side: int = overlay.LONG_SIDE
) -> dict[str, bytes]:
    """PNG files of the radiograph with the map of each finding, with a caption and without any metadata.

    Parameters
    ----------
    upright
        The radiograph as it was read: ``corrected(radiograph, reading.quality.correction)``.
    reading
        With explanations.
    findings
        Which maps; one without positive evidence shows the radiograph alone, and its caption says so.
    long_side
        Of the picture, in pixels.

    Text that seems to be burned into the picture is black in all of them: it may name the patient.
    """
    copy = _copy(upright, long_side)
    return {
        finding: overlay.overlay_png(copy, reading.explanations[finding], _captions(reading, finding, copy))
        for finding in findings
    }


def maps_for_a_page(
    upright: Radiograph, reading: Reading, findings: Sequence[str], long_side: int = overlay.LONG_SIDE
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The pictures of `map_pictures` without their captions, as data URIs, and the lines of each caption."""
    copy = _copy(upright, long_side)
    return {
        finding: (
            overlay.jpeg_uri(overlay.blended(copy, reading.explanations[finding])),
            _captions(reading, finding, copy),
        )
        for finding in findings
    }


def _copy(upright: Radiograph, long_side: int) -> overlay.DisplayCopy:
    return overlay.blank(overlay.display_copy(upright, long_side), suspected_text(upright))


def _captions(reading: Reading, finding: str, copy: overlay.DisplayCopy) -> tuple[str, ...]:
    blanked = len(copy.blanked)
    explanation, rows = reading.explanations[finding], reading.explanations[finding].map.shape
    shown = f"Grad-CAM, {rows[0]} x {rows[1]}: where the model looked, not the outline of a lesion."
    if not explanation.has_positive_evidence:
        shown = "No positive evidence: there is no map to show."
    lines = [
        f"{finding_text(finding).label}: {100 * reading.prediction[finding]:.1f} %. {shown}",
        f"{reading.preset} {reading.weights_sha256[:8]}, image {reading.radiograph_sha256[:8]}. {reading.notice}",
        " ".join(remarks(reading.quality.to_dict())),
        f"{blanked} suspected text {'boxes' if blanked > 1 else 'box'} blanked in this picture." if blanked else "",
        reading.disclaimer,
    ]
    return tuple(filter(None, lines))
