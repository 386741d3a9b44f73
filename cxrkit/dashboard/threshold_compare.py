"""The page of thresholds: two models on the same rows."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.charts.forest import differences
from cxrkit.dashboard import blocks, choices, judged_rows
from cxrkit.dashboard.entry import plain, show_error
from cxrkit.dashboard.services import benches
from cxrkit.dashboard.theme import ink
from cxrkit.dashboard.threshold_chart import show
from cxrkit.errors import CxrError
from cxrkit.evaluation.schema import Comparison
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.serving.judged_table import JudgedTable


def compare(judged: JudgedTable, preset: Preset) -> None:
    """Two models on the same rows."""
    st.html(
        '<p class="cx-why">Is another model better on the same radiographs? Both rank the same images, so the '
        "difference of their AUROC is told more surely than either of them. Right of 0: the model above ranks better. "
        "It holds for these patients alone, whomever either model was made for.</p>"
    )
    if judged.role == "uploaded":
        _compare_uploads(judged, preset)
    else:
        _compare_recorded(judged)


def _compare_uploads(judged: JudgedTable, preset: Preset) -> None:
    """The reader's table beside another of theirs."""
    if "image" not in judged.table.columns:
        st.html(
            '<p class="cx-caption">Your table does not say which image a row is of, so it cannot be paired. Upload the '
            "predictions of both models with a column image, and they are compared here.</p>"
        )
        return
    judged_rows.upload_widget(judged_rows.RIVAL, "Predictions of the other model for the same images (CSV)", preset)
    judged_rows.show_failure(judged_rows.RIVAL)
    others = {f"Uploaded: {t.split}": t for t in judged_rows.uploaded(judged_rows.RIVAL)}
    if not others:
        st.html('<p class="cx-caption">Upload the predictions of the other model for the same images.</p>')
        return
    try:
        _differences(benches.comparison(judged, others[_other_of(list(others))]), "these rows", "the other")
    except CxrError as error:
        show_error(error)


def _compare_recorded(judged: JudgedTable) -> None:
    """What ships of the model's own rows beside another model's."""
    try:
        recorded = benches.recorded_comparisons(judged)
    except CxrError as error:
        show_error(error)
        return
    if recorded:
        other = _other_of(list(recorded))
        chosen = (
            " The model was chosen by these rows, and its calibration and points were fitted on them, so the "
            "difference is kinder to it than the truth."
            if judged.role == "validation"
            else ""
        )
        st.html(
            f'<p class="cx-caption">Recorded comparison of {escape(_title(judged))} with {escape(other)}, on split '
            f"{escape(judged.split)}, patients resampled.{chosen}</p>"
        )
        _differences(recorded[other], _title(judged), other)
    st.html(
        f'<p class="cx-caption">{"" if recorded else "No comparison is kept of these rows. "}The rows that ship do not '
        "say which image they are of, so they cannot be paired with yours. To compare other models, upload the "
        "predictions of both with a column image, or keep a comparison beside the card with "
        "scripts/keep_scores.py --against.</p>"
    )


def _title(judged: JudgedTable) -> str:
    return "this model" if judged.preset is None else judged.preset.name


def _other_of(names: list[str]) -> str:
    """The field for the other model."""
    choices.recall("compare_with", names[0], names)
    if st.session_state["compare_with"] not in names:
        st.session_state["compare_with"] = names[0]
    other: str = st.selectbox("Compare with", names, format_func=plain, key="compare_with")
    choices.keep("compare_with", other)
    return other


def _differences(found: Comparison, ours: str, theirs: str) -> None:
    chart = differences(found, ink())
    if chart is None:
        st.html('<p class="cx-caption">No finding has both classes among the images that both tables hold.</p>')
        return
    show(chart, "differences")
    rows = [
        (
            finding_text(finding).label,
            f"{pair.ours.value:.3f}",
            f"{pair.theirs.value:.3f}",
            f"{pair.difference.value:+.3f}".replace("-", "−"),
            _p(pair.p),
            _p(pair.p_holm),
            f"{pair.difference.n:,} ({pair.difference.positives:,})",
        )
        for finding, pair in found.findings.items()
    ]
    head = ("Finding", f"AUROC, {ours}", theirs, "Difference", "p", "p (Holm)", "n (positive)")
    st.html(f'<div class="cx-card">{blocks.table(head, rows)}</div>')


def _p(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"
