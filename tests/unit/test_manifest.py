"""Manifests: what is read, what is refused and with which words, and splits that do not leak."""

import gzip
import hashlib

import numpy as np
import pytest

from cxrkit.card import LabelCount
from cxrkit.data.leaks import assert_disjoint, groups, hold_out, shared_patients
from cxrkit.data.loss_weights import read_label_counts
from cxrkit.data.manifest import patient_keys, read_manifest
from cxrkit.data.table import parse_pairs, read_table, select_rows
from cxrkit.errors import ManifestError

TABLE = """image,split,patient_id,Mass,Nodule,age
a.png,train,1,1,0,57
b.png,train,2,0,,58
c.png,test,2,0.0,1.0,
d.png,test,,,1,60
"""


@pytest.fixture
def write(tmp_path):
    def write(text=TABLE, folder="", images=("a.png", "b.png", "c.png", "d.png")):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in images:
            (tmp_path / folder / name).write_bytes(b"x")
        path = tmp_path / "secret_name.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_labels_come_in_the_wanted_order_with_blanks_unknown(write):
    path = write()
    manifest = read_manifest(path, ["Nodule", "Mass"])
    np.testing.assert_array_equal(manifest.labels, np.float32([[0, 1], [np.nan, 0], [1, 0], [1, np.nan]]))
    assert manifest.labels.dtype == np.float32
    assert manifest.source == "secret_name.csv"
    assert manifest.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest.counts() == (LabelCount("Nodule", 2, 3), LabelCount("Mass", 1, 3))
    assert list(manifest.table["age"]) == ["57", "58", "", "60"]
    assert [p.name for p in manifest.images] == ["a.png", "b.png", "c.png", "d.png"]


def test_split_and_only_choose_rows(write):
    path = write()
    assert list(read_manifest(path, ["Mass"], split="test").table["image"]) == ["c.png", "d.png"]
    assert list(read_manifest(path, ["Mass"], only={"patient_id": "2"}).table["image"]) == ["b.png", "c.png"]
    both = read_manifest(path, ["Mass"], split="test", only={"patient_id": "2"})
    assert list(both.table["image"]) == ["c.png"]
    assert len(both.table.index) == 1
    assert both.table.index[0] == 0


def test_images_are_sought_in_the_named_folder_then_beside_then_in_images(write, tmp_path):
    path = write(images=("a.png", "b.png"))
    for folder, names in (("images", ("b.png", "c.png", "d.png")), ("other", ("a.png",))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(b"y")
    found = read_manifest(path, ["Mass"], images=tmp_path / "other").images
    assert [p.relative_to(tmp_path.resolve() if i else tmp_path).as_posix() for i, p in enumerate(found)] == [
        "other/a.png",
        "b.png",
        "images/c.png",
        "images/d.png",
    ]


def test_label_map_reads_another_column(write):
    manifest = read_manifest(write(), ["Pneumonia"], label_map={"Mass": "Pneumonia"})
    assert manifest.counts() == (LabelCount("Pneumonia", 1, 3),)


def test_allow_missing_makes_a_finding_unknown_everywhere(write):
    manifest = read_manifest(write(), ["Hernia", "Mass"], allow_missing=True)
    assert np.isnan(manifest.labels[:, 0]).all()
    assert manifest.counts()[0] == LabelCount("Hernia", 0, 0)


def test_patients_fall_back_to_the_image_where_the_key_is_blank(write):
    assert list(read_manifest(write(), ["Mass"]).patients()) == ["1", "2", "2", "d.png"]
    keyed = write("image,patient_id,patient_key,Mass\na.png,1,bacteria-1,1\nb.png,1,virus-1,0\n")
    assert list(read_manifest(keyed, ["Mass"]).patients()) == ["bacteria-1", "virus-1"]
    bare = write("image,Mass\na.png,1\nb.png,0\n")
    assert list(read_manifest(bare, ["Mass"]).patients()) == ["a.png", "b.png"]


def test_patients_fall_back_row_by_row_from_the_key_to_the_id_to_the_image(write):
    mixed = write("image,patient_key,patient_id,Mass\na.png,k,7,1\nb.png,,7,0\nc.png,7,,0\nd.png,,,1\n")
    manifest = read_manifest(mixed, ["Mass"])
    assert list(manifest.patients()) == ["k", "7", "7", "d.png"]
    assert list(patient_keys(manifest.table)) == ["k", "7", "7", ""]
    assert groups(manifest, ["patient"]).tolist() == [0, 1, 1, 2]
    with pytest.raises(ManifestError, match="1 patients"):
        assert_disjoint(manifest.subset([0, 1]), manifest.subset([2, 3]))


def test_subset_by_mask_and_by_index(write):
    manifest = read_manifest(write(), ["Mass"])
    by_mask = manifest.subset(np.array([True, False, False, True]))
    by_index = manifest.subset([3, 0])
    assert list(by_mask.table["image"]) == ["a.png", "d.png"]
    assert list(by_index.table["image"]) == ["d.png", "a.png"]
    assert by_index.images[0].name == "d.png"
    np.testing.assert_array_equal(by_index.labels, np.float32([[np.nan], [1]]))
    assert by_index.sha256 == manifest.sha256
    with pytest.raises(ValueError, match="mask"):
        manifest.subset(np.array([True]))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("image,Mass\na.png,2\n", {}, "label of Mass in row 2 is neither 0, 1 nor blank"),
        ("image,Mass\na.png,1\nb.png,-1\n", {}, "label of Mass in row 3 "),
        ("image,Mass\na.png,yes\n", {}, "label of Mass in row 2 "),
        ("image,split,Mass\na.png,x,0\nb.png,y,5\n", {"split": "y"}, "label of Mass in row 3 "),
        ("image,Mass\n", {}, "no rows"),
        ("", {}, "table is empty"),
        ("\n , \n", {}, "table is empty"),
        ("image,Mass\n\n\na.png,1\n,\nb.png,7\n", {}, "label of Mass in row 6 "),
        ("\nimage,Mass\na.png,7\n", {}, "label of Mass in row 3 "),
        ('image,note,Mass\na.png,"two\nlines",1\nb.png,,7\n', {}, "label of Mass in row 3 "),
        ("image;Mass\na.png;1\n", {}, "seems to be separated by semicolons"),
        ("image;Mass;age\na.png;1;57,5\n", {}, "seems to be separated by semicolons"),
        ("image\tMass\na.png\t1\n", {}, "seems to be separated by tabs"),
        ("image,Mass\na.png,1\n\nb.png,1,0\n", {}, "Row 4 of the table has 3 cells, its header 2"),
        ("name,Mass\na.png,1\n", {}, "no column named image"),
        ("image,Mass\na.png,1\n", {"split": "test"}, "no column named split"),
        ("image,split,Mass\na.png,train,1\n", {"split": "test"}, "No row has 'test'"),
        ("image,Nodule\na.png,1\n", {}, "no column for Mass"),
        ("image,Nodule\na.png,1\n", {"allow_missing": True}, "no column for Mass"),
        ("image,Mass,Mass\na.png,1,0\n", {}, "names the column 'Mass' twice"),
        ("image,Mass\na.png,1\n", {"label_map": {"label": "Mass"}}, "the column 'label', which the table lacks"),
        ("image,Mass\na.png,1\n", {"label_map": {"Mass": "Hernia"}}, "'Hernia', which is not among the findings"),
        ("image,Mass,label\na.png,1,1\n", {"label_map": {"label": "Mass"}}, "Two columns hold labels of Mass"),
        ("image,Mass\na.png,1\nq.png,1\nr.png,0\n", {}, "2 of 3 images were not found"),
        ("image,Mass\n,1\n", {}, "1 rows name no image"),
    ],
)
def test_refusals_name_the_fault_and_never_the_file(write, text, options, message):
    path = write(text)
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, ["Mass"], **options)
    assert message in caught.value.message
    assert caught.value.remedy
    assert "secret_name" not in str(caught.value)
    assert str(path.parent) not in str(caught.value)


def test_rows_keep_the_numbers_of_the_spreadsheet(write):
    path = write("image,split,Mass\na.png,train,1\n\n , ,\nb.png,test,\nc.png,test,0\n")
    manifest = read_manifest(path, ["Mass"])
    assert list(manifest.rows) == [2, 5, 6]
    assert list(manifest.subset([2, 0]).rows) == [6, 2]
    assert list(read_manifest(path, ["Mass"], split="test").rows) == [5, 6]
    assert manifest.counts() == (LabelCount("Mass", 1, 2),)


def test_cells_are_trimmed_once_for_everyone(write):
    path = write("image, split ,patient_id,Mass\na.png,train ,7 ,1\n b.png, test,7, 0 \n")
    manifest = read_manifest(path, ["Mass"])
    assert list(manifest.table["split"]) == ["train", "test"]
    assert list(manifest.patients()) == ["7", "7"]
    assert list(read_manifest(path, ["Mass"], split="test").table["image"]) == ["b.png"]


@pytest.mark.parametrize("column", ["patient_id", "patient_key", "image", "note"])
def test_a_wanted_value_that_no_row_has_names_no_other_value_and_not_itself(write, column):
    path = write(f"{column},split,Mass\nDOE^JANE,train,1\nROE^JOHN,test,0\n")
    with pytest.raises(ManifestError) as caught:
        select_rows(read_table(path)[0], None, {column: "POE^JIM"})
    assert f"the column {column}" in caught.value.message
    assert not any(name in str(caught.value) for name in ("DOE", "ROE", "POE"))


def test_a_mistyped_split_is_answered_with_the_splits_unless_they_are_none(write):
    table = read_table(write())[0]
    with pytest.raises(ManifestError, match="Its values are: test, train") as caught:
        select_rows(table, "tset")
    assert "'tset'" in caught.value.message
    many = "image,split,Mass\n" + "".join(f"a.png,DOE {i},1\n" for i in range(9))
    with pytest.raises(ManifestError) as caught:
        select_rows(read_table(write(many))[0], "test")
    assert "DOE" not in str(caught.value)


def test_the_remedy_for_an_absent_finding_names_no_option_that_a_door_may_lack(write):
    with pytest.raises(ManifestError) as caught:
        read_label_counts(write(), ["Hernia"])
    assert "allow" not in caught.value.remedy
    assert "--label-map" in caught.value.remedy


def test_bytes_that_are_no_table_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    for raw in (b"image,Mass\n\xff\xfe\x00,1\n", b"\x1f\x8b broken", b'image\n"open'):
        path.write_bytes(raw)
        with pytest.raises(ManifestError, match="cannot be read"):
            read_table(path)
    with pytest.raises(ManifestError, match="cannot be opened"):
        read_table(tmp_path / "absent.csv")


def test_gzip_and_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("\ufeffimage,Mass\na.png,1\n".encode()))
    table, sha256 = read_table(path)
    assert list(table.columns) == ["image", "Mass"]
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_label_counts_need_no_images(write):
    counts, sha256 = read_label_counts(write(images=()), ["Nodule"], split="test")
    assert counts == (LabelCount("Nodule", 2, 2),)
    assert len(sha256) == 64


def test_pairs():
    assert parse_pairs(["label=Pneumonia", "a=b=c"]) == {"label": "Pneumonia", "a": "b=c"}
    for text in ("label", "=x", "x="):
        with pytest.raises(ManifestError):
            parse_pairs([text])


def grouped(write, rows):
    body = "".join(f"a.png,{patient},{dup},{label}\n" for patient, dup, label in rows)
    return read_manifest(write("image,patient_id,dup_group,Mass\n" + body), ["Mass"])


def test_groups_join_through_any_column_and_blanks_do_not(write):
    manifest = grouped(write, [("1", "", 0), ("2", "x", 0), ("3", "x", 1), ("3", "", 0), ("4", "", 1)])
    assert list(groups(manifest, ["patient_id", "dup_group"])) == [0, 1, 1, 1, 2]
    assert list(groups(manifest, ["dup_group"])) == [0, 1, 1, 2, 3]
    with pytest.raises(ManifestError, match="no column named hospital"):
        groups(manifest, ["hospital"])


@pytest.mark.parametrize("seed", range(4))
def test_hold_out_keeps_groups_whole_and_strata_even(write, seed):
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, 120, 400)
    rows = [(p, f"d{rng.integers(0, 400)}" if rng.random() < 0.1 else "", int(p < 30)) for p in patients]
    manifest = grouped(write, rows)
    train, held = hold_out(manifest, 0.2, ["patient_id", "dup_group"], seed)
    assert sorted([*train, *held]) == list(range(400))
    group = groups(manifest, ["patient_id", "dup_group"])
    assert not set(group[train]) & set(group[held])
    assert 0.14 < len(held) / 400 < 0.26
    assert abs(manifest.labels[held].mean() - manifest.labels.mean()) < 0.1
    assert_disjoint(manifest.subset(train), manifest.subset(held))
    again = hold_out(manifest, 0.2, ["patient_id", "dup_group"], seed)
    np.testing.assert_array_equal(again[1], held)
    assert not np.array_equal(hold_out(manifest, 0.2, ["patient_id", "dup_group"], seed + 100)[1], held)


def test_hold_out_does_not_change_when_unlabelled_findings_are_added(write):
    manifest = grouped(write, [(i, "", i % 2) for i in range(50)])
    path = manifest.images[0].parent / "secret_name.csv"
    wider = read_manifest(path, ["Hernia", "Mass"], allow_missing=True)
    np.testing.assert_array_equal(hold_out(manifest, 0.2, ["patient"], 1)[1], hold_out(wider, 0.2, ["patient"], 1)[1])


def test_hold_out_refuses_what_cannot_be_cut(write):
    manifest = grouped(write, [("1", "", 1), ("1", "", 0)])
    with pytest.raises(ManifestError, match="too few separate patients"):
        hold_out(manifest, 0.5, ["patient_id"], 0)
    for share in (1.0, 0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(ManifestError, match="not between 0 and 1"):
            hold_out(manifest, share, ["patient_id"], 0)


def test_shared_patients_are_found_and_counted_but_not_named(write):
    manifest = grouped(write, [("p17", "", 0), ("p18", "", 1), ("p17", "", 1)])
    left, right = manifest.subset([0, 1]), manifest.subset([2])
    assert shared_patients(left, right) == ("p17",)
    with pytest.raises(ManifestError, match="1 patients") as caught:
        assert_disjoint(left, right)
    assert "p17" not in str(caught.value)
