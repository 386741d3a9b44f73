"""Thresholds: sweeps and their bands, costs, what is wrong with a table, kept rows, and points with a name."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from cxrkit.charts.pictogram import CELL, KINDS, described, pictogram
from cxrkit.charts.threshold_costs import costs, decision
from cxrkit.charts.thresholds import mark_css, threshold_charts
from cxrkit.data.table import parse_table
from cxrkit.errors import FindingUnknown, ManifestError, OperatingPointMismatch, PredictionsInvalid
from cxrkit.evaluation.cell_check import SHOWN, check_cells
from cxrkit.evaluation.costs import Patients, acting_probability, expected_cost, least_cost, of_patients
from cxrkit.evaluation.identity_free import identity_free, unlinked
from cxrkit.evaluation.measures import Stamp
from cxrkit.evaluation.operating_points import at_threshold
from cxrkit.evaluation.schema import FittedOn
from cxrkit.evaluation.splits import fitted_within
from cxrkit.evaluation.sweep import MOST, Sweep
from cxrkit.named_points import NamedPoint, from_json, thresholds, to_json, with_point
from cxrkit.preset import Preset
from cxrkit.serving.judged_comparison import compare
from cxrkit.serving.judged_table import (
    bench_of,
    overview,
    parse_upload,
    splits_of,
    table_of_card,
    table_of_kept,
    table_of_upload,
    template,
)
from cxrkit.serving.kept_scores import SCORES, keep_scores, kept_splits, load_scores
from tests.conftest import REPOSITORY

SHIPPED = REPOSITORY / "weights"
STAMP = Stamp("test", None, "patient", 400)
ORIGIN = FittedOn(kind="stated", split="test", n=400, positives=120)


def made_up(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.uniform(size=n) < 0.3).astype(float)
    scores = 1 / (1 + np.exp(-(random.normal(size=n) + 1.5 * labels - 1)))
    return labels, scores, np.arange(n) // 2


def made_up_sweep(**settings: object) -> Sweep:
    labels, scores, group = made_up()
    sweep = Sweep.of(labels, scores, group, STAMP, **settings)  # type: ignore[arg-type]
    assert sweep is not None
    return sweep


# -- sweeps ------------------------------------------------------------------------------------


def test_a_sweep_counts_as_one_threshold_does():
    sweep = made_up_sweep(among=(0.31, 0.5))
    labels, scores, _ = made_up()
    assert {0.31, 0.5} <= set(sweep.thresholds.tolist())
    assert len(sweep.thresholds) <= MOST + 4
    for place in (0, 17, len(sweep.thresholds) - 1):
        at = at_threshold(scores, labels, float(sweep.thresholds[place]))
        assert sweep.called[place].tolist() == [at.tp, at.fp]
        point = sweep.point(place, ORIGIN)
        assert (point.tp, point.fp, point.tn, point.fn) == (at.tp, at.fp, at.tn, at.fn)


def test_a_sweep_lies_on_the_roc_curve():
    sweep = made_up_sweep()
    labels, scores, _ = made_up()
    alarms, hits, _ = roc_curve(labels, scores, drop_intermediate=False)
    on_curve = set(zip(alarms.round(9).tolist(), hits.round(9).tolist(), strict=True))
    own = zip((1 - sweep.specificities).round(9).tolist(), sweep.sensitivities.round(9).tolist(), strict=True)
    assert set(own) <= on_curve


def test_intervals_hold_the_value_and_follow_the_seed():
    sweep, again, other = made_up_sweep(), made_up_sweep(), made_up_sweep(seed=1)
    curve = sweep.rates["sensitivity"]
    place = sweep.nearest(0.4)
    assert curve.low[place] < curve.values[place] < curve.high[place]
    assert curve == again.rates["sensitivity"]
    assert curve != other.rates["sensitivity"]
    interval = sweep.point(place, ORIGIN).sensitivity.clustered
    assert (interval.low, interval.high) == pytest.approx((curve.low[place], curve.high[place]))
    assert "patient" in interval.method


def test_bands_surround_their_curves():
    sweep = made_up_sweep()
    band = sweep.roc_band
    order = np.argsort(1 - sweep.specificities, kind="stable")
    on_curve = np.interp(band.x, (1 - sweep.specificities)[order], sweep.sensitivities[order])
    inside = (np.array(band.low) - 0.03 <= on_curve) & (on_curve <= np.array(band.high) + 0.03)
    assert inside.mean() > 0.95
    assert band.high[-1] == 1
    precision = sweep.precision_band
    assert precision.low[-1] <= 0.3 <= precision.high[-1] + 0.1, "all called: the prevalence"
    assert all(low <= high for low, high in zip(precision.low, precision.high, strict=True))


def test_a_click_finds_its_threshold():
    sweep = made_up_sweep()
    for place in (5, 60, 100):
        alarms, hits = 1 - sweep.specificities[place], sweep.sensitivities[place]
        found = sweep.place_on_roc(float(alarms), float(hits))
        assert (1 - sweep.specificities[found], sweep.sensitivities[found]) == (alarms, hits)
        ppv = sweep.rates["ppv"].values[place]
        found = sweep.place_on_precision(float(hits), float(ppv))
        assert sweep.rates["ppv"].values[found] == ppv


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, np.nan], [np.nan] * 3])
def test_no_sweep_without_both_classes(labels):
    assert Sweep.of(labels, [0.1, 0.2, 0.3], np.arange(3), STAMP) is None


# -- patients and costs ------------------------------------------------------------------------


def test_of_patients_by_hand():
    people = of_patients(0.9, 0.8, 0.1)
    assert (people.found, people.missed, people.false_alarms, people.cleared) == (90, 10, 180, 720)
    assert (people.total, people.ill, people.called) == (1000, 100, 270)
    assert of_patients(0.333, 0.777, 0.123).total == 1000
    with pytest.raises(ValueError, match="between 0 and 1"):
        of_patients(1.2, 0.5, 0.1)


def test_costs_by_hand():
    cost = expected_cost([1.0, 0.5, 0.0], [0.0, 0.9, 1.0], 0.2, 10)
    assert cost.tolist() == pytest.approx([800, 1000 + 80, 2000])
    assert least_cost(cost) == 0
    assert least_cost([3, 1, 1, 1, 2]) == 2
    assert acting_probability(9) == pytest.approx(0.1)


def test_every_patient_has_a_sign():
    people = Patients(90, 10, 180, 720)
    picture = pictogram(people)
    assert picture.count("M") == 1000
    assert picture.count("<path") == 4
    assert f'viewBox="0 0 {50 * CELL} {20 * CELL}"' in picture
    assert list(KINDS) == [field.name for field in dataclasses.fields(Patients)]
    assert "90 are found and 10 missed" in described(people, "oedema")


# -- charts ------------------------------------------------------------------------------------


def test_charts_hold_a_mark_for_every_threshold():
    preset = Preset.load(SHIPPED / "pneumonia")
    judged = table_of_kept(preset, splits_of(preset)[1])
    bench = bench_of(judged, "Pneumonia")
    charts = threshold_charts(bench.entry, bench.sweep)
    assert set(charts) == {"roc", "precision_recall", "rates", "ratios", "histogram"}
    cost = expected_cost(bench.sweep.sensitivities, bench.sweep.specificities, 0.1, 5).tolist()
    charts["costs"] = costs(bench.sweep, cost, least_cost(cost))
    for name, chart in charts.items():
        marks = chart.figure.data[-1]
        assert marks.type == "scatter", name
        assert len(marks.x) == len(bench.sweep.thresholds), name
        assert marks.marker.opacity == 0
        assert None not in marks.x, name
        assert None not in marks.y, "a mark without a place would shift all that follow"
        assert "n = 624" in chart.caption
    assert "nth-child(8)" in mark_css(".st-key-roc", 7)
    assert "beyond this chart" in decision(bench.entry.decision_curve, 0.9).caption
    assert decision(bench.entry.decision_curve, 0.2).figure.layout.shapes[0].x0 == pytest.approx(0.2)


# -- what is wrong with a table ----------------------------------------------------------------


def table_of(text: str) -> pd.DataFrame:
    return parse_table(text.encode())


def test_every_wrong_cell_is_named():
    table = table_of(
        "image,A,prob_A,logit_A,B,prob_B\na,1,0.5,1,0,0.1\n\nb,2,0.5,1,,\nc,1,,x,0,1.2\nd,0,secret,99999,yes,0.3\n"
    )
    with pytest.raises(PredictionsInvalid) as caught:
        check_cells(table)
    assert caught.value.problems == (
        "Row 4, column A: the label is neither 1, 0 nor blank.",
        "Row 5, column logit_A: the logit is not a number.",
        "Row 5, column prob_A: the probability is missing, though the row has a label.",
        "Row 5, column prob_B: the probability is not between 0 and 1.",
        "Row 6, column B: the label is neither 1, 0 nor blank.",
        "Row 6, column logit_A: the logit is not between -10,000 and 10,000.",
        "Row 6, column prob_A: the probability is not a number.",
    )
    assert "7 cells in 3 rows" in caught.value.message
    assert "secret" not in str(caught.value)


def test_only_the_first_problems_are_named_and_all_counted():
    with pytest.raises(PredictionsInvalid) as caught:
        check_cells(table_of("A,prob_A\n" + "3,0.5\n" * 40))
    assert len(caught.value.problems) == SHOWN
    assert "40 cells in 40 rows" in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "No column starts with prob_."),
        ("prob_A\n0.5\n", "Column A: missing, though there is prob_A."),
    ],
)
def test_missing_columns_are_named(text, said):
    with pytest.raises(PredictionsInvalid) as caught:
        check_cells(table_of(text))
    assert caught.value.problems == (said,)


def test_a_sound_table_passes():
    assert check_cells(table_of("A,prob_A,B,prob_B\n1,0.2,,\n0,1e-3,nan,nan\n")) == ("A", "B")


@pytest.mark.parametrize("raw", [b"\x1f\x8bzipped", b"A,prob_A\n" + b"1,0.5\n" * 20_001, b"\xff\xfe\x00"])
def test_what_a_page_does_not_take(raw):
    with pytest.raises(ManifestError):
        parse_upload(raw)


def test_the_example_is_a_table():
    table, splits = parse_upload(template(("Mass", "Hernia")).encode())
    assert splits == ()
    judged = table_of_upload(table, ordinals)
    assert judged.findings == ("Mass", "Hernia")
    assert judged.patients == 3
    assert all(line.auroc is not None for line in overview(judged))


def ordinals(names):
    ordered = sorted(names)
    return [str(ordered.index(name) + 1) for name in names]


# -- rows without whom they show ---------------------------------------------------------------


def test_nothing_of_an_identity_is_left():
    table = table_of(
        "image,patient_id,name,sex,age,A,prob_A\nb.png,Smith,Anna,F,61,1,0.5\na.png,Smith,Anna,F,61,0,0.25\n"
        "c.png,,Bob,m,7,,\n"
    )
    rows = identity_free(table, ("A",), ordinals)
    assert list(rows.columns) == ["image", "patient_id", "sex", "age_band", "A", "prob_A"]
    assert rows["image"].tolist() == ["2", "1", "3"]
    assert rows["patient_id"].tolist() == ["1", "1", ""]
    assert rows["sex"].tolist() == ["female", "female", "male"]
    assert rows["age_band"].tolist() == ["45-64", "45-64", "6-17"]
    assert not {"Smith", "Anna", "Bob", "a.png", "b.png", "61"} & set(rows.to_numpy().ravel())


@pytest.mark.parametrize("name", ["chestxray14", "pneumonia"])
def test_shipped_rows_are_those_of_the_recorded_run(name, tmp_path):
    """Kept again they pass every check against evaluation.json and the card, come out the same, and name nobody."""
    preset, folder = Preset.load(SHIPPED / name), tmp_path / name
    preset.save(folder)
    (folder / "evaluation.json").write_bytes((SHIPPED / name / "evaluation.json").read_bytes())
    copy = Preset.load(folder)
    assert [kept.split for kept in splits_of(preset)] == [preset.operating_points[0].split, "test"]
    for kept in kept_splits(preset):
        source = kept.source_name, kept.source_sha256
        assert keep_scores(copy, SHIPPED / name / kept.file, split=kept.split, source=source) == kept
        rows = load_scores(preset, kept)
        assert len(rows) == kept.images
        scores = {prefix + finding for finding in preset.findings for prefix in ("", "prob_", "logit_")}
        assert set(rows.columns) == scores, "neither images nor patients nor groups"
        for finding in preset.findings:
            labels, p = (rows[column].astype(float).to_numpy() for column in (finding, f"prob_{finding}"))
            assert (np.lexsort((p, labels)) == np.arange(len(p))).all(), "each in an order of its own"


def test_lines_of_kept_scores_are_no_rows():
    table = table_of("image,A,prob_A,logit_A,B,prob_B\nx,1,0.25,-1,0,0.75\ny,0,0.5,0,1,0.5\nz,,,,0,0.125\n")
    kept = unlinked(table, ("A", "B"))
    assert kept.to_dict("list") == {
        "A": ["0", "1", ""],
        "prob_A": ["0.5", "0.25", ""],
        "logit_A": ["0", "-1", ""],
        "B": ["0", "0", "1"],
        "prob_B": ["0.125", "0.75", "0.5"],
    }


def test_rows_of_another_run_are_refused(tmp_path):
    preset = Preset.load(SHIPPED / "pneumonia")
    folder = tmp_path / "pneumonia"
    preset.save(folder)
    (folder / "evaluation.json").write_bytes((SHIPPED / "pneumonia" / "evaluation.json").read_bytes())
    copy = Preset.load(folder)
    source = SHIPPED / "pneumonia" / "scores_test.csv"
    first = keep_scores(copy, source, split="test")
    assert (folder / "scores_test.csv").read_bytes() == source.read_bytes(), "kept rows are kept as they are"
    assert kept_splits(copy) == (first,)
    changed = pd.read_csv(source, dtype=str)
    changed.loc[3, "prob_Pneumonia"] = "0.99"
    changed.to_csv(tmp_path / "changed.csv", index=False)
    with pytest.raises(ManifestError, match="not those that evaluation"):
        keep_scores(copy, tmp_path / "changed.csv", split="test")
    with pytest.raises(ManifestError, match="not the validation scores"):
        keep_scores(copy, source, split="val (cut out of train)", source=("index.csv", "ab"))
    with pytest.raises(ManifestError, match="is not named"):
        keep_scores(copy, SHIPPED / "pneumonia" / "scores_validation.csv", split="val (cut out of train)")


def test_altered_or_foreign_rows_are_refused(tmp_path):
    preset = Preset.load(SHIPPED / "pneumonia")
    folder = tmp_path / "pneumonia"
    preset.save(folder)
    record = json.loads((SHIPPED / "pneumonia" / SCORES).read_text())
    (folder / SCORES).write_text(json.dumps(record))
    copy = Preset.load(folder)
    (folder / "scores_test.csv").write_text("image\n1\n")
    with pytest.raises(ManifestError, match="not those that were kept"):
        load_scores(copy, kept_splits(copy)[0])
    (folder / SCORES).write_text(json.dumps({**record, "weights_sha256": "0" * 64}))
    with pytest.raises(OperatingPointMismatch):
        kept_splits(copy)
    (folder / SCORES).write_text("{}")
    with pytest.raises(ManifestError, match="malformed"):
        kept_splits(copy)


def test_the_recorded_evaluation_is_shown_for_the_test_split():
    preset = Preset.load(SHIPPED / "pneumonia")
    validation, test = (table_of_kept(preset, kept) for kept in splits_of(preset))
    assert (validation.role, test.role) == ("validation", "evaluation")
    assert bench_of(test, "Pneumonia").entry.auroc.value == preset.metric("Pneumonia", "auroc").value
    points = bench_of(validation, "Pneumonia").entry.operating_points
    assert {point.fitted_on.kind for point in points.values()} == {"judged"}
    assert points["youden"].sensitivity.value == pytest.approx(
        preset.operating_point("Pneumonia", "youden").sensitivity
    )


def test_a_split_is_found_in_itself():
    assert fitted_within("val (cut out of train)", "val (cut out of train)")
    assert fitted_within("val (cut out of train)", "train")
    assert not fitted_within("val (cut out of train)", "test")


def test_a_card_is_enough_for_its_validation_scores():
    preset = Preset.load(SHIPPED / "pneumonia")
    judged = table_of_card(preset)
    assert judged is not None
    kept = preset.validation_scores["Pneumonia"]
    line = overview(judged)[0]
    assert (line.n, line.positives) == (len(kept.positives) + len(kept.negatives), len(kept.positives))
    assert not judged.images
    assert table_of_card(dataclasses.replace(preset, validation_scores={})) is None


def test_a_sparkline_is_the_roc_curve_read_at_even_steps():
    preset = Preset.load(SHIPPED / "pneumonia")
    judged = table_of_kept(preset, splits_of(preset)[1])
    labels, p = judged.cells("Pneumonia")
    alarms, hits, _ = roc_curve(labels, p, drop_intermediate=False)
    spark = overview(judged)[0].roc
    for place, share in enumerate(np.linspace(0, 1, len(spark))):
        assert spark[place] == pytest.approx(hits[alarms <= share + 1e-9].max(), abs=1 / 390 + 1e-9)


def test_two_tables_are_compared_over_their_images():
    labels, scores, group = made_up()
    other = np.clip(scores + np.random.default_rng(5).normal(0, 0.3, len(scores)), 0, 1)
    text = "image,patient_id,A,prob_A\n"
    tables = []
    for column in (scores, other):
        rows = zip(range(400), group, labels, column, strict=True)
        tables.append(table_of(text + "".join(f"i{k},p{g},{y:.0f},{p:.6f}\n" for k, g, y, p in rows)))
    ours, theirs = (table_of_upload(table, ordinals) for table in tables)
    found = compare(ours, theirs).findings["A"]
    assert found.difference.value > 0
    assert found.difference.low < found.difference.value < found.difference.high
    with pytest.raises(ManifestError, match="share no image"):
        compare(ours, table_of_upload(tables[1], lambda names: [f"other {name}" for name in names]))


# -- points with a name ------------------------------------------------------------------------


def point(name: str = "night shift", finding: str = "Pneumonia", threshold: float = 0.4) -> NamedPoint:
    return NamedPoint(name, finding, threshold, "val", False, 0.9, 0.8, 100, 40)


def test_named_points_go_through_a_file():
    preset = Preset.load(SHIPPED / "pneumonia")
    points = with_point(with_point((), point()), point("day", threshold=0.6))
    points = with_point(points, point(threshold=0.45))
    assert [(p.name, p.threshold) for p in points] == [("day", 0.6), ("night shift", 0.45)]
    assert from_json(to_json(preset, points), preset) == points
    assert thresholds(points, "day") == {"Pneumonia": 0.6}


def test_points_of_other_weights_are_refused():
    ours, other = (Preset.load(SHIPPED / name) for name in ("pneumonia", "chestxray14"))
    with pytest.raises(OperatingPointMismatch, match="other weights"):
        from_json(to_json(other, (point(),)), ours)
    with pytest.raises(FindingUnknown):
        from_json(to_json(ours, (point(finding="Hernia"),)), ours)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b" " * 1_000_001])
def test_other_files_are_no_points(data):
    with pytest.raises(ManifestError, match="not a file of named"):
        from_json(data, Preset.load(SHIPPED / "pneumonia"))


@pytest.mark.parametrize("name", ["", "<b>", "x" * 41, "a\nb"])
def test_names_are_short_and_plain(name):
    with pytest.raises(ValueError, match="string_pattern_mismatch"):
        point(name)


def test_the_script_keeps_rows(tmp_path: Path, capsys):
    import runpy

    main = runpy.run_path(str(REPOSITORY / "scripts" / "keep_scores.py"))["main"]
    preset = Preset.load(SHIPPED / "pneumonia")
    preset.save(tmp_path / "pneumonia")
    rows = str(SHIPPED / "pneumonia" / "scores_validation.csv")
    split = ["--split", "val (cut out of train)"]
    assert main([str(tmp_path / "pneumonia"), "--predictions", rows, *split, "--manifest", rows]) == 0
    assert "626 radiographs" in capsys.readouterr().out
    assert main([str(tmp_path / "pneumonia"), "--predictions", rows, *split]) == 2
