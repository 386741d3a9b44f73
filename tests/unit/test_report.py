"""The evaluation of a predictions table, bulk scoring, and what the card takes from it."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import f1_score, roc_auc_score

from cxrkit.card import Calibration, Metric, OperatingPoint, ValidationScores
from cxrkit.data.manifest import read_manifest
from cxrkit.data.table import read_table, select_rows
from cxrkit.errors import FindingUnknown, ManifestError
from cxrkit.evaluation.predictions import findings_of, patient_keys
from cxrkit.evaluation.report import Model, evaluate_predictions, to_metrics
from cxrkit.evaluation.schema import Evaluation, Source
from cxrkit.evaluation.summary import format_evaluation
from cxrkit.evaluation.validation import Scores, Validation
from cxrkit.reading import FindingScore, Prediction
from cxrkit.serving.bulk import score_manifest
from cxrkit.serving.judging import Options, judge_predictions

SHA = "a" * 64
SOURCE = Source(name="t.csv", sha256=SHA)


def point(finding="Mass", threshold=0.5, n=300, positives=90):
    return OperatingPoint(finding, "youden", threshold, 0.9, 0.8, "val", n, positives, SHA)


def predictions(n=240, seed=0):
    rng = np.random.default_rng(seed)
    mass, nodule = (rng.random(n) < 0.3).astype(float), (rng.random(n) < 0.2).astype(float)
    nodule[::5] = np.nan
    return pd.DataFrame(
        {
            "image": [f"{i}.png" for i in range(n)],
            "patient_id": [f"{seed}-{k}" for k in rng.integers(0, 90, n)],
            "Mass": mass,
            "prob_Mass": expit(rng.normal(size=n) + 2 * mass - 1),
            "Nodule": nodule,
            "prob_Nodule": expit(rng.normal(size=n) + np.nan_to_num(nodule) - 1),
        }
    )


def judge(table, findings=("Mass", "Nodule"), points=(), weights_sha256=None, preset=None, stated_at=None, **options):
    model = Model(preset, weights_sha256, points, stated_at)
    return evaluate_predictions(
        table, findings, model, **({"split": "test", "source": SOURCE, "replicates": 200} | options)
    )


def test_values_counts_and_provenance():
    table = predictions()
    got = judge(table, points=[point()], weights_sha256=SHA, preset="demo", stated_at={"Mass": 0.05})
    mass, nodule = got.findings["Mass"], got.findings["Nodule"]
    known = table["Nodule"].notna()
    assert mass.auroc.value == pytest.approx(roc_auc_score(table["Mass"], table["prob_Mass"]))
    assert nodule.auroc.value == pytest.approx(roc_auc_score(table["Nodule"][known], table["prob_Nodule"][known]))
    assert (nodule.n, nodule.positives) == (192, int(table["Nodule"].sum()))
    assert mass.auroc.low < mass.auroc.value < mass.auroc.high
    assert mass.auroc.delong.low < mass.auroc.value < mass.auroc.delong.high
    assert "200 patient bootstrap replicates" in mass.auroc.method
    assert (mass.auroc.split, mass.auroc.weights_sha256) == ("test", SHA)
    assert mass.auprc.prevalence == mass.prevalence.value == pytest.approx(table["Mass"].mean())
    assert mass.probabilities_stated_at_prevalence == 0.05
    assert nodule.probabilities_stated_at_prevalence is None
    macro = got.macro.auroc
    assert macro.value == pytest.approx((mass.auroc.value + nodule.auroc.value) / 2)
    assert macro.low < macro.value < macro.high
    assert got.patients == table["patient_id"].nunique()
    assert any("Mass" in note and "another prevalence" in note for note in got.notes)


def numbers(node, path=""):
    """Every object with a value, and every bare number outside of one, with where it stands."""
    if isinstance(node, dict):
        if "value" in node:
            yield path, node
        for key, child in node.items():
            if not ("value" in node and key != "clustered" and isinstance(child, int | float)):
                yield from numbers(child, f"{path}.{key}")
    elif isinstance(node, list):
        for child in node:
            yield from numbers(child, path)


def test_the_file_is_checked_by_its_schema_and_every_number_says_what_it_rests_on(tmp_path):
    table = predictions().assign(sex=["F", "M"] * 120, age=np.arange(240) % 80 + 1, aspect_ratio=np.linspace(1, 2, 240))
    got = judge(table, points=[point()], weights_sha256=SHA, against=(predictions(), Source(name="o", sha256=SHA)))
    (tmp_path / "evaluation.json").write_text(got.to_json())
    assert Evaluation.load(tmp_path) == got
    assert json.loads(got.to_json()) == json.loads(got.model_dump_json())
    plain = json.loads(got.to_json())
    found = list(numbers(plain))
    assert len(found) > 100
    for path, entry in found:
        assert {"value", "low", "high", "method", "n", "positives", "split", "weights_sha256"} <= set(entry), path
        assert (entry["split"], entry["weights_sha256"]) == ("test", SHA), path
        if entry["low"] is not None:
            assert entry["low"] <= entry["value"] <= entry["high"], path
    for bad in ({"images": "many"}, {"extra": 1}, {"findings": {"Mass": {}}}):
        (tmp_path / "evaluation.json").write_text(json.dumps(plain | bad))
        with pytest.raises(ManifestError, match="malformed at"):
            Evaluation.load(tmp_path)
    with pytest.raises(ManifestError, match="no evaluation"):
        Evaluation.load(tmp_path / "none")


def test_rates_at_the_operating_point_as_it_was_fixed():
    table = predictions()
    got = judge(table, points=[point(threshold=0.4), point("Nodule", 0.4, 100, 20)])
    at = got.findings["Mass"].operating_points["youden"]
    called, truth = table["prob_Mass"] >= 0.4, table["Mass"] == 1
    tp, fp, tn, fn = (called & truth).sum(), (called & ~truth).sum(), (~called & ~truth).sum(), (~called & truth).sum()
    assert (at.tp, at.fp, at.tn, at.fn) == (tp, fp, tn, fn)
    assert at.sensitivity.value == pytest.approx(tp / (tp + fn))
    assert at.specificity.value == pytest.approx(tn / (tn + fp))
    assert (at.specificity.n, at.specificity.positives) == (tn + fp, 0)
    assert (at.ppv.n, at.ppv.positives) == (tp + fp, tp)
    assert at.f1.value == pytest.approx(f1_score(truth, called))
    assert at.likelihood_ratio_positive.value == pytest.approx((tp / (tp + fn)) / (fp / (fp + tn)))
    assert at.likelihood_ratio_negative.value == pytest.approx((fn / (tp + fn)) / (tn / (fp + tn)))
    for rate in ("sensitivity", "specificity", "ppv", "npv", "f1", "likelihood_ratio_positive"):
        measure = getattr(at, rate)
        assert measure.low < measure.value < measure.high
        assert measure.clustered.low < measure.value < measure.clustered.high, "patients are resampled beside Wilson"
    assert at.sensitivity.method == "Wilson"
    assert at.interval == "Wilson, images treated as independent"
    assert (at.fitted_on.kind, at.fitted_on.split, at.fitted_on.n, at.fitted_on.positives) == ("card", "val", 300, 90)
    assert at.supported is True
    assert got.findings["Nodule"].operating_points["youden"].supported is False
    assert any("unsupported: Nodule" in note for note in got.notes)


def test_a_rate_without_an_error_claims_no_certainty_from_resampling():
    at = judge(predictions(), points=[point(threshold=0.0)]).findings["Mass"].operating_points["youden"]
    assert at.sensitivity.value == 1
    assert 0.9 < at.sensitivity.low < 1
    assert at.sensitivity.clustered is None


def test_undefined_is_none_and_left_out_of_the_mean():
    table = predictions().assign(Hernia="0", prob_Hernia=0.01, Edema="", prob_Edema="")
    got = judge(table, ["Mass", "Hernia", "Edema"], [point("Hernia", 0.5)], weights_sha256=SHA)
    hernia, edema = got.findings["Hernia"], got.findings["Edema"]
    assert hernia.auroc is hernia.auprc is hernia.roc is hernia.decision_curve is None
    assert hernia.brier.value == pytest.approx(1e-4)
    assert hernia.calibration["delivered"].slope is None
    assert hernia.operating_points["youden"].sensitivity is None
    assert edema.n == 0
    assert edema.prevalence is edema.brier is edema.ece is None
    assert got.macro.auroc.findings == ("Mass",)
    assert "NaN" not in got.to_json()
    assert {m.finding for m in to_metrics(got) if m.name == "auroc"} == {"Mass", "macro"}
    nothing = judge(table, ["Hernia"])
    assert nothing.macro.auroc is None


def test_metrics_for_the_card():
    metrics = {(m.finding, m.name): m for m in to_metrics(judge(predictions(), points=[point()], weights_sha256=SHA))}
    auroc = metrics["Mass", "auroc"]
    assert isinstance(auroc, Metric)
    assert (auroc.split, auroc.weights_sha256, auroc.n) == ("test", SHA, 240)
    assert ("macro", "auroc") in metrics
    assert ("Mass", "sensitivity@youden") in metrics
    assert ("Nodule", "sensitivity@youden") not in metrics
    with pytest.raises(ValueError, match="weights"):
        to_metrics(judge(predictions()))


def test_without_patients_the_image_is_the_unit():
    got = judge(predictions().drop(columns="patient_id"), points=[point()])
    assert got.bootstrap.unit == "image"
    assert got.patients is None
    assert got.findings["Mass"].auroc.method == "percentile of 200 image bootstrap replicates"
    assert got.macro.auroc.method == "percentile of 200 image bootstrap replicates"
    assert got.findings["Mass"].operating_points["youden"].sensitivity.clustered is None
    assert any("names no patients" in note for note in got.notes)
    by_patient = judge(predictions()).macro.auroc.method
    assert by_patient == "percentile of 200 patient bootstrap replicates"


def test_someone_elses_predictions_are_never_judged_by_what_they_were_fitted_on():
    table = predictions(600)
    got = judge(table).findings["Mass"]
    at = got.operating_points["youden"]
    assert at.fitted_on.kind == "cross-fit"
    assert at.fitted_on.n < 600
    assert len(at.fold_thresholds) == 5
    assert at.threshold == np.median(at.fold_thresholds)
    assert {name: state.fitted_on.kind for name, state in got.calibration.items() if state.fitted_on} == {
        "platt": "cross-fit",
        "temperature": "cross-fit",
    }
    # chance: with labels that have nothing to do with the scores, thresholds fitted on the judged rows would flatter
    rng = np.random.default_rng(1)
    noise = pd.DataFrame({"Mass": np.arange(300) % 2, "prob_Mass": rng.random(300)})
    honest = judge(noise, ["Mass"]).findings["Mass"].operating_points["youden"]
    assert honest.balanced_accuracy.low < 0.5


def test_a_named_validation_part_is_what_is_fitted_on():
    table, fit = predictions(400), predictions(500, seed=5)
    validation = Validation.of_table(fit, ["Mass", "Nodule"], split="val", judged=table)
    got = judge(table, validation=validation, threshold=0.3).findings["Mass"]
    at = got.operating_points["youden"]
    assert (at.fitted_on.kind, at.fitted_on.split, at.fitted_on.n) == ("rows", "val", 500)
    assert at.fold_thresholds == ()
    stated = got.operating_points["custom"]
    assert (stated.threshold, stated.fitted_on.kind) == (0.3, "stated")
    assert got.calibration["platt"].fitted_on.n == 500
    # logits are those of the probabilities, and these were drawn with slope 1: recalibration has little to do
    assert got.calibration["platt"].parameters["slope"] == pytest.approx(2, abs=0.5)
    assert validation.checked


def as_text(table):
    return table.astype(object).where(table.notna(), "").astype(str)


@pytest.mark.parametrize(
    ("change_fit", "change_judged", "message"),
    [
        (lambda t: t, lambda t: t.assign(image="x" + t["image"]), "patients"),
        (lambda t: t, lambda t: t.assign(patient_id="000" + t["patient_id"], image="x"), "patients"),
        (lambda t: t.drop(columns="patient_id"), lambda t: t.drop(columns="patient_id"), "images"),
        (lambda t: t.assign(patient_id=""), lambda t: t.assign(patient_id=""), "images"),
        (lambda t: t.assign(image="a/" + t["image"]), lambda t: t.drop(columns="patient_id"), "images"),
        (
            lambda t: t.rename(columns={"patient_id": "patient_key"}).drop(columns="image"),
            lambda t: t,
            "patients",
        ),
        (
            lambda t: t.drop(columns=["patient_id", "image"]),
            lambda t: t.drop(columns=["patient_id", "image"]),
            "exactly the labels and probabilities",
        ),
    ],
)
def test_fitting_on_judged_rows_is_refused_however_it_is_disguised(change_fit, change_judged, message):
    fit = predictions(300, seed=7).assign(patient_id=[f"{k + 7}" for k in range(300)])
    with pytest.raises(ManifestError, match=message):
        Validation.of_table(change_fit(fit), ["Mass"], split="val", judged=as_text(change_judged(fit.iloc[20:80])))
    rows = fit.drop(columns=["patient_id", "image"]).assign(Mass=0.0, prob_Mass=0.5)
    with pytest.raises(ManifestError, match="60 rows to fit on"):
        Validation.of_table(rows, ["Mass"], split="val", judged=rows.iloc[20:80], same_file=True)


def test_rows_that_only_look_alike_may_be_fitted_on():
    """Rounded scores repeat by chance, and blank patients of two tables are not one patient."""
    fit, table = (
        predictions(400, seed=s).assign(patient_id="", image=[f"{s}/{i}.png" for i in range(400)]).round(2)
        for s in (1, 2)
    )
    assert Validation.of_table(fit, ["Mass"], split="val", judged=table).checked
    bare = fit.drop(columns=["image", "patient_id"])
    unchecked = Validation.of_table(bare, ["Mass", "Nodule"], split="val", judged=table)
    assert not unchecked.checked
    assert any("could not be told" in note for note in judge(table, validation=unchecked).notes)


@pytest.mark.parametrize(
    ("fitted", "split", "rows", "judged"),
    [
        ("val", "val", None, True),
        ("val", "all rows", ["train", "val", "test"], True),
        ("val (cut out of train)", "train", None, True),
        ("val", "test", None, False),
        ("val (cut out of train)", "val", None, False),
    ],
)
def test_what_the_card_fitted_on_the_judged_split_is_no_evidence(fitted, split, rows, judged):
    table = predictions() if rows is None else predictions().assign(split=rows * 80)
    at = OperatingPoint("Mass", "youden", 0.5, 0.9, 0.8, fitted, 300, 90, SHA)
    got = judge(table, ["Mass"], points=[at], split=split)
    point_ = got.findings["Mass"].operating_points["youden"]
    assert (point_.fitted_on.kind == "judged") is judged
    assert point_.supported is not judged
    assert any("is no evidence" in note for note in got.notes) is judged


def test_what_is_left_out_is_said():
    table = predictions().assign(
        Hernia=0, prob_Hernia=0.01, Edema=[1] * 9 + [0] * 231, prob_Edema=np.linspace(0, 1, 240)
    )
    table.loc[:19, "patient_id"] = ""
    table.loc[5, "image"] = "4.png"
    table["sex"] = "weiblich"
    notes = " ".join(judge(table, ["Mass", "Hernia", "Edema"]).notes)
    assert "hence without AUROC and in no mean of it: Hernia." in notes
    assert "Fewer than 30 positives or negatives: Edema." in notes
    assert "20 of 240 rows name no patient" in notes
    assert "1 rows show an image that another row shows" in notes
    assert "No cell could be understood of: sex" in notes
    negatives = predictions(seed=3).assign(Nodule=0, image="other")
    validation = Validation.of_table(negatives, ["Mass", "Nodule"], split="val", judged=table)
    one_sided = judge(table, ["Mass", "Nodule"], validation=validation)
    assert any(note == "No operating point could be fitted for Nodule." for note in one_sided.notes)


def test_a_blank_column_of_patients_is_none_and_copies_of_an_image_stay_together():
    table = predictions().assign(patient_id="", image=[f"{i % 80}.png" for i in range(240)])
    got = judge(table)
    assert (got.bootstrap.unit, got.patients) == ("image", None)
    assert any("names no patients" in note for note in got.notes)
    keys, _ = patient_keys(table)
    assert len(set(keys)) == 80


def test_perfect_and_constant_scores_claim_no_certainty():
    y = np.arange(16) % 2
    perfect = judge(pd.DataFrame({"Mass": y, "prob_Mass": 0.2 + 0.5 * y}), ["Mass"]).findings["Mass"]
    assert (perfect.auroc.value, perfect.auroc.low, perfect.auroc.delong) == (1, None, None)
    assert perfect.auprc.low is None
    constant = judge(pd.DataFrame({"Mass": y, "prob_Mass": 0.3}), ["Mass"]).findings["Mass"]
    assert (constant.auroc.value, constant.auroc.low) == (0.5, None)


def test_the_scores_of_a_card_are_undone_to_logits():
    kept = [ValidationScores("val", (0.6, 0.8), (0.1, 0.2, 0.3)), ValidationScores("val", (0.5,), (0.4,))]
    calibrations = [Calibration(2.0, -1.0, "platt", "val", 5, 2, 0.4), Calibration(1.0, 0.0, "identity", "val", 2, 1)]
    scores = Validation.of_card(kept, calibrations).scores
    np.testing.assert_array_equal(scores.labels[:, 0], [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(np.isnan(scores.labels[:, 1]), [False, False, True, True, True])
    np.testing.assert_allclose(expit(2 * scores.logits[:, 0] - 1), [0.6, 0.8, 0.1, 0.2, 0.3])
    np.testing.assert_allclose(scores.logits[:2, 1], logit([0.5, 0.4]))


def test_raw_logits_show_calibration_before_and_after():
    table = predictions(800)
    table["logit_Mass"] = 3 * logit(table["prob_Mass"]) + 2  # over-confident and biased
    table["logit_Nodule"] = logit(table["prob_Nodule"])
    states = judge(table).findings["Mass"].calibration
    assert states["raw"].slope.value == pytest.approx(states["delivered"].slope.value / 3)
    assert states["raw"].ece.value > states["platt"].ece.value
    assert states["platt"].slope.value == pytest.approx(1, abs=0.15)
    assert states["platt"].in_the_large.value == pytest.approx(0, abs=0.15)
    for state in states.values():
        parts = state.brier
        total = parts.reliability.value - parts.resolution.value + parts.uncertainty.value + parts.within_bins.value
        assert total == pytest.approx(parts.value, abs=1e-12)
        assert sum(b.n for b in state.reliability) == 800
    for beyond in (np.inf, 1e308):
        with pytest.raises(ManifestError, match="logit of Mass in row 4"):
            judge(table.assign(logit_Mass=np.where(table.index == 2, beyond, table["logit_Mass"])))
    assert not Scores.of_table(table.drop(columns="logit_Nodule"), ["Mass", "Nodule"]).raw


def test_rows_of_the_training_split_are_named_first():
    table = predictions().assign(split=["train", "test", "test"] * 80)
    assert judge(table).notes[0].startswith("80 of these rows belong to a training split")
    assert not any("training split" in note for note in judge(table[table["split"] == "test"]).notes)


def test_net_benefit_and_curves():
    table = predictions()
    entry = judge(table, points=[point()]).findings["Mass"]
    curve = entry.decision_curve
    k = curve.thresholds.index(0.2)
    called, truth = table["prob_Mass"] >= 0.2, table["Mass"] == 1
    by_hand = ((called & truth).sum() - (called & ~truth).sum() * 0.2 / 0.8) / 240
    assert curve.net_benefit[k] == pytest.approx(by_hand)
    assert curve.treat_all[k] == pytest.approx((truth.sum() - (~truth).sum() * 0.25) / 240)
    assert set(curve.treat_none) == {0.0}
    assert curve.low[k] < by_hand < curve.high[k]
    assert (entry.roc.x[0], entry.roc.y[0], entry.roc.x[-1], entry.roc.y[-1]) == (0, 0, 1, 1)
    area = np.trapezoid(entry.roc.y, entry.roc.x)
    assert area == pytest.approx(entry.auroc.value, abs=0.005)
    rng = np.random.default_rng(0)
    rare = pd.DataFrame(
        {"Mass": [1] * 30 + [0] * 20_000, "prob_Mass": rng.random(20_030) ** np.r_[[0.2] * 30, [1] * 20_000]}
    )
    recall = judge(rare, ["Mass"], replicates=2).findings["Mass"].precision_recall.x
    assert len(recall) <= 203
    assert len(set(np.round(recall, 6))) == 31, "every positive of a rare finding is a step of the curve"
    assert sum(entry.score_histogram.positives) == entry.positives
    assert sum(entry.score_histogram.negatives) == entry.n - entry.positives


def test_a_paired_comparison_joins_by_image():
    table = predictions()
    rng = np.random.default_rng(3)
    other = (
        table.assign(prob_Mass=rng.random(240)).sample(frac=0.9, random_state=0).drop(columns=["Nodule", "prob_Nodule"])
    )
    got = judge(table, against=(other, Source(name="o.csv", sha256=SHA))).comparison
    assert got.rows == len(other)
    pair = got.findings["Mass"]
    rows = table["image"].isin(other["image"])
    joined = table[rows].merge(other[["image", "prob_Mass"]], on="image", suffixes=("", "_other"))
    assert pair.ours.value == pytest.approx(roc_auc_score(joined["Mass"], joined["prob_Mass"]))
    assert pair.theirs.value == pytest.approx(roc_auc_score(joined["Mass"], joined["prob_Mass_other"]))
    assert pair.difference.value == pytest.approx(pair.ours.value - pair.theirs.value)
    assert pair.p < 0.001
    assert pair.difference.low > 0
    assert "patient bootstrap" in pair.difference.method
    assert "patient bootstrap" in pair.p_method
    assert pair.delong.low > 0
    alone = table.assign(patient_id=table["image"])
    single = judge(alone, against=(other, SOURCE)).comparison.findings["Mass"]
    assert (single.difference.method, single.p_method) == ("paired DeLong", "paired DeLong")
    assert single.difference.low == single.delong.low
    same = judge(table, against=(table, SOURCE)).comparison.findings["Mass"]
    assert (same.difference.value, same.difference.low, same.p) == (0, None, 1)
    for broken, message in (
        (other.drop(columns="image"), "column image"),
        (pd.concat([other, other]), "twice"),
        (other.assign(image="x" + other["image"]), "share no image"),
        (other.rename(columns={"prob_Mass": "prob_Edema"}), "share no finding"),
        (other.assign(Mass=1 - other["Mass"]), "contradict each other"),
    ):
        with pytest.raises(ManifestError, match=message):
            judge(table, against=(broken, SOURCE))


def test_findings_come_from_the_probability_columns():
    assert findings_of(predictions()) == ("Mass", "Nodule")
    with pytest.raises(ManifestError, match="finding without a name"):
        findings_of(pd.DataFrame({"": [1], "prob_": [0.1]}))
    with pytest.raises(ManifestError, match="starts with prob_"):
        findings_of(pd.DataFrame({"Mass": [1]}))
    with pytest.raises(ManifestError, match="no label column for Mass"):
        findings_of(pd.DataFrame({"prob_Mass": [1]}))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("Mass", "2", "label of Mass in row 5"),
        ("Mass", "maybe", "column Mass holds something other than a number in row 5"),
        ("prob_Mass", "", "probability of Mass in row 5"),
        ("prob_Mass", "1.2", "probability of Mass in row 5"),
        ("prob_Mass", "inf", "probability of Mass in row 5"),
    ],
)
def test_bad_cells_are_refused_by_row(column, value, message):
    table = predictions().astype(str)
    table.loc[3, column] = value
    with pytest.raises(ManifestError, match=message):
        judge(table)


def test_a_bad_cell_is_named_by_its_row_in_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("split,Mass,prob_Mass\ntrain,1,0.5\n\ntest,1,0.5\ntest,0,1.5\n")
    with pytest.raises(ManifestError, match="probability of Mass in row 5"):
        judge(select_rows(read_table(path)[0], "test"), ["Mass"])


def test_summary_shows_intervals_dashes_and_unsupported_points():
    table = predictions().assign(Hernia=0, prob_Hernia=0.01)
    got = judge(table, ["Mass", "Nodule", "Hernia"], [point(), point("Nodule", 0.4, 100, 20)], preset="demo")
    lines = format_evaluation(got).splitlines()
    assert lines[0] == f"demo on t.csv, test: 240 images of {got.patients} patients"
    mass = got.findings["Mass"].auroc
    row = next(line for line in lines if line.startswith("Mass "))
    assert f"{mass.value:.3f} ({mass.low:.3f}-{mass.high:.3f})" in row
    assert next(line for line in lines if line.startswith("Hernia ")).split()[3:5] == ["-", "-"]
    assert any(line.startswith("mean of 2 ") for line in lines)
    assert "unsupported" in next(line for line in lines if line.startswith("Nodule, youden"))
    assert "unsupported" not in next(line for line in lines if line.startswith("Mass, youden"))
    assert "Intervals of sensitivity, specificity, PPV and NPV: Wilson, images treated as independent." in lines
    assert any(line.startswith("* ") for line in lines)


class Brightness:
    """A model whose logit is the mean brightness."""

    def predict_many(self, radiographs, batch_size=16):
        for radiograph in radiographs:
            mean = float(radiograph.pixels.mean())
            yield Prediction({"Mass": FindingScore(mean / 2, mean)})


@pytest.fixture
def manifest_path(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), rng.integers(60 * i, 60 * i + 90, (96, 96)).astype(np.uint8))
    path = tmp_path / "t.csv"
    path.write_text("image,patient_id,Mass,Hernia,age,other\n0.png,7,1,0,50,x\n1.png,8,,0,60,y\n2.png,9,0,1,70,z\n")
    return path


def test_bulk_scores_every_row_in_order(manifest_path):
    seen = []
    table = score_manifest(
        Brightness(), read_manifest(manifest_path, ["Mass"]), progress=lambda done, total: seen.append((done, total))
    )
    assert list(table.columns) == ["image", "patient_id", "age", "aspect_ratio", "Mass", "prob_Mass", "logit_Mass"]
    assert list(table["patient_id"]) == ["7", "8", "9"]
    assert table["logit_Mass"].is_monotonic_increasing
    assert table["logit_Mass"].nunique() == 3
    np.testing.assert_allclose(table["prob_Mass"], table["logit_Mass"] / 2)
    assert np.isnan(table["Mass"][1])
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert list(table["aspect_ratio"]) == [1, 1, 1]
    assert judge(table, ["Mass"]).findings["Mass"].n == 2


def test_bulk_names_the_row_of_an_unreadable_image_but_not_the_file(manifest_path):
    (manifest_path.parent / "1.png").write_bytes(b"not an image")
    with pytest.raises(ManifestError, match=r"The image in row 3 of the table cannot be read\.") as caught:
        score_manifest(Brightness(), read_manifest(manifest_path, ["Mass"]))
    assert "1.png" not in str(caught.value)
    with pytest.raises(ManifestError, match=r"The image in row 3 of"):  # still so when it is the first row taken
        score_manifest(Brightness(), read_manifest(manifest_path, ["Mass"], only={"patient_id": "8"}))


def test_bulk_refuses_a_finding_that_the_model_lacks(manifest_path):
    with pytest.raises(FindingUnknown):
        score_manifest(Brightness(), read_manifest(manifest_path, ["Hernia"]))


def test_the_file_that_is_judged_is_not_fitted_on(tmp_path):
    path = tmp_path / "bare.csv"
    bare = predictions().drop(columns=["image", "patient_id"]).assign(split=["val", "test"] * 120)
    bare.round(1).to_csv(path, index=False)
    for options in (Options(fit_predictions=path), Options(fit_split="val")):
        with pytest.raises(ManifestError, match=r"rows to fit on are also among the rows to judge"):
            judge_predictions(path, options=options)
    evaluation, _ = judge_predictions(path, split="test", options=Options(fit_split="val"))
    assert evaluation.findings["Mass"].operating_points["youden"].fitted_on.kind == "rows"
