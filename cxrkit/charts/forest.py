"""Forest plots: one row per finding or group, its value and its 95 % interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.charts.style import (
    ON_LIGHT,
    Chart,
    Figure,
    Ink,
    Trace,
    axis_of,
    counts,
    figure_of,
    label,
    name_of,
    number,
    rounded,
    rule_name,
    scatter,
    spread,
)
from cxrkit.evaluation.schema import Comparison, Evaluation, FindingEvaluation, Gap, Group, Interval, Measure

ROW = 34
"""Pixels per row."""

_VARIABLES = {"sex": "Sex", "age": "Age in years", "view": "View", "aspect_ratio": "Aspect ratio"}
_RATES = {"auroc": "AUROC", "sensitivity": "Sensitivity", "specificity": "Specificity"}


@dataclass(frozen=True)
class _Row:
    name: str
    note: str
    measure: Measure | None
    beside: Interval | None = None
    mark: str = "circle"
    heading: bool = False


def auroc_by_finding(evaluation: Evaluation, ink: Ink = ON_LIGHT) -> Chart | None:
    """AUROC of every finding that has one, and their mean; None where none has."""
    rows = [
        _Row(name_of(finding), f"{e.positives:,} of {e.n:,}", e.auroc, e.auroc.delong, _mark(e.positives))
        for finding, e in evaluation.findings.items()
        if e.auroc is not None
    ]
    if not rows:
        return None
    macro = evaluation.macro.auroc
    if macro is not None and len(macro.findings) > 1:
        rows.append(_Row("<b>Mean</b>", f"of {len(macro.findings)} findings", macro, None, "diamond"))
    return Chart(
        _forest(rows, "AUROC (dotted: 0.5, chance)", 0.5, ink, (min(0.45, _reach(rows)[0] - 0.02), 1.005)),
        "AUROC by finding",
        f"{evaluation.images:,} radiographs; beside each name its positives and its rows. Thick bars: {_method(rows)}; "
        f"thin bars: DeLong's interval. Hollow marks rest on fewer than {MINIMUM_POSITIVES} positives.",
        height=_height(rows),
    )


def by_subgroup(entry: FindingEvaluation, measure: str, ink: Ink = ON_LIGHT) -> Chart | None:
    """One measure in every group that is large enough, with the largest gap of each variable.

    `measure` is ``auroc`` or a key of `Group.rates`, such as ``sensitivity@youden``. None where no group
    has it.
    """
    overall = overall_of(entry, measure)
    rows = [] if overall is None else [_Row("<b>All rows</b>", rests_on(overall, measure), overall, None, "diamond")]
    judged = 0
    for grouping in entry.subgroups.values():
        found = [
            _Row(label(g.name), rests_on(m, measure), m, None, _mark(g.positives))
            for g in grouping.groups
            if (m := _in(g, measure))
        ]
        if not found:
            continue
        judged += len(found)
        gap = next((g for g in grouping.gaps if g.measure == measure), None)
        rows += [_Row(f"<b>{label(variable_name(grouping.variable))}</b>", _gap_words(gap), None, heading=True), *found]
    if not judged:
        return None
    reference = 0.5 if measure == "auroc" else None
    low, high = _reach(rows)
    bounds = (max(-0.01, min(0.45 if reference else 1.0, low - 0.04)), min(1.01, high + 0.04))
    return Chart(
        _forest(rows, _RATES.get(measure.partition("@")[0], measure), reference, ink, bounds, level=overall),
        f"{measure_name(measure)}, by group",
        f"{counts(entry.n, entry.positives)}. Beside each group what it rests on; beside each variable its "
        f"largest gap with a 95 % interval. Bars: {_method(rows)}. Groups that are too small are in the table only.",
        height=_height(rows),
    )


def differences(comparison: Comparison, ink: Ink = ON_LIGHT) -> Chart | None:
    """AUROC of this model less that of the other, on the same rows; None where there is no finding."""
    rows = [
        _Row(
            name_of(finding),
            _p_words(pair.p_holm),
            pair.difference,
            pair.delong,
            _mark(pair.difference.positives),
        )
        for finding, pair in comparison.findings.items()
    ]
    if not rows:
        return None
    if comparison.macro is not None and len(rows) > 1:
        rows.append(_Row("<b>Mean</b>", "", comparison.macro, None, "diamond"))
    low, high = _reach(rows)
    pad = 0.06 * max(high - low, 0.01)
    bounds = (min(low - pad, -pad), max(high + pad, pad))
    return Chart(
        _forest(rows, "Difference in AUROC (right: this model ranks better)", 0.0, ink, bounds),
        "This model against the other",
        f"{comparison.rows:,} radiographs that both judged. Thick bars: {_method(rows)}; thin bars: "
        "paired DeLong, images taken as independent. p is adjusted for the number of findings (Holm).",
        height=_height(rows),
    )


def measure_name(measure: str) -> str:
    """Words for ``auroc`` or ``sensitivity@youden``."""
    rate, _, rule = measure.partition("@")
    return _RATES.get(rate, rate) + (f" at the {rule_name(rule)} point" if rule else "")


def variable_name(variable: str) -> str:
    """Words for a grouping variable."""
    return _VARIABLES.get(variable, variable.replace("_", " ").capitalize())


def overall_of(entry: FindingEvaluation, measure: str) -> Measure | None:
    """The measure over all rows that stands beside those of the groups."""
    rate, _, rule = measure.partition("@")
    if not rule:
        return entry.auroc
    point = entry.operating_points.get(rule)
    found = getattr(point, rate, None)
    return found if isinstance(found, Measure) else None


def _in(group: Group, measure: str) -> Measure | None:
    return group.auroc if measure == "auroc" else group.rates.get(measure)


def _gap_words(gap: Gap | None) -> str:
    return "no second group to compare" if gap is None else f"gap {spread(gap.difference, 2)}"


def rests_on(found: Measure, measure: str) -> str:
    """Positives and rows of an AUROC; how many positives or negatives a rate is a share of."""
    if measure == "auroc":
        return f"{found.positives:,} of {found.n:,}"
    return f"{found.n:,} {'positives' if measure.startswith('sensitivity') else 'negatives'}"


def _p_words(p: float | None) -> str:
    return "" if p is None else "p < 0.001" if p < 0.001 else f"p = {number(p)}"


def _mark(positives: int) -> str:
    return "circle" if positives >= MINIMUM_POSITIVES else "circle-open"


def _method(rows: Sequence[_Row]) -> str:
    """How the thick bars came about: those of the rows, then another of their mean."""
    own = dict.fromkeys(row.measure.method for row in rows if row.measure and row.mark != "diamond")
    mean = [
        row.measure.method for row in rows if row.measure and row.mark == "diamond" and row.measure.method not in own
    ]
    return "; ".join([*own, *(f"of the mean, {method}" for method in mean)])


def _height(rows: Sequence[_Row]) -> int:
    return max(70 + ROW * len(rows), 136)  # below 64 px of plot Plotly makes no room for the title of an axis


def _forest(
    rows: Sequence[_Row],
    title: str,
    reference: float | None,
    ink: Ink,
    bounds: tuple[float, float],
    *,
    level: Measure | None = None,
) -> Figure:
    small = f"font-size:10.5px;color:{ink.muted}"
    names = [f'{row.name}<br><span style="{small}">{row.note}</span>' if row.note else row.name for row in rows]
    drawn: Mapping[int, _Row] = {place: row for place, row in enumerate(rows) if row.measure is not None}
    measures = [row.measure for row in drawn.values() if row.measure is not None]
    colours = [ink.second if row.mark == "diamond" else ink.model for row in drawn.values()]
    marks = scatter(
        x=rounded(measure.value for measure in measures),
        y=list(drawn),
        customdata=[spread(measure) for measure in measures],
        mode="markers",
        marker={
            "symbol": [row.mark for row in drawn.values()],
            "size": [12 if row.mark == "diamond" else 9 for row in drawn.values()],
            "color": colours,
            "opacity": 1,
            "line": {"width": 2, "color": colours},
        },
        hovertemplate="%{customdata}<extra></extra>",
    )
    across = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    levels = [(reference, "dot"), (None if level is None else level.value, "dash")]
    return figure_of(
        ink,
        [
            _bars({place: _ends(row.measure) for place, row in drawn.items()}, ink.model, 3.2),
            _bars({place + 0.24: _ends(row.beside) for place, row in drawn.items()}, ink.muted, 1.4),
            marks,
        ],
        xaxis=axis_of(ink, title, range=list(bounds), nticks=7),
        yaxis=axis_of(
            ink,
            tickvals=list(range(len(rows))),
            ticktext=names,
            range=[len(rows) - 0.4, -0.6],
            ticks="",
            showline=False,
            showgrid=False,
        ),
        shapes=[
            {**across, "x0": value, "x1": value, "line": {"color": ink.muted, "width": 1, "dash": dash}}
            for value, dash in levels
            if value is not None
        ],
        showlegend=False,
    )


def _reach(rows: Sequence[_Row]) -> tuple[float, float]:
    """Lowest and highest end of all that is drawn."""
    ends = [end for row in rows for end in (*(_ends(row.measure) or ()), *(_ends(row.beside) or ()))]
    values = [row.measure.value for row in rows if row.measure is not None]
    return min([*ends, *values]), max([*ends, *values])


def _ends(interval: Measure | Interval | None) -> tuple[float, float] | None:
    if interval is None or interval.low is None or interval.high is None:
        return None
    return round(interval.low, 5), round(interval.high, 5)


def _bars(bars: Mapping[float, tuple[float, float] | None], colour: str, width: float) -> Trace:
    """All intervals as one line with gaps."""
    x: list[float | None] = []
    y: list[float | None] = []
    for place, ends in bars.items():
        if ends is not None:
            x += [*ends, None]
            y += [place, place, None]
    return scatter(x=x, y=y, mode="lines", line={"color": colour, "width": width}, hoverinfo="skip")
