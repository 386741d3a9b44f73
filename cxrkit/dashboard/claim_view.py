"""Our answers to CLAIM 2024 as a table."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from cxrkit.claim import ANSWERS, Checklist, checklist
from cxrkit.dashboard import choices
from cxrkit.dashboard.blocks import paragraph, prose_table, section
from cxrkit.preset import Preset

HEAD = ("No.", "Asks for", "Answer", "What it rests on", "Where")


def claim(preset: Preset) -> None:
    """The table, its counts, and a filter by answer; the answers are for the project with its shipped presets."""
    found = checklist()
    section("CLAIM 2024: how far this project reports what an article should", paragraph(summary(found)))
    choices.recall("claim_answers", list(ANSWERS))
    wanted = st.pills(
        "Show items answered with",
        ANSWERS,
        selection_mode="multi",
        key="claim_answers",
        help="Yes: reported in full. Partly: reported with a gap that is named. No: not done or not reported.",
    )
    choices.keep("claim_answers", wanted)
    sections = dict.fromkeys(item.section for item in found.items)
    shown = [item for item in found.items if item.answer in wanted]
    if not shown:
        section("No item", paragraph("Choose at least one answer above."))
    for name in sections:
        rows = [
            [str(item.number), item.topic, item.answer, item.words, ", ".join(item.where) or "nowhere"]
            for item in shown
            if item.section == name
        ]
        if rows:
            section(name, f'<div class="cx-claim">{prose_table(HEAD, rows)}</div>')
    st.html(f'<p class="cx-caption">{found.source}</p>')


def summary(found: Checklist) -> str:
    """The counts in a sentence."""
    counts = Counter(item.answer for item in found.items)
    said = ", ".join(f"{counts[answer]} {answer}" for answer in ANSWERS)
    return (
        f"Of {len(found.items)} items: {said}. The answers are our own and nobody else has checked them. They are for "
        "this project with its two shipped presets, whichever preset is chosen."
    )
