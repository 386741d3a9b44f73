"""The rows of the findings panel as HTML; everything that is not a constant is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from cxrkit.card import Doubt
from cxrkit.dashboard.ranking import Standing
from cxrkit.evaluation.metrics import proportion
from cxrkit.findings import finding_text
from cxrkit.reading import DropoutRecord
from cxrkit.shares import percent as percent  # pages and widgets take it from here
from cxrkit.shares import probability as probability

AXIS_MARKS = (0.0, 0.01, 0.05, 0.25, 0.5, 1.0)


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
    classes += ["is-doubtful"] if at.in_doubt else []
    tick = ""
    if at.threshold is None:
        verdict = "no operating point"
    else:
        tick = f'<i style="left:{position(at.threshold):.2f}%"></i>'
        side = "in doubt at" if at.in_doubt else "past" if at.past else "below"
        verdict = f"{side} {percent(at.threshold)}"
    return (
        f'<div class="{" ".join(classes)}">'
        f'<div class="cx-row-head"><span class="cx-name">{escape(label)}</span>'
        f'<span class="cx-verdict">{escape(verdict)}</span>'
        f'<span class="cx-p">{escape(probability(at.probability))}</span></div>'
        f'<div class="cx-bar">{_zone(at)}<b style="width:{position(at.probability):.2f}%"></b>'
        f"{_whisker(at)}{tick}</div>"
        f'<div class="cx-meaning">{escape(meaning)}</div></div>'
    )


def doubt_help(dropout: DropoutRecord | None, doubt: Doubt | None, rule: str) -> str | None:
    """What whisker and grey zone are, and what doubt was worth on validation; None where there are none."""
    if dropout is None:
        return None
    rates = " and ".join(f"{100 * rate:.3g} %" for rate in dropout.rates)
    said = [
        f"Whisker: 5th to 95th percentile of the probability over {dropout.draws} draws; in each, {rates} of the "
        "features before the last layer are left out at random. Where it reaches across the threshold, so that the bar "
        "ends in the grey zone, the reading abstains: in doubt."
    ]
    if not dropout.trained:
        said.append(
            "The network was trained without dropout: a whisker shows how much a score hangs on single features, and a "
            "short one is no assurance."
        )
    measures = [] if doubt is None else [m for m in doubt.measures if m.rule == rule]
    n, doubtful = sum(m.n for m in measures), sum(m.in_doubt for m in measures)
    inside = proportion(sum(m.wrong_in_doubt for m in measures), doubtful)
    outside = proportion(sum(m.wrong_otherwise for m in measures), n - doubtful)
    if doubt is not None and inside is not None and outside is not None:
        nearest = sum(m.wrong_nearest for m in measures)
        said.append(
            f"On split {doubt.split}, at this operating point: wrong were {inside.positives} of {inside.n} readings "
            f"in doubt ({percent(inside.value)}) and {outside.positives} of {outside.n} others "
            f"({percent(outside.value)}); "
            f"of the {inside.n} nearest to the threshold, {nearest}."
        )
        if inside.low is not None and outside.high is not None and inside.low <= outside.high:
            said.append("So doubt does not tell the wrong ones with any certainty.")
    return " ".join(said)


def lead(ranked: Sequence[Standing], whose: str) -> str:
    """How many findings are past their operating points, and how many in doubt."""
    if not ranked:
        return ""
    past, doubtful = sum(at.positive for at in ranked), sum(at.in_doubt for at in ranked)
    counted = f"{past} past, {doubtful} in doubt, of {len(ranked)} at" if doubtful else f"{past} of {len(ranked)} past"
    return f"{counted} {whose}" + (", furthest first" if len(ranked) > 1 else "")


def _whisker(at: Standing) -> str:
    if at.interval is None:
        return ""
    left, right = position(at.interval.low), position(at.interval.high)
    return f'<s style="left:{left:.2f}%;width:{right - left:.2f}%"></s>'


def _zone(at: Standing) -> str:
    """The grey zone around the threshold; a bar that ends in it is in doubt, given this radiograph's whisker."""
    if at.doubt_zone is None:
        return ""
    left, right = map(position, at.doubt_zone)
    return f'<u style="left:{left:.2f}%;width:{right - left:.2f}%"></u>'
