"""What the reader chose in fields: kept from page to page, and let go with the patient."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import streamlit as st

_CHOICES, _FORGOTTEN, _PAGE = "kept_choices", "choices_forgotten", "page_of_the_choices"


def turn_to(page: str) -> None:
    """Let the fields of another page be placed anew, with what was kept.

    To Streamlit one key on two pages is two fields. For the first run on the new page session state still knows the
    old one's value, so that `recall` would leave it alone, and the field would come up at its bare default.
    """
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE] = page
        for key in st.session_state.get(_CHOICES, {}):
            st.session_state.pop(key, None)


def recall(key: str, default: object, allowed: Collection[object] = ()) -> None:
    """Set a widget, before it is placed, to what it was when the reader last saw it.

    Streamlit forgets every widget that the current page does not show.
    """
    if key not in st.session_state:
        kept = st.session_state.get(_CHOICES, {}).get(key, default)
        st.session_state[key] = kept if not allowed or kept in allowed else default


def keep(key: str, value: object) -> None:
    """Remember a widget's value for `recall`."""
    st.session_state[_CHOICES] = {**st.session_state.get(_CHOICES, {}), key: value}


def kept(key: str, default: object) -> Any:
    """What `keep` remembered.

    A field in a popover is made with this value, and has its key from `field_key`: the browser places it only when the
    popover is opened, and then knows what the field was made with, not what session state set it to meanwhile.
    """
    return st.session_state.get(_CHOICES, {}).get(key, default)


def field_key(key: str) -> str:
    """Key of a field that is made with what was `kept`: another one after choices were forgotten."""
    return f"{key}_{st.session_state.get(_FORGOTTEN, 0)}"


def forget(*keys: str) -> None:
    """Let widgets start anew, as for another patient."""
    for key in keys:
        st.session_state.pop(key, None)
    st.session_state[_CHOICES] = {k: v for k, v in st.session_state.get(_CHOICES, {}).items() if k not in keys}
    st.session_state[_FORGOTTEN] = st.session_state.get(_FORGOTTEN, 0) + 1
