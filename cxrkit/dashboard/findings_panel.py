"""The rows of the findings panel as HTML; everything that is not a constant is escaped."""

from __future__ import annotations

import math
from html import escape

from cxrkit.dashboard.ranking import Standing
from cxrkit.findings import finding_text

AXIS_MARKS = (0.0, 0.01, 0.05, 0.25, 0.5, 1.0)


def percent(share: float) -> str:
    """A share in percent with the digits that matter: 43.1 %, 1.2 %, 0.25 %, <0.01 %."""
    value = 100 * share
    if 0 < value < 0.01:
        return "<0.01 %"
    if 99.95 <= value < 100:
        return ">99.9 %"
    return f"{value:.2f} %" if 0 < value < 1 else f"{value:.1f} %"


def probability(share: float) -> str:
    """A probability in percent; a logistic function never reaches 0 or 1, so neither is ever shown."""
    return percent(min(max(share, math.ulp(0.0)), 1.0 - math.ulp(0.5)))


def position(share: float) -> float:
    """Place of a share on the bar, 0 to 100: a square-root scale, legible at the prevalence of rare findings."""
    return 100 * math.sqrt(min(max(share, 0.0), 1.0))


def axis_html() -> str:
    """Marks above the bars."""
    marks = "".join(f'<span style="left:{position(m):.1f}%">{100 * m:g} %</span>' for m in AXIS_MARKS)
    return f'<div class="cx-axis" aria-hidden="true">{marks}</div>'


def row_html(at: Standing, shown: bool) -> str:
    """One finding: name, probability, bar with threshold tick, how it stands, and what it means."""
    label, meaning = finding_text(at.finding)
    classes = ["cx-row"]
    classes += ["is-past"] if at.positive else []
    classes += ["is-shown"] if shown else []
    classes += [] if at.supported else ["is-unsupported"]
    tick = ""
    if at.threshold is None:
        verdict = "no operating point"
    else:
        tick = f'<i style="left:{position(at.threshold):.2f}%"></i>'
        side = "past" if at.past else "below"
        verdict = f"{side} {percent(at.threshold)}"
    return (
        f'<div class="{" ".join(classes)}">'
        f'<div class="cx-row-head"><span class="cx-name">{escape(label)}</span>'
        f'<span class="cx-verdict">{escape(verdict)}</span>'
        f'<span class="cx-p">{escape(probability(at.probability))}</span></div>'
        f'<div class="cx-bar"><b style="width:{position(at.probability):.2f}%"></b>{tick}</div>'
        f'<div class="cx-meaning">{escape(meaning)}</div></div>'
    )
