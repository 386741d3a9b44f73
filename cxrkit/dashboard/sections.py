"""Long pages in sections of which one is shown, and computed, at a time; its name stands in the address."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from cxrkit.dashboard import choices

QUERY = "section"


def choose_section(page: str, titles: Mapping[str, str]) -> str:
    """A row of the sections' titles; returns the name of the chosen one.

    Parameters
    ----------
    page
        A word for the page, which keeps its own choice.
    titles
        Name in the address -> title, in their order; the first is shown until one is chosen.
    """
    key, names = section_key(page), list(titles)
    asked, said = st.query_params.get(QUERY), f"{key}_said"
    if asked in titles and asked != st.session_state.get(said):  # a link was opened, or the browser went back
        st.session_state[key] = asked
    choices.recall(key, names[0], names)
    with st.container(key=f"sections_{page}"):
        chosen = st.pills(
            "Sections of this page",
            names,
            format_func=titles.__getitem__,
            key=key,
            required=True,
            label_visibility="collapsed",
        )
    assert chosen is not None  # a choice is required
    choices.keep(key, chosen)
    if asked != chosen and (asked is not None or chosen != names[0]):  # an address without it means the first
        st.query_params[QUERY] = chosen
    st.session_state[said] = chosen
    return chosen


def next_section(page: str, titles: Mapping[str, str], chosen: str) -> None:
    """A button that leads to the section after the chosen one, if there is one."""
    names = list(titles)
    after = names[names.index(chosen) + 1 :]
    if after:
        st.button(
            f"Next: {titles[after[0]]}",
            icon=":material/arrow_forward:",
            key=f"next_{page}",
            on_click=_go,
            args=(section_key(page), after[0]),
        )


def section_key(page: str) -> str:
    """Session key of a page's choice."""
    return f"section_{page}"


def _go(key: str, name: str) -> None:
    st.session_state[key] = name
