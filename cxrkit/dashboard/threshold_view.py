"""One finding, one threshold: what it gives, moved by a slider or by a click on a curve."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.charts.pictogram import KINDS, as_address, described, pictogram, sign
from cxrkit.charts.style import CONFIG, ON_DARK, ON_LIGHT, Chart, Ink
from cxrkit.charts.thresholds import costs, decision, mark_css
from cxrkit.dashboard import named_view, services
from cxrkit.dashboard.entry import guarded
from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.ranking import RULES
from cxrkit.evaluation.costs import acting_probability, expected_cost, least_cost, of_patients
from cxrkit.evaluation.schema import AtPoint, FittedOn, Measure
from cxrkit.evaluation.sweep import Sweep
from cxrkit.evaluation.utility import predictive_values
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


def dark() -> bool:
    """Whether the reader's theme is dark."""
    return st.context.theme.type == "dark"


def ink() -> Ink:
    """Colours of charts that suit the reader's theme."""
    return ON_DARK if dark() else ON_LIGHT


def show(chart: Chart, key: str, **selection: object) -> None:
    """A chart under its title and over its caption, which is its text alternative as well."""
    with st.container(key=f"chart_{key}"):
        st.html(f'<h3 class="cx-chart-title">{escape(chart.title)}</h3>')
        st.plotly_chart(
            chart.figure,
            width="stretch",
            height=chart.height,
            theme=None,
            key=key,
            config=CONFIG,
            alt=f"{chart.title}. {chart.caption}",
            **selection,  # type: ignore[call-overload]
        )
        st.html(f'<p class="cx-caption">{escape(chart.caption)}</p>')


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
    services.recall("threshold_view", VIEWS[0], VIEWS)
    view = st.segmented_control("View", VIEWS, key="threshold_view", required=True, label_visibility="collapsed")
    services.keep("threshold_view", view)
    st.html(f'<p class="cx-why">{_LEADS[str(view)]}</p>')
    assumed = _assumptions(judged, finding, bench) if view == VIEWS[2] else None
    _threshold_desk(judged, finding, bench, sweep, None if assumed is None else assumed[0])
    if assumed is not None:
        _costs(judged, finding, bench, sweep, *assumed)
        return
    charts, key = services.bench_charts(judged, finding, dark()), _key(judged, finding)
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
    named_view.say()
    label = finding_text(finding).label
    st.html(f'<div class="cx-at">{_tiles(at)}{_matrix(at, label)}</div>{_rests_on(at, sweep)}')
    if prevalence is not None:
        _people(sweep, place, prevalence, label)
    st.html(f"<style>{_lit(place)}</style>")


def _threshold(judged: JudgedTable, finding: str, bench: Bench, sweep: Sweep) -> int:
    """The slider over all thresholds of the sweep, and a button for each point that has a name."""
    key, last = _key(judged, finding), len(sweep.thresholds) - 1
    points = bench.entry.operating_points
    start = points["youden"].threshold if "youden" in points else float(sweep.thresholds[last // 2])
    services.recall(key, sweep.nearest(start), range(last + 1))
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
                on_click=_go,
                args=(key, sweep.nearest(point.threshold)),
                help=f"{percent(point.threshold)}, fitted on {point.fitted_on.split}.{unsure}",
            )
    services.keep(key, place)
    return place


def _key(judged: JudgedTable, finding: str) -> str:
    return f"place {judged.key[:12]}{judged.key[64:]} {finding}"


def _go(key: str, place: int) -> None:
    """Take a threshold (a widget's callback)."""
    st.session_state[key] = place
    services.keep(key, place)


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
        _go(key, find(float(points[0]["x"]), float(points[0]["y"])))


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


def _people(sweep: Sweep, place: int, prevalence: float, label: str) -> None:
    """The threshold among 1,000 patients, as a picture and in words."""
    se, sp = float(sweep.sensitivities[place]), float(sweep.specificities[place])
    people, colours = of_patients(se, sp, prevalence), ink()
    ppv, npv = predictive_values(se, sp, prevalence)
    said = described(people, label)
    signs = "".join(
        f'<li><img class="cx-sign" alt="" src="{as_address(sign(kind, colours))}"><b>{getattr(people, kind):,}</b> '
        f"{escape(words)}</li>"
        for kind, words in KINDS.items()
    )
    st.html(
        '<section class="cx-thousand"><div><h3 class="cx-chart-title">Of 1,000 patients</h3>'
        f'<img class="cx-people" alt="{escape(said, quote=True)}" src="{as_address(pictogram(people, colours))}"></div>'
        f'<div><ul class="cx-legend">{signs}</ul><p class="cx-why">{escape(said)}</p><p class="cx-why">A result past '
        f"the threshold is right in <b>{_share(ppv)}</b> (PPV), one below it in <b>{_share(npv)}</b> (NPV) of the "
        "cases.</p></div></section>"
    )


def _costs(judged: JudgedTable, finding: str, bench: Bench, sweep: Sweep, prevalence: float, miss: int) -> None:
    """What errors cost at each threshold, and whether acting on the model helps at all."""
    cost = expected_cost(sweep.sensitivities, sweep.specificities, prevalence, miss)
    least = least_cost(cost)
    with st.container(key="pair_costs", horizontal=True):
        with st.container(key="chart_cost"):
            show(costs(sweep, cost.tolist(), least, ink()), "costs")
            st.button(
                f"Go to the lowest cost: {percent(float(sweep.thresholds[least]))}",
                on_click=_go,
                args=(_key(judged, finding), least),
                help="Chosen on the rows that you look at: judge it on others.",
            )
        if bench.entry.decision_curve is not None:
            show(decision(bench.entry.decision_curve, acting_probability(miss), ink()), "decision")


def _share(value: float | None) -> str:
    return "no case (there is none)" if value is None else percent(value)


def _assumptions(judged: JudgedTable, finding: str, bench: Bench) -> tuple[float, int]:
    """Prevalence and price of a miss, as the reader sets them."""
    own = 100 * bench.entry.positives / bench.entry.n
    key = f"prevalence {_key(judged, finding)}"
    services.recall(key, min(max(round(own, 1), 0.1), 90.0))
    services.recall("price_of_a_miss", 10)
    with st.container(key="assumptions", horizontal=True):
        prevalence = st.slider(
            "Prevalence where you work",
            0.1,
            90.0,
            step=0.1,
            format="%.1f %%",
            key=key,
            help="How many of those who are examined have the finding. It starts at that of these rows: "
            f"{percent(own / 100)}.",
        )
        miss = st.slider(
            "A miss costs as much as ... false alarms",
            1,
            100,
            key="price_of_a_miss",
            help="1: both errors weigh the same. 10: one missed finding is as bad as ten needless alarms.",
        )
    services.keep(key, prevalence)
    services.keep("price_of_a_miss", miss)
    return prevalence / 100, miss
