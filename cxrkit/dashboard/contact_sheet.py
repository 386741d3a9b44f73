"""All maps of a reading in one glance, over the viewer, which stays as it was underneath."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.charts.window import Window
from cxrkit.dashboard import choices
from cxrkit.dashboard.findings_panel import percent, probability
from cxrkit.dashboard.ranking import Standing, rank
from cxrkit.dashboard.services import pictures
from cxrkit.dashboard.sidebar import Choice, choose
from cxrkit.dashboard.viewer_controls import View
from cxrkit.findings import finding_text
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box, Explanation, Reading


def contact_sheet(
    radiograph: Radiograph, reading: Reading, choice: Choice, finding: str, view: View, blanked: tuple[Box, ...]
) -> None:
    """A cell for each finding, in the order of the panel; choosing one goes back to the viewer."""
    sheet = pictures.contact_sheet(radiograph, reading, view.look.colour_map, blanked)
    ranked, others = rank(choice.preset, reading.prediction, choice.rule, choice.custom)
    strongest = max(explanation.peak for explanation in reading.explanations.values())
    with st.container(key="sheet"):
        st.html(f"<style>{_style(sheet.film, sheet.aspect, view.window, view.shown.opacity)}</style>")
        with st.container(key="cells", horizontal=True, gap=None):
            for at in (*ranked, *others):
                explanation = reading.explanations[at.finding]
                with st.container(key=f"cell_{at.finding}"):
                    st.html(_cell(at, explanation, sheet.maps.get(at.finding), strongest, at.finding == finding))
                    st.button(
                        f"Look at {finding_text(at.finding).label}",
                        key=f"look_{at.finding}",
                        on_click=_look_at,
                        args=(at.finding,),
                    )


def verdict(at: Standing) -> str:
    """How a finding stands, in words."""
    if at.threshold is None:
        return "no operating point"
    side = "in doubt at" if at.in_doubt else "past" if at.past else "below"
    return f"{side} {percent(at.threshold)}" + ("" if at.supported else ", not supported")


def _look_at(finding: str) -> None:
    choose(finding)
    st.session_state["map_arrangement"] = "beside" if choices.kept("map_beside", False) else "one"


def _style(film: str, aspect: float, window: Window, opacity: float) -> str:
    """The one picture of the radiograph that all cells share."""
    return (
        f'.st-key-sheet .cx-film {{ background-image: url("{film}"); filter: {window.css()}; }}\n'
        f".st-key-sheet .cx-map-thumb {{ aspect-ratio: {aspect:.4f}; }}\n"
        f".st-key-sheet .cx-map-thumb img {{ opacity: {opacity:.2f}; }}"
    )


def _cell(at: Standing, explanation: Explanation, map_uri: str | None, strongest: float, shown: bool) -> str:
    label = finding_text(at.finding).label
    classes = ["cx-cell", *(["is-past"] if at.positive else []), *(["is-shown"] if shown else [])]
    if map_uri is None:
        picture, said = "", "no positive evidence"
    else:
        said = f"peak {percent(explanation.peak / strongest)} of the strongest map"
        picture = f'<img src="{map_uri}" alt="">'
    return (
        f'<div class="{" ".join(classes)}">'
        f'<div class="cx-map-thumb" role="img" aria-label="{escape(f"Map of {label}: {said}")}">'
        f'<i class="cx-film"></i>{picture}</div>'
        f"<b>{escape(label)}</b><span>{escape(probability(at.probability))}, {escape(verdict(at))}</span>"
        f"<small>{escape(said)}</small></div>"
    )
