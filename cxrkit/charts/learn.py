"""The curves of the Learn page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from cxrkit.charts.style import Chart, Ink, axis_of, bar, figure_of, name_of, number, percent, rounded, scatter
from cxrkit.evaluation.utility import predictive_values

_SHARE: dict[str, Any] = {"range": [-0.02, 1.02], "tickformat": ".0%", "dtick": 0.25}


class MarkerShift(Protocol):
    """By how much a marker moved the logit of a finding."""

    @property
    def finding(self) -> str: ...
    @property
    def by_marker(self) -> float: ...


def sigmoid(logit: float, ink: Ink) -> Chart:
    """Probability and its slope over the logit, with one place marked."""
    xs = [k / 10 for k in range(-80, 81)]
    curve = [1 / (1 + math.exp(-x)) for x in xs]
    here = 1 / (1 + math.exp(-logit))
    slope = here * (1 - here)
    traces = [
        scatter(x=xs, y=rounded(curve), mode="lines", line={"color": ink.model, "width": 2.4}, name="Probability p"),
        scatter(
            x=xs,
            y=rounded(4 * p * (1 - p) for p in curve),
            mode="lines",
            line={"color": ink.second, "width": 2.4, "dash": "dash"},
            name="Its slope, as a share of the steepest",
        ),
        scatter(
            x=[logit, logit],
            y=[here, 4 * slope],
            mode="markers",
            marker={"size": 11, "color": [ink.model, ink.second], "symbol": ["circle", "diamond"]},
            showlegend=False,
        ),
    ]
    figure = figure_of(ink, traces, xaxis=axis_of(ink, "Logit", dtick=2), yaxis=axis_of(ink, **_SHARE))
    return Chart(
        figure,
        "The sigmoid and its slope",
        f"At a logit of {number(logit, 1)} the probability is {percent(here)}, its slope {percent(4 * slope)} of the "
        "steepest.",
        height=320,
    )


def predictive(sensitivity: float, specificity: float, prevalence: float, ink: Ink) -> Chart:
    """PPV and NPV over the prevalence, with one place marked."""
    xs = [k / 200 for k in range(1, 200)]
    pairs = [predictive_values(sensitivity, specificity, x) for x in xs]
    here = predictive_values(sensitivity, specificity, prevalence)
    traces = [
        scatter(
            x=xs,
            y=rounded(pair[side] for pair in pairs),
            mode="lines",
            line={"color": colour, "width": 2.4, "dash": dash},
            name=name,
        )
        for side, (name, colour, dash) in enumerate((("PPV", ink.second, "solid"), ("NPV", ink.model, "dash")))
    ]
    traces.append(
        scatter(
            x=[prevalence, prevalence],
            y=rounded(here),
            mode="markers",
            marker={"size": 11, "color": [ink.second, ink.model], "symbol": ["circle", "diamond"]},
            showlegend=False,
        )
    )
    figure = figure_of(
        ink, traces, xaxis=axis_of(ink, "Prevalence", **_SHARE), yaxis=axis_of(ink, "Predictive value", **_SHARE)
    )
    ppv, npv = ("undefined" if value is None else percent(value) for value in here)
    return Chart(
        figure,
        "Predictive values over prevalence",
        f"At a prevalence of {percent(prevalence)} the PPV is {ppv} and the NPV {npv}.",
        height=320,
    )


def always_no(prevalence: float, ink: Ink) -> Chart:
    """What is measured of a model that says no to everybody."""
    names = ["Accuracy", "Specificity", "Sensitivity", "Balanced accuracy"]
    values = [1 - prevalence, 1.0, 0.0, 0.5]
    trace = bar(
        x=values[::-1],
        y=names[::-1],
        orientation="h",
        marker={"color": [ink.model, ink.second, ink.muted, ink.model]},
        text=[percent(value) for value in values[::-1]],
        textposition="outside",
        cliponaxis=False,
        width=0.6,
    )
    figure = figure_of(
        ink,
        [trace],
        xaxis=axis_of(ink, **{**_SHARE, "range": [0, 1.17]}),
        yaxis=axis_of(ink, ticks=""),
        showlegend=False,
    )
    return Chart(
        figure,
        "A model that always says no",
        f"At a prevalence of {percent(prevalence)} it is right in {percent(1 - prevalence)} of patients and finds "
        "nobody.",
        height=280,
    )


def marker_shifts(without: Sequence[MarkerShift], cut: Sequence[MarkerShift], border: float, ink: Ink) -> Chart:
    """How a marker moves every logit, with the border in the picture and with it cut off; the most moved on top."""
    order = sorted(range(len(without)), key=lambda place: abs(without[place].by_marker))
    names = [name_of(without[place].finding) for place in order]
    traces = [
        scatter(
            x=rounded(shifts[place].by_marker for place in order),
            y=names,
            mode="markers",
            name=name,
            marker={"size": 11, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}},
            hovertemplate="%{y}: %{x:+.2f}<extra></extra>",
        )
        for shifts, name, colour, symbol in (
            (without, "Border in the picture", ink.second, "circle"),
            (cut, f"{percent(border)} of each side cut off", ink.model, "diamond-open"),
        )
    ]
    figure = figure_of(
        ink,
        traces,
        xaxis=axis_of(ink, "Change of the logit by the marker", zeroline=True, zerolinecolor=ink.muted),
        yaxis=axis_of(ink, ticks=""),
    )
    figure.update_layout(legend={"y": 1.02, "yanchor": "bottom"})
    most = max(without, key=lambda shift: abs(shift.by_marker))
    rest = max((abs(shift.by_marker) for shift in cut), default=0.0)
    moves = f"by more than {number(rest, 3)}" if rest else "at all"
    return Chart(
        figure,
        "What a marker does to the scores",
        f"Most moved: {name_of(most.finding)}, by {number(most.by_marker, 2)}. With the border cut off no logit moves "
        f"{moves}.",
        height=170 + 24 * len(names),
    )
