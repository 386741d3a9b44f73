"""Figures of a threshold that a reader moves: curves with bands, rates, costs, and what they mean.

No figure depends on the threshold itself: each holds an unlit mark for every threshold of the sweep as its last
trace, and a style sheet of one line lights one of them (`mark_css`). So a slider sends a line of text, and no chart is
built anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from cxrkit.charts import evaluation
from cxrkit.charts.evaluation import PROBABILITIES
from cxrkit.charts.style import (
    ON_LIGHT,
    Chart,
    Figure,
    Ink,
    Trace,
    axis_of,
    counts,
    figure_of,
    percent,
    rounded,
    scatter,
)
from cxrkit.evaluation.schema import (
    Area,
    AtPoint,
    Curve,
    FindingEvaluation,
    Precision,
    ScoreHistogram,
)
from cxrkit.evaluation.sweep import Band, RateCurve, Sweep

_SHARES = (
    ("sensitivity", "Sensitivity", "solid"),
    ("specificity", "Specificity", "dash"),
    ("ppv", "PPV", "dot"),
    ("npv", "NPV", "dashdot"),
    ("f1", "F1", "longdash"),
)
_BANDED = ("sensitivity", "specificity")


def mark_css(selector: str, place: int) -> str:
    """The rule that lights the mark of the threshold at `place` of the sweep in the figure within `selector`."""
    return f"{selector} .scatterlayer > :last-child .point:nth-child({place + 1}) {{ opacity: 1 !important; }}"


def threshold_charts(entry: FindingEvaluation, sweep: Sweep, ink: Ink = ON_LIGHT) -> dict[str, Chart]:
    """The charts of one finding by name: ``roc``, ``precision_recall``, ``rates``, ``ratios`` and ``histogram``."""
    points = entry.operating_points
    charts = {
        "rates": rates(sweep, ink),
        "ratios": likelihood_ratios(sweep, ink),
        "histogram": histogram(entry.score_histogram, points, sweep, ink),
    }
    if entry.roc is not None and entry.precision_recall is not None:
        charts["roc"] = roc(entry.roc, entry.auroc, points, sweep, ink)
        charts["precision_recall"] = precision_recall(entry.precision_recall, entry.auprc, sweep, ink)
    return charts


def roc(curve: Curve, area: Area | None, points: Mapping[str, AtPoint], sweep: Sweep, ink: Ink = ON_LIGHT) -> Chart:
    """The ROC curve with its band and marks that can be clicked; mark k is threshold k of the sweep."""
    chart = evaluation.roc(curve, area, points, ink)
    x, y = rounded(1 - sweep.specificities), rounded(sweep.sensitivities)
    figure = _benched(chart.figure, sweep.roc_band, x, y, sweep, ink)
    caption = f"{chart.caption} Band: 95 % interval of the sensitivity, {sweep.stamp.method}."
    return Chart(figure, chart.title, caption, height=390)


def precision_recall(curve: Curve, precision: Precision | None, sweep: Sweep, ink: Ink = ON_LIGHT) -> Chart:
    """PPV over sensitivity, likewise."""
    chart = evaluation.precision_recall(curve, precision, ink)
    x, y = rounded(sweep.sensitivities), rounded(sweep.rates["ppv"].values)
    # where nothing is called there is no PPV: the mark waits at the edge, so that mark k stays threshold k
    y = [0.0 if value is None else value for value in y]
    figure = _benched(chart.figure, sweep.precision_band, x, y, sweep, ink)
    caption = f"{chart.caption} Band: 95 % interval of the PPV, {sweep.stamp.method}."
    return Chart(figure, chart.title, caption, height=390)


def _benched(
    figure: Figure, band: Band, x: Sequence[float | None], y: Sequence[float | None], sweep: Sweep, ink: Ink
) -> Figure:
    """A curve's figure with a band under it, and unlit rings on it that can be clicked."""
    plain = figure.to_dict()
    rings = scatter(
        x=x,
        y=y,
        text=words_of(sweep),
        mode="markers",
        marker={"size": 15, "color": "rgba(0,0,0,0)", "opacity": 0, "line": {"width": 3, "color": ink.text}},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        hovertemplate="threshold %{text}: click to take it<extra></extra>",
        showlegend=False,
        cliponaxis=False,  # where a curve hugs the edge, as good ones do
    )
    traces = [*_band(band.x, band.low, band.high, ink), *map(_unfaded, plain["data"]), rings]
    return figure_of(ink, traces, **{**plain["layout"], "clickmode": "event+select", "hovermode": "closest"})


def _unfaded(trace: Trace) -> Trace:
    """A trace that stays as it is when a mark of the figure is clicked."""
    if "markers" not in trace.get("mode", ""):
        return trace
    return {**trace, "selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}}}


def uprights(sweep: Sweep, y: float, ink: Ink, x: Sequence[float] | None = None) -> Trace:
    """An unlit upright line for every threshold, about `y`, cut off where the figure ends."""
    return scatter(
        x=rounded(roots_of(sweep) if x is None else x),
        y=[y] * len(sweep.thresholds),
        mode="markers",
        marker={"symbol": "line-ns", "size": 900, "opacity": 0, "line": {"width": 1.8, "color": ink.text}},
        hoverinfo="skip",
        showlegend=False,
    )


def roots_of(sweep: Sweep) -> list[float]:
    """Where the thresholds stand on the axis."""
    return [sqrt(threshold) for threshold in sweep.thresholds.tolist()]


def words_of(sweep: Sweep) -> list[str]:
    """The thresholds as they are written."""
    return [percent(threshold) for threshold in sweep.thresholds.tolist()]


def _band(
    x: Sequence[float], low: Sequence[float | None], high: Sequence[float | None], ink: Ink, name: str = "95 % interval"
) -> list[Trace]:
    ends = [(a, b, c) for a, b, c in zip(x, low, high, strict=True) if b is not None and c is not None]
    if not ends:
        return []
    return [
        scatter(
            x=rounded([a for a, _, _ in ends] + [a for a, _, _ in reversed(ends)]),
            y=rounded([b for _, b, _ in ends] + [c for _, _, c in reversed(ends)]),
            fill="toself",
            fillcolor=ink.band(),
            line={"width": 0},
            mode="lines",
            name=name,
            hoverinfo="skip",
        )
    ]


def rates(sweep: Sweep, ink: Ink = ON_LIGHT) -> Chart:
    """Every share that a threshold gives, over the threshold."""
    roots, words = roots_of(sweep), words_of(sweep)
    colours = (ink.model, ink.second, ink.third, ink.fourth, ink.text)
    traces: list[Trace] = []
    for name in _BANDED:
        curve = sweep.rates[name]
        traces += [
            {**trace, "showlegend": False}
            for trace in _band(roots, curve.low, curve.high, ink if name == "sensitivity" else _in_second(ink))
        ]
    for (name, label, dash), colour in zip(_SHARES, colours, strict=True):
        traces.append(
            scatter(
                x=rounded(roots),
                y=rounded(sweep.rates[name].values),
                text=words,
                mode="lines",
                line={"color": colour, "width": 2, "dash": dash},
                name=label,
                hovertemplate=label + " %{y:.1%} at %{text}<extra></extra>",
            )
        )
    figure = figure_of(
        ink,
        [*traces, uprights(sweep, 0.5, ink)],
        xaxis=threshold_axis(roots[-1], ink),
        yaxis=axis_of(ink, "Share", range=[-0.01, 1.01], tickformat=".0%", dtick=0.25),
    )
    return Chart(
        figure,
        "What each threshold gives",
        f"{counts(len(sweep.labels), sweep.positives)}. Upright line: your threshold. Bands: 95 % intervals of "
        f"sensitivity and specificity, {sweep.stamp.method}. PPV, NPV and F1 hold at the prevalence of these rows.",
        height=380,
    )


def likelihood_ratios(sweep: Sweep, ink: Ink = ON_LIGHT) -> Chart:
    """LR+ and LR- over the threshold, on a logarithmic scale."""
    roots, words = roots_of(sweep), words_of(sweep)
    traces: list[Trace] = []
    for name, label, inked, dash in (
        ("likelihood_ratio_positive", "LR+", ink, "solid"),
        ("likelihood_ratio_negative", "LR−", _in_second(ink), "dash"),
    ):
        curve = _positive(sweep.rates[name])
        traces += [{**trace, "showlegend": False} for trace in _band(roots, curve.low, curve.high, inked)]
        traces.append(
            scatter(
                x=rounded(roots),
                y=rounded(curve.values),
                text=words,
                mode="lines",
                line={"color": inked.model, "width": 2, "dash": dash},
                name=label,
                hovertemplate=label + " %{y:.2f} at %{text}<extra></extra>",
            )
        )
    figure = figure_of(
        ink,
        [*traces, uprights(sweep, 1.0, ink)],
        xaxis=threshold_axis(roots[-1], ink),
        yaxis=axis_of(ink, "Likelihood ratio", type="log", range=[-2.1, 2.1], tickvals=[0.01, 0.1, 1, 10, 100]),
        shapes=[_level(1.0, ink)],
    )
    return Chart(
        figure,
        "How far a result moves the odds (likelihood ratios)",
        "Odds after = odds before times the ratio: LR+ for a result past the threshold, LR− for one below. 1 (dotted) "
        f"tells nothing; above 10 or below 0.1 tells much. {counts(len(sweep.labels), sweep.positives)}; bands: "
        f"{sweep.stamp.method}.",
        height=380,
    )


def histogram(scores: ScoreHistogram, points: Mapping[str, AtPoint], sweep: Sweep, ink: Ink = ON_LIGHT) -> Chart:
    """Probabilities by class, with an upright line for the reader's threshold."""
    chart = evaluation.histogram(scores, points, ink)
    plain = chart.figure.to_dict()
    figure = figure_of(ink, [*plain["data"], uprights(sweep, 0.0, ink)], **plain["layout"])
    return Chart(figure, chart.title, f"{chart.caption} The solid upright line is your threshold.", height=380)


def threshold_axis(last: float, ink: Ink) -> dict[str, object]:
    """An axis of thresholds up to the root `last`."""
    shown = [tick for tick in PROBABILITIES if sqrt(tick) <= 1.02 * last]
    return axis_of(
        ink,
        "Threshold on the probability (square-root scale)",
        range=[0, 1.02 * last],
        tickvals=[round(sqrt(tick), 5) for tick in shown],
        ticktext=[f"{100 * tick:g}%" for tick in shown],
    )


def _level(y: float, ink: Ink) -> dict[str, object]:
    ends = {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": y, "y1": y}
    return {**ends, "line": {"color": ink.muted, "width": 1, "dash": "dot"}}


def _in_second(ink: Ink) -> Ink:
    """The same colours with the second in the model's place."""
    return Ink(ink.text, ink.muted, ink.grid, ink.second, ink.model, ink.third, ink.fourth)


def _positive(curve: RateCurve) -> RateCurve:
    """A ratio as a logarithmic axis can show it: what is 0, or beyond the axis, ends at its edge."""

    def held(values: Sequence[float | None]) -> tuple[float | None, ...]:
        return tuple(None if value is None else min(max(value, 0.008), 125.0) for value in values)

    return RateCurve(tuple(v if v else None for v in curve.values), held(curve.low), held(curve.high))
