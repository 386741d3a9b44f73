"""The main part of the Read page: intake, viewer and findings."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.charts.viewer import empty_viewer
from cxrkit.dashboard import films, intake, view_choices
from cxrkit.dashboard.entry import plain, show_error, show_incident
from cxrkit.dashboard.findings_panel import axis_html, doubt_help, lead, percent, row_html
from cxrkit.dashboard.impression_view import impression_block
from cxrkit.dashboard.keyboard import keyboard_field
from cxrkit.dashboard.ranking import RULES, rank
from cxrkit.dashboard.sidebar import Choice, choose
from cxrkit.dashboard.tour import tour
from cxrkit.dashboard.url_field import url_field
from cxrkit.dashboard.viewer_view import picture
from cxrkit.errors import CxrError
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import DropoutRecord, Reading

# -- intake ------------------------------------------------------------------------------------


def intake_bar() -> None:
    """The upload field and the buttons beside it; then why the last file could not be read, if so."""
    with st.container(key="intake", horizontal=True, vertical_alignment="center"):
        st.file_uploader(
            "Radiographs (DICOM, PNG or JPEG)",
            accept_multiple_files=True,
            key=intake.uploader_key(),
            on_change=intake.take_uploads,
            label_visibility="collapsed",
        )
        st.button(
            "Synthetic phantom",
            icon=":material/draw:",
            on_click=intake.take_phantom,
            help="A drawn chest, not a patient: try the page without a file.",
        )
        url_field()
        if films.films():
            st.button(
                "Clear patient",
                icon=":material/delete:",
                on_click=intake.clear_patient,
                help="Forgets the radiograph and everything kept about it in this session.",
            )
        keyboard_field()
    film = films.current()
    failure = None if film is None else film.failure
    if isinstance(failure, CxrError):
        show_error(failure)
    elif failure is not None:
        show_incident(failure)


def welcome() -> None:
    """What the page shows before the first radiograph."""
    # The unlit viewer makes the browser load the chart library before it is needed.
    with st.container(key="lightbox"):
        st.plotly_chart(empty_viewer(), width="stretch", height=40, theme=None, config={"staticPlot": True})
    st.html(
        '<div class="cx-welcome"><h2>Drop a frontal chest radiograph above</h2>'
        "<p>DICOM with or without extension, PNG or JPEG, also within a ZIP archive. It is read on this machine; "
        "nothing is sent anywhere, and neither file names nor patient data are shown or kept.</p>"
        "<p>You get a calibrated probability for every finding, its operating point, and a map of where the model "
        "looked. No file at hand? Use the synthetic phantom.</p></div>"
    )
    tour()


def nothing_to_show() -> None:
    """In place of a reading, where the film of several that is looked at cannot be read: why stands above."""
    st.html('<p class="cx-unreadable">This film shows no radiograph. Go on to another one in the strip above.</p>')


# -- the reading -------------------------------------------------------------------------------


def reading_view(radiograph: Radiograph, reading: Reading, choice: Choice, finding: str) -> None:
    """Radiograph with map on the left, findings on the right (below it on a narrow screen)."""
    with st.container(key="reading", horizontal=True):
        left, right = st.container(key="picture"), st.container(key="findings")
    drawn = f"{radiograph.key} {reading.weights_sha256}"
    known = st.session_state.get(view_choices.DRAWN) == drawn
    st.session_state[view_choices.DRAWN] = drawn
    if known:  # another finding: its map is a line of style, and what the reader asked for
        with left:
            picture(radiograph, reading, choice, finding)
    with right:  # else first: numbers reach the reader before the picture is composed
        _findings(reading, choice, finding)
    if not known:
        with left:
            picture(radiograph, reading, choice, finding)


def _findings(reading: Reading, choice: Choice, finding: str) -> None:
    ranked, others = rank(choice.preset, reading.prediction, choice.rule, choice.custom)
    whose = {"custom": "your own thresholds", "published": "the published thresholds"}.get(
        choice.rule, f"the {RULES[choice.rule][0]} point"
    )
    st.html(
        f'<div class="cx-panel-title"><b>Findings</b><span>{escape(lead(ranked, whose))}</span>'
        '<a class="cx-jump" href="#impression">Impression</a></div>'
    )
    with st.container(key="stated"):
        st.caption(
            plain(stated_at(choice.preset, reading.dropout)),
            help=doubt_help(reading.dropout, choice.preset.doubt, choice.rule),
        )
    st.html(axis_html())
    for at in ranked:
        _row(at.finding, row_html(at, at.finding == finding))
    if others:
        title, why = _unranked(choice)
        st.html(f'<div class="cx-panel-title"><b>{escape(title)}</b><span>{escape(why)}</span></div>')
    for at in others:
        _row(at.finding, row_html(at, at.finding == finding))
    impression_block(reading, (*ranked, *others), choice.rule)


def _unranked(choice: Choice) -> tuple[str, str]:
    """Title of the findings that are not ranked, and why they are not."""
    if choice.rule == "published":
        return "No threshold", "none is published for them: not ranked"
    if not choice.preset.operating_points:
        return "Not ranked", "no operating point was fitted for these weights"
    return "Not supported", f"fewer than {MINIMUM_POSITIVES} cases to fit on: not ranked, do not rely on them"


def stated_at(preset: Preset, dropout: DropoutRecord | None) -> str:
    """At what prevalence the probabilities are stated, and what is drawn."""
    doubt = "" if dropout is None else " whisker, grey zone: doubt;"
    scale = f"Bar: probability; tick: threshold;{doubt} square-root scale."
    if preset.reference_prevalence is not None:
        return f"Stated at the prevalence of {preset.reference_prevalence.source}. {scale}"
    known = {c.prevalence for c in preset.calibration.values()}
    if known == {None}:
        return f"Not calibrated to any known prevalence. {scale}"
    splits = ", ".join(sorted({c.split for c in preset.calibration.values()}))
    at = f" ({percent(known.pop() or 0)})" if len(known) == 1 else ""
    return f"Stated at the prevalence of the set they were calibrated on: {splits}{at}. {scale}"


def _row(finding: str, html: str) -> None:
    """One finding; an invisible button over the row makes it clickable and reachable by keyboard."""
    with st.container(key=f"row_{finding}"):
        st.html(html)
        st.button(
            f"Show {finding_text(finding).label} on the radiograph",
            key=f"show_{finding}",
            on_click=choose,
            args=(finding,),
        )
