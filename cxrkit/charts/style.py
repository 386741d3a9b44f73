"""What the figures of an evaluation share: colours, axes, words for numbers, and how they travel to a page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.evaluation.schema import Measure
from cxrkit.findings import finding_text

Figure: TypeAlias = go.Figure
Trace: TypeAlias = dict[str, Any]


PERCENT = "\u00a0%"
LONGEST_NAME = 30


@dataclass(frozen=True)
class Ink:
    """Colours of a figure on one kind of page; the page's own background shows through.

    `model`, `second`, `third` and `fourth` are taken from Okabe and Ito's palette (2008), which readers
    with any common colour blindness tell apart; every line differs in dash or mark as well.
    """

    text: str
    muted: str
    grid: str
    model: str
    second: str
    third: str
    fourth: str

    def band(self, opacity: float = 0.16) -> str:
        """The model's colour as the fill of an interval."""
        red, green, blue = (int(self.model[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},{opacity})"


ON_LIGHT = Ink("#1b2329", "#5a6670", "#dde3e7", "#0072b2", "#d55e00", "#00795a", "#a3528a")
ON_DARK = Ink("#e6ebef", "#9aa7b1", "#2c353d", "#56b4e9", "#e69f00", "#2fc49b", "#e39ac6")


@dataclass(frozen=True)
class Chart:
    """A figure with its title and caption in plain language; both are plain text, to be escaped by the page.

    `height` is in pixels. The caption says n and positives.
    """

    figure: Figure
    title: str
    caption: str
    height: int = 340


CONFIG: dict[str, Any] = {
    "responsive": True,
    "displaylogo": False,
    "modeBarButtons": [["toImage"]],
    "doubleClick": "reset",
}


def scatter(**settings: Any) -> Trace:
    """Lines or marks."""
    return {"type": "scatter", **settings}


def bar(**settings: Any) -> Trace:
    """Bars."""
    return {"type": "bar", **settings}


def axis_of(ink: Ink, title: str = "", **settings: Any) -> dict[str, Any]:
    """An axis with the shared looks."""
    return {
        "showline": True,
        "linecolor": ink.muted,
        "gridcolor": ink.grid,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": ink.muted,
        "ticklen": 4,
        "automargin": True,
        "tickangle": 0,
        "title": {"text": title, "standoff": 8, "font": {"size": 12}},
        **settings,
    }


def figure_of(ink: Ink, traces: Sequence[Trace], **layout: Any) -> Figure:
    """A figure with the shared looks; `layout` holds its axes.

    It is handed to plotly in one piece: plotly checks a figure anew at every later change, which takes
    most of the time that a report takes.
    """
    shared = {
        "template": "none",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": ink.text},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 14, "t": 10, "b": 8},
        "legend": {"orientation": "h", "y": -0.24, "yanchor": "top", "x": 0, "xanchor": "left", "font": {"size": 11}},
        "dragmode": False,
        "hoverlabel": {"font": {"size": 12}},
    }
    return go.Figure({"data": list(traces), "layout": {**shared, **layout}})


def label(text: str) -> str:
    """Text for the inside of a figure, where plotly reads tags."""
    return escape(text, quote=False)


def name_of(finding: str) -> str:
    """A finding's name for the inside of a figure, cut where it would leave no room for the figure."""
    name = finding_text(finding).label
    return label(name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…")


def rule_name(rule: str) -> str:
    """Words for an operating point's rule."""
    words = {"youden": "Youden", "screening": "Screening", "rule-in": "Rule-in", "custom": "Custom"}
    return words.get(rule, rule)


def number(value: float, digits: int = 3) -> str:
    """A plain decimal with a true minus sign.

    A negative that rounds to zero keeps its sign, since an end of an interval below zero must not seem to
    be above it; only what is zero but for floating-point noise loses it.
    """
    return f"{0.0 if abs(value) < 1e-9 else value:.{digits}f}".replace("-", "−")


def percent(share: float) -> str:
    """A share as a percentage that does not break at a line's end; two significant digits where it is small.

    Only 0 and 1 are shown as 0 % and 100 %: no probability is made certain by rounding.
    """
    value = 100 * share
    if share in (0, 1):
        return f"{value:.0f}{PERCENT}"
    if 99.95 <= value < 100:
        return f">\u00a099.9{PERCENT}"
    if 0 < value < 0.001:
        return f"<\u00a00.001{PERCENT}"
    digits = 1 if abs(value) >= 1 else min(4, 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}{PERCENT}".replace("-", "−")


def spread(measure: Measure, digits: int = 3) -> str:
    """Value and interval, such as ``0.812 (0.774 to 0.851)``."""
    value = number(measure.value, digits)
    if measure.low is None or measure.high is None:
        return f"{value} (no interval)"
    return f"{value} ({number(measure.low, digits)} to {number(measure.high, digits)})"


def counts(n: int, positives: int) -> str:
    """How many rows something rests on."""
    few = f" (fewer than {MINIMUM_POSITIVES}: weak evidence)" if positives < MINIMUM_POSITIVES else ""
    return f"n = {n:,}, {positives:,} positive{few}"


def tick_step(length: float, most: float = 5.5) -> float:
    """A round distance between ticks, so that at most `most` fit into `length`, a share."""
    return next(
        (step for step in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25) if length / step <= most), 0.5
    )


def to_script(figure: Figure) -> str:
    """A figure as JSON that may stand inside of a ``script`` element of any page.

    ``<`` is written as an escape, so that nothing in it can end the element.
    """
    text = json.dumps(figure.to_plotly_json(), default=_plain, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def plotly_script() -> str:
    """The source of plotly.js, to be embedded once into a page that works offline."""
    return str(get_plotlyjs())


def rounded(values: Any, digits: int = 5) -> list[float | None]:
    """Numbers as a page needs them: five decimals are finer than any screen."""
    return [None if value is None else round(float(value), digits) for value in values]


def _plain(value: Any) -> Any:
    if hasattr(value, "to_plotly_json"):
        return value.to_plotly_json()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not plain")
