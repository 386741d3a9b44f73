"""Figures show the evaluation's own numbers, say what they rest on, and cannot break the page that holds them."""

from __future__ import annotations

import json

import pytest

from cxrkit.charts import calibration, evaluation, forest
from cxrkit.charts.style import ON_DARK, ON_LIGHT, Chart, percent, spread, to_script
from cxrkit.evaluation.schema import Evaluation
from tests.factory_evaluation import make_evaluation, measure


@pytest.fixture(scope="module")
def judged() -> Evaluation:
    return make_evaluation()


def charts_of(judged: Evaluation, finding: str) -> list[Chart]:
    entry = judged.findings[finding]
    assert entry.roc
    assert entry.precision_recall
    assert entry.decision_curve
    found = [
        evaluation.roc(entry.roc, entry.auroc, entry.operating_points),
        evaluation.precision_recall(entry.precision_recall, entry.auprc),
        evaluation.decision_curve(entry.decision_curve),
        evaluation.histogram(entry.score_histogram, entry.operating_points),
        *(calibration.reliability(name, state) for name, state in entry.calibration.items()),
        forest.by_subgroup(entry, "auroc"),
    ]
    return [chart for chart in found if chart is not None]


def named(chart: Chart, name: str) -> dict:
    return next(t for t in chart.figure.to_plotly_json()["data"] if str(t.get("name", "")).startswith(name))


def test_every_figure_says_n_positives_and_what_its_axes_are(judged: Evaluation) -> None:
    entry = judged.findings["Mass"]
    charts = charts_of(judged, "Mass")
    assert len(charts) == 9
    for chart in charts:
        assert f"n = {entry.n:,}, {entry.positives} positive" in chart.caption
        assert chart.title
        assert chart.figure.layout.xaxis.title.text
        json.loads(to_script(chart.figure))


def test_operating_points_carry_both_wilson_intervals(judged: Evaluation) -> None:
    entry = judged.findings["Mass"]
    assert entry.roc
    chart = evaluation.roc(entry.roc, entry.auroc, entry.operating_points)
    mark, point = named(chart, "Youden"), entry.operating_points["youden"]
    assert point.sensitivity
    assert point.specificity
    assert mark["x"] == [1 - point.specificity.value]
    assert mark["y"] == [point.sensitivity.value]
    assert mark["y"][0] + mark["error_y"]["array"][0] == pytest.approx(point.sensitivity.high)
    assert mark["y"][0] - mark["error_y"]["arrayminus"][0] == pytest.approx(point.sensitivity.low)
    # the axis is mirrored: the upper limit of the specificity is the left end
    assert mark["x"][0] - mark["error_x"]["arrayminus"][0] == pytest.approx(1 - point.specificity.high)
    assert mark["x"][0] + mark["error_x"]["array"][0] == pytest.approx(1 - point.specificity.low)
    assert mark["marker"]["symbol"] == "diamond"


def test_unsupported_points_are_hollow_and_say_so(judged: Evaluation) -> None:
    entry = judged.findings["Hernia"]
    assert entry.roc
    chart = evaluation.roc(entry.roc, entry.auroc, entry.operating_points)
    mark = named(chart, "Youden")
    assert mark["name"] == "Youden (unsupported)"
    assert mark["marker"]["symbol"].endswith("-open")
    assert "Hollow marks were fitted on too few cases: do not rely on them." in chart.caption
    assert "fewer than 30: weak evidence" in chart.caption


def test_points_that_were_fitted_on_the_judged_rows_say_so_instead(judged: Evaluation) -> None:
    entry = judged.findings["Mass"]
    assert entry.roc
    points = dict(entry.operating_points)
    fitted = points["youden"].fitted_on.model_copy(update={"kind": "judged"})
    points["youden"] = points["youden"].model_copy(update={"fitted_on": fitted, "supported": False})
    chart = evaluation.roc(entry.roc, entry.auroc, points)
    assert named(chart, "Youden")["name"] == "Youden (fitted here)"
    assert chart.caption.endswith("Hollow marks were fitted on these very rows: do not rely on them.")
    plain = evaluation.roc(entry.roc, entry.auroc, entry.operating_points)
    assert "Hollow" not in plain.caption


def test_prevalence_line_and_chance_line(judged: Evaluation) -> None:
    entry = judged.findings["Mass"]
    assert entry.roc
    assert entry.precision_recall
    line = named(evaluation.precision_recall(entry.precision_recall, entry.auprc), "No skill")
    assert line["y"] == [entry.positives / entry.n] * 2
    model = named(evaluation.precision_recall(entry.precision_recall, entry.auprc), "Model")
    assert 0.0 in entry.precision_recall.x  # where sklearn writes a PPV of 1 that nobody measured
    assert min(model["x"]) > 0
    assert len(model["x"]) == len(model["y"]) == len(model["customdata"])
    chance = named(evaluation.roc(entry.roc, entry.auroc, {}), "Chance")
    assert (chance["x"], chance["y"]) == ([0, 1], [0, 1])


def test_decision_curve_draws_the_band_only_where_it_has_two_ends(judged: Evaluation) -> None:
    curve = judged.findings["Mass"].decision_curve
    assert curve
    assert curve.low[-1] is None
    chart = evaluation.decision_curve(curve)
    assert len(named(chart, "95 % interval")["x"]) == 2 * (len(curve.thresholds) - 1)
    assert len(named(chart, "Act on the model")["x"]) == len(curve.thresholds)
    none = (None,) * len(curve.thresholds)
    bare = evaluation.decision_curve(curve.model_copy(update={"low": none, "high": none}))
    assert len(bare.figure.data) == 3


def test_halves_of_the_histogram_are_shares_of_their_class(judged: Evaluation) -> None:
    entry = judged.findings["Mass"]
    chart = evaluation.histogram(entry.score_histogram, entry.operating_points)
    assert sum(named(chart, "With the finding")["y"]) == pytest.approx(1, abs=1e-3)
    assert sum(named(chart, "Without it")["y"]) == pytest.approx(-1, abs=1e-3)
    # a square-root scale: thresholds and ticks stand at the roots of what they say
    assert named(chart, "Rule-in")["x"] == pytest.approx([entry.operating_points["rule-in"].threshold ** 0.5] * 2)
    axis = chart.figure.layout.xaxis
    assert dict(zip(axis.ticktext, axis.tickvals, strict=True))["25%"] == 0.5
    empty = evaluation.histogram(judged.findings["Edema"].score_histogram, {})
    assert sum(named(empty, "With the finding")["y"]) == 0


def test_reliability_keeps_the_bins_and_their_counts(judged: Evaluation) -> None:
    state = judged.findings["Hernia"].calibration["delivered"]
    chart = calibration.reliability("delivered", state)
    assert chart
    _, points, counts = chart.figure.to_plotly_json()["data"]
    assert points["y"] == pytest.approx([b.observed for b in state.reliability], abs=1e-5)
    assert counts["y"] == [b.n for b in state.reliability]
    assert "Unsupported" in chart.caption
    assert calibration.reliability("raw", state.model_copy(update={"reliability": ()})) is None


def test_forest_leaves_out_what_is_undefined_and_marks_what_is_weak(judged: Evaluation) -> None:
    chart = forest.auroc_by_finding(judged)
    assert chart
    marks = chart.figure.to_plotly_json()["data"][-1]
    assert list(marks["marker"]["symbol"]) == ["circle"] * 4 + ["circle-open", "diamond"]  # Hernia, then the mean
    names = chart.figure.layout.yaxis.ticktext
    assert not any("oedema" in name for name in names)
    assert any("19 of 2,000" in name for name in names)
    nothing = make_evaluation({"Edema": 0.0}, n=300)
    assert forest.auroc_by_finding(nothing) is None


def test_subgroups_show_gaps_and_no_group_that_is_too_small(judged: Evaluation) -> None:
    entry = judged.findings["Mass"]
    chart = forest.by_subgroup(entry, "sensitivity@youden")
    assert chart
    names = list(chart.figure.layout.yaxis.ticktext)
    gap = next(g for g in entry.subgroups["sex"].gaps if g.measure == "sensitivity@youden")
    assert any(name.startswith("<b>Sex</b>") and spread(gap.difference, 2) in name for name in names)
    assert not any("not stated" in name for name in names)
    assert forest.by_subgroup(entry, "sensitivity@custom") is None
    assert forest.by_subgroup(judged.findings["Edema"], "auroc") is None


def test_differences_hold_zero_in_view(judged: Evaluation) -> None:
    assert judged.comparison
    chart = forest.differences(judged.comparison)
    assert chart
    low, high = chart.figure.layout.xaxis.range
    assert low < 0 < high
    assert any("p = 0.200" in name for name in chart.figure.layout.yaxis.ticktext)


def test_a_finding_called_anything_stays_text() -> None:
    odd = "<script>alert(1)</script>"
    judged = make_evaluation({odd: 0.2, "Mass": 0.1}, n=400)
    chart = forest.auroc_by_finding(judged)
    assert chart
    assert "&lt;script&gt;" in chart.figure.layout.yaxis.ticktext[0]
    assert "<" not in to_script(chart.figure)


def test_ink_changes_colours_alone(judged: Evaluation) -> None:
    light, dark = (forest.auroc_by_finding(judged, ink) for ink in (ON_LIGHT, ON_DARK))
    assert light
    assert dark
    assert light.figure.layout.font.color != dark.figure.layout.font.color
    assert list(light.figure.data[-1].x) == list(dark.figure.data[-1].x)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.9996, "> 99.9 %"),
        (0.999, "99.9 %"),
        (0.000001, "< 0.001 %"),
        (0.116, "11.6 %"),
        (0.0042, "0.42 %"),
        (0.00018, "0.018 %"),
        (-0.02, "−2.0 %"),
    ],
)
def test_percentages_keep_two_digits_where_they_are_small(share: float, words: str) -> None:
    assert percent(share).replace("\u00a0", " ") == words


def test_a_value_without_an_interval_says_so() -> None:
    assert spread(measure(-1e-17, None, 10, 3), 2) == "0.00 (no interval)"
    assert spread(measure(0.02, 0.0204, 10, 3), 2) == "0.02 (−0.00 to 0.04)"  # zero lies inside
    assert spread(measure(0.5, None, 10, 3)) == "0.500 (no interval)"
    assert spread(measure(-0.1, 0.02, 10, 3)) == "−0.100 (−0.120 to −0.080)"
