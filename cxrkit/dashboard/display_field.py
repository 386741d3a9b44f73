"""The field with the windows and look-up tables of a radiograph, wherever its picture is shown."""

from __future__ import annotations

import streamlit as st

from cxrkit.dashboard import films
from cxrkit.radiograph import Radiograph


def display_name(radiograph: Radiograph, display: int) -> str:
    """A display with its number, as the notes of the radiograph count it."""
    return f"Display {display + 1} of {len(radiograph.displays)}: {radiograph.displays[display]}"


def display_caption(radiograph: Radiograph) -> tuple[str, ...]:
    """What must stand under an exported picture that could have been displayed otherwise; empty for others."""
    return (f"{display_name(radiograph, radiograph.display)}.",) if radiograph.displays else ()


def display_field(radiograph: Radiograph) -> None:
    """Let the reader choose among several displays; shows nothing where there is one."""
    choices = films.displays()
    if not choices:
        return
    with st.container(key="display"):
        st.session_state.setdefault(films.CHOSEN_DISPLAY, radiograph.display)
        chosen = st.selectbox(
            "Display",
            choices,
            format_func=lambda display: display_name(radiograph, display),
            key=films.CHOSEN_DISPLAY,
            label_visibility="collapsed",
        )
    if chosen != radiograph.display:
        films.choose_display(chosen)
        st.rerun()  # the whole page: another picture is another reading
