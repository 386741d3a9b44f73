"""The rows of a batch as a table on the page: which of them, which columns, and how each is shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from html import escape
from typing import Any, Literal

import pandas as pd
import streamlit as st

from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.ranking import RULES, Standing, rank, standing
from cxrkit.dashboard.sidebar import Choice
from cxrkit.findings import finding_text
from cxrkit.reading import in_doubt
from cxrkit.serving.batch import OUTCOMES, Row

Which = Literal["all", "past", "below", "refused", "failed"]
WHICH: dict[Which, str] = {
    "all": "All",
    "past": "Past",
    "below": "Below",
    "refused": OUTCOMES["refused"],
    "failed": OUTCOMES["failed"],
}
"""What can be filtered for: on which side of the operating point, or why there are no numbers."""

_NUMBER, _PICTURE, _OUTCOME, _RESULT = "No.", "Picture", "Outcome", "Past, or why not read"
_REMARKS, _FILE = "Remarks", "File sha256"
ROW_HEIGHT = 52


def standings(row: Row, choice: Choice) -> tuple[Standing, ...]:
    """Every finding of a row against its operating point; empty where there are no numbers."""
    if row.prediction is None:
        return ()
    ranked, others = rank(choice.preset, row.prediction, choice.rule, choice.custom)
    return ranked + others


def is_past(row: Row, choice: Choice, finding: str | None) -> bool | None:
    """Whether a row is at or above the operating point of a finding, or of any that can be relied on.

    None where there are no numbers, and for a finding that has no operating point.
    """
    if row.prediction is None:
        return None
    if finding is None:
        return any(at.supported and at.past for at in standings(row, choice))
    at = standing(choice.preset, finding, row.prediction[finding], choice.rule, choice.custom)
    return None if at.threshold is None else at.past


def sift(rows: Sequence[Row], choice: Choice, finding: str | None, which: Which) -> list[Row]:
    """The rows that are wanted; with a finding, the most probable first and those without numbers last."""
    if which in ("refused", "failed"):
        return [row for row in rows if row.outcome == which]
    kept = [row for row in rows if which == "all" or is_past(row, choice, finding) is (which == "past")]
    if finding is None:
        return kept
    return sorted(kept, key=lambda row: -1.0 if row.prediction is None else row.prediction[finding], reverse=True)


def frame(rows: Sequence[Row], choice: Choice, finding: str | None = None) -> pd.DataFrame:
    """What the table shows, the chosen finding's column before those of the others; probabilities in percent."""
    findings = list(choice.preset.findings)
    if finding is not None:
        findings = [finding, *(f for f in findings if f != finding)]
    columns: dict[str, Any] = {
        _NUMBER: [row.number for row in rows],
        _PICTURE: [row.thumbnail or None for row in rows],
        _OUTCOME: [OUTCOMES[row.outcome] for row in rows],
        _RESULT: [_result_words(row, choice) for row in rows],
    }
    for name in findings if any(row.prediction for row in rows) else ():
        shares = [None if row.prediction is None else 100 * row.prediction[name] for row in rows]
        columns[finding_text(name).label] = pd.array(shares, "Float64")
    columns[_REMARKS] = [row.reason if row.outcome == "read" else "" for row in rows]
    columns[_FILE] = [row.sha256[:12] for row in rows]
    return pd.DataFrame(columns)


def configuration(choice: Choice, *, numbers: bool = True) -> dict[str, Any]:
    """How each column is shown, with a sentence on what it is; without `numbers`, reasons have their room."""
    title = RULES[choice.rule][0]
    columns = st.column_config
    shown: dict[str, Any] = {
        _NUMBER: columns.NumberColumn(help="Place of the file in the order of the upload", width=52, pinned=True),
        _PICTURE: columns.ImageColumn(help="Thumbnail, as the model read it", width=70, pinned=True),
        _OUTCOME: columns.TextColumn(help="Read, refused by the quality gate, or not readable", width=96),
        _RESULT: columns.TextColumn(
            help=f"Findings at or past their {title} threshold, of those that can be relied on, in doubt where the "
            "interval reaches across it; or the reason why there are no numbers",
            width=230 if numbers else 620,
        ),
        _REMARKS: columns.TextColumn(help="What was done to the picture, and what to beware of", width=360),
        _FILE: columns.TextColumn(
            help="Beginning of the sha256 of the file's bytes: tells which file a row is, without its name", width=124
        ),
    }
    for name in choice.preset.findings:
        label, meaning = finding_text(name)
        point = standing(choice.preset, name, 0.0, choice.rule, choice.custom)
        against = "no operating point" if point.threshold is None else f"{title} threshold {percent(point.threshold)}"
        unsure = "" if point.supported else " Not supported: too few cases to fit on."
        shown[label] = columns.NumberColumn(
            f"{label}, %",
            help=f"Calibrated probability; {against}.{unsure} {meaning}",
            format="%.2f",
            width=88 + 7 * max(0, len(label) - 8),
        )
    return shown


def summary_html(rows: Sequence[Row], choice: Choice) -> str:
    """How many of the rows that were read are past each operating point, as a table."""
    predictions = [row.prediction for row in rows if row.prediction is not None]
    lines = []
    for name in choice.preset.findings:
        shares = [prediction[name] for prediction in predictions]
        at = standing(choice.preset, name, 0.0, choice.rule, choice.custom)
        past = sum(at.threshold is not None and share >= at.threshold for share in shares)
        cells = [
            finding_text(name).label + ("" if at.supported else " (not supported)"),
            "none" if at.threshold is None else percent(at.threshold),
            "–" if at.threshold is None else str(past),
            "–" if at.threshold is None or not shares else percent(past / len(shares)),
            percent(statistics.median(shares)) if shares else "–",
        ]
        lines.append(
            f'<tr><th scope="row">{escape(cells[0])}</th>' + "".join(f"<td>{c}</td>" for c in cells[1:]) + "</tr>"
        )
    head = "".join(
        f'<th scope="col">{h}</th>' for h in ("Finding", "Threshold", "Past", "Share past", "Median probability")
    )
    return (
        f'<div class="cx-scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
        f'<p class="cx-caption">n = {len(predictions)} files that were read. The share past a threshold is not the '
        "share of patients with the finding: at this sensitivity and specificity some are past it by mistake, and "
        "some with the finding are below.</p>"
    )


def reasons_html(rows: Sequence[Row]) -> str:
    """Each row without numbers and its reason in full, as a table."""
    lines = "".join(
        f'<tr><th scope="row">{row.number}</th><td>{OUTCOMES[row.outcome]}</td><td>{escape(row.reason)}</td></tr>'
        for row in rows
        if row.outcome != "read"
    )
    head = '<th scope="col">No.</th><th scope="col">Outcome</th><th scope="col">Reason, and what can be done</th>'
    return (
        f'<div class="cx-scroll cx-reasons"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def _result_words(row: Row, choice: Choice) -> str:
    """What is past its operating point, what is past it in doubt, or why there are no numbers."""
    if row.prediction is None:
        return row.reason
    past: dict[bool, list[str]] = {False: [], True: []}
    for at in standings(row, choice):
        if at.supported and at.past:
            doubt = in_doubt(row.prediction.score(at.finding).interval, at.threshold)
            past[doubt].append(finding_text(at.finding).label)
    words = [", ".join(past[False])] if past[False] else []
    words += [f"in doubt: {', '.join(past[True])}"] if past[True] else []
    return "; ".join(words) or "none past"
