"""Figures of one finding's evaluation: each takes parts of `cxrkit.evaluation.schema` and computes no number.

What a part lacks (None) has no chart: the caller says why in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import sqrt

from cxrkit.charts.style import (
    ON_LIGHT,
    Chart,
    Ink,
    Trace,
    axis_of,
    bar,
    counts,
    figure_of,
    label,
    number,
    percent,
    rounded,
    rule_name,
    scatter,
    spread,
    tick_step,
)
from cxrkit.evaluation.schema import (
    Area,
    AtPoint,
    Curve,
    DecisionCurve,
    Precision,
    ScoreHistogram,
)

MARKS = ("diamond", "square", "triangle-up", "star", "pentagon")
DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")
PROBABILITIES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
SHARE = {"range": [-0.01, 1.01], "tickformat": ".0%", "dtick": 0.25}


def roc(curve: Curve, area: Area | None, points: Mapping[str, AtPoint], ink: Ink = ON_LIGHT) -> Chart:
    """Sensitivity over the share of false alarms, with each operating point and its two Wilson intervals."""
    chance = {"color": ink.muted, "width": 1, "dash": "dot"}
    traces = [
        scatter(x=[0, 1], y=[0, 1], mode="lines", line=chance, name="Chance", hoverinfo="skip"),
        scatter(
            x=rounded(curve.x),
            y=rounded(curve.y),
            customdata=rounded(curve.thresholds),
            mode="lines",
            line={"color": ink.model, "width": 2.2},
            name="Model",
            hovertemplate="sensitivity %{y:.1%}<br>1 − specificity %{x:.1%}<br>threshold %{customdata:.4f}"
            "<extra></extra>",
        ),
        *(_mark(place, rule, point, ink) for place, (rule, point) in enumerate(points.items()) if _both_rates(point)),
    ]
    value = "AUROC undefined" if area is None else f"AUROC {spread(area)}"
    crosses = " Crosses: Wilson 95 % intervals of an operating point." if points else ""
    if hollow := dict.fromkeys(_weakness(point) for point in points.values() if not point.supported):
        crosses += f" Hollow marks were fitted on {' or on '.join(hollow)}: do not rely on them."
    return Chart(
        figure_of(
            ink,
            traces,
            xaxis=axis_of(ink, "1 − specificity (share of false alarms)", **SHARE),
            yaxis=axis_of(ink, "Sensitivity", **SHARE),
        ),
        "How well the model ranks positives above negatives (ROC)",
        f"{value}; {counts(curve.n, curve.positives)}. 0.5 is chance, 1 is perfect.{crosses}",
    )


def _weakness(point: AtPoint) -> str:
    """On what an operating point was fitted that is not supported."""
    return "these very rows" if point.fitted_on.kind == "judged" else "too few cases"


def _both_rates(point: AtPoint) -> bool:
    return point.sensitivity is not None and point.specificity is not None


def _mark(place: int, rule: str, point: AtPoint, ink: Ink) -> Trace:
    """An operating point as a mark with a cross of intervals."""
    sensitivity, specificity = point.sensitivity, point.specificity
    assert sensitivity is not None
    assert specificity is not None
    colour = (ink.second, ink.third, ink.fourth)[place % 3]
    mark, name = MARKS[place % len(MARKS)], label(rule_name(rule))
    trace = scatter(
        x=[1 - specificity.value],
        y=[sensitivity.value],
        mode="markers",
        marker={
            "symbol": mark if point.supported else f"{mark}-open",
            "size": 10,
            "color": colour,
            "line": {"width": 1.6, "color": colour},
        },
        name=name
        if point.supported
        else f"{name} ({'fitted here' if point.fitted_on.kind == 'judged' else 'unsupported'})",
        hovertemplate=f"{name}: threshold {percent(point.threshold)}<br>"
        "sensitivity %{y:.1%}<br>1 − specificity %{x:.1%}<extra></extra>",
    )
    looks = {"type": "data", "symmetric": False, "thickness": 1.3, "width": 4, "color": colour}
    if specificity.low is not None and specificity.high is not None:  # mirrored: the axis shows 1 - specificity
        right, left = specificity.value - specificity.low, specificity.high - specificity.value
        trace["error_x"] = {**looks, "array": [right], "arrayminus": [left]}
    if sensitivity.low is not None and sensitivity.high is not None:
        up, down = sensitivity.high - sensitivity.value, sensitivity.value - sensitivity.low
        trace["error_y"] = {**looks, "array": [up], "arrayminus": [down]}
    return trace


def precision_recall(curve: Curve, precision: Precision | None, ink: Ink = ON_LIGHT) -> Chart:
    """PPV over sensitivity, beside the prevalence that a scorer without skill reaches."""
    prevalence = curve.positives / curve.n if precision is None else precision.prevalence
    # Where nothing is called positive there is no PPV; libraries write 1 there, which nobody measured.
    called = [place for place, recall in enumerate(curve.x) if recall > 0]
    traces = [
        scatter(
            x=[0, 1],
            y=[prevalence] * 2,
            mode="lines",
            line={"color": ink.muted, "width": 1, "dash": "dot"},
            name=f"No skill: prevalence {percent(prevalence)}",
            hoverinfo="skip",
        ),
        scatter(
            x=rounded(curve.x[place] for place in called),
            y=rounded(curve.y[place] for place in called),
            customdata=rounded(curve.thresholds[place] for place in called),
            mode="lines",
            line={"color": ink.model, "width": 2.2},
            name="Model",
            hovertemplate="PPV %{y:.1%}<br>sensitivity %{x:.1%}<br>threshold %{customdata:.4f}<extra></extra>",
        ),
    ]
    value = "AUPRC undefined" if precision is None else f"AUPRC {spread(precision)}"
    return Chart(
        figure_of(
            ink,
            traces,
            xaxis=axis_of(ink, "Sensitivity (recall)", **SHARE),
            yaxis=axis_of(ink, "PPV (precision)", **SHARE),
        ),
        "How many alarms are true (precision and recall)",
        f"{value}, against {number(prevalence)} without skill; {counts(curve.n, curve.positives)}. "
        "It depends on the prevalence of these rows.",
    )


def decision_curve(curve: DecisionCurve, ink: Ink = ON_LIGHT) -> Chart:
    """Net benefit of acting on the model against acting on everyone and on no one."""
    known = [value for value in (*curve.net_benefit, *curve.high) if value is not None]
    top = max(0.001, 1.1 * max([*known, curve.treat_all[0]]))
    thresholds = rounded(curve.thresholds)
    ends = [
        (threshold, low, high)
        for threshold, low, high in zip(thresholds, curve.low, curve.high, strict=True)
        if low is not None and high is not None
    ]
    band = scatter(
        x=[threshold for threshold, _, _ in ends] + [threshold for threshold, _, _ in reversed(ends)],
        y=rounded([low for _, low, _ in ends] + [high for _, _, high in reversed(ends)]),
        fill="toself",
        fillcolor=ink.band(),
        line={"width": 0},
        mode="lines",
        name="95 % interval",
        hoverinfo="skip",
    )
    lines = (
        ("Act on the model", curve.net_benefit, {"color": ink.model, "width": 2.2}),
        ("Act on all", curve.treat_all, {"color": ink.second, "width": 1.5, "dash": "dash"}),
        ("Act on none", curve.treat_none, {"color": ink.text, "width": 1.2, "dash": "dot"}),
    )
    traces = [
        scatter(
            x=thresholds,
            y=rounded(values),
            mode="lines",
            line=line,
            name=name,
            hovertemplate=name + ": %{y:.4f} at %{x:.1%}<extra></extra>",
        )
        for name, values, line in lines
    ]
    figure = figure_of(
        ink,
        [band, *traces] if ends else traces,
        xaxis=axis_of(ink, "Probability at which one would act", tickformat=".0%"),
        # Acting on all falls without bound: what lies far below zero is of no interest.
        yaxis=axis_of(ink, "Net benefit per radiograph", range=[-0.3 * top, top], exponentformat="none"),
    )
    return Chart(
        figure,
        "Whether acting on the model helps (decision curve)",
        f"Above both other lines the model helps a reader who acts at that probability; "
        f"{counts(curve.n, curve.positives)}. Band: {curve.method}.",
    )


def histogram(scores: ScoreHistogram, points: Mapping[str, AtPoint], ink: Ink = ON_LIGHT) -> Chart:
    """Probabilities of positives (upward) and negatives (downward), each as a share of its class.

    On a square-root scale, as on the page of findings: most probabilities of a rare finding are small.
    """
    positives, negatives = sum(scores.positives), sum(scores.negatives)
    bins = list(pairwise(scores.edges))
    up = [count / positives if positives else 0.0 for count in scores.positives]
    down = [count / negatives if negatives else 0.0 for count in scores.negatives]
    top = 1.12 * max([0.01, *up, *down])
    step = tick_step(2 * top)
    ticks = [step * k for k in range(-int(top / step), int(top / step) + 1)]
    halves = (("With the finding", up, scores.positives, ink.second), ("Without it", down, scores.negatives, ink.model))
    traces = [
        bar(
            x=rounded((sqrt(low) + sqrt(high)) / 2 for low, high in bins),
            y=rounded(share if name == "With the finding" else -share for share in shares),
            width=rounded(sqrt(high) - sqrt(low) for low, high in bins),
            customdata=[[count, percent(low), percent(high)] for count, (low, high) in zip(numbers, bins, strict=True)],
            marker={"color": colour, "line": {"width": 0.5, "color": ink.grid}},
            name=name,
            hovertemplate=f"{name}: %{{customdata[0]}} from %{{customdata[1]}} to %{{customdata[2]}}<extra></extra>",
        )
        for name, shares, numbers, colour in halves
    ]
    traces += [
        scatter(
            x=[sqrt(point.threshold)] * 2,
            y=[-top, top],
            mode="lines",
            line={"color": ink.text, "width": 1.2, "dash": DASHES[place % len(DASHES)]},
            name=f"{label(rule_name(rule))} {percent(point.threshold)}",
            hovertemplate=f"{label(rule_name(rule))}: threshold {percent(point.threshold)}<extra></extra>",
        )
        for place, (rule, point) in enumerate(points.items())
    ]
    last = _last_used(scores, points)
    shown = [tick for tick in PROBABILITIES if tick <= 1.001 * last]
    figure = figure_of(
        ink,
        traces,
        xaxis=axis_of(
            ink,
            "Probability (square-root scale)",
            range=[0, sqrt(last)],
            tickvals=[round(sqrt(tick), 5) for tick in shown],
            ticktext=[f"{100 * tick:g}%" for tick in shown],
        ),
        yaxis=axis_of(
            ink,
            "Share of the class",
            range=[-top, top],
            tickvals=ticks,
            ticktext=[f"{100 * abs(tick):.3g}%" for tick in ticks],
        ),
        barmode="overlay",
        bargap=0,
    )
    return Chart(
        figure,
        "Which probabilities positives and negatives get",
        f"{counts(positives + negatives, positives)}. Each half adds up to 100 % of its class; lines are thresholds.",
    )


def _last_used(scores: ScoreHistogram, points: Mapping[str, AtPoint]) -> float:
    """Where the axis may end: past the last bin that holds a score, and past every threshold."""
    used = [edge for edge, *held in zip(scores.edges[1:], scores.positives, scores.negatives, strict=True) if any(held)]
    return max([*used, *(1.05 * point.threshold for point in points.values()), 0.01])
