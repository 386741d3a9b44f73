"""Whose rows the page of thresholds looks at: a preset's own, or a table that the reader uploads."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from cxrkit.dashboard import blocks, choices, threshold_link
from cxrkit.dashboard.entry import incident, plain, show_error, show_incident
from cxrkit.dashboard.intake import forget_file
from cxrkit.dashboard.services import benches
from cxrkit.errors import CxrError, PredictionsInvalid
from cxrkit.preset import Preset
from cxrkit.serving.judged_table import (
    LARGEST_FILE,
    OF_CARD,
    JudgedTable,
    parse_upload,
    splits_of,
    table_of_card,
    table_of_upload,
    template,
)

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

OWN, RIVAL = "own", "rival"  # the table that is looked at, and another that it is compared with
_TABLES, _FAILURES, _SALT, _OFFERED = "judged_tables", "judged_failures", "judged_salt", "judged_uploads"
_TIED = "judged_tied"
_UPLOADED = "uploaded "
COLUMNS = (
    ("<finding>, such as Pneumonia", "needed", "Reference standard: 1 present, 0 absent, blank unknown"),
    ("prob_<finding>", "needed", "Probability between 0 and 1, in every row that has a label"),
    ("logit_<finding>", "optional", "The network's raw output: shows the calibration before and after"),
    ("patient_id", "optional", "Rows of one patient are resampled together"),
    ("image", "optional", "Name of the image: needed to compare two tables"),
    ("split", "optional", "Several values are offered one by one"),
    ("sex, age, view_position, aspect_ratio", "optional", "Groups"),
)


def choose(preset: Preset, asked: str | None = None) -> JudgedTable | None:
    """The field for the rows, which may be asked for by their name; None where there is nothing to look at."""
    offered = {**_own_rows(preset), **{_UPLOADED + t.split: t for t in uploaded(OWN)}}
    if not offered:
        return None
    key = f"rows_of_{preset.name}"
    if asked in offered:
        st.session_state[key] = asked
    if st.session_state.get(key) not in offered:
        st.session_state.pop(key, None)
    choices.recall(key, next(iter(offered)), list(offered))
    choice = st.segmented_control(
        "Rows to look at", list(offered), format_func=lambda o: _title(offered[o]), key=key, required=True
    )
    choices.keep(key, choice)
    chosen = offered[str(choice)]
    threshold_link.say({key: choice}, rows=None if chosen.role == "uploaded" else choice)
    return chosen


def explain(judged: JudgedTable | None, preset: Preset) -> None:
    """Why the last upload could not be used, if so, and what the rows are; without rows, what to do."""
    show_failure(OWN)
    if judged is None:
        _nothing(preset)
    else:
        st.html(f'<p class="cx-caption">{described(judged)}</p>')


def _own_rows(preset: Preset) -> dict[str, JudgedTable]:
    """What ships with a preset; without that, what its card keeps."""
    try:
        found = {f"kept {kept.split}": benches.kept_table(preset, kept) for kept in splits_of(preset)}
    except CxrError as error:
        show_error(error)
        found = {}
    card = None if any(table.role == "validation" for table in found.values()) else table_of_card(preset)
    return found if card is None else {"card": card, **found}


def _title(judged: JudgedTable) -> str:
    roles = {"validation": "Validation", "evaluation": "Test", "uploaded": "Uploaded"}
    own = "" if judged.role == "uploaded" and judged.split == "uploaded table" else f" · {judged.split}"
    return plain(roles[judged.role] + ("" if judged.split.lower() in ("val", "test") else own))


def described(judged: JudgedTable) -> str:
    """What the rows are, and what a threshold that is chosen on them is worth; HTML."""
    rows = f"{len(judged.table):,} radiographs"
    if not judged.images:
        kept = "the validation scores that the card keeps" if judged.source.name == OF_CARD else "kept"
        rows += f", {kept}, finding by finding: bands drawn here take each radiograph for a patient of its own"
    elif judged.patients is not None:
        rows += f" of {judged.patients:,} patients"
    split = escape(judged.split)
    return {
        "validation": f"<b>Validation</b> (split: {split}). {rows}. Thresholds are chosen here. The model's "
        "calibration and its operating points were fitted on these very rows, so their numbers here "
        "are kinder than the truth.",
        "evaluation": f"<b>Test</b> (split: {split}). {rows}, used neither to train nor to choose. Look here to judge "
        "a threshold, not to choose one: <b>a threshold that is chosen here is tuned on the test split</b>, and what "
        "it gives here is no evidence any more.",
        "uploaded": f"<b>Your table</b> ({split}). {rows}. A threshold that is chosen here has to be judged on other "
        "rows. Names of images and patients were replaced when the table came in; it stays in this session alone.",
    }[judged.role]


def _nothing(preset: Preset) -> None:
    st.html(
        '<div class="cx-welcome"><h2>No judged rows at hand</h2>'
        f"<p>Nothing is kept of how {escape(preset.title)} scored labelled radiographs: neither rows beside its "
        "card nor validation scores in it. Upload a table of its predictions above, or keep those of its evaluation "
        "with scripts/keep_scores.py.</p></div>"
    )


# -- tables that the reader uploads ------------------------------------------------------------


def uploaded(slot: str) -> tuple[JudgedTable, ...]:
    """The tables of one upload, one for each of its splits."""
    tables: tuple[JudgedTable, ...] = st.session_state.get(_TABLES, {}).get(slot, ())
    return tables


def upload_widget(slot: str, label: str, preset: Preset) -> None:
    """A field for a CSV of predictions."""
    st.file_uploader(
        label,
        type=["csv"],
        key=_uploader_key(slot),
        on_change=_take,
        args=(slot, preset),
        max_upload_size=LARGEST_FILE // 1_000_000,
        help=f"A plain CSV of at most {LARGEST_FILE // 1_000_000} MB. It is read on this machine and kept nowhere.",
    )


def forget(slot: str) -> None:
    """Let go of an uploaded table (a widget's callback)."""
    for where in (_TABLES, _FAILURES):
        st.session_state[where] = {k: v for k, v in st.session_state.get(where, {}).items() if k != slot}
    benches.forget()


def upload_field(preset: Preset, chosen: JudgedTable | None) -> None:
    """What a table must look like, an example, and the field that takes one."""
    with st.popover("Your own predictions", icon=":material/upload_file:"):
        st.html(
            '<div class="cx-card"><p>A table with a row for each radiograph, separated by commas:</p>'
            + blocks.table(("Column", "", "What it holds"), COLUMNS).replace("cx-scroll", "cx-scroll cx-columns")
            + "</div>"
        )
        st.download_button(
            "Example table",
            template(preset.findings[:2]),
            "predictions-example.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="Made-up rows with every column: replace them with your own.",
        )
        upload_widget(OWN, "Predictions (CSV)", preset)
        if uploaded(OWN):
            common = set(uploaded(OWN)[0].findings) & set(preset.findings)
            if common:
                st.checkbox(
                    plain(f"These are predictions of the model {preset.title} ({preset.weights_sha256[:8]})"),
                    key=_TIED,
                    on_change=_tie,
                    args=(preset,),
                    help="Then its operating points are shown, and a threshold can be saved for these weights.",
                )
            st.button("Forget the table", icon=":material/delete:", on_click=forget, args=(OWN,))
    if chosen is not None and chosen.role == "uploaded" and chosen.preset not in (None, preset):
        st.session_state[_TIED] = False
        _tie(preset)
        st.rerun()


def _tie(preset: Preset) -> None:
    """Say, or take back, that the uploaded predictions are the preset's (a widget's callback)."""
    whose = preset if st.session_state.get(_TIED) else None
    own = whose.weights_sha256[:8] if whose else ""
    tables = tuple(
        dataclasses.replace(t, preset=whose, key=t.key.partition(" ")[0] + (f" {own}" if own else ""))
        for t in uploaded(OWN)
    )
    st.session_state[_TABLES] = {**st.session_state.get(_TABLES, {}), OWN: tables}


def _uploader_key(slot: str) -> str:
    return f"predictions_{slot}_{st.session_state.get(_OFFERED, 0)}"


def _take(slot: str, preset: Preset) -> None:
    """Check the table that was just uploaded, keep it without whom it shows, and let go of the file."""
    upload: UploadedFile | None = st.session_state.get(_uploader_key(slot))
    if upload is None:
        return
    forget(slot)
    failure: CxrError | str
    try:
        table, splits = parse_upload(upload.getvalue())
        tables = tuple(table_of_upload(table, _alias, split) for split in splits or (None,))
        st.session_state[_TABLES] = {**st.session_state.get(_TABLES, {}), slot: tables}
        if slot == OWN:
            st.session_state.pop(_TIED, None)
            key = f"rows_of_{preset.name}"
            st.session_state[key] = _UPLOADED + tables[0].split
            choices.keep(key, _UPLOADED + tables[0].split)
    except CxrError as error:
        failure = error
        st.session_state[_FAILURES] = {**st.session_state.get(_FAILURES, {}), slot: failure}
    except Exception as error:
        failure = incident(error)
        st.session_state[_FAILURES] = {**st.session_state.get(_FAILURES, {}), slot: failure}
    finally:
        forget_file(upload)
        st.session_state[_OFFERED] = st.session_state.get(_OFFERED, 0) + 1


def _alias(names: Sequence[str]) -> list[str]:
    """Other names, the same for equal names throughout the session: two tables of it can still be paired."""
    salt: bytes = st.session_state.setdefault(_SALT, secrets.token_bytes(16))
    return [hashlib.blake2b(name.encode(), key=salt, digest_size=12).hexdigest() for name in names]


def show_failure(slot: str) -> None:
    """Why the last table of a slot could not be used: each wrong cell by row and column."""
    failure = st.session_state.get(_FAILURES, {}).get(slot)
    if isinstance(failure, PredictionsInvalid):
        listed = "".join(f"\n- {plain(problem)}" for problem in failure.problems)
        st.error(f"**{plain(failure.message)}**{listed}\n\n{plain(failure.remedy)}", icon=":material/error:")
    elif isinstance(failure, CxrError):
        show_error(failure)
    elif failure is not None:
        show_incident(failure)
