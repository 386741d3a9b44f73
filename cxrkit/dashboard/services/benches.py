"""Judged rows, and the statistics that are computed of them (imported late: Read does without)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrkit.dashboard.services.models import card_sum
from cxrkit.preset import Preset

if TYPE_CHECKING:
    from cxrkit.charts.style import Chart
    from cxrkit.evaluation.schema import Comparison
    from cxrkit.serving.judged_table import Bench, JudgedTable, Line
    from cxrkit.serving.kept_scores import KeptSplit


def kept_table(preset: Preset, kept: KeptSplit) -> JudgedTable:
    """The rows of one split that ship with a preset."""
    return _kept_table(preset.folder, card_sum(preset), kept.sha256, kept, preset)


@st.cache_resource(max_entries=8, ttl="24h", show_spinner=False)
def _kept_table(folder: str, card_sha256: str, rows_sha256: str, _kept: KeptSplit, _preset: Preset) -> JudgedTable:
    from cxrkit.serving.judged_table import table_of_kept

    return table_of_kept(_preset, _kept)


def bench(judged: JudgedTable, finding: str) -> Bench:
    """Everything about one finding of a table, with all of its intervals; computed once."""
    compute = _own_bench if judged.role == "uploaded" else _bench
    return compute(judged.key, _whose(judged), finding, judged)


_RESAMPLING = "Resampling the rows 1,000 times ..."


@st.cache_resource(max_entries=64, ttl="24h", show_spinner=_RESAMPLING)
def _bench(rows: str, whose: str, finding: str, _judged: JudgedTable) -> Bench:
    from cxrkit.serving.judged_table import bench_of

    return bench_of(_judged, finding)


@st.cache_resource(scope="session", max_entries=24, ttl="8h", show_spinner=_RESAMPLING)
def _own_bench(rows: str, whose: str, finding: str, _judged: JudgedTable) -> Bench:
    from cxrkit.serving.judged_table import bench_of

    return bench_of(_judged, finding)


def bench_charts(judged: JudgedTable, finding: str, dark: bool) -> dict[str, Chart]:
    """The charts of one finding; they hold sums over rows, and are drawn once for each theme."""
    return _bench_charts(judged.key, _whose(judged), finding, dark, judged)


@st.cache_resource(scope="session", max_entries=24, ttl="8h", show_spinner=False)
def _bench_charts(rows: str, whose: str, finding: str, dark: bool, _judged: JudgedTable) -> dict[str, Chart]:
    from cxrkit.charts.style import ON_DARK, ON_LIGHT
    from cxrkit.charts.thresholds import threshold_charts

    found = bench(_judged, finding)
    return {} if found.sweep is None else threshold_charts(found.entry, found.sweep, ON_DARK if dark else ON_LIGHT)


def all_findings(judged: JudgedTable) -> tuple[Line, ...]:
    """All findings of a table at a glance."""
    return _all_findings(judged.key, judged)


@st.cache_resource(scope="session", max_entries=8, ttl="8h", show_spinner=False)
def _all_findings(rows: str, _judged: JudgedTable) -> tuple[Line, ...]:
    from cxrkit.serving.judged_table import overview

    return overview(_judged)


def comparison(ours: JudgedTable, theirs: JudgedTable) -> Comparison:
    """Paired difference of two tables of the same images; raises `ManifestError` where they cannot be paired."""
    return _comparison(ours.key, theirs.key, ours, theirs)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=_RESAMPLING)
def _comparison(ours: str, theirs: str, _ours: JudgedTable, _theirs: JudgedTable) -> Comparison:
    from cxrkit.serving.judged_comparison import compare

    return compare(_ours, _theirs)


def recorded_comparisons(judged: JudgedTable) -> dict[str, Comparison]:
    """The comparisons that ship for a preset's own rows, by the other model's name; raises `CxrError`."""
    from cxrkit.serving.judged_comparison import recorded_comparisons

    return recorded_comparisons(judged)


def forget() -> None:
    """Forget what was computed of the session's own tables."""
    for cache in (_own_bench, _bench_charts, _all_findings, _comparison):
        cache.clear()


def _whose(judged: JudgedTable) -> str:
    """The card that a table is judged by: its operating points and calibration count, too."""
    return "" if judged.preset is None else card_sum(judged.preset)
