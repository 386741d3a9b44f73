"""The section of the Learn page on shortcuts: a marker at the border, and what it does to the scores."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.charts import learn, tiles
from cxrkit.charts.style import percent
from cxrkit.dashboard import choices, lesson
from cxrkit.dashboard.lesson import Tile
from cxrkit.dashboard.services import models
from cxrkit.dashboard.theme import ink
from cxrkit.findings import finding_text
from cxrkit.imaging.mishaps import MARKER_BAND, lettered
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.preprocessing import to_square
from cxrkit.preset import Preset

WORDS = ("PORTABLE", "SUPINE", "AP", "R")


def shortcut(preset: Preset) -> None:
    """A marker at the border, with the border in the picture and without it."""
    lesson.lead(
        "What a shortcut looks like",
        "Ill patients are often filmed in bed, and such films carry other letters. A network that learns from them may",
        "read the letters instead of the lungs. Put letters on the phantom, whose lungs do not change, and see what",
        "happens to the scores.",
    )
    columns = st.columns(2)
    with columns[0]:
        choices.recall("learn_words", WORDS[0], WORDS)
        words = st.selectbox("Letters", WORDS, key="learn_words")
        choices.keep("learn_words", words)
    with columns[1]:
        choices.recall("learn_bright", 100)
        bright = st.slider("Brightness of the letters", 10, 100, step=10, format="%d %%", key="learn_bright")
        choices.keep("learn_bright", bright)
    from cxrkit.model.shortcut import marker_shifts

    border = max(MARKER_BAND, preset.border)
    shifts = models.on_phantom(preset, marker_shifts, words, bright / 100, (0.0, border))
    without, cut = shifts[: len(preset.findings)], shifts[len(preset.findings) :]
    plain = phantom(size=512)
    marked = lettered(plain, words, brightness=bright / 100)
    left, right = st.columns([2, 3], gap="large")
    with left:
        seen = (("With the border", 0.0), (f"{percent(border)} of each side cut off", border))
        lesson.tiles(
            [
                Tile(
                    tiles.grey(to_square(marked.pixels, preset.geometry, 300, share)),
                    f"Phantom with the letters {words}, {name.lower()}",
                    f"What the model sees: {name.lower()}",
                )
                for name, share in seen
            ]
        )
        moved = max(without, key=lambda shift: abs(shift.by_marker))
        before, after = moved.probabilities
        st.html(
            f'<p class="cx-caption">Most moved without the cut: {escape(finding_text(moved.finding).label)}, from '
            f"{percent(before)} to {percent(after)}. {_own_border(preset)}</p>"
        )
    with right:
        lesson.chart(learn.marker_shifts(without, cut, border, ink()), "learn_shifts")
    lesson.keep(
        "Cutting the border off takes markers there away for certain. It also takes away what the lungs have there, "
        "and a model must be trained that way, too. It does nothing against markers further in, drains or electrodes."
    )


def _own_border(preset: Preset) -> str:
    if preset.border:
        return f"This model's own preprocessing cuts {preset.border:.1%} of each side off."
    return "This model's own preprocessing cuts nothing off, so its readings are those with the border."
