"""Pictures of the session's radiographs: what the pages show of them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from cxrkit.charts import contact_sheet as contact_sheet_chart
from cxrkit.charts import overlay
from cxrkit.charts import side_by_side as side_by_side_chart
from cxrkit.charts import viewer as viewer_chart
from cxrkit.dashboard import films
from cxrkit.imaging.derived import patient_text
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box, Reading

THUMBNAIL_SIDE = 96


def display_copy(radiograph: Radiograph) -> overlay.DisplayCopy:
    """The compressed picture of a radiograph that the page shows."""
    return _display_copy(radiograph.key, radiograph)


@st.cache_resource(scope="session", max_entries=films.MOST_FILMS, ttl="8h", show_spinner=False)
def _display_copy(radiograph_key: str, _radiograph: Radiograph) -> overlay.DisplayCopy:
    return overlay.display_copy(_radiograph)


def viewer(
    radiograph: Radiograph,
    reading: Reading,
    colour_map: str,
    blanked: tuple[Box, ...] = (),
    *,
    beside: bool = False,
) -> viewer_chart.Figure:
    """The chart of a radiograph with all maps of its reading, and with these boxes black; see `viewer_chart.viewer`."""
    return _viewer(radiograph.key, reading.weights_sha256, colour_map, blanked, beside, radiograph, reading)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=False)
def _viewer(
    radiograph_key: str,
    weights_sha256: str,
    colour_map: str,
    blanked: tuple[Box, ...],
    beside: bool,
    _radiograph: Radiograph,
    _reading: Reading,
) -> viewer_chart.Figure:
    copy = overlay.blank(display_copy(_radiograph), blanked)
    return viewer_chart.viewer(copy, _reading.explanations, colour_map, beside=beside)


def side_by_side(
    shown: Sequence[tuple[Radiograph, Reading]], findings: Sequence[str], colour_map: str
) -> viewer_chart.Figure:
    """Radiographs beside one another with the maps of their readings, and with suspected text black.

    A reading that is refused lends no maps; a phantom's letters say that it is no patient, and stay.
    """
    keys = tuple((radiograph.key, reading.weights_sha256, reading.quality.refused) for radiograph, reading in shown)
    return _side_by_side(keys, tuple(findings), colour_map, shown)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=False)
def _side_by_side(
    keys: tuple[tuple[str, str, bool], ...],
    findings: tuple[str, ...],
    colour_map: str,
    _shown: Sequence[tuple[Radiograph, Reading]],
) -> viewer_chart.Figure:
    sides = []
    for radiograph, reading in _shown:
        copy = overlay.blank(display_copy(radiograph), patient_text(radiograph))
        sides.append(side_by_side_chart.Side(copy, {} if reading.quality.refused else reading.explanations))
    return side_by_side_chart.side_by_side(sides, findings, colour_map)


def contact_sheet(
    radiograph: Radiograph, reading: Reading, colour_map: str, blanked: tuple[Box, ...] = ()
) -> contact_sheet_chart.ContactSheet:
    """The pictures of all maps in small, with these boxes black."""
    return _contact_sheet(radiograph.key, reading.weights_sha256, colour_map, blanked, radiograph, reading)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=False)
def _contact_sheet(
    radiograph_key: str,
    weights_sha256: str,
    colour_map: str,
    blanked: tuple[Box, ...],
    _radiograph: Radiograph,
    _reading: Reading,
) -> contact_sheet_chart.ContactSheet:
    copy = overlay.blank(display_copy(_radiograph), blanked)
    return contact_sheet_chart.contact_sheet(copy, _reading.explanations, colour_map)


def thumbnail(radiograph: Radiograph) -> str:
    """A small picture of a radiograph as it lies, with suspected text black, as a data URI."""
    return _thumbnail(radiograph.key, radiograph)


@st.cache_resource(scope="session", max_entries=films.MOST_FILMS, ttl="8h", show_spinner=False)
def _thumbnail(radiograph_key: str, _radiograph: Radiograph) -> str:
    copy = overlay.blank(overlay.display_copy(_radiograph, THUMBNAIL_SIDE), patient_text(_radiograph))
    return overlay.jpeg_uri(overlay.small(copy, THUMBNAIL_SIDE))


def forget() -> None:
    """Forget all pictures."""
    for cache in (_display_copy, _viewer, _contact_sheet, _thumbnail, _side_by_side):
        cache.clear()
