"""How a training went, epoch by epoch, through all of its runs."""

from __future__ import annotations

from typing import Any

from cxrkit.charts.style import Chart, Ink, Trace, axis_of, figure_of, label, number, rounded, scatter
from cxrkit.training_log import Epoch, TrainingLog


def losses(log: TrainingLog, ink: Ink) -> Chart:
    """Loss on training and on validation images.

    Every run has labels and outputs of its own, so that heights of one run are not to be compared with another's.
    """
    traces: list[Trace] = []
    for name, key, colour, dash in (
        ("Training", "loss", ink.model, "solid"),
        ("Validation", "validation_loss", ink.second, "dash"),
    ):
        traces += _lines(log, name, key, colour, dash)
    last = log.runs[-1].epochs[-1]
    words = f"Last epoch: {number(last.loss, 3)} on training images"
    words += "" if last.validation_loss is None else f", {number(last.validation_loss, 3)} on validation images"
    return Chart(_figure(log, traces, ink, "Loss", type="log"), "Loss", f"{words}. Logarithmic scale.", height=330)


def ranking(log: TrainingLog, ink: Ink) -> Chart | None:
    """Mean AUROC over the outputs on validation images; None where it was never measured."""
    known = [e for run in log.runs for e in run.epochs if e.validation_auroc is not None]
    if not known:
        return None
    traces = _lines(log, "Validation", "validation_auroc", ink.second, "dash")
    words = f"Last epoch: {number(known[-1].validation_auroc or 0, 3)}, n = {log.runs[-1].validation_images:,}."
    words += " 0.5 is chance, 1 is perfect."
    return Chart(_figure(log, traces, ink, "Mean AUROC, validation"), "Ranking on validation images", words, height=330)


def _lines(log: TrainingLog, name: str, key: str, colour: str, dash: str) -> list[Trace]:
    """A line for each run, over the epochs counted through."""
    found, before = [], 0
    for place, run in enumerate(log.runs):
        found.append(
            scatter(
                x=list(range(before + 1, before + len(run.epochs) + 1)),
                y=rounded(getattr(epoch, key) for epoch in run.epochs),
                customdata=[_where(place, epoch) for epoch in run.epochs],
                mode="lines+markers",
                name=name,
                legendgroup=name,
                showlegend=place == 0,
                line={"color": colour, "width": 2, "dash": dash},
                marker={"size": 6, "color": colour, "symbol": "circle" if dash == "solid" else "diamond"},
                hovertemplate="%{customdata}: %{y:.4f}<extra></extra>",
            )
        )
        before += len(run.epochs)
    return found


def _where(place: int, epoch: Epoch) -> str:
    return f"run {place + 1}, epoch {epoch.epoch} at {epoch.size} px"


def _figure(log: TrainingLog, traces: list[Trace], ink: Ink, title: str, **axis: Any) -> Any:
    ends, total = [], 0
    for run in log.runs:
        ends.append((total, total + len(run.epochs)))
        total += len(run.epochs)
    line = {"color": ink.muted, "width": 1, "dash": "dot"}
    return figure_of(
        ink,
        traces,
        xaxis=axis_of(
            ink, "Epoch, counted through all runs", range=[0.5, total + 0.5], dtick=max(1, round(total / 12))
        ),
        yaxis=axis_of(ink, title, **axis),
        shapes=[
            {"type": "line", "x0": start + 0.5, "x1": start + 0.5, "y0": 0, "y1": 1, "yref": "paper", "line": line}
            for start, _ in ends[1:]
        ],
        annotations=[
            {
                "x": (start + end + 1) / 2,
                "y": 1.0,
                "yref": "paper",
                "yanchor": "bottom",
                "text": label(f"run {place}"),
                "showarrow": False,
                "font": {"size": 11, "color": ink.muted},
            }
            for place, (start, end) in enumerate(ends, start=1)
        ],
        margin={"l": 8, "r": 14, "t": 26, "b": 8},
    )
