"""Published numbers come back from published predictions, and the real tables are manifests as they are."""

import numpy as np
import pandas as pd
import pytest

from cxrkit.data.leaks import assert_disjoint, hold_out, shared_patients
from cxrkit.data.manifest import read_manifest
from cxrkit.data.table import read_table
from cxrkit.evaluation.metrics import auroc
from cxrkit.evaluation.predictions import findings_of
from cxrkit.evaluation.report import evaluate_predictions
from cxrkit.evaluation.schema import Source

LABELS = (
    "Cardiomegaly", "Emphysema", "Effusion", "Hernia", "Infiltration", "Mass", "Nodule", "Atelectasis",
    "Pneumothorax", "Pleural_Thickening", "Pneumonia", "Fibrosis", "Edema", "Consolidation",
)  # fmt: skip


@pytest.fixture(scope="module")
def chexnet(data_dir):
    return read_table(data_dir / "chexnet_preds" / "preds_with_labels.csv.gz")


def test_the_published_aurocs_come_back(chexnet, data_dir):
    table, sha256 = chexnet
    source = Source(name="preds", sha256=sha256)
    published = pd.read_csv(data_dir / "chexnet_preds" / "auc_check.csv").set_index("label")["published"]
    got = evaluate_predictions(table, findings_of(table), split="test", source=source, replicates=20)
    assert len(published) == len(got.findings) == 14
    for finding, value in published.items():
        assert got.findings[finding].auroc.value == pytest.approx(value, abs=1e-9), finding
    assert got.macro.auroc.value == pytest.approx(published.mean(), abs=1e-9)
    assert round(got.macro.auroc.value, 4) == 0.8383
    assert got.images == 22433
    assert got.patients < 22433
    # what weighted training does to the raw scores, a fold of other patients mends
    effusion = got.findings["Effusion"].calibration
    assert effusion["platt"].ece.value < effusion["delivered"].ece.value / 2
    assert effusion["platt"].slope.value == pytest.approx(1, abs=0.02)
    assert {kind.fitted_on.kind for name, kind in effusion.items() if name != "delivered"} == {"cross-fit"}
    assert set(effusion) == {"delivered", "platt", "temperature", "isotonic"}
    assert "isotonic" not in got.findings["Hernia"].calibration, "42 positives cannot carry a step function"
    assert {"sex", "age", "view"} == set(got.findings["Effusion"].subgroups)


def test_the_replication_reaches_779_on_the_200_test_images(chexnet, data_dir):
    table = chexnet[0].set_index("image")
    ours = read_manifest(data_dir / "cxr14" / "index.csv", LABELS, split="test")
    names = ours.table["nih_name"]
    assert names.isin(table.index).all()
    joined = pd.DataFrame({"patient_id": ours.patients()})
    for k, finding in enumerate(LABELS):
        joined[finding] = ours.labels[:, k]
        joined[f"prob_{finding}"] = table.loc[names, f"prob_{finding}"].to_numpy()
    source = Source(name="index.csv", sha256=ours.sha256)
    macro = evaluate_predictions(joined, LABELS, split="test", source=source).macro.auroc
    assert macro.value == pytest.approx(0.779, abs=0.0006)
    assert macro.low < 0.76
    assert macro.high > 0.79


def test_kermany(data_dir):
    path, label = data_dir / "kermany" / "index.csv", {"label": "Pneumonia"}
    train, test = (read_manifest(path, ["Pneumonia"], split=split, label_map=label) for split in ("train", "test"))
    assert (len(train), len(test)) == (5216, 624)
    assert (test.counts()[0].positives, test.counts()[0].total) == (390, 624)
    fit, held = hold_out(train, 0.1, ["patient_key", "dup_group"], 20)
    assert_disjoint(train.subset(fit), train.subset(held))
    groups = train.table["dup_group"].to_numpy()
    assert not (set(groups[fit]) & set(groups[held])) - {""}
    assert abs(len(held) / 5216 - 0.1) < 0.01


def test_cxr14_splits_share_no_patient(data_dir):
    path = data_dir / "cxr14" / "index.csv"
    splits = [read_manifest(path, LABELS, split=split) for split in ("train", "val", "test")]
    assert [len(split) for split in splits] == [1138, 185, 200]
    positives = {count.finding: count.positives for count in splits[1].counts()}
    assert (positives["Infiltration"], positives["Pneumonia"]) == (39, 47)
    assert not shared_patients(splits[0], splits[1])
    assert not shared_patients(splits[1], splits[2])
    small = read_manifest(
        data_dir / "cxr14" / "index64.csv", LABELS, images=data_dir / "cxr14" / "images64", only={"also_256": "0"}
    )
    assert len(small) == (small.table["also_256"] == "0").sum() > 0
    assert_disjoint(small, splits[2])


def test_cxr_more_has_unknown_labels(data_dir):
    more = read_manifest(data_dir / "cxr_more" / "index.csv", LABELS)
    assert len(more) == 769
    known = {count.finding: count.total for count in more.counts()}
    assert known["Cardiomegaly"] < 769
    assert np.isnan(more.labels).any()
    lungs = read_manifest(data_dir / "cxr_more" / "lungmasks_labels.csv", LABELS)
    assert len(lungs) == 683


def test_external_is_a_manifest_with_blank_labels(data_dir):
    external = read_manifest(data_dir / "external" / "index.csv", ["Pneumonia"], label_map={"label": "Pneumonia"})
    assert len(external) == 393
    count = external.counts()[0]
    assert (count.positives, count.total) == (349, 367)
    assert auroc(external.labels[:, 0], np.zeros(393)).value == 0.5  # all tied: chance, by definition
