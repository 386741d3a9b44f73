"""The table of all radiographs: what a set does not state stays blank, and nothing of val or test is taught."""

import numpy as np
import pandas as pd
import pytest

from cxrkit.data.leaks import hold_out
from cxrkit.data.manifest import read_manifest
from cxrkit.data.pretraining import AUXILIARY, pretraining_table, teacher_outputs
from cxrkit.errors import ManifestError

FINDINGS = ("Effusion", "Mass")


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)


def nih(number, split, **more):
    source = "muhammedtalo/COVID-19" if number in (2, 3) else "another"
    row = {"image": f"{number:08d}_000.jpg", "nih_name": f"{number:08d}_000.png", "patient_id": f"{number:08d}"}
    person = {"no_finding": 0, "view_position": "AP" if number % 2 else "PA", "age": 30 + number, "sex": "F"}
    return (
        row | {"split": split, "source": source, "Effusion": number % 2, "Mass": 0, "rsna_target": ""} | person | more
    )


@pytest.fixture
def data(tmp_path):
    adults = [nih(n, "train") for n in range(10)] + [nih(10, "val"), nih(11, "test", rsna_target=1)]
    write(tmp_path / "cxr14/index.csv", adults)
    small = [nih(n, "train", image=f"{n:08d}_000.png") for n in (20, 21)]
    write(tmp_path / "cxr14/index64.csv", [{k: v for k, v in row.items() if k != "nih_name"} for row in small])
    more = [
        nih(21, "train", dataset="NIH", patient_id="NIH_00000021", ctr="", ctr_mask=""),
        nih(0, "train", dataset="JSRT", patient_id="JSRT_1", nih_name="", Effusion="", ctr="", ctr_mask=0.47),
    ]
    write(tmp_path / "cxr_more/index.csv", more)
    lungs = [
        {"image": f"images/L{n}.jpg", "dataset": "Shenzhen", "patient_id": f"L{n}", "tb": n % 2} for n in range(10)
    ]
    write(tmp_path / "lungmasks/index.csv", lungs)
    stated = {"image": "../lungmasks/images/L0.jpg", "Effusion": 1, "Mass": 0, "no_finding": 0, "age": 70, "sex": "M"}
    write(tmp_path / "cxr_more/lungmasks_labels.csv", [stated])
    children = []
    for n in range(40):
        subtype = ("normal", "virus", "bacteria")[n % 3]
        split = "test" if n >= 30 else "val" if n >= 28 else "train"
        children.append(
            {"image": f"images/k{n}.jpg", "split": split, "label": int(n % 3 > 0), "subtype": subtype,
             "patient_key": f"{subtype}{n}", "dup_group": ""}
        )  # fmt: skip
        (tmp_path / "kermany/images").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"kermany/images/k{n}.jpg").write_bytes(b"")
    write(tmp_path / "kermany/index.csv", children)
    scores = [{"image": f"{n:08d}_000.png", "prob_Effusion": n / 100, "prob_Mass": 1 - n / 100} for n in range(12)]
    (tmp_path / "chexnet_preds").mkdir()
    pd.DataFrame(scores).to_csv(tmp_path / "chexnet_preds/preds_with_labels.csv.gz", index=False)
    return tmp_path


def table_of(data):
    table = pretraining_table(data, FINDINGS, held_out=0.2, group_by=("patient_key", "dup_group"), seed=20)
    return table.set_index("image")


def test_it_has_every_image_once_with_the_labels_that_its_set_states(data):
    table = table_of(data)
    assert table.index.is_unique
    assert list(table.columns) == [
        "split",
        "dataset",
        "collection",
        "patient_id",
        *FINDINGS,
        *AUXILIARY,
        *teacher_outputs(FINDINGS),
    ]
    # the image of patient 21 is there at its better resolution alone
    assert "cxr14/images64/00000021_000.png" not in table.index
    assert table.loc["cxr_more/images/00000021_000.jpg", "patient_id"] == "NIH_00000021"
    pneumonia = table["collection"] == "pneumonia"
    assert set(table.index[pneumonia]) == {f"cxr14/images/{n:08d}_000.jpg" for n in (2, 3)}
    assert (table["collection"] == "findings").sum() == 10
    assert set(table["collection"]) == {"findings", "pneumonia", "NIH", "NIH64", "JSRT", "Shenzhen", "Kermany"}
    first = table.loc["cxr14/images/00000003_000.jpg"]
    assert (first["Effusion"], first["Mass"], first["AP_View"], first["Female"], first["Age_35"]) == (1, 0, 1, 1, 0)
    assert np.isnan(first[["Tuberculosis", "Lung_Opacity", "Childhood_Pneumonia"]].astype(float)).all()
    jsrt = table.loc["cxr_more/images/00000000_000.jpg"]
    assert np.isnan(jsrt["Effusion"])
    assert (jsrt["Cardiothoracic_Ratio_45"], jsrt["Cardiothoracic_Ratio_50"]) == (1, 0)
    stated = table.loc["lungmasks/images/L0.jpg"]
    assert (stated["Tuberculosis"], stated["Effusion"], stated["Any_Finding"], stated["Age_65"]) in [(0, 1, 1, 1)]
    assert np.isnan(table.loc["lungmasks/images/L1.jpg", "Effusion"])
    assert table.loc["kermany/images/k1.jpg", ["Childhood_Pneumonia", "Viral_Pneumonia"]].tolist() == [1, 1]
    assert table.loc["kermany/images/k2.jpg", ["Childhood_Pneumonia", "Viral_Pneumonia"]].tolist() == [1, 0]
    assert np.isnan(table.loc["kermany/images/k0.jpg", "Viral_Pneumonia"])


def test_the_teacher_ranks_training_images_only_and_test_rows_say_nothing(data):
    table = table_of(data)
    taught = table[list(teacher_outputs(FINDINGS))].notna().all(axis=1)
    assert set(table.index[taught]) == {f"cxr14/images/{n:08d}_000.jpg" for n in range(10)}
    assert table.loc["cxr14/images/00000009_000.jpg", "Effusion_Teacher_Tenth"] == 1
    assert table.loc[taught, "Effusion_Teacher_Tenth"].sum() == 1
    assert table.loc[taught, "Mass_Teacher_Third"].sum() == 3
    assert table.loc["cxr14/images/00000000_000.jpg", "Mass_Teacher_Third"] == 1
    labels = table.columns[4:]
    assert table.loc[table["split"] == "test", labels].isna().all(axis=None)
    assert table.loc["cxr14/images/00000010_000.jpg", "Effusion"] == 0  # val has its own labels


def test_the_children_held_out_are_those_that_training_holds_out(data):
    table = table_of(data)
    children = table[table["dataset"] == "Kermany"]
    manifest = read_manifest(
        data / "kermany/index.csv", ("Pneumonia",), split="train", label_map={"label": "Pneumonia"}
    )
    _, held = hold_out(manifest, 0.2, ("patient_key", "dup_group"), 20)
    assert set(children.index[children["split"] == "val"]) == {
        f"kermany/{name}" for name in manifest.table["image"].iloc[held]
    }
    assert not {"kermany/images/k28.jpg", "kermany/images/k29.jpg"} & set(children.index)  # the publisher's own val
    lungs = table[table["dataset"] == "Shenzhen"]
    assert (lungs["split"] == "val").sum() == 2


def test_a_missing_table_is_refused(data):
    (data / "lungmasks/index.csv").unlink()
    with pytest.raises(ManifestError):
        table_of(data)
