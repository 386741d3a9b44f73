"""One finding, one threshold: what it gives, moved by a slider or by a click on a curve."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.charts.style import ON_DARK
from cxrkit.charts.thresholds import mark_css
from cxrkit.dashboard import blocks, choices, named_view, threshold_link, threshold_patients
from cxrkit.dashboard.entry import guarded
from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.ranking import RULES
from cxrkit.dashboard.services import benches
from cxrkit.dashboard.theme import ink
from cxrkit.dashboard.threshold_chart import go, key_of, show
from cxrkit.evaluation.schema import AtPoint, FittedOn, Measure
from cxrkit.evaluation.sweep import Sweep
from cxrkit.findings import finding_text
from cxrkit.serving.judged_table import Bench, JudgedTable

VIEWS = ("Curves", "Rates", "Patients and costs")
_LEADS = {
    VIEWS[
        0
    ]: "Each point of a curve is a threshold; the ring is yours. Click on a curve to take the threshold there. The "
    "wider the band, the less these rows can tell.",
    VIEWS[
        1
    ]: "How every rate changes with the threshold, and which probabilities lie on either side of it. The upright "
    "line is yours.",
    VIEWS[
        2
    ]: "The same threshold where you work: sensitivity and specificity come from the rows, how common the finding "
    "is and what an error costs are up to you.",
}
_RATES = (
    ("sensitivity", "Sensitivity", "Of those with the finding, the share past the threshold"),
    ("specificity", "Specificity", "Of those without it, the share below the threshold"),
    ("ppv", "PPV", "Of those past the threshold, the share that has the finding, at the prevalence of these rows"),
    ("npv", "NPV", "Of those below it, the share that has not, at the prevalence of these rows"),
    ("f1", "F1", "Harmonic mean of sensitivity and PPV"),
    ("likelihood_ratio_positive", "LR+", "By how much a result past the threshold multiplies the odds"),
    ("likelihood_ratio_negative", "LR−", "By how much a result below it multiplies the odds"),
)


def no_sweep(finding: str, bench: Bench) -> None:
    """What stands in the place of everything where a class is absent."""
    label, entry = finding_text(finding).label, bench.entry
    lacking = "radiograph with" if not entry.positives else "radiograph without"
    st.html(
        f'<div class="cx-welcome"><h2>No threshold to look at</h2><p>Among the {entry.n:,} labelled rows there is no '
        f"{lacking} {escape(label)}, so there is no curve to draw. Choose another finding, or other rows.</p></div>"
    )


@st.fragment
@guarded
def desk(judged: JudgedTable, finding: str, bench: Bench) -> None:
    """One of three views of the thresholds, with the reader's own in the middle."""
    sweep = bench.sweep
    if sweep is None:
        no_sweep(finding, bench)
        return
    choices.recall("threshold_view", VIEWS[0], VIEWS)
    view = st.segmented_control("View", VIEWS, key="threshold_view", required=True, label_visibility="collapsed")
    choices.keep("threshold_view", view)
    st.html(f'<p class="cx-why">{_LEADS[str(view)]}</p>')
    assumed = threshold_patients.assumptions(judged, finding, bench) if view == VIEWS[2] else None
    _threshold_desk(judged, finding, bench, sweep, None if assumed is None else assumed[0])
    st.html(
        blocks.terms([(name, meaning) for _, name, meaning in _RATES])
    )  # not in the other fragment, which would close it at every step
    if assumed is not None:
        threshold_patients.costs_view(judged, finding, bench, sweep, *assumed)
        return
    charts, key = benches.bench_charts(judged, finding, ink() is ON_DARK), key_of(judged, finding)
    with st.container(key="pair_curves", horizontal=True):
        if view == VIEWS[1]:
            show(charts["rates"], "rates")
            show(charts["ratios"], "ratios")
        else:
            for name in [name for name in ("roc", "precision_recall") if name in charts]:
                show(
                    charts[name], name, on_select=lambda name=name: _clicked(name, key, sweep), selection_mode="points"
                )
    if view == VIEWS[1]:
        show(charts["histogram"], "histogram")


@st.fragment
@guarded
def _threshold_desk(judged: JudgedTable, finding: str, bench: Bench, sweep: Sweep, prevalence: float | None) -> None:
    """The slider and all that follows it: a fragment, so that no chart is drawn anew when it moves."""
    with st.container(key="threshold", horizontal=True, vertical_alignment="bottom"):
        place = _threshold(judged, finding, bench, sweep)
        origin = FittedOn(kind="stated", split=judged.split, n=bench.entry.n, positives=bench.entry.positives)
        at = sweep.point(place, origin)
        named_view.save_field(judged, finding, at)
    label = finding_text(finding).label
    st.html(f'<div class="cx-at">{_tiles(at)}{_matrix(at, label)}</div>{_rests_on(at, sweep)}')
    if prevalence is not None:
        threshold_patients.people(sweep, place, prevalence, label)
    st.html(f"<style>{_lit(place)}</style>")


def _threshold(judged: JudgedTable, finding: str, bench: Bench, sweep: Sweep) -> int:
    """The slider over all thresholds of the sweep, and a button for each point that has a name."""
    key, last = key_of(judged, finding), len(sweep.thresholds) - 1
    points = bench.entry.operating_points
    start = points["youden"].threshold if "youden" in points else float(sweep.thresholds[last // 2])
    choices.recall(key, sweep.nearest(start), range(last + 1))
    words = [percent(threshold) for threshold in sweep.thresholds.tolist()]
    place: int = st.select_slider(
        "Threshold on the probability",
        range(last + 1),
        format_func=lambda k: words[k],
        key=key,
        help="From this probability on a radiograph counts as positive. Each step passes one or a few radiographs; "
        "arrow keys move it. A click on a curve moves it, too.",
    )
    with st.container(key="jumps", horizontal=True):
        for rule, point in points.items():
            title = RULES[rule][0] if rule in RULES else rule  # type: ignore[index]
            unsure = "" if point.supported else " Unsupported, or fitted on these very rows."
            st.button(
                title,
                key=f"jump_{rule}",
                on_click=go,
                args=(key, sweep.nearest(point.threshold)),
                help=f"{percent(point.threshold)}, fitted on {point.fitted_on.split}.{unsure}",
            )
    choices.keep(key, place)
    stated = None if judged.role == "uploaded" else f"{sweep.thresholds[place]:.6g}"
    threshold_link.say({key: place}, threshold=stated, rule=None)
    return place


def _tiles(at: AtPoint) -> str:
    """Every rate at the threshold with its interval and what it rests on."""
    tiles = "".join(_tile(name, meaning, getattr(at, field)) for field, name, meaning in _RATES)
    return f'<dl class="cx-tiles">{tiles}</dl>'


def _rests_on(at: AtPoint, sweep: Sweep) -> str:
    how = "resampled patients" if sweep.stamp.unit == "patient" else "Wilson limits, each image taken as a patient"
    return (
        f'<p class="cx-caption">At {percent(at.threshold)}; 95 % intervals from {how}; n = {len(sweep.labels):,}, '
        f"{sweep.positives:,} positive, split {escape(sweep.stamp.split)}. PPV, NPV and F1 hold at the prevalence of "
        "these rows.</p>"
    )


def _tile(name: str, meaning: str, measure: Measure | None) -> str:
    rests = ""
    if measure is None:
        value, interval = "–", "undefined: nothing to divide by"
    else:
        ends = measure.clustered or measure
        ratio = name.startswith("LR")
        value = f"{measure.value:.2f}" if ratio else percent(measure.value)
        low, high = ends.low, ends.high
        rests = "" if ratio or name == "F1" else f"<span>n = {measure.n:,}</span>"
        if low is None or high is None:
            interval = "no interval"
        else:
            interval = f"{low:.2f} to {high:.2f}" if ratio else f"{percent(low)} to {percent(high)}"
    return (
        f'<div title="{escape(meaning, quote=True)}"><dt>{escape(name)}</dt><dd><b>{escape(value)}</b>'
        f"<span>{escape(interval)}</span>{rests}</dd></div>"
    )


def _lit(place: int) -> str:
    keys = ("roc", "precision_recall", "rates", "ratios", "histogram", "costs")
    return "".join(mark_css(f".st-key-{key}", place) for key in keys)


# -- the three views ---------------------------------------------------------------------------


def _clicked(name: str, key: str, sweep: Sweep) -> None:
    """Take the threshold whose mark was clicked (a widget's callback)."""
    points = st.session_state[name]["selection"]["points"]
    if points:
        find = sweep.place_on_roc if name == "roc" else sweep.place_on_precision
        go(key, find(float(points[0]["x"]), float(points[0]["y"])))


def _matrix(at: AtPoint, label: str) -> str:
    """The confusion matrix as a table, each count with its share of the class."""
    ill, well = at.tp + at.fn, at.fp + at.tn

    def cell(count: int, of: int, kind: str, word: str) -> str:
        return f'<td class="cx-cell-{kind}"><b>{count:,}</b> <span>{word}</span> <span>of {of:,}</span></td>'

    return (
        '<table class="cx-matrix"><caption>Confusion matrix</caption><thead><tr><td></td>'
        '<th scope="col">Past the threshold</th><th scope="col">Below it</th></tr></thead><tbody>'
        f'<tr><th scope="row">With {escape(label)}</th>{cell(at.tp, ill, "right", "true positive")}'
        f"{cell(at.fn, ill, 'wrong', 'false negative')}</tr>"
        f'<tr><th scope="row">Without</th>{cell(at.fp, well, "wrong", "false positive")}'
        f"{cell(at.tn, well, 'right', 'true negative')}</tr></tbody></table>"
    )
