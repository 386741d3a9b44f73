"""Operating points that the reader names: kept for the session, saved to a file, used on Read."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from cxrkit.dashboard import blocks
from cxrkit.dashboard.entry import plain, show_error
from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.intake import forget_file
from cxrkit.errors import CxrError, ManifestError
from cxrkit.findings import finding_text
from cxrkit.named_points import NamedPoint, from_json, thresholds, to_json, with_point
from cxrkit.preset import Preset

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from cxrkit.evaluation.schema import AtPoint
    from cxrkit.serving.judged_table import JudgedTable

PREFIX = "named "
"""Begins the choices of an operating point on Read that are the reader's own names."""

_POINTS, _FAILURE, _FILES, _SAID = "named_points", "named_failure", "named_files", "named_said"


def points_of(preset: Preset) -> tuple[NamedPoint, ...]:
    """The session's points for the weights of a preset."""
    kept: Mapping[str, tuple[NamedPoint, ...]] = st.session_state.get(_POINTS, {})
    return kept.get(preset.weights_sha256, ())


def offered(preset: Preset) -> dict[str, str]:
    """What Read can offer besides the fitted rules: choice -> what it means."""
    names = dict.fromkeys(point.name for point in points_of(preset))
    return {PREFIX + name: _meaning([p for p in points_of(preset) if p.name == name]) for name in names}


def name_of(choice: str) -> str:
    """The reader's name of a choice that `offered` gave."""
    return choice.removeprefix(PREFIX)


def chosen_thresholds(preset: Preset, choice: str) -> dict[str, float]:
    """Finding -> threshold of a choice that `offered` gave."""
    return thresholds(points_of(preset), name_of(choice))


def _meaning(points: list[NamedPoint]) -> str:
    words = "your point" if len(points) == 1 else f"your points for {len(points)} findings"
    if any(point.tuned_on_evaluation for point in points):
        words += "; tuned on a test split"
    return words


def save_field(judged: JudgedTable, finding: str, at: AtPoint) -> None:
    """The field that names the threshold of the page and keeps it."""
    preset = judged.preset
    with st.popover("Save this threshold", icon=":material/bookmark_add:"):
        if preset is None or finding not in preset.findings:
            st.html(
                '<p class="cx-why">A threshold belongs to the weights that gave the probabilities. Say under <b>Your '
                "own predictions</b> that these are predictions of the chosen model, and it can be saved.</p>"
            )
            return
        st.text_input("Name", placeholder="Such as: night shift", max_chars=40, key="point_name")
        st.button("Save", icon=":material/check:", on_click=_save, args=(judged, finding, at))
        st.html(
            f'<p class="cx-caption">{percent(at.threshold)} for {escape(finding_text(finding).label)}. It is kept in '
            "this session, is a choice of operating point on Read, and can be saved to a file under Saved points.</p>"
        )
        if _tuned(judged, preset, finding, at.threshold):
            st.html(
                '<p class="cx-caption cx-warn">You are choosing on the test split: the point will be marked as tuned '
                "on it.</p>"
            )
        _say()


def _say() -> None:
    """What became of the last point that was saved."""
    said = st.session_state.pop(_SAID, None)
    if isinstance(said, CxrError):
        show_error(said)
    elif said is not None:
        st.success(plain(said), icon=":material/check:")


def _save(judged: JudgedTable, finding: str, at: AtPoint) -> None:
    """Keep the threshold under the name that was typed (a widget's callback)."""
    preset, name = judged.preset, str(st.session_state.get("point_name", "")).strip()
    if preset is None or at.sensitivity is None or at.specificity is None:
        return
    try:
        point = NamedPoint(
            name=name,
            finding=finding,
            threshold=at.threshold,
            chosen_on=judged.split,
            tuned_on_evaluation=_tuned(judged, preset, finding, at.threshold),
            sensitivity=at.sensitivity.value,
            specificity=at.specificity.value,
            n=at.tp + at.fp + at.tn + at.fn,
            positives=at.tp + at.fn,
        )
    except ValueError:
        st.session_state[_SAID] = ManifestError(
            "A point needs a name.", "Type up to 40 characters, without angle brackets."
        )
        return
    _keep(preset, with_point(points_of(preset), point))
    label = finding_text(finding).label
    st.session_state[_SAID] = f"Saved: {name}, {percent(at.threshold)} for {label}. It is a choice on Read now."
    st.session_state["point_name"] = ""


def _tuned(judged: JudgedTable, preset: Preset, finding: str, threshold: float) -> bool:
    """Whether taking the threshold here is to choose on a test split: the card's own were chosen before."""
    fitted = any(p.finding == finding and p.threshold == threshold for p in preset.operating_points)
    return judged.role == "evaluation" and not fitted


def _keep(preset: Preset, points: tuple[NamedPoint, ...]) -> None:
    st.session_state[_POINTS] = {**st.session_state.get(_POINTS, {}), preset.weights_sha256: points}


# -- the tab of saved points -------------------------------------------------------------------


def saved(preset: Preset) -> None:
    """All points of a model: the list, a file of them, and a file to take them from."""
    points = points_of(preset)
    st.html(
        '<p class="cx-why">Thresholds that you named for this model. They last as long as this session; a file of '
        "them works with these very weights alone, and every name is a choice of operating point on Read.</p>"
    )
    if points:
        head = ("Name", "Finding", "Threshold", "Sensitivity", "Specificity", "n (positive)", "Chosen on")
        st.html(f'<div class="cx-card">{blocks.table(head, [_row(point) for point in points])}</div>')
        st.html(
            '<p class="cx-caption">Sensitivity and specificity are those on the rows that the point was chosen on, and '
            "flatter it. On Read they are given as the validation split has them.</p>"
        )
    else:
        st.html('<p class="cx-caption">None yet. Name one under Operating point, or take them from a file.</p>')
    with st.container(key="saved_actions", horizontal=True, vertical_alignment="bottom"):
        if points:
            st.download_button(
                "Save to a file",
                to_json(preset, points),
                f"operating-points-{preset.name}-{preset.weights_sha256[:8]}.json",
                "application/json",
                icon=":material/download:",
                on_click="ignore",
            )
            names = list(dict.fromkeys(point.name for point in points))
            gone = st.selectbox("Point to remove", names, key="point_to_remove")
            st.button("Remove", icon=":material/delete:", on_click=_remove, args=(preset, gone))
        st.file_uploader(
            "File of points (JSON)", type=["json"], key=_file_key(), on_change=_take, args=(preset,), max_upload_size=1
        )
    failure = st.session_state.get(_FAILURE)
    if isinstance(failure, CxrError):
        show_error(failure)


def _row(point: NamedPoint) -> tuple[str, ...]:
    where = f"{point.chosen_on}: tuned on it" if point.tuned_on_evaluation else point.chosen_on
    return (
        point.name,
        finding_text(point.finding).label,
        percent(point.threshold),
        percent(point.sensitivity),
        percent(point.specificity),
        f"{point.n:,} ({point.positives:,})",
        where,
    )


def _remove(preset: Preset, name: str) -> None:
    _keep(preset, tuple(point for point in points_of(preset) if point.name != name))


def _file_key() -> str:
    return f"points_{st.session_state.get(_FILES, 0)}"


def _take(preset: Preset) -> None:
    """Keep the points of a file, in place of those of the same names (a widget's callback)."""
    upload: UploadedFile | None = st.session_state.get(_file_key())
    if upload is None:
        return
    st.session_state.pop(_FAILURE, None)
    try:
        points = points_of(preset)
        for point in from_json(upload.getvalue(), preset):
            points = with_point(points, point)
        _keep(preset, points)
    except CxrError as error:
        st.session_state[_FAILURE] = error
    finally:
        forget_file(upload)
        st.session_state[_FILES] = st.session_state.get(_FILES, 0) + 1
