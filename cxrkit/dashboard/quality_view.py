"""What the Read page says of the picture itself: refusals, corrections and warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import streamlit as st

from cxrkit.charts import overlay
from cxrkit.dashboard.blanking import blank_field, blanked_boxes
from cxrkit.dashboard.display_field import display_field
from cxrkit.dashboard.entry import plain
from cxrkit.dashboard.services import pictures, readings
from cxrkit.imaging.quality import NAMES
from cxrkit.quality import Correction, QualityReport
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Reading


def refusal(radiograph: Radiograph, reading: Reading) -> None:
    """In place of a reading: why there is none, the picture, and the way past."""
    issues = [issue for issue in reading.quality.issues if issue.severity == "refuse"]
    others = [issue.message for issue in reading.quality.issues if issue.severity != "refuse"]
    with st.container(key="refusal"):
        st.error(
            "**No reading is shown for this picture.**\n\n" + _lines(issue.message for issue in issues),
            icon=":material/block:",
        )
        with st.container(key="refused", horizontal=True):
            copy = pictures.display_copy(radiograph)
            uri = overlay.blank(copy, blanked_boxes(radiograph)).uri
            st.html(f'<img class="cx-refused" src="{uri}" alt="The picture that is not read">')
            with st.container(key="past"):
                st.markdown(
                    "Whatever is shown, the model answers with probabilities. Here they would mean nothing. "
                    "Choose a frontal chest radiograph, in the original file if you have it."
                )
                if others:
                    st.markdown("Also:\n\n" + _lines(others))
                display_field(radiograph)  # another of the file's windows may show a chest
                with st.container(key="past_buttons", horizontal=True):
                    st.button(
                        "Show the reading all the same",
                        icon=":material/visibility:",
                        on_click=readings.ask_all_the_same,
                        args=(radiograph, reading),
                        help="The reading then says, wherever it goes, that it was asked for in spite of the refusal.",
                    )
                    blank_field(radiograph, copy)


def remarks(reading: Reading) -> None:
    """Above a reading: what was done to the picture, with the way back, and what to beware of."""
    quality = reading.quality
    if quality.overridden:
        st.error(
            "**Shown at the reader's request, in spite of a refusal:** do not rely on it.\n\n"
            + _lines(_refusals(quality)),
            icon=":material/block:",
        )
    if quality.correction:
        _with_button(
            f"**{steps(quality.correction)} before it was read**: as it was, it looked wrong to the model.",
            "Undo",
            readings.leave_as_it_lies,
            reading.weights_sha256,
        )
    elif quality.proposed:
        _with_button(
            "**Read as it lies**, although it looks turned or inverted to the model: the numbers mean little.",
            "Put into place",
            readings.put_into_place,
            reading.weights_sha256,
        )
    warned = [i.message for i in quality.issues if i.severity == "warn" and i.code not in ("inverted", "rotated")]
    if warned := [*reading.warnings, *warned]:
        with st.container(key="warned"):
            st.warning(_lines(warned), icon=":material/warning:")


def steps(corrections: Iterable[Correction]) -> str:
    """What was done, in words: "Turned by 180 degrees and inverted"."""
    words = " and ".join(NAMES[step].lower() for step in corrections)
    return words[:1].upper() + words[1:]


def caption(quality: QualityReport) -> str:
    """What must stand under a picture that is taken away; empty for a plain one."""
    said = [f"{steps(quality.correction)} before it was read."] if quality.correction else []
    if quality.proposed:
        said.append("Read as it lies, although it looks turned or inverted to the model.")
    if quality.overridden:
        said.append(f"Shown in spite of a refusal: {' '.join(_refusals(quality))}")
    return " ".join(said)


def _refusals(quality: QualityReport) -> list[str]:
    return [issue.message for issue in quality.issues if issue.severity == "refuse"]


def _with_button(words: str, label: str, action: Callable[[str], None], weights_sha256: str) -> None:
    with st.container(key="correction", horizontal=True, vertical_alignment="center"):
        st.info(words, icon=":material/rotate_right:")
        st.button(label, on_click=action, args=(weights_sha256,))


def _lines(sentences: Iterable[str]) -> str:
    said = [plain(sentence) for sentence in sentences]
    return said[0] if len(said) == 1 else "\n".join(f"- {sentence}" for sentence in said)
