"""Which colours figures take: those of the page, dark or light."""

from __future__ import annotations

import streamlit as st

from cxrkit.charts.style import ON_DARK, ON_LIGHT, Ink


def ink() -> Ink:
    """Colours for the page as the reader sees it."""
    return ON_DARK if st.context.theme.type == "dark" else ON_LIGHT
