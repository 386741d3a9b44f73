"""The report as a PDF file: one page of A4, fonts embedded, the same bytes for the same report."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Image, KeepInFrame, Paragraph, Spacer, Table

from cxrkit.serving.reading_report.content import Line, Report
from cxrkit.serving.reading_report.figures import Figure

MARGIN = 12 * mm
WIDTH, HEIGHT = A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN
GAP = 2 * mm
_PLAIN, _BOLD = "cxrkit-plain", "cxrkit-bold"
_INK, _MUTED, _RULE, _SHADE, _WARN = (HexColor(c) for c in ("#1b2329", "#4c5860", "#c9d1d6", "#eef2f4", "#8a4b00"))
_WIDTHS = (38.0, 20.0, 31.0, 19.0, 25.0, 27.0, 26.0)
"""Of the columns of the table, in millimetres; the third is that of the intervals."""

Flowables = list[Any]


def to_pdf(report: Report) -> bytes:
    """Write the report; what does not fit the page is made smaller as a whole, never cut off."""
    _register_fonts()
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, lang=report.language)  # no clock and no random numbers in the file
    canvas.setTitle(report.title)
    canvas.setSubject(report.disclaimer)
    canvas.setCreator("cxrkit")
    page = KeepInFrame(WIDTH, HEIGHT, _story(report), mode="shrink")
    _, height = page.wrapOn(canvas, WIDTH, HEIGHT)
    page.drawOn(canvas, MARGIN, A4[1] - MARGIN - height)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


@functools.cache
def _register_fonts() -> None:
    """Bitstream Vera, which reportlab brings: it has the letters of German, Spanish and French, and is embedded."""
    for name, file in ((_PLAIN, "Vera.ttf"), (_BOLD, "VeraBd.ttf")):
        pdfmetrics.registerFont(TTFont(name, file))
    pdfmetrics.registerFontFamily(_PLAIN, normal=_PLAIN, bold=_BOLD, italic=_PLAIN, boldItalic=_BOLD)


@functools.cache
def _style(size: float = 7.2, colour: str = "ink", bold: bool = False) -> ParagraphStyle:
    colours = {"ink": _INK, "muted": _MUTED, "warn": _WARN}
    font = _BOLD if bold else _PLAIN
    return ParagraphStyle(
        f"{size}{colour}{bold}", fontName=font, fontSize=size, leading=1.28 * size, textColor=colours[colour]
    )


def _text(words: str, size: float = 7.2, colour: str = "ink", bold: bool = False) -> Paragraph:
    return Paragraph(escape(words), _style(size, colour, bold))


def _story(report: Report) -> Flowables:
    story: Flowables = [
        _text(report.title, 14, bold=True),
        Spacer(0, 1.5 * mm),
        _disclaimer(report),
        Spacer(0, GAP),
        _pairs(report.facts, columns=2),
        Spacer(0, GAP),
        _pictures(report),
        _text(report.maps_note, 6.4, "muted"),
        Spacer(0, GAP),
    ]
    if report.impression:
        story += [_heading(report.headings.impression), _text(report.impression), Spacer(0, GAP)]
    story += [_heading(report.headings.findings), _findings(report)]
    story += [_text(note, 6.4, "muted") for note in report.footnotes]
    story += [Spacer(0, GAP), _heading(report.headings.quality)]
    story += [_text(f"– {sentence}") for sentence in (*report.quality, *report.notes)]
    story += [Spacer(0, GAP), _heading(report.headings.origin), _pairs(report.origin)]
    story += [Spacer(0, GAP), _heading(report.headings.remarks), _remarks()]
    return story


def _heading(words: str) -> Table:
    """A title with a line under it."""
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.5, _RULE), *_padding(top=0, bottom=1.5, sides=0)]
    return Table([[_text(words, 8.2, bold=True)]], colWidths=[WIDTH], hAlign="LEFT", style=style)


def _disclaimer(report: Report) -> Table:
    lines = [[_text(report.disclaimer, 8.6, "warn", bold=True)]]
    lines += [[_text(report.notice, 7.6, "warn")]] if report.notice else []
    return Table(
        lines, colWidths=[WIDTH], hAlign="LEFT", style=[("BOX", (0, 0), (-1, -1), 1, _WARN), *_padding(2, 2, 6)]
    )


def _pairs(pairs: Sequence[tuple[str, str]], columns: int = 1) -> Table:
    """Names and values, so many pairs side by side."""
    label = 28 * mm
    cells = [cell for name, value in pairs for cell in (_text(name, colour="muted"), _text(value))]
    cells += [_text("")] * (-len(cells) % (2 * columns))
    rows = [cells[at : at + 2 * columns] for at in range(0, len(cells), 2 * columns)]
    return Table(rows, colWidths=[label, WIDTH / columns - label] * columns, hAlign="LEFT", style=_padding(0, 0.5, 0))


def _pictures(report: Report) -> Table:
    """The radiograph on the left; the maps beside it, as large as their number lets them be."""
    count = len(report.maps)
    if count <= 2:
        side = (WIDTH - 2 * GAP) / (3 if count == 2 else 2)
        height = (70 if report.impression else 84) * mm
        cells = [_figure(figure, side, height) for figure in (report.radiograph, *report.maps)]
        cells += [[]] * (2 - len(cells))
        return Table([cells], colWidths=[WIDTH / len(cells)] * len(cells), hAlign="LEFT", style=_padding(0, 0, 0))
    half = WIDTH / 2
    small = [_figure(figure, half / 2 - GAP, 33 * mm) for figure in report.maps] + [[]] * (4 - count)
    grid = Table([small[:2], small[2:]], colWidths=[half / 2] * 2, style=_padding(0, 2, 0))
    left = _figure(report.radiograph, half - GAP, 76 * mm)
    return Table([[left, grid]], colWidths=[half] * 2, hAlign="LEFT", style=_padding(0, 0, 0))


def _figure(figure: Figure, width: float, height: float) -> Flowables:
    scale = min(width / figure.width, height / figure.height)
    picture = Image(BytesIO(figure.jpeg), figure.width * scale, figure.height * scale, hAlign="LEFT")
    words = [_text(figure.title, 7.2, bold=True)]
    words += [_text(figure.caption, 6.4, "muted")] if figure.caption else []
    return [picture, *words]


def _findings(report: Report) -> Table:
    widths = [*_WIDTHS] if report.has_intervals else [*_WIDTHS[:2], *_WIDTHS[3:]]
    widths[0] += WIDTH / mm - sum(widths)  # what is to spare
    rows = [[_text(name, 6.6, "muted", bold=True) for name in report.headings.columns(report.has_intervals)]]
    rows += [_row(line, report.has_intervals) for line in report.lines]
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.25, _RULE), ("VALIGN", (0, 0), (-1, -1), "MIDDLE")]
    style += [("BACKGROUND", (0, k), (-1, k), _SHADE) for k, line in enumerate(report.lines, start=1) if line.strong]
    return Table(rows, colWidths=[width * mm for width in widths], hAlign="LEFT", style=[*style, *_padding(1, 1.2, 2)])


def _row(line: Line, intervals: bool) -> list[Paragraph]:
    colour = "ink" if line.supported else "muted"
    cells = [line.finding, line.probability, *([line.interval] if intervals else []), line.threshold, line.verdict]
    strong = [_text(cell, colour=colour, bold=line.strong) for cell in cells]
    return [*strong, _text(line.rates, 6.6, "muted"), _text(line.fitted, 6.6, "muted")]


def _remarks() -> Table:
    """Two empty lines to write on."""
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.5, _RULE)]
    return Table([[""], [""]], colWidths=[WIDTH], rowHeights=[6.5 * mm] * 2, hAlign="LEFT", style=style)


def _padding(top: float, bottom: float, sides: float) -> list[tuple[Any, ...]]:
    whole = ((0, 0), (-1, -1))
    sizes = {"TOPPADDING": top, "BOTTOMPADDING": bottom, "LEFTPADDING": sides, "RIGHTPADDING": sides}
    return [("VALIGN", *whole, "TOP"), *((name, *whole, size) for name, size in sizes.items())]
