"""The reading in words, below the findings, in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from cxrkit.dashboard import choices
from cxrkit.dashboard.ranking import Standing
from cxrkit.impression import LANGUAGES, impression
from cxrkit.reading import Reading

_LANGUAGE = "impression_language"


def chosen_language() -> str:
    """The language that the reader chose for the impression, for whatever else carries it."""
    choices.recall(_LANGUAGE, "en", LANGUAGES)
    return str(st.session_state[_LANGUAGE])


def impression_block(reading: Reading, standings: Sequence[Standing], rule: str) -> None:
    """The paragraph with its language and a copy to take away."""
    choices.recall(_LANGUAGE, "en", LANGUAGES)
    with st.container(key="impression"):
        with st.container(key="impression_head", horizontal=True, vertical_alignment="center"):
            st.html(
                '<div class="cx-panel-title" id="impression"><b>Impression</b><span>from fixed sentences</span></div>'
            )
            language = st.selectbox(
                "Language of the impression",
                list(LANGUAGES),
                format_func=lambda code: LANGUAGES[code],
                key=_LANGUAGE,
                label_visibility="collapsed",
            )
            choices.keep(_LANGUAGE, language)
            text = impression(reading, standings, rule, language)
            with st.popover("Copy", icon=":material/content_copy:", help="The paragraph as plain text, to copy."):
                st.code(text, language=None, wrap_lines=True)
        # told apart by language, so that it is read aloud in the right voice
        st.html(f'<p class="cx-impression" lang="{escape(language)}">{escape(text)}</p>')
