"""The gallery of errors: what the model says to pictures that went wrong, all made of the phantom or of your own."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.charts.style import number, percent
from cxrkit.dashboard import choices, films
from cxrkit.dashboard.blocks import paragraph, section
from cxrkit.dashboard.learn_network import choose_finding
from cxrkit.dashboard.services import models, readings
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.quality import QualityReport
from cxrkit.serving.mishap_readings import MishapReading, read_mishaps

SOURCES = {"phantom": "Synthetic phantom", "own": "The radiograph of the Read page"}


def gallery(preset: Preset) -> None:
    """Thumbnails with the scores before and after, and what the gate says."""
    section(
        "What goes wrong, and whether it is noticed",
        paragraph(
            "No patient's radiograph is shown here: the pictures are made of the synthetic phantom, or of the one that "
            "you have open. Each is read as it lies. A model answers to any picture; a good gate says when the answer "
            "means nothing. Where the score moves and nothing is noticed, nobody would know."
        ),
    )
    own = films.shown_radiograph()
    source = "phantom"
    if own is not None and own.source_format != "phantom":
        choices.recall("mishap_source", "phantom", SOURCES)
        source = st.radio(
            "Made of", list(SOURCES), format_func=SOURCES.__getitem__, key="mishap_source", horizontal=True
        )
        choices.keep("mishap_source", source)
    finding = choose_finding(preset)
    if source == "own" and own is not None:
        told = readings.on_radiograph(preset, own, read_mishaps)
    else:
        told = models.on_phantom(preset, read_mishaps)
    first = told[0]
    point = preset.operating_point(finding, "youden")
    threshold = None if point is None else point.threshold
    st.html(f'<div class="cx-mishaps">{"".join(_tile(one, first, finding, threshold) for one in told)}</div>')
    unnoticed = [r for r in told[1:] if not r.quality.issues]
    if unnoticed:
        worst = max(unnoticed, key=lambda r: abs(_logit(r, finding) - _logit(first, finding)))
        st.html(
            f'<p class="cx-keep">Not noticed: {len(unnoticed)} of {len(told) - 1}. Of these, '
            f"{escape(worst.name.lower())} moves the score of {escape(finding_text(finding).label)} most: from "
            f"{percent(first.prediction[finding])} to {percent(worst.prediction[finding])}.</p>"
        )
    st.html(
        '<p class="cx-caption">Computed now by the chosen model, with one picture: an illustration, not a measurement. '
        "How often the gate is right on many pictures stands on the card under Quality gate.</p>"
    )


def _logit(reading: MishapReading, finding: str) -> float:
    return reading.prediction.score(finding).logit


def _tile(reading: MishapReading, first: MishapReading, finding: str, threshold: float | None) -> str:
    moved = _logit(reading, finding) - _logit(first, finding)
    before, after = first.prediction[finding], reading.prediction[finding]
    crossed = ""
    if threshold is not None and (before >= threshold) != (after >= threshold):
        crossed = f" <b>{'Past' if after >= threshold else 'Below'} the Youden threshold now.</b>"
    change = "" if reading is first else f", logit {'+' if moved >= 0 else ''}{number(moved, 2)}"
    label = escape(finding_text(finding).label)
    return (
        f'<figure><img src="{reading.uri}" alt="{escape(reading.name)}: {escape(reading.words, quote=True)}">'
        f"<figcaption><b>{escape(reading.name)}</b><br>{escape(reading.words)}<br>"
        f"{label}: {percent(after)}{change}.{crossed}<br>"
        f"{_noticed(reading.quality, unchanged=reading is first)}</figcaption></figure>"
    )


def _noticed(quality: QualityReport, *, unchanged: bool) -> str:
    if not quality.issues and unchanged:
        return "It passes the gate."
    if not quality.issues:
        return '<span class="cx-unnoticed">The gate notices nothing.</span>'
    lead = "Refused" if quality.refused else "Would be put into place" if quality.proposed else "Warned of"
    return f"{lead}: {escape(' '.join(issue.message for issue in quality.issues[:1]))}"
