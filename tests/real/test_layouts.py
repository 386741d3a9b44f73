"""Real radiographs in the layouts in which they are published."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrkit.data.layouts.kaggle import read_kaggle
from cxrkit.data.layouts.layout import NIH_FINDINGS
from cxrkit.data.layouts.nih import read_nih
from cxrkit.data.leaks import assert_disjoint
from cxrkit.data.manifest import read_manifest
from cxrkit.data.table import read_table
from cxrkit.serving.preparing import find_leaks, prepare


def link(place, image):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(image)


@pytest.fixture(scope="module")
def kermany(data_dir, tmp_path_factory):
    """The index, and its images in the tree of the Kaggle release."""
    index = read_table(data_dir / "kermany" / "index.csv")[0]
    index["name"] = index["image"].map(lambda name: Path(name).name)
    tree = tmp_path_factory.mktemp("kaggle") / "chest_xray"
    for row in index.itertuples():
        kind = "PNEUMONIA" if row.label == "1" else "NORMAL"
        link(tree / row.split / kind / row.name, data_dir / "kermany" / row.image)
    return index, tree


def sample(layout, each):
    """Some rows of each split, evenly spaced."""
    keep = np.zeros(len(layout.table), dtype=bool)
    for split in layout.table["split"].unique():
        rows = np.flatnonzero(layout.table["split"] == split)
        keep[rows[:: max(1, len(rows) // each)]] = True
    return layout.subset(keep)


def test_the_kaggle_release_is_read_as_its_index_says(kermany):
    index, tree = kermany
    table = read_kaggle(tree.parent).table
    assert table["split"].value_counts().to_dict() == {"train": 5216, "val": 16, "test": 624}
    both = table.assign(name=table["image"].map(lambda name: Path(name).name)).merge(index, on="name")
    assert len(both) == 5856
    assert (both["split_x"] == both["split_y"]).all()
    assert (both["Pneumonia"] == both["label"]).all()
    # the same grouping: each key of ours has one key of theirs, and the other way round
    pairs = both[["patient_key_x", "patient_key_y"]].drop_duplicates()
    assert not pairs["patient_key_x"].duplicated().any()
    assert not pairs["patient_key_y"].duplicated().any()
    assert (both["patient_key_x"] != "").all()


def test_no_patient_of_the_kaggle_release_stands_in_two_splits(kermany):
    layout = read_kaggle(kermany[1])
    assert find_leaks(layout, [None] * len(layout.table)) == ()


def test_a_sample_of_the_kaggle_release_becomes_a_manifest_with_a_validation_part(kermany, tmp_path):
    layout = sample(read_kaggle(kermany[1]), 60)
    done = prepare(layout, tmp_path / "m.csv", hold_out_share=0.2)
    assert done.leaks == ()
    assert done.unreadable == ()
    parts = [
        read_manifest(done.written, ["Pneumonia"], images=done.images, split=split)
        for split in ("train", "val", "test")
    ]
    assert sum(map(len, parts)) == len(layout.table)
    assert len(parts[1]) / (len(parts[0]) + len(parts[1])) == pytest.approx(0.2, abs=0.03)
    assert_disjoint(parts[0], parts[1])


def test_a_copied_radiograph_is_found_across_splits(kermany, tmp_path):
    index, tree = kermany
    rows = index.groupby("split").head(5)
    for row in rows.itertuples():
        kind = "PNEUMONIA" if row.label == "1" else "NORMAL"
        link(tmp_path / "tree" / row.split / kind / row.name, (tree / row.split / kind / row.name).resolve())
    train = next(row for row in rows.itertuples() if row.split == "train")
    image = (tree / "train" / ("PNEUMONIA" if train.label == "1" else "NORMAL") / train.name).resolve()
    link(tmp_path / "tree" / "test" / "NORMAL" / "IM-9999-0001.jpeg", image)
    done = prepare(read_kaggle(tmp_path / "tree"), tmp_path / "m.csv")
    assert done.written is None
    assert [(leak.kind, leak.splits, leak.count) for leak in done.leaks] == [("pictures", ("train", "test"), 1)]


@pytest.fixture(scope="module")
def nih(data_dir, tmp_path_factory):
    """The index of our 1,523 images, and a table and lists in NIH's format that are written from it."""
    index = read_table(data_dir / "cxr14" / "index.csv")[0]
    folder = tmp_path_factory.mktemp("nih")
    labels = [
        "|".join(finding for finding in NIH_FINDINGS if getattr(row, finding) == "1") or "No Finding"
        for row in index.itertuples()
    ]
    columns = {
        "Image Index": index["nih_name"],
        "Finding Labels": labels,
        "Follow-up #": index["follow_up"],
        "Patient ID": index["patient_id"],
        "Patient Age": [f"{int(age):03d}Y" if age else "" for age in index["age"]],
        "Patient Gender": index["sex"],
        "View Position": index["view_position"],
    }
    pd.DataFrame(columns).to_csv(folder / "Data_Entry_2017.csv", index=False)
    for name, splits in (("train_val_list.txt", ("train", "val")), ("test_list.txt", ("test",))):
        (folder / name).write_text("\n".join(index[index["split"].isin(splits)]["nih_name"]) + "\n")
    return index, folder


def test_nih_s_own_table_and_lists_give_our_index_back(nih, data_dir):
    index, folder = nih
    layout = read_nih(folder, images=data_dir / "cxr14" / "images")  # .png in the table, .jpg in the folder
    assert "1523 images of the table were found in another folder, or under another ending" in layout.notes[-1]
    table = layout.table
    assert len(table) == 1523
    assert table["split"].value_counts().to_dict() == {"train": 1138 + 185, "test": 200}
    np.testing.assert_array_equal(table["image"], index["image"].map(lambda name: Path(name).name))
    for column in (*NIH_FINDINGS, "age", "sex", "view_position", "patient_id"):
        np.testing.assert_array_equal(table[column], index[column], err_msg=column)


def test_a_sample_of_nih_becomes_a_manifest_without_leaks(nih, data_dir, tmp_path):
    layout = sample(read_nih(nih[1], images=data_dir / "cxr14" / "images"), 80)
    done = prepare(layout, tmp_path / "m.csv", hold_out_share=0.15)
    assert done.leaks == ()
    assert done.unreadable == ()
    assert set(read_manifest(done.written, NIH_FINDINGS, images=done.images).table["split"]) == {"train", "val", "test"}
