"""The Compare page around its two comparisons: what is taken in, which one is wanted, and the empty states."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from cxrkit.charts.viewer import empty_viewer
from cxrkit.dashboard import choices, films, intake
from cxrkit.dashboard.compare_films import prior_and_current
from cxrkit.dashboard.compare_models import models_and_points
from cxrkit.dashboard.entry import show_error, show_incident
from cxrkit.dashboard.services import models
from cxrkit.dashboard.sidebar import Choice
from cxrkit.errors import CxrError

Comparison = Literal["films", "models"]
COMPARISONS: dict[Comparison, str] = {"films": "Prior and current", "models": "Models and operating points"}


def intake_bar() -> None:
    """The field that adds radiographs to those of the session, and why one of them could not be read."""
    with st.container(key="compare_intake"), st.container(key="intake", horizontal=True, vertical_alignment="center"):
        st.file_uploader(
            "Add radiographs (DICOM, PNG or JPEG)",
            accept_multiple_files=True,
            key=intake.uploader_key(),
            on_change=intake.add_uploads,
            label_visibility="collapsed",
        )
        if films.films():
            st.button(
                "Clear patient",
                icon=":material/delete:",
                on_click=intake.clear_patient,
                help="Forgets the radiographs and everything kept about them in this session.",
            )
        else:
            st.button(
                "Synthetic phantom",
                icon=":material/draw:",
                on_click=intake.take_phantom,
                help="A drawn chest, not a patient: try the page without a file.",
            )
    for film in films.films():
        if isinstance(film.failure, CxrError):
            show_error(CxrError(f"Film {film.number}: {film.failure.message}", film.failure.remedy))
        elif film.failure is not None:
            show_incident(film.failure)


def comparison(choice: Choice) -> None:
    """What the session's films allow: nothing yet, one film's models, or both comparisons to choose from."""
    readable = films.readable()
    if not readable:
        _welcome()
        models.manager(choice.preset)  # loaded while the reader looks for a file
        return
    several = len(readable) > 1
    key = "comparison_of_films" if several else "comparison_of_one_film"  # a second film brings up the first comparison
    choices.recall(key, "films" if several else "models", COMPARISONS)
    bar = st.container(key="compare_bar", horizontal=True, vertical_alignment="bottom")
    with bar:
        chosen: Comparison | None = st.segmented_control(
            "Compare",
            list(COMPARISONS),
            format_func=lambda c: COMPARISONS[c],
            key=key,
            required=True,
            help="Two radiographs of a patient by one model, or one radiograph by several models and operating points.",
        )
    choices.keep(key, chosen)
    if chosen == "models":
        models_and_points(choice, bar)
    elif several:
        prior_and_current(choice, bar)
    else:
        _one_film()


def _welcome() -> None:
    # The unlit viewer makes the browser load the chart library before it is needed.
    with st.container(key="lightbox"):
        st.plotly_chart(empty_viewer(), width="stretch", height=40, theme=None, config={"staticPlot": True})
    st.html(
        '<div class="cx-welcome"><h2>Add one radiograph, or two of one patient</h2>'
        "<p>One: read it by every model at every operating point, and see where they differ, with their maps side by "
        "side.</p>"
        "<p>Two, a prior and a current one: linked pictures, and for every finding how much its score changed, beside "
        "how much it changes when the very same radiograph is read again (the repeatability band).</p></div>"
    )


def _one_film() -> None:
    st.html(
        '<div class="cx-welcome"><h2>One radiograph so far</h2>'
        "<p>Add the other one of the same patient above: the order does not matter, you choose which is the prior "
        "one. Until then, compare models and operating points on this one.</p></div>"
    )
