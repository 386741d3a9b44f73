"""What the sections of the Learn page are built of: a lead of a few sentences, pictures, a chart, one thing to keep."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import streamlit as st

from cxrkit.charts.drawings import label_of
from cxrkit.charts.style import CONFIG, Chart
from cxrkit.charts.vector import svg_uri
from cxrkit.dashboard.theme import ink


class Tile(NamedTuple):
    """A picture as a data URI, what it shows in words, and what stands under it."""

    uri: str
    alt: str
    caption: str


def lead(title: str, *sentences: str) -> None:
    """The section's title and what it is about."""
    st.html(f'<div class="cx-lesson"><h2>{escape(title)}</h2><p>{escape(" ".join(sentences))}</p></div>')


def step(title: str, words: str) -> None:
    """A smaller title within a section."""
    st.html(f'<div class="cx-lesson"><h3>{escape(title)}</h3><p>{escape(words)}</p></div>')


def tiles(pictures: Sequence[Tile], kind: str = "") -> None:
    """Pictures side by side; `kind` is a further class: ``"small"``, ``"grid"`` for the pixels of a coarse map."""
    classes = " ".join(["cx-plates", *(f"cx-plates-{word}" for word in kind.split())])
    st.html(f'<div class="{classes}">{"".join(figure(one) for one in pictures)}</div>')


def figure(one: Tile) -> str:
    """A picture with its caption, as HTML."""
    alt = escape(one.alt, quote=True)
    return f'<figure><img src="{one.uri}" alt="{alt}"><figcaption>{escape(one.caption)}</figcaption></figure>'


def drawing(svg: str, caption: str) -> None:
    """A line drawing with its caption."""
    st.html(f'<div class="cx-drawing">{figure(Tile(svg_uri(svg, ink()), label_of(svg), caption))}</div>')


def chart(shown: Chart, key: str) -> None:
    """A chart with its caption, which says in words what it shows."""
    st.plotly_chart(
        shown.figure,
        width="stretch",
        height=shown.height,
        theme=None,
        key=key,
        config={**CONFIG, "displayModeBar": False},
        alt=f"{shown.title}. {shown.caption}",
    )
    st.html(f'<p class="cx-caption">{escape(shown.caption)}</p>')


def keep(words: str) -> None:
    """The one thing to keep of a section."""
    st.html(f'<p class="cx-keep"><b>To keep.</b> {escape(words)}</p>')
