"""Keys of the Read page: which there are, and the field that lists them and turns them off.

Streamlit's own shortcuts of buttons, which leave a key alone while a field has the focus.
"""

from __future__ import annotations

from html import escape
from typing import Literal

import streamlit as st

from cxrkit.dashboard import choices

Action = Literal["next_finding", "previous_finding", "next_film", "previous_film", "overlay", "invert"]
KEYS: dict[Action, tuple[str, str]] = {
    "next_finding": ("J", "Next finding"),
    "previous_finding": ("K", "Previous finding"),
    "next_film": ("N", "Next film"),
    "previous_film": ("P", "Previous film"),
    "overlay": ("O", "Show or hide the map"),
    "invert": ("I", "Invert the picture"),
}
"""Action -> key and what it does. C and R are taken by Streamlit itself."""

_ON = "keys_on"


def keys_on() -> bool:
    """Whether keys do anything."""
    return bool(choices.kept(_ON, True))


def shortcut(action: Action) -> str | None:
    """The key of an action for a button's ``shortcut``, or None where the reader turned keys off."""
    return KEYS[action][0] if keys_on() else None


def help_of(action: Action) -> str:
    """What a button does, with its key."""
    key, meaning = KEYS[action]
    return f"{meaning} (key {key})" if shortcut(action) else meaning


def keyboard_field() -> None:
    """The button beside the upload field, and the list that it opens."""
    with st.popover("Keyboard", icon=":material/keyboard:", key="keyboard"):
        rows = "".join(
            f'<tr><th scope="row"><kbd>{escape(key)}</kbd></th><td>{escape(meaning)}</td></tr>'
            for key, meaning in KEYS.values()
        )
        st.html(f'<table class="cx-keys"><caption>Keys on this page</caption>{rows}</table>')
        on = st.toggle("Use these keys", bool(choices.kept(_ON, True)), key=_ON)
        st.caption("They rest while a field has the focus. Tab and Enter reach every button without them.")
    if on != choices.kept(_ON, True):
        choices.keep(_ON, on)
        st.rerun()  # buttons that stand above have their keys, or not, from the start
