"""The evaluation of a predictions table, bulk scoring, and what the card takes from it."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cxrkit.card import Metric, OperatingPoint
from cxrkit.data.manifest import read_manifest
from cxrkit.data.table import read_table, select_rows
from cxrkit.errors import FindingUnknown, ManifestError
from cxrkit.evaluation.predictions import findings_of
from cxrkit.evaluation.report import evaluate_predictions, to_metrics
from cxrkit.evaluation.summary import format_evaluation
from cxrkit.reading import FindingScore, Prediction
from cxrkit.serving.bulk import score_manifest

SHA = "a" * 64


def point(finding="Mass", threshold=0.5, n=300, positives=90):
    return OperatingPoint(finding, "youden", threshold, 0.9, 0.8, "val", n, positives, SHA)


def predictions(n=240):
    rng = np.random.default_rng(0)
    mass, nodule = (rng.random(n) < 0.3).astype(float), (rng.random(n) < 0.2).astype(float)
    nodule[::5] = np.nan
    squash = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    return pd.DataFrame(
        {
            "image": [f"{i}.png" for i in range(n)],
            "patient_id": rng.integers(0, 90, n).astype(str),
            "Mass": mass,
            "prob_Mass": squash(rng.normal(size=n) + 2 * mass - 1),
            "Nodule": nodule,
            "prob_Nodule": squash(rng.normal(size=n) + np.nan_to_num(nodule) - 1),
        }
    )


def judge(table, findings=("Mass", "Nodule"), points=(), **options):
    options = {"split": "test", "source": "t.csv", "source_sha256": SHA, "replicates": 200} | options
    return evaluate_predictions(table, findings, points, **options)


def test_values_counts_and_provenance():
    table = predictions()
    got = judge(table, points=[point()], weights_sha256=SHA, preset="demo", stated_at={"Mass": 0.05})
    mass, nodule = got["findings"]["Mass"], got["findings"]["Nodule"]
    known = table["Nodule"].notna()
    assert mass["auroc"]["value"] == pytest.approx(roc_auc_score(table["Mass"], table["prob_Mass"]))
    assert nodule["auroc"]["value"] == pytest.approx(roc_auc_score(table["Nodule"][known], table["prob_Nodule"][known]))
    assert (nodule["n"], nodule["positives"]) == (192, int(table["Nodule"].sum()))
    assert mass["auroc"]["low"] < mass["auroc"]["value"] < mass["auroc"]["high"]
    assert "200 patient bootstrap replicates" in mass["auroc"]["method"]
    assert mass["auroc"]["split"] == "test"
    assert mass["auroc"]["weights_sha256"] == SHA
    assert mass["auprc"]["prevalence"] == mass["prevalence"] == pytest.approx(table["Mass"].mean())
    assert mass["probabilities_stated_at_prevalence"] == 0.05
    assert nodule["probabilities_stated_at_prevalence"] is None
    macro = got["macro"]["auroc"]
    assert macro["value"] == pytest.approx((mass["auroc"]["value"] + nodule["auroc"]["value"]) / 2)
    assert macro["low"] < macro["value"] < macro["high"]
    assert got["patients"] == table["patient_id"].nunique()
    assert json.loads(json.dumps(got, allow_nan=False)) == got


def test_rates_at_the_operating_point_as_it_was_fixed():
    table = predictions()
    got = judge(table, points=[point(threshold=0.4), point("Nodule", 0.4, 100, 20)])
    at = got["findings"]["Mass"]["operating_points"]["youden"]
    called, truth = table["prob_Mass"] >= 0.4, table["Mass"] == 1
    assert at["sensitivity"]["value"] == pytest.approx((called & truth).sum() / truth.sum())
    assert at["specificity"]["value"] == pytest.approx((~called & ~truth).sum() / (~truth).sum())
    assert at["sensitivity"]["method"] == "Wilson"
    assert at["interval"] == "Wilson, images treated as independent"
    assert at["fitted_on"] == {"split": "val", "n": 300, "positives": 90}
    assert at["supported"] is True
    assert got["findings"]["Nodule"]["operating_points"]["youden"]["supported"] is False


def test_undefined_is_none_and_left_out_of_the_mean():
    table = predictions().assign(Hernia="0", prob_Hernia=0.01, Edema="", prob_Edema="")
    got = judge(table, ["Mass", "Hernia", "Edema"], [point("Hernia", 0.5)], weights_sha256=SHA)
    hernia, edema = got["findings"]["Hernia"], got["findings"]["Edema"]
    assert hernia["auroc"] is None
    assert hernia["auprc"] is None
    assert hernia["brier"]["value"] == pytest.approx(1e-4)
    assert hernia["operating_points"]["youden"]["sensitivity"] is None
    assert edema["n"] == 0
    assert edema["prevalence"] is None
    assert edema["brier"] is None
    assert edema["ece"] is None
    assert got["macro"]["auroc"]["findings"] == ["Mass"]
    text = json.dumps(got, allow_nan=False)
    assert "NaN" not in text
    assert {m.finding for m in to_metrics(got) if m.name == "auroc"} == {"Mass", "macro"}
    nothing = judge(table, ["Hernia"])
    assert nothing["macro"]["auroc"] is None


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
    got = judge(predictions().drop(columns="patient_id"))
    assert got["bootstrap"]["unit"] == "image"
    assert got["patients"] is None
    assert got["findings"]["Mass"]["auroc"]["method"] == "percentile of 200 image bootstrap replicates"
    assert got["macro"]["auroc"]["method"] == "percentile of 200 image bootstrap replicates"
    by_patient = judge(predictions())["macro"]["auroc"]["method"]
    assert by_patient == "percentile of 200 patient bootstrap replicates"


def test_findings_come_from_the_probability_columns():
    assert findings_of(predictions()) == ("Mass", "Nodule")
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
    assert lines[0] == f"demo on t.csv, test: 240 images of {got['patients']} patients"
    mass = got["findings"]["Mass"]["auroc"]
    row = next(line for line in lines if line.startswith("Mass "))
    assert f"{mass['value']:.3f} ({mass['low']:.3f}-{mass['high']:.3f})" in row
    assert next(line for line in lines if line.startswith("Hernia ")).split()[3:5] == ["-", "-"]
    assert any(line.startswith("mean of 2 ") for line in lines)
    assert "unsupported" in next(line for line in lines if line.startswith("Nodule, youden"))
    assert "unsupported" not in next(line for line in lines if line.startswith("Mass, youden"))
    assert lines[-1] == "Intervals of sensitivity, specificity, PPV and NPV: Wilson, images treated as independent."
    assert "Wilson" not in format_evaluation(judge(table, ["Mass"]))


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
    assert list(table.columns) == ["image", "patient_id", "age", "Mass", "prob_Mass", "logit_Mass"]
    assert list(table["patient_id"]) == ["7", "8", "9"]
    assert table["logit_Mass"].is_monotonic_increasing
    assert table["logit_Mass"].nunique() == 3
    np.testing.assert_allclose(table["prob_Mass"], table["logit_Mass"] / 2)
    assert np.isnan(table["Mass"][1])
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert (
        evaluate_predictions(table, ["Mass"], split="all", source="t", source_sha256=SHA)["findings"]["Mass"]["n"] == 2
    )


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
