"""Reliability diagrams: what was stated against what was so, before and after recalibration."""

from __future__ import annotations

from cxrkit.charts.style import (
    ON_LIGHT,
    Chart,
    Ink,
    axis_of,
    bar,
    counts,
    figure_of,
    number,
    rounded,
    scatter,
    tick_step,
)
from cxrkit.evaluation.schema import CalibrationState

STATES = {
    "raw": "Raw network output",
    "delivered": "As delivered",
    "platt": "Platt scaling",
    "temperature": "Temperature scaling",
    "isotonic": "Isotonic regression",
}


def reliability(name: str, state: CalibrationState, ink: Ink = ON_LIGHT) -> Chart | None:
    """Observed share against stated probability, bin by bin; None where there are no bins."""
    bins = state.reliability
    if not bins:
        return None
    top = min(1.0, 1.08 * max(max(b.mean_probability, b.high) for b in bins))
    share = {
        "range": [-0.02 * top, 1.03 * top],
        "tickformat": ".0%" if top > 0.06 else ".1%",
    }
    traces = [
        scatter(
            x=[0, top],
            y=[0, top],
            mode="lines",
            line={"color": ink.muted, "width": 1, "dash": "dot"},
            hoverinfo="skip",
        ),
        scatter(
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
        ),
        bar(
            x=rounded(b.mean_probability for b in bins),
            y=[b.n for b in bins],
            yaxis="y2",
            width=top / 50,
            marker={"color": ink.muted},
            hovertemplate="%{y} rows<extra></extra>",
        ),
    ]
    figure = figure_of(
        ink,
        traces,
        xaxis=axis_of(ink, "Stated probability", anchor="y2", dtick=tick_step(top, 2.5), **share),
        yaxis=axis_of(ink, "Observed share", domain=[0.24, 1], dtick=tick_step(top, 4), **share),
        yaxis2=axis_of(ink, "n", domain=[0, 0.17], nticks=3, rangemode="tozero"),
        showlegend=False,
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
