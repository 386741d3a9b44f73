"""Which colours figures take: those of the page, dark or light."""

from __future__ import annotations

import streamlit as st

from cxrkit.charts.style import ON_DARK, ON_LIGHT, Ink
from cxrkit.dashboard.scripts import behave


def ink() -> Ink:
    """Colours for the page as the reader sees it."""
    return ON_DARK if st.context.theme.type == "dark" else ON_LIGHT


def follow() -> None:
    """Have the page run anew when the reader turns it dark or light, which Streamlit does not tell the server."""
    st.button("Draw the figures anew", key="theme_turned")  # a script presses it, out of sight
    scheme = "dark" if ink() is ON_DARK else "light"
    behave("theme", f'<span class="cx-inked" data-scheme="{scheme}"></span>')
