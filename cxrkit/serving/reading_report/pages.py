"""The report as one HTML file without outside references, which prints on one sheet of A4."""

from __future__ import annotations

import functools
import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from cxrkit.charts.overlay import data_uri
from cxrkit.serving.reading_report.content import Report

ROOM, LETTERS = 28.0, 125
"""Lines of text that a sheet has beside what is always on it, and letters of a line, both with something to spare."""

_HERE = Path(__file__).parent


def to_html(report: Report) -> str:
    """Write the report; everything in it is escaped, and nothing is fetched or run."""
    return _template().render(
        report=report,
        style=Markup((_HERE / "reading.css").read_text(encoding="utf-8")),
        fit=round(min(1.0, ROOM / _lines(report)) ** 0.5, 3),  # smaller type makes lines longer, too
        policy="default-src 'none'; img-src data:; style-src 'unsafe-inline'",
    )


def _lines(report: Report) -> float:
    """Lines that the report takes at full size, those of the table higher than others."""
    texts = (*report.footnotes, *report.quality, *report.notes, *filter(None, [report.impression]))
    return 1.25 * len(report.lines) + sum(math.ceil(len(text) / LETTERS) for text in texts)


@functools.cache
def _template() -> Template:
    page = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page.filters["jpeg"] = lambda data: data_uri(data, "jpeg")
    return page.get_template("reading.jinja")
