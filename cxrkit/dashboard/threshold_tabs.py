"""The page of thresholds: finding, tabs, and the views that no threshold moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

import streamlit as st

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.charts.calibration import reliability
from cxrkit.charts.forest import by_subgroup, measure_name, variable_name
from cxrkit.charts.style import counts
from cxrkit.dashboard import blocks, choices, judged_rows, named_view, threshold_compare, threshold_link, view_choices
from cxrkit.dashboard.entry import guarded
from cxrkit.dashboard.services import benches
from cxrkit.dashboard.theme import ink
from cxrkit.dashboard.threshold_chart import go, key_of, show
from cxrkit.dashboard.threshold_view import desk
from cxrkit.evaluation.schema import FindingEvaluation
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.serving.judged_table import Bench, JudgedTable

TABS = ("Operating point", "Calibration", "All findings", "Groups", "Compare", "Saved points")
SHOWN_TAB = "threshold_tab"


def page(preset: Preset) -> None:
    """The whole page under the disclaimer."""
    asked = threshold_link.asked()
    with st.container(key="rows", horizontal=True, vertical_alignment="bottom"):
        judged = judged_rows.choose(preset, asked.get("rows"))
        finding = "" if judged is None else _finding(judged, asked.get("finding"))
        judged_rows.upload_field(preset, judged)
    judged_rows.explain(judged, preset)
    if judged is None:
        named_view.saved(preset)
        return
    bench = benches.bench(judged, finding)
    _follow(asked, judged, finding, bench)
    if (
        bench.sweep is not None
        and min(bench.entry.positives, bench.entry.n - bench.entry.positives) < MINIMUM_POSITIVES
    ):
        st.html(
            f'<p class="cx-caption cx-warn">{escape(counts(bench.entry.n, bench.entry.positives))}: intervals are '
            "wide, and a threshold that is chosen on so few tells little about the next patients.</p>"
        )
    choices.recall(SHOWN_TAB, TABS[0], TABS)
    tabs = st.tabs(TABS, key=SHOWN_TAB, on_change="rerun")
    choices.keep(SHOWN_TAB, st.session_state[SHOWN_TAB])
    views: tuple[Callable[[], None], ...] = (
        lambda: desk(judged, finding, bench),
        lambda: calibration(finding, bench.entry, judged),
        lambda: all_findings(judged),
        lambda: groups(finding, bench.entry),
        lambda: threshold_compare.compare(judged, preset),
        lambda: named_view.saved(preset),
    )
    for tab, view in zip(tabs, views, strict=True):
        if tab.open:
            with tab:
                view()


def _finding(judged: JudgedTable, asked: str | None) -> str:
    """The finding that the address asks for, else the same as on Read, where the rows have it."""
    key = f"threshold_finding_{len(judged.findings)}_{judged.key[:8]}"
    if asked in judged.findings:
        st.session_state[key] = asked
    start = st.session_state.get(view_choices.CHOSEN_FINDING)
    choices.recall(key, start if start in judged.findings else judged.findings[0], judged.findings)
    lines = {line.finding: line for line in benches.all_findings(judged)}

    def label(finding: str) -> str:
        line = lines[finding]
        return f"{finding_text(finding).label} ({line.positives:,} of {line.n:,})"

    finding: str = st.selectbox(
        "Finding (positive of labelled)",
        judged.findings,
        format_func=label,
        key=key,
    )
    choices.keep(key, finding)
    threshold_link.say({key: finding}, finding=None if judged.role == "uploaded" else finding)
    return finding


def _follow(asked: Mapping[str, str], judged: JudgedTable, finding: str, bench: Bench) -> None:
    """Take the threshold that the address states, or the one of the operating point that it names."""
    points = bench.entry.operating_points
    threshold = threshold_link.threshold_of(asked.get("threshold"))
    if threshold is None and asked.get("rule") in points:
        threshold = points[asked["rule"]].threshold
    if threshold is not None and bench.sweep is not None:
        go(key_of(judged, finding), bench.sweep.nearest(threshold))


def calibration(finding: str, entry: FindingEvaluation, judged: JudgedTable) -> None:
    """Reliability before and after calibration."""
    st.html(
        '<p class="cx-why">Of the radiographs that got a probability of 30 %, do 30 % have the finding? On the dotted '
        "line they do; below it the model claims too much. First the network's raw output, then as delivered, after "
        "calibration.</p>"
    )
    if judged.role == "validation":
        st.html(
            '<p class="cx-caption cx-warn">The calibration was fitted on these very rows: the test split shows what it '
            "is worth.</p>"
        )
    charts = {name: reliability(name, entry.calibration[name], ink()) for name in ("raw", "delivered")
              if name in entry.calibration}  # fmt: skip
    if not any(charts.values()):
        st.html(f'<p class="cx-caption">Nothing to show: {escape(counts(entry.n, entry.positives))}.</p>')
    with st.container(key="pair_reliability", horizontal=True):
        for name, chart in charts.items():
            if chart is not None:
                show(chart, f"reliability_{name}")
    if "raw" not in charts:
        st.html(
            f'<p class="cx-caption">These rows do not state the raw output (a column logit_{escape(finding)}), so '
            "there is no before.</p>"
        )


@st.fragment
@guarded
def all_findings(judged: JudgedTable) -> None:
    """Every finding in a sortable table with its ROC curve in small."""
    st.html(
        '<p class="cx-why">All findings of these rows; a click on a column sorts by it. The small curve is the ROC '
        "curve: the sooner it rises, the better the ranking.</p>"
    )
    lines = benches.all_findings(judged)
    several = any(line.positives < MINIMUM_POSITIVES for line in lines)
    st.dataframe(
        {
            "Finding": [finding_text(line.finding).label for line in lines],
            "ROC": [list(line.roc) for line in lines],
            "AUROC": [line.auroc for line in lines],
            "from": [line.low for line in lines],
            "to": [line.high for line in lines],
            "AUPRC": [line.auprc for line in lines],
            "Prevalence": [100 * line.positives / line.n if line.n else None for line in lines],
            "Brier": [line.brier for line in lines],
            "Positive": [line.positives for line in lines],
            "n": [line.n for line in lines],
        },
        hide_index=True,
        width="stretch",
        row_height=40,
        height="content",
        key="all_findings",
        column_config={
            "Finding": st.column_config.TextColumn(pinned=True),
            "ROC": st.column_config.LineChartColumn(
                width="small", y_min=0, y_max=1, help="Sensitivity over the share of false alarms, 0 to 1 both."
            ),
            "AUROC": st.column_config.NumberColumn(
                format="%.3f", help="Chance that a radiograph with the finding scores above one without. 0.5 is chance."
            ),
            "from": st.column_config.NumberColumn(format="%.3f", help="Lower end of DeLong's 95 % interval."),
            "to": st.column_config.NumberColumn(format="%.3f", help="Upper end of DeLong's 95 % interval."),
            "AUPRC": st.column_config.NumberColumn(
                format="%.3f", help="Mean PPV over the sensitivity; a scorer without skill reaches the prevalence."
            ),
            "Prevalence": st.column_config.NumberColumn(format="%.1f %%", help="Positive of labelled rows."),
            "Brier": st.column_config.NumberColumn(
                format="%.4f", help="Mean squared distance of probability and label; lower is better."
            ),
        },
    )
    weak = f" Fewer than {MINIMUM_POSITIVES} positives are weak evidence, whatever the number says." if several else ""
    patients = "" if judged.patients is None else " DeLong's interval takes images as independent;"
    patients += " the tab Operating point resamples patients." if judged.patients is not None else ""
    st.html(f'<p class="cx-caption">Split {escape(judged.split)}.{patients}{weak}</p>')


@st.fragment
@guarded
def groups(finding: str, entry: FindingEvaluation) -> None:
    """One measure in every group."""
    st.html(
        '<p class="cx-why">A model that is good on average may miss more in one group. Each row is a group with its '
        "95 % interval; where the intervals are wide, a difference may be chance.</p>"
    )
    if not entry.subgroups:
        st.html(
            '<p class="cx-caption">These rows do not say to which groups they belong (sex, age, view, shape). '
            "A model's test rows do where its data did: choose Test among the rows to look at.</p>"
        )
        return
    keys = ["auroc", *dict.fromkeys(k for g in entry.subgroups.values() for one in g.groups for k in one.rates)]
    choices.recall("group_measure", keys[0], keys)
    if st.session_state["group_measure"] not in keys:
        st.session_state["group_measure"] = keys[0]
    measure = st.selectbox("Measure", keys, format_func=measure_name, key="group_measure")
    choices.keep("group_measure", measure)
    chart = by_subgroup(entry, measure, ink())
    if chart is None:
        st.html('<p class="cx-caption">No group has at least 10 rows with and 10 without the finding.</p>')
    else:
        show(chart, "groups")
    refused = [
        (f"{variable_name(grouping.variable)}: {group.name}", f"{group.n:,} ({group.positives:,})", group.reason)
        for grouping in entry.subgroups.values()
        for group in grouping.groups
        if group.reason is not None
    ]
    if refused:
        st.html(f'<div class="cx-card">{blocks.table(("Not judged", "n (positive)", "Why"), refused)}</div>')
