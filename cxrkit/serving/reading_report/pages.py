"""The report as one HTML file without outside references, which prints on one sheet of A4."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from cxrkit.charts.overlay import data_uri
from cxrkit.serving.reading_report.content import Report

_HERE = Path(__file__).parent


def to_html(report: Report) -> str:
    """Write the report; everything in it is escaped, and nothing is fetched or run."""
    return _template().render(
        report=report,
        style=Markup((_HERE / "reading.css").read_text(encoding="utf-8")),
        policy="default-src 'none'; img-src data:; style-src 'unsafe-inline'",
    )


@functools.cache
def _template() -> Template:
    page = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page.filters["jpeg"] = lambda data: data_uri(data, "jpeg")
    return page.get_template("reading.jinja")
