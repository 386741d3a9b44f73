"""All maps of a reading in small: one picture of the radiograph, and each map to lie over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cxrkit.charts.overlay import DisplayCopy, jpeg_uri, small
from cxrkit.charts.viewer import map_uri
from cxrkit.reading import Explanation

FILM_SIDE, MAP_SIDE = 256, 96


@dataclass(frozen=True, eq=False)
class ContactSheet:
    """Data URIs of the radiograph and, by finding, of the maps with positive evidence; and the picture's proportions.

    Attributes
    ----------
    aspect
        Width over height.
    """

    film: str
    maps: Mapping[str, str]
    aspect: float


def contact_sheet(copy: DisplayCopy, explanations: Mapping[str, Explanation], colour_map: str) -> ContactSheet:
    """Make the small pictures; each map is scaled to its own peak, as in the viewer."""
    maps = {
        finding: map_uri(explanation, copy.height, copy.width, colour_map, MAP_SIDE)
        for finding, explanation in explanations.items()
        if explanation.has_positive_evidence
    }
    return ContactSheet(jpeg_uri(small(copy, FILM_SIDE)), maps, copy.width / copy.height)
