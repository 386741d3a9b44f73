"""Blocks of HTML that the pages are written with: everything that goes in is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st


def section(title: str, html: str) -> None:
    """A titled section; `html` stands as it is."""
    st.html(f'<section class="cx-card"><h3>{escape(title)}</h3>{html}</section>')


def paragraph(text: str) -> str:
    """A paragraph."""
    return f"<p>{escape(text)}</p>"


def bullets(items: Sequence[str]) -> str:
    """A list; nothing for no items."""
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Names with their values."""
    cells = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows)
    return f'<dl class="cx-facts">{cells}</dl>'


def terms(meanings: Sequence[tuple[str, str]]) -> str:
    """What words mean, one sentence each without its full stop, for a pointer, a finger or a keyboard to open."""
    rows = "".join(f"<div><dt>{escape(word)}</dt><dd>{escape(meaning)}.</dd></div>" for word, meaning in meanings)
    return f'<details class="cx-terms"><summary>What do these words mean?</summary><dl>{rows}</dl></details>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column names the rows."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(c)}</td>" for c in row[1:])}</tr>'
        for row in rows
    )
    # The box scrolls sideways by itself, so that a wide table never widens the page; tabindex lets the keyboard scroll.
    return (
        f'<div class="cx-scroll" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def prose_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells hold sentences; on a narrow screen they stand below one another, each with its column.

    Browsers take what a style sheet lays out otherwise for no table any more: the roles tell that it is one.
    """
    top = "".join(f'<th scope="col" role="columnheader">{escape(cell)}</th>' for cell in head)
    body = ""
    for first, *others in rows:
        cells = "".join(
            f'<td role="cell" data-column="{escape(name, quote=True)}">{escape(cell)}</td>'
            for name, cell in zip(head[1:], others, strict=True)
        )
        body += f'<tr role="row"><th scope="row" role="rowheader">{escape(first)}</th>{cells}</tr>'
    return (
        '<div class="cx-scroll cx-prose" tabindex="0"><table role="table">'
        f'<thead role="rowgroup"><tr role="row">{top}</tr></thead><tbody role="rowgroup">{body}</tbody></table></div>'
    )
