"""What the reader chose for the patient who is shown: its names in the session, and how it is forgotten."""

from __future__ import annotations

import streamlit as st

from cxrkit.dashboard import choices

CHOSEN_FINDING = "chosen_finding"  # the finding that the reader looks at
DRAWN = "drawn_picture"  # what the viewer showed last
WINDOW = ("map_level", "map_width")  # what is kept: through which window the radiograph is seen
SWITCHES = ("map_hidden", "picture_inverted")  # what the buttons above the picture switched
COMPARED = ("compare_prior", "compare_current")  # the numbers of the films that are compared
BLANKING = ("blank_suspected", "blank_own", "blank_across", "blank_down")  # what is blanked, and where


def forget() -> None:
    """Let everything be as for a new patient."""
    for key in (CHOSEN_FINDING, DRAWN):
        st.session_state.pop(key, None)
    choices.forget(*BLANKING, *COMPARED)
    reset_window()


def reset_window() -> None:
    """Show the radiograph as it is, and its map (also a widget's callback)."""
    for key in SWITCHES:
        st.session_state.pop(key, None)
    choices.forget(*WINDOW)
