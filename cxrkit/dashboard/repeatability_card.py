"""What a card says of repeatability: how far the scores of one radiograph lie apart when it is read again."""

from __future__ import annotations

import math
from html import escape

from cxrkit.dashboard.blocks import bullets, paragraph, table
from cxrkit.dashboard.findings_panel import percent
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.repeatability import RepeatabilityLimit

HEAD = (
    "Finding",
    "Repeatability band (95 % interval)",
    "50 % may come out as",
    "Pairs of readings seen within",
)


def repeatability_html(preset: Preset) -> str:
    """What was done to each radiograph, how far its scores then lay apart, and the command that measured it."""
    record = preset.repeatability
    if record is None:
        return paragraph(
            "Not measured for these weights, so Compare calls no change one: scripts/measure_repeatability.py measures "
            "it, and writes it into the card."
        )
    text = (
        "A score moves although nothing about the patient has changed: the film lies a little askew, or was exported "
        f"anew. To see by how much, n = {record.n:,} radiographs of the split {record.split} were read "
        f"{record.readings} times each: once as they are, then with all of these small changes, drawn at random:"
    )
    meaning = (
        "The band is the 95 % repeatability coefficient (Bland and Altman 1999) on the log-odds of the probability: "
        "two readings of one radiograph are expected to lie closer together than this in 95 of 100 pairs. Compare "
        "draws it behind every change. The third column says the same of a probability of 50 %. Two exposures of one "
        "patient differ by more (position, breath, projection, device): the band is the least that must be allowed for."
    )
    rows = [_row(preset, limit) for limit in record.limits]
    command = f"<p><code>{escape(record.command)}</code> (seed {record.seed})</p>"
    return paragraph(text) + bullets(record.changes) + paragraph(meaning) + table(HEAD, rows) + command


def _row(preset: Preset, limit: RepeatabilityLimit) -> list[str]:
    slope = preset.calibration[limit.finding].slope  # the coefficient is of the raw logit
    band, low, high = (slope * value for value in (limit.coefficient, limit.low, limit.high))
    below, above = (1 / (1 + math.exp(-move)) for move in (-band, band))
    return [
        finding_text(limit.finding).label,
        f"±{band:.2f} ({low:.2f} to {high:.2f})",
        f"{percent(below)} to {percent(above)}",
        percent(limit.within),
    ]
