"""What the views of a threshold share: a chart in its place, and the threshold that the reader took."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.charts.style import CONFIG, Chart
from cxrkit.dashboard import choices
from cxrkit.serving.judged_table import JudgedTable


def show(chart: Chart, key: str, **selection: object) -> None:
    """A chart under its title and over its caption, which is its text alternative as well."""
    with st.container(key=f"chart_{key}"):
        st.html(f'<h3 class="cx-chart-title">{escape(chart.title)}</h3>')
        st.plotly_chart(
            chart.figure,
            width="stretch",
            height=chart.height,
            theme=None,
            key=key,
            config=CONFIG,
            alt=f"{chart.title}. {chart.caption}",
            **selection,  # type: ignore[call-overload]
        )
        st.html(f'<p class="cx-caption">{escape(chart.caption)}</p>')


def key_of(judged: JudgedTable, finding: str) -> str:
    """Session key of the threshold that the reader took for a finding of a table."""
    return f"place {judged.key[:12]}{judged.key[64:]} {finding}"


def go(key: str, place: int) -> None:
    """Take a threshold (a widget's callback)."""
    st.session_state[key] = place
    choices.keep(key, place)
