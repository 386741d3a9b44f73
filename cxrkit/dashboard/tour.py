"""Three steps for who opens the page for the first time; under the welcome, in nobody's way."""

from __future__ import annotations

from html import escape

import streamlit as st

STEPS = (
    (
        "Choose how strict to be",
        "Model and operating point stand in the sidebar. Screening misses few, rule-in raises few false alarms; the "
        "sidebar says what that means for the finding that you look at.",
    ),
    (
        "Bring one radiograph or several",
        "Drop files on the field above, or take the synthetic phantom. Each is checked first: what is no frontal "
        "chest radiograph is refused with its reason. Several files give a strip to go through.",
    ),
    (
        "Look where the model looked",
        "Click a finding and its map lies over the radiograph; side by side and all maps are one click away. J and K "
        "go from finding to finding, O hides the map, I inverts the picture. A map is no outline of a lesion.",
    ),
)

_STEP = "tour_step"  # session key: the step that is shown; beyond the last one when it was dismissed


def tour() -> None:
    """The step that is due, or a small button to begin anew."""
    step = st.session_state.get(_STEP, 0)
    with st.container(key="tour"):
        if step >= len(STEPS):
            st.button("Take the tour", key="tour_again", type="tertiary", on_click=_go, args=(0,))
            return
        title, words = STEPS[step]
        st.html(
            f'<section class="cx-tour" aria-label="Tour, step {step + 1} of {len(STEPS)}">'
            f"<small>Step {step + 1} of {len(STEPS)}</small><h3>{escape(title)}</h3><p>{escape(words)}</p></section>"
        )
        with st.container(key="tour_steps", horizontal=True, horizontal_alignment="right"):
            st.button("Skip the tour", key="tour_skip", type="tertiary", on_click=_go, args=(len(STEPS),))
            if step:
                st.button("Back", key="tour_back", on_click=_go, args=(step - 1,))
            last = step + 1 == len(STEPS)
            st.button("Done" if last else "Next", key="tour_next", type="primary", on_click=_go, args=(step + 1,))


def _go(step: int) -> None:
    st.session_state[_STEP] = step
