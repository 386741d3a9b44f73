"""The main part of the Batch page: intake of many files, progress, and the table of what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from cxrkit.dashboard import batch, intake
from cxrkit.dashboard.batch_table import (
    ROW_HEIGHT,
    WHICH,
    Which,
    configuration,
    frame,
    reasons_html,
    sift,
    summary_html,
)
from cxrkit.dashboard.entry import guarded, show_error
from cxrkit.dashboard.ranking import default_rule, offered_rules
from cxrkit.dashboard.sidebar import Choice
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.serving import batch_files
from cxrkit.serving.batch import MOST_BYTES, MOST_ROWS, Row, count_outcomes
from cxrkit.serving.batch_job import BatchJob, Progress

POLL = 1.0  # seconds between two looks at a batch at work
LATEST = 8
ANY = "any"


def batch_bar(preset: Preset) -> None:
    """The field for many files and the button beside it; then why the last ones made no batch, if so."""
    job = batch.job()
    with st.container(key="batch_intake", horizontal=True, vertical_alignment="center"):
        st.file_uploader(
            "Radiographs (DICOM, PNG, JPEG, or ZIP archives of them)",
            accept_multiple_files=True,
            key=intake.batch_uploader_key(),
            on_change=intake.take_batch,
            args=(preset,),
            label_visibility="collapsed",
            disabled=job is not None and job.state == "running",
        )
        if job is not None or batch.refusal() is not None:
            st.button(
                "Clear patient",
                icon=":material/delete:",
                on_click=intake.clear_patient,
                help="Stops the batch and forgets every row, and everything else kept in this session.",
            )
    error = batch.refusal()
    if error is not None:
        show_error(error)


def welcome() -> None:
    """What the page shows before the first batch."""
    st.html(
        '<div class="cx-welcome"><h2>Drop many radiographs above, or a ZIP archive of them</h2>'
        f"<p>Up to {MOST_ROWS:,} radiographs and {MOST_BYTES // 2**30} GB at a time: DICOM, PNG or JPEG. Of an archive "
        "with DICOM files only these are read; archives within archives are not opened.</p>"
        "<p>You get a table with one row per file: a thumbnail, a calibrated probability for every finding, what is "
        "past its operating point, and the reason where a file was refused or could not be read.</p>"
        "<p>Files are read on this machine, one after the other. File names and full pictures are not kept: rows are "
        "numbered in the order of the upload, and the sha256 of each file tells which one it was.</p></div>"
    )


@st.fragment(run_every=POLL)
@guarded
def watch(job: BatchJob) -> None:
    """A batch at work: how far it is, and a button to stop it. A fragment that looks again every second."""
    rows, progress = job.rows, job.progress
    st.progress(progress.share, progress_words(progress))
    with st.container(key="batch_controls", horizontal=True, vertical_alignment="center"):
        st.button(
            "Cancel",
            icon=":material/stop_circle:",
            on_click=job.cancel,
            help="Stops now. The rows so far are kept, the files that are left are forgotten.",
        )
        st.html(f'<p class="cx-caption">{_counts(rows)} You may look at other pages meanwhile.</p>')
    latest = rows[-LATEST:]
    if latest:
        shown = frame(latest[::-1], _all_findings(job.preset))
        st.dataframe(
            shown,
            column_config=configuration(_all_findings(job.preset)),
            hide_index=True,
            row_height=ROW_HEIGHT,
            placeholder="",
            alt=f"The last {len(latest)} files that were read",
        )
    if job.state != "running":
        st.rerun()  # the whole page: it has ended


def progress_words(progress: Progress) -> str:
    """How far a batch is, how fast it goes, and how long it will take."""
    if not progress.total:
        return "Looking into the files ..."
    words = f"{progress.done:,} of {progress.total:,} files"
    if progress.rate is None or progress.seconds_left is None:
        return words
    return f"{words}, {progress.rate:.1f} per second, about {duration(progress.seconds_left)} left"


def duration(seconds: float) -> str:
    """Words for a time that is estimated: 40 s, 3 min, 1 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def result(job: BatchJob, chosen: Choice) -> None:
    """What came of a batch: filters, table, downloads and a summary."""
    choice = _of_the_batch(job, chosen)
    _remarks(job, choice, chosen)
    rows = job.rows
    if not rows:
        return
    with st.container(key="batch_filters", horizontal=True, vertical_alignment="bottom"):
        finding = st.selectbox(
            "Finding",
            [ANY, *choice.preset.findings],
            format_func=lambda f: "Any finding" if f == ANY else finding_text(f).label,
            key=f"batch_finding_{job.key}",
            help="Puts its column first and sorts by it; Past and Below are then for this finding alone.",
        )
        only = None if finding == ANY else finding
        numbers = {which: len(sift(rows, choice, only, which)) for which in WHICH}
        which: Which | None = st.segmented_control(
            "Rows",
            list(WHICH),
            default="all",
            format_func=lambda w: f"{WHICH[w]} ({numbers[w]})",
            key=f"batch_rows_{job.key}",
            help="Past: at or above the operating point that is chosen in the sidebar. Below: read, and not past it.",
        )
    kept = sift(rows, choice, only, which or "all")
    st.dataframe(
        frame(kept, choice, only),
        column_config=configuration(choice, numbers=which not in ("refused", "failed")),
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=min(ROW_HEIGHT * max(1, len(kept)) + 40, 560),
        placeholder="",
        alt=f"Table of {len(kept)} files: thumbnail, outcome, findings past the operating point, probabilities",
    )
    st.html(
        '<p class="cx-caption">Probabilities in percent, each calibrated and stated as on Read. A click on a column\'s '
        "title sorts by it. Rows are numbered in the order of the upload, and within an archive in its own. The sha256 "
        "tells which file a row is (try <code>sha256sum FILE</code>).</p>"
    )
    _downloads(job)
    if without := sum(row.outcome != "read" for row in rows):
        with st.expander(f"Why files were refused or not read ({without})", icon=":material/block:"):
            st.html(reasons_html(rows))
    with st.expander("How many are past their operating point, finding by finding", icon=":material/table_rows:"):
        st.html(summary_html(rows, choice))


def _downloads(job: BatchJob) -> None:
    rows, preset = job.rows, job.preset
    kinds = (
        ("CSV", batch_files.to_csv, "text/csv", "A table for spreadsheets and for Evaluation; blank where not known."),
        ("Parquet", batch_files.to_parquet, "application/vnd.apache.parquet", "The same table, typed and compact."),
        (
            "JSON",
            batch_files.to_json,
            "application/json",
            "Every row with its operating points and its quality report.",
        ),
    )
    with st.container(key="batch_downloads", horizontal=True, vertical_alignment="center"):
        for label, write, mime, words in kinds:
            st.download_button(
                label,
                help=f"{words} All {len(rows):,} rows, whatever the filter shows.",
                data=lambda write=write: write(rows, preset),  # type: ignore[misc]
                file_name=f"{preset.name}-batch-{len(rows)}.{label.lower()}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
            )
        st.html(
            '<p class="cx-caption">All rows, without thumbnails and without file names. The table itself lasts as long '
            "as this session.</p>"
        )


def _remarks(job: BatchJob, choice: Choice, chosen: Choice) -> None:
    """How the batch ended, and what is not in the table."""
    progress = job.progress
    said = [f"<b>{_counts(job.rows)}</b>"]
    if job.state == "cancelled":
        ended = f"Cancelled after {progress.done:,} of {progress.total:,} files: the rows so far are kept."
        said.insert(0, f'<b class="cx-warn">{ended}</b>')
    if job.left_out:
        left = f"{job.left_out:,} more files were not read: a batch takes {MOST_ROWS:,}. Choose them on their own."
        said.append(f'<b class="cx-warn">{left}</b>')
    if job.passed_over:
        said.append(f"Other files in archives, passed over: {job.passed_over:,}.")
    model = f"Read with {escape(choice.preset.title)} ({escape(choice.preset.name)})"
    if choice.preset.weights_sha256 == chosen.preset.weights_sha256:
        said.append(f"{model}.")
    else:
        said.append(f'<b class="cx-warn">{model}, not with the model that is now chosen in the sidebar.</b>')
    st.html(f'<p class="cx-batch-ended" role="status">{" ".join(said)}</p>')


def _counts(rows: Sequence[Row]) -> str:
    counted = count_outcomes(rows)
    return f"{counted['read']:,} read, {counted['refused']:,} refused, {counted['failed']:,} not readable."


def _of_the_batch(job: BatchJob, chosen: Choice) -> Choice:
    """The operating point that was chosen, for the preset that read the batch."""
    if job.preset.weights_sha256 == chosen.preset.weights_sha256:
        return chosen
    rule = chosen.rule if chosen.rule in offered_rules(job.preset) else default_rule(job.preset)
    return Choice(job.preset, rule, {})


def _all_findings(preset: Preset) -> Choice:
    return Choice(preset, default_rule(preset), {})
