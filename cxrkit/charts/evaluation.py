"""Figures of one finding's evaluation: each takes parts of `cxrkit.evaluation.schema` and computes no number.

What a part lacks (None) has no chart: the caller says why in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from plotly.subplots import make_subplots

from cxrkit.charts.style import (
    ON_LIGHT,
    Chart,
    Figure,
    Ink,
    counts,
    figure_of,
    label,
    number,
    percent,
    rounded,
    rule_name,
    spread,
)
from cxrkit.evaluation.schema import (
    Area,
    AtPoint,
    CalibrationState,
    Curve,
    DecisionCurve,
    Precision,
    ScoreHistogram,
)

MARKS = ("diamond", "square", "triangle-up", "star", "pentagon")
DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")
STATES = {
    "raw": "Raw network output",
    "delivered": "As delivered",
    "platt": "After Platt scaling",
    "temperature": "After temperature scaling",
    "isotonic": "After isotonic regression",
}
SHARE = {"range": [-0.01, 1.01], "tickformat": ".0%", "dtick": 0.25}


def roc(curve: Curve, area: Area | None, points: Mapping[str, AtPoint], ink: Ink = ON_LIGHT) -> Chart:
    """Sensitivity over the share of false alarms, with each operating point and its two Wilson intervals."""
    x, y = {**SHARE, "title": "False alarms among the negatives (1 − specificity)"}, {**SHARE, "title": "Sensitivity"}
    figure = figure_of(ink, x, y)
    chance = {"color": ink.muted, "width": 1, "dash": "dot"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=chance, name="Chance", hoverinfo="skip")
    figure.add_scatter(
        x=rounded(curve.x),
        y=rounded(curve.y),
        customdata=rounded(curve.thresholds),
        mode="lines",
        line={"color": ink.model, "width": 2.2},
        name="Model",
        hovertemplate="sensitivity %{y:.1%}<br>1 − specificity %{x:.1%}<br>threshold %{customdata:.4f}<extra></extra>",
    )
    for place, (rule, point) in enumerate(points.items()):
        _add_point(figure, place, rule, point, ink)
    value = "AUROC undefined" if area is None else f"AUROC {spread(area)}"
    crosses = " Crosses: Wilson 95 % intervals of an operating point; hollow marks are unsupported." if points else ""
    return Chart(
        figure,
        "How well the model ranks positives above negatives (ROC)",
        f"{value}; {counts(curve.n, curve.positives)}. 0.5 is chance, 1 is perfect.{crosses}",
    )


def _add_point(figure: Figure, place: int, rule: str, point: AtPoint, ink: Ink) -> None:
    sensitivity, specificity = point.sensitivity, point.specificity
    if sensitivity is None or specificity is None:
        return
    colour = (ink.second, ink.third, ink.fourth)[place % 3]
    mark = MARKS[place % len(MARKS)]
    bar = {"type": "data", "symmetric": False, "thickness": 1.3, "width": 4, "color": colour}
    x_low = None if specificity.high is None else [specificity.high - specificity.value]
    x_high = None if specificity.low is None else [specificity.value - specificity.low]
    y_low = None if sensitivity.low is None else [sensitivity.value - sensitivity.low]
    y_high = None if sensitivity.high is None else [sensitivity.high - sensitivity.value]
    figure.add_scatter(
        x=[1 - specificity.value],
        y=[sensitivity.value],
        error_x={**bar, "array": x_high, "arrayminus": x_low} if x_high else None,
        error_y={**bar, "array": y_high, "arrayminus": y_low} if y_high else None,
        mode="markers",
        marker={
            "symbol": mark if point.supported else f"{mark}-open",
            "size": 10,
            "color": colour,
            "line": {"width": 1.6, "color": colour},
        },
        name=label(rule_name(rule)) + ("" if point.supported else " (unsupported)"),
        hovertemplate=f"{label(rule_name(rule))}: threshold {percent(point.threshold)}<br>"
        "sensitivity %{y:.1%}<br>1 − specificity %{x:.1%}<extra></extra>",
    )


def precision_recall(curve: Curve, precision: Precision | None, ink: Ink = ON_LIGHT) -> Chart:
    """PPV over sensitivity, beside the prevalence that a scorer without skill reaches."""
    figure = figure_of(ink, {**SHARE, "title": "Sensitivity (recall)"}, {**SHARE, "title": "PPV (precision)"})
    prevalence = curve.positives / curve.n if precision is None else precision.prevalence
    figure.add_scatter(
        x=[0, 1],
        y=[prevalence] * 2,
        mode="lines",
        line={"color": ink.muted, "width": 1, "dash": "dot"},
        name=f"No skill: prevalence {percent(prevalence)}",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=rounded(curve.x),
        y=rounded(curve.y),
        customdata=rounded(curve.thresholds),
        mode="lines",
        line={"color": ink.model, "width": 2.2, "shape": "hv"},
        name="Model",
        hovertemplate="PPV %{y:.1%}<br>sensitivity %{x:.1%}<br>threshold %{customdata:.4f}<extra></extra>",
    )
    value = "AUPRC undefined" if precision is None else f"AUPRC {spread(precision)}"
    return Chart(
        figure,
        "How many alarms are true (precision and recall)",
        f"{value}, against {number(prevalence)} without skill; {counts(curve.n, curve.positives)}. "
        "It depends on the prevalence of these rows.",
    )


def reliability(name: str, state: CalibrationState, ink: Ink = ON_LIGHT) -> Chart | None:
    """Observed share against stated probability, bin by bin; None where there are no bins."""
    bins = state.reliability
    if not bins:
        return None
    top = min(1.0, 1.08 * max(max(b.mean_probability, b.high) for b in bins))
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.82, 0.18], vertical_spacing=0.04)
    share = {"range": [0, top], "tickformat": ".0%" if top > 0.06 else ".1%", "nticks": 6}
    styled = figure_of(ink, {}, {}, showlegend=False, bargap=0)
    figure.update_layout(styled.layout)
    axis_x, axis_y = styled.layout.xaxis.to_plotly_json(), styled.layout.yaxis.to_plotly_json()
    figure.update_xaxes({**axis_x, **share})
    figure.update_xaxes(showticklabels=False, row=1, col=1)
    figure.update_xaxes(title={"text": "Stated probability", "standoff": 6}, row=2, col=1)
    figure.update_yaxes({**axis_y, **share, "title": {"text": "Observed share", "standoff": 6}}, row=1, col=1)
    figure.update_yaxes(
        {**axis_y, "title": {"text": "n", "standoff": 6}, "nticks": 3, "rangemode": "tozero"}, row=2, col=1
    )
    diagonal = {"color": ink.muted, "width": 1, "dash": "dot"}
    figure.add_scatter(x=[0, top], y=[0, top], mode="lines", line=diagonal, hoverinfo="skip", row=1, col=1)
    figure.add_scatter(
        x=rounded(b.mean_probability for b in bins),
        y=rounded(b.observed for b in bins),
        customdata=[[b.n, b.positives] for b in bins],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": rounded(b.high - b.observed for b in bins),
            "arrayminus": rounded(b.observed - b.low for b in bins),
            "thickness": 1.2,
            "width": 3,
            "color": ink.model,
        },
        mode="lines+markers",
        line={"color": ink.model, "width": 1.2},
        marker={"size": 7, "color": ink.model},
        hovertemplate="stated %{x:.1%}, observed %{y:.1%}<br>"
        "%{customdata[1]} of %{customdata[0]} positive<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_bar(
        x=rounded(b.mean_probability for b in bins),
        y=[b.n for b in bins],
        width=top / 50,
        marker={"color": ink.muted},
        hovertemplate="%{y} rows<extra></extra>",
        row=2,
        col=1,
    )
    return Chart(figure, STATES.get(name, name), _calibration_words(state), height=330)


def _calibration_words(state: CalibrationState) -> str:
    n, positives = sum(b.n for b in state.reliability), sum(b.positives for b in state.reliability)
    parts = [
        "" if state.brier is None else f"Brier {number(state.brier.value, 4)}",
        "" if state.ece is None else f"ECE {number(state.ece.value, 4)}",
        "" if state.slope is None else f"slope {number(state.slope.value, 2)}",
    ]
    said = ", ".join(part for part in parts if part)
    unsupported = "" if state.supported else " Unsupported: fitted on too few cases."
    return f"{said + '; ' if said else ''}{counts(n, positives)}.{unsupported}"


def decision_curve(curve: DecisionCurve, ink: Ink = ON_LIGHT) -> Chart:
    """Net benefit of acting on the model against acting on everyone and on no one."""
    known = [value for value in (*curve.net_benefit, *curve.high) if value is not None]
    top = max(0.001, 1.1 * max([*known, curve.treat_all[0]]))
    # Treating all falls without bound: what lies far below zero is of no interest.
    figure = figure_of(
        ink,
        {"title": "Threshold probability at which one would act", "tickformat": ".0%"},
        {"title": "Net benefit per radiograph", "range": [-0.3 * top, top], "tickformat": ".3~f"},
    )
    thresholds = rounded(curve.thresholds)
    ends = [
        (t, low, high)
        for t, low, high in zip(thresholds, curve.low, curve.high, strict=True)
        if None not in (low, high)
    ]
    if ends:
        figure.add_scatter(
            x=[t for t, _, _ in ends] + [t for t, _, _ in reversed(ends)],
            y=rounded([low for _, low, _ in ends] + [high for _, _, high in reversed(ends)]),
            fill="toself",
            fillcolor=ink.band(),
            line={"width": 0},
            mode="lines",
            name="95 % interval",
            hoverinfo="skip",
        )
    lines = (
        ("Act on the model", curve.net_benefit, ink.model, "solid", 2.2),
        ("Act on all", curve.treat_all, ink.second, "dash", 1.5),
        ("Act on none", [0.0] * len(thresholds), ink.text, "dot", 1.2),
    )
    for name, values, colour, dash, width in lines:
        figure.add_scatter(
            x=thresholds,
            y=rounded(values),
            mode="lines",
            line={"color": colour, "dash": dash, "width": width},
            name=name,
            hovertemplate=name + ": %{y:.4f} at %{x:.1%}<extra></extra>",
        )
    return Chart(
        figure,
        "Whether acting on the model helps (decision curve)",
        f"Above both other lines the model helps a reader who acts at that probability; "
        f"{counts(curve.n, curve.positives)}. Band: {curve.method}.",
    )


def histogram(scores: ScoreHistogram, points: Mapping[str, AtPoint], ink: Ink = ON_LIGHT) -> Chart:
    """Probabilities of positives (upward) and negatives (downward), each as a share of its class."""
    positives, negatives = sum(scores.positives), sum(scores.negatives)
    middles = rounded((low + high) / 2 for low, high in pairwise(scores.edges))
    widths = rounded(high - low for low, high in pairwise(scores.edges))
    up = [count / positives if positives else 0.0 for count in scores.positives]
    down = [count / negatives if negatives else 0.0 for count in scores.negatives]
    top = 1.12 * max([0.01, *up, *down])
    step = _step(top)
    ticks = [step * k for k in range(-int(top / step), int(top / step) + 1)]
    figure = figure_of(
        ink,
        {"title": "Probability", "tickformat": ".0%" if scores.edges[-1] > 0.06 else ".1%"},
        {
            "title": "Share of the class",
            "range": [-top, top],
            "tickvals": ticks,
            "ticktext": [percent(abs(tick)) for tick in ticks],
        },
        barmode="overlay",
        bargap=0,
    )
    edge = {"width": 0.5, "color": ink.grid}
    for name, shares, numbers, sign, colour in (
        ("With the finding", up, scores.positives, 1, ink.second),
        ("Without it", down, scores.negatives, -1, ink.model),
    ):
        figure.add_bar(
            x=middles,
            y=rounded(sign * share for share in shares),
            width=widths,
            customdata=list(numbers),
            marker={"color": colour, "line": edge},
            name=name,
            hovertemplate=f"{name}: %{{customdata}} around %{{x:.1%}}<extra></extra>",
        )
    for place, (rule, point) in enumerate(points.items()):
        figure.add_scatter(
            x=[point.threshold] * 2,
            y=[-top, top],
            mode="lines",
            line={"color": ink.text, "width": 1.2, "dash": DASHES[place % len(DASHES)]},
            name=f"{label(rule_name(rule))} {percent(point.threshold)}",
            hovertemplate=f"{label(rule_name(rule))}: threshold {percent(point.threshold)}<extra></extra>",
        )
    return Chart(
        figure,
        "Which probabilities positives and negatives get",
        f"{counts(positives + negatives, positives)}. Each half adds up to 100 % of its class; lines are thresholds.",
    )


def _step(top: float) -> float:
    """A round distance between ticks, so that about three fit into `top`."""
    return next((step for step in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if top / step <= 4), 0.25)
