"""What thresholds cost, and whether acting on the model helps."""

from __future__ import annotations

from collections.abc import Sequence

from cxrkit.charts import evaluation
from cxrkit.charts.style import ON_LIGHT, Chart, Ink, axis_of, counts, figure_of, percent, rounded, scatter
from cxrkit.charts.thresholds import roots_of, threshold_axis, uprights, words_of
from cxrkit.evaluation.schema import DecisionCurve
from cxrkit.evaluation.sweep import Sweep


def costs(sweep: Sweep, cost: Sequence[float], least: int, ink: Ink = ON_LIGHT) -> Chart:
    """Expected cost of 1,000 patients over the threshold."""
    roots, words = roots_of(sweep), words_of(sweep)
    traces = [
        scatter(
            x=rounded(roots),
            y=rounded(cost, 2),
            text=words,
            mode="lines",
            line={"color": ink.model, "width": 2.2},
            name="Cost of the errors",
            hovertemplate="%{y:.0f} at %{text}<extra></extra>",
        ),
        scatter(
            x=rounded([roots[least]]),
            y=rounded([cost[least]], 2),
            mode="markers",
            marker={"symbol": "triangle-up", "size": 12, "color": ink.second},
            name=f"Lowest: {words[least]}",
            hoverinfo="skip",
        ),
    ]
    figure = figure_of(
        ink,
        [*traces, uprights(sweep, max(cost) / 2, ink)],
        xaxis=threshold_axis(roots[-1], ink),
        yaxis=axis_of(ink, "Cost, in false alarms", range=[0, 1.05 * max([1.0, *cost])]),
    )
    return Chart(
        figure,
        "What the errors of 1,000 patients cost",
        "Misses and false alarms at the prevalence and the price that you set. Upright line: your threshold. "
        f"{counts(len(sweep.labels), sweep.positives)}. The lowest point is chosen on these very rows, and flatters "
        "itself.",
        height=380,
    )


def decision(curve: DecisionCurve, acting: float, ink: Ink = ON_LIGHT) -> Chart:
    """The decision curve with an upright line where the reader would act."""
    chart = evaluation.decision_curve(curve, ink)
    plain = chart.figure.to_dict()
    inside = curve.thresholds[0] <= acting <= curve.thresholds[-1]
    layout = {**plain["layout"], "shapes": [_line(acting, ink)]} if inside else plain["layout"]
    where = f"Upright line: {percent(acting)}, from which acting pays off at your price of a miss."
    if not inside:
        where = f"At your price of a miss acting pays off from {percent(acting)}, which lies beyond this chart."
    return Chart(figure_of(ink, plain["data"], **layout), chart.title, f"{chart.caption} {where}", height=380)


def _line(x: float, ink: Ink) -> dict[str, object]:
    ends = {"type": "line", "x0": round(x, 5), "x1": round(x, 5), "y0": 0, "y1": 1, "yref": "paper"}
    return {**ends, "line": {"color": ink.text, "width": 1.4}}
