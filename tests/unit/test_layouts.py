"""Readers of the layouts that people have: what they take, what they say, what they refuse."""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from cxrkit.data.layouts.files import ImageFiles, image_files, locate, stem
from cxrkit.data.layouts.kaggle import patient_key, read_kaggle
from cxrkit.data.layouts.layout import NIH_FINDINGS, make_layout, rows_text, split_name
from cxrkit.data.layouts.medmnist import DATASETS, read_medmnist
from cxrkit.data.layouts.nih import age_in_years, read_nih
from cxrkit.data.layouts.tables import read_tables
from cxrkit.errors import ManifestError


def touch(*paths):
    """Empty files: the readers do not open images."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


# --- files


def test_images_are_found_by_path_then_name_then_stem(tmp_path):
    touch(*(tmp_path / name for name in (
        "a/1.png", "b/1.png", "b/2.dcm", "c/3", "1.2.840.5", "b/1.2.840.6", "notes.txt",
        "__MACOSX/a/4.png", ".DS_Store", "a/._1.png", "a/Thumbs.db",
    )))  # fmt: skip
    assert sorted(image_files(tmp_path)) == ["1.2.840.5", "a/1.png", "b/1.2.840.6", "b/1.png", "b/2.dcm", "c/3"]
    files = ImageFiles(tmp_path)
    assert files.find("b/1.png") == "b/1.png"
    assert files.find("b\\1.png") == "b/1.png"
    assert files.find("a/2.png") == "b/2.dcm"
    assert files.find("3.jpg") == "c/3"
    assert files.find("1.2.840.6") == "b/1.2.840.6"
    assert files.find("1.2.840") is None  # a number of a UID is no suffix
    assert files.find("../outside.png") is None
    assert files.doubles == 0
    assert files.find("1.png") == "a/1.png"
    assert files.doubles == 1
    assert files.find("/content/drive/b/1.dcm") == "b/1.png"  # the table counts its folders from higher up
    assert files.doubles == 1
    assert files.find("b/1.jpeg") == "b/1.png"  # of the same stem, the one in the named folder
    assert stem("X/A.B.DCM") == "a.b"


def test_links_to_folders_are_followed_once(tmp_path):
    touch(tmp_path / "elsewhere" / "1.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "elsewhere")
    assert list(image_files(tmp_path / "data")) == ["images/1.png"]


def test_two_names_of_a_table_that_lead_to_one_file_are_refused(tmp_path):
    touch(*(tmp_path / name for name in ("img0.png", "img1.png", "x/view1.png", "y/view1.png")))

    def found(*names):
        return locate(ImageFiles(tmp_path), names, range(2, 2 + len(names)), where="the table", skip_missing=False)[0]

    for names in (("a/img0.png", "b/img0.png"), ("img0.png", "img0.dcm"), ("img0.png", "/elsewhere/img0.png")):
        with pytest.raises(ManifestError, match=r"Different image names of the table .* same file: rows 3, 4\.") as no:
            found("img1.png", *names)
        assert "img0" not in f"{no.value.message} {no.value.remedy}"
    assert found("img0.png", "./img0.png", str(tmp_path / "img0.png")) == ["img0.png"] * 3  # one name, three times
    assert found("top/y/view1.png", "top/x/view1.png") == ["y/view1.png", "x/view1.png"]
    touch(tmp_path / "deep" / "p2" / "s1" / "view1.png", tmp_path / "deep" / "p3" / "s1" / "view1.png")
    assert found("any/p3/s1/view1.png", "p2/s1/view1.jpg") == ["deep/p3/s1/view1.png", "deep/p2/s1/view1.png"]
    with pytest.raises(ManifestError, match="rows 2, 3"):
        found("p/view1.png", "q/view1.png")


def test_images_found_elsewhere_or_under_another_ending_are_counted(tmp_path):
    touch(*(tmp_path / "images_001" / name for name in ("1.png", "2.dcm", "3", "4.PNG", "5.png", "6.png")))

    def told(*names):
        return locate(ImageFiles(tmp_path), names, range(2, 2 + len(names)), where="the table", skip_missing=False)[2]

    assert told("1.png", "2", "4.png", "images_001/5.png", str(tmp_path / "images_001" / "6.png")) == []
    note = "{} images of the table were found in another folder, or under another ending, than the table says."
    assert told("2.png", "3.png", "1.png") == [note.format(2)]
    assert told("/data/other_hospital/1.png", "images_002/5.png", "images_001/2.png") == [note.format(3)]


def test_a_folder_that_cannot_be_opened_is_refused_not_passed_over(tmp_path, monkeypatch):
    touch(tmp_path / "train" / "NORMAL" / "1.png", tmp_path / "train" / "NORMAL" / "secret" / "2.png")
    scandir = os.scandir

    def guarded(place="."):
        if Path(place).name == "secret":  # root may open any folder, whatever its mode
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", guarded)
    for read in (ImageFiles, read_kaggle):
        with pytest.raises(ManifestError, match="folder of the images cannot be opened") as refused:
            read(tmp_path)
        assert "secret" not in f"{refused.value.message} {refused.value.remedy}"
        assert refused.value.__suppress_context__
    monkeypatch.undo()
    assert len(read_kaggle(tmp_path).table) == 2


def test_missing_images_are_counted_by_row_and_refused_or_left_out(tmp_path):
    touch(*(tmp_path / f"secret{n}.png" for n in range(3)))
    files = ImageFiles(tmp_path)
    names = [f"secret{n}.png" for n in range(30)]
    with pytest.raises(ManifestError) as refused:
        locate(files, names, range(2, 32), where="the table", skip_missing=False)
    assert refused.value.message.startswith("27 of the 30 images of the table are not at hand: rows 5, 6, 7,")
    assert refused.value.message.endswith("and 7 more.")
    assert "secret" not in str(refused.value)
    paths, found, notes = locate(files, names, range(2, 32), where="the table", skip_missing=True)
    assert paths == names[:3]
    assert found.tolist() == [True] * 3 + [False] * 27
    assert "27 of the 30 images" in notes[0]
    with pytest.raises(ManifestError, match="2 of the 2 images"):
        locate(files, ["x.png", ""], [2, 3], where="the table", skip_missing=True)
    with pytest.raises(ManifestError, match="does not exist"):
        ImageFiles(tmp_path / "nowhere")


def test_small_words(tmp_path):
    assert rows_text([7]) == "row 7"
    assert rows_text([2, 5]) == "rows 2, 5"
    assert split_name(" Validation ") == "val"
    assert split_name("holdout") is None
    with pytest.raises(ManifestError, match="row 3 begin or end with a space"):
        make_layout(pd.DataFrame({"image": ["a.png", " b.png"], "Mass": ["0", "1"]}), ["Mass"], tmp_path)
    touch(tmp_path / "a\udcff.png")
    with pytest.raises(ManifestError, match="not valid text"):
        ImageFiles(tmp_path)


# --- Kaggle


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("person1_bacteria_2.jpeg", "bacteria_person1"),
        ("person1_virus_6.jpeg", "virus_person1"),
        ("person447_virus_921_1.jpeg", "virus_person447"),
        ("Person7_Virus_1.DCM", "virus_person7"),
        ("IM-0115-0001.jpeg", "IM-0115"),
        ("IM-0011-0001-0002.jpeg", "IM-0011"),
        ("NORMAL2-IM-0115-0001.jpeg", "NORMAL2-IM-0115"),
        ("IM-0115.png", "IM-0115"),
        ("BACTERIA-1135262-0003.jpeg", "bacteria_1135262"),
        ("NORMAL-1003233-0001.jpeg", "normal_1003233"),
        ("aug_person1_virus_6.jpeg", ""),
        ("picture.png", ""),
    ],
)
def test_whose_a_file_name_is(name, key):
    assert patient_key(name) == key


def test_a_kaggle_tree_with_all_its_litter(tmp_path):
    tree = tmp_path / "archive" / "chest_xray"
    touch(
        tree / "Train" / "normal" / "IM-0115-0001.jpeg",
        tree / "Train" / "Pneumonia" / "person1_bacteria_1.jpeg",
        tree / "Train" / "Pneumonia" / "person1_virus_1.dcm",
        tree / "Train" / "Pneumonia" / "deeper" / "scan",
        tree / "Train" / "Pneumonia" / ".DS_Store",
        *(tree / "Train" / "Pneumonia" / name for name in ("README", "Readme.1", "LICENSE", "a.txt", "a.md", "a.csv")),
        tree / "validation" / "NORMAL" / "NORMAL2-IM-0002-0001.jpeg",
        tree / "TEST" / "PNEUMONIA" / "person2_virus_1.jpeg",
        tree / "chest_xray" / "train" / "NORMAL" / "IM-0115-0001.jpeg",  # the copy that the archive holds
        tree / "__MACOSX" / "train" / "NORMAL" / "._IM-0115-0001.jpeg",
        tmp_path / "archive" / "__MACOSX" / "x",
    )
    layout = read_kaggle(tmp_path)
    assert layout.findings == ("Pneumonia",)
    assert layout.root == tree
    assert layout.table.to_csv().splitlines() == [
        "row,image,split,patient_key,Pneumonia",
        "2,Train/Pneumonia/deeper/scan,train,,1",
        "3,Train/Pneumonia/person1_bacteria_1.jpeg,train,bacteria_person1,1",
        "4,Train/Pneumonia/person1_virus_1.dcm,train,virus_person1,1",
        "5,Train/normal/IM-0115-0001.jpeg,train,IM-0115,0",
        "6,validation/NORMAL/NORMAL2-IM-0002-0001.jpeg,val,NORMAL2-IM-0002,0",
        "7,TEST/PNEUMONIA/person2_virus_1.jpeg,test,virus_person2,1",
    ]
    assert "names of 1 images do not tell their patient" in layout.notes[0]
    manifest = layout.manifest()
    assert [path.is_file() for path in manifest.images] == [True] * 6
    assert manifest.counts()[0].positives == 4
    assert manifest.rows.tolist() == [2, 3, 4, 5, 6, 7]


def test_what_is_no_kaggle_tree_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="does not exist"):
        read_kaggle(tmp_path / "nowhere")
    touch(tmp_path / "train" / "cats" / "1.png")
    with pytest.raises(ManifestError, match="no train, val or test folder"):
        read_kaggle(tmp_path)
    (tmp_path / "train" / "NORMAL").mkdir()
    with pytest.raises(ManifestError, match="class folder other than NORMAL and PNEUMONIA"):
        read_kaggle(tmp_path)
    (tmp_path / "two" / "a" / "train" / "NORMAL").mkdir(parents=True)
    (tmp_path / "two" / "b" / "train" / "NORMAL").mkdir(parents=True)
    with pytest.raises(ManifestError, match="more than one such tree"):
        read_kaggle(tmp_path / "two")
    with pytest.raises(ManifestError, match="No images are left"):
        read_kaggle(tmp_path / "two" / "a")


def test_images_beside_the_class_folders_are_counted(tmp_path):
    touch(tmp_path / "train" / "NORMAL" / "IM-0001-0001.jpeg", *(tmp_path / "train" / f"{n}.png" for n in range(3)))
    layout = read_kaggle(tmp_path)
    assert len(layout.table) == 1
    assert layout.notes == ("3 images lie beside the class folders, not in them, and are left out.",)


def test_a_link_back_up_the_tree_puts_no_image_into_another_class(tmp_path):
    tree = tmp_path / "chest_xray"
    touch(
        tree / "train" / "NORMAL" / "IM-0001-0001.jpeg",
        tree / "train" / "NORMAL" / "more" / "IM-0002-0001.jpeg",
        tree / "train" / "PNEUMONIA" / "person1_virus_1.jpeg",
        tree / "train" / "PNEUMONIA" / "person2_virus_1.jpeg",
        tmp_path / "store" / "IM-0003-0001.jpeg",
        tmp_path / "store" / "file.jpeg",
    )
    (tree / "train" / "NORMAL" / "up").symlink_to("..")
    (tree / "train" / "NORMAL" / "elsewhere").symlink_to(tmp_path / "store")
    (tree / "train" / "NORMAL" / "IM-0004-0001.jpeg").symlink_to(tree / "train" / "PNEUMONIA" / "person1_virus_1.jpeg")
    (tree / "train" / "PNEUMONIA" / "person3_virus_1.jpeg").symlink_to(tmp_path / "store" / "file.jpeg")
    (tmp_path / "mine").symlink_to(tree)
    for place in (tree, tmp_path / "mine"):
        layout = read_kaggle(place)
        assert layout.table[["image", "Pneumonia"]].to_numpy().tolist() == [
            ["train/NORMAL/IM-0001-0001.jpeg", "0"],
            ["train/NORMAL/IM-0004-0001.jpeg", "0"],
            ["train/NORMAL/elsewhere/IM-0003-0001.jpeg", "0"],
            ["train/NORMAL/elsewhere/file.jpeg", "0"],
            ["train/NORMAL/more/IM-0002-0001.jpeg", "0"],
            ["train/PNEUMONIA/person1_virus_1.jpeg", "1"],
            ["train/PNEUMONIA/person2_virus_1.jpeg", "1"],
            ["train/PNEUMONIA/person3_virus_1.jpeg", "1"],
        ]
        # the three files of PNEUMONIA, seen from NORMAL
        assert layout.notes[0] == "3 images that a class folder reaches by a link into another folder are not its own."


@pytest.mark.parametrize("name", ["Healthy/1.png", "loose.png", "Pneumonias/deeper/1.png"])
def test_a_split_without_the_two_classes_is_refused_not_left_out(tmp_path, name):
    touch(tmp_path / "train" / "NORMAL" / "IM-0001-0001.jpeg", tmp_path / "train" / "PNEUMONIA" / "1.jpeg")
    (tmp_path / "test").mkdir()
    assert set(read_kaggle(tmp_path).table["split"]) == {"train"}  # an empty folder hides nothing
    touch(tmp_path / "test" / name)
    with pytest.raises(ManifestError, match="The test folder has images or folders in it, but neither"):
        read_kaggle(tmp_path)


# --- tables


def test_tables_of_one_split_each_under_their_own_names(tmp_path):
    touch(*(tmp_path / "pictures" / f"{n}.png" for n in range(4)))
    (tmp_path / "a.csv").write_text("Image,Mass,PatientId,EHR\n0.png,1,7,private\n1.png,0,8,private\n")
    (tmp_path / "b.csv").write_text("Image,Mass,Effusion,PatientId\n2.png,0,1,9\n3.png,,0,9\n")
    layout = read_tables(
        [("train", tmp_path / "a.csv"), ("val", tmp_path / "b.csv")],
        tmp_path / "pictures",
        columns={"image": "Image", "patient_id": "PatientId"},
    )
    assert layout.table.to_csv(index=False).splitlines() == [
        "image,split,patient_id,Mass,Effusion",
        "0.png,train,7,1,",
        "1.png,train,8,0,",
        "2.png,val,9,0,1",
        "3.png,val,9,,0",
    ]


def test_one_table_with_a_split_and_a_label_under_another_name(tmp_path):
    touch(tmp_path / "0.png", tmp_path / "sub" / "1.dcm")
    table = tmp_path / "t.csv"
    table.write_text("image,split,label,sex\n0.png,Training,1,F\n1.png,valid,0,\n")
    layout = read_tables([(None, table)], label_map={"label": "Pneumonia"})
    assert layout.findings == ("Pneumonia",)
    assert layout.table["split"].tolist() == ["train", "val"]
    assert layout.table["image"].tolist() == ["0.png", "sub/1.dcm"]
    assert layout.table["sex"].tolist() == ["F", ""]
    assert not layout.patients_known


def test_rows_keep_their_numbers_in_the_table(tmp_path):
    touch(*(tmp_path / f"{n}.png" for n in (0, 2, 3)))
    table = tmp_path / "t.csv"
    table.write_text("image,Mass\n0.png,0\n\n1.png,0\n2.png,1\n\n\n3.png,1\n")
    layout = read_tables([("train", table)], skip_missing=True)
    assert layout.table.index.tolist() == [2, 5, 8]
    assert layout.manifest().rows.tolist() == [2, 5, 8]
    assert layout.notes == ("1 of the 4 images of the table are not at hand and are left out: row 4.",)
    assert layout.subset(np.array([False, True, True])).table["image"].to_dict() == {5: "2.png", 8: "3.png"}


def test_row_numbers_run_on_over_several_tables_and_it_is_said_whose_they_are(tmp_path):
    touch(*(tmp_path / f"{n}.png" for n in range(9)))
    a, b, c = (tmp_path / f"{name}.csv" for name in "abc")
    a.write_text("image,Mass\n0.png,0\n\n1.png,0\n")
    b.write_text("image,Mass\n7.png,1\n99.png,0\n8.png,0\n")
    c.write_text("image,Mass\n2.png,1\n")
    given = [("train", a), ("val", b), ("test", c)]
    layout = read_tables(given, skip_missing=True)
    assert layout.table["image"].to_dict() == {2: "0.png", 4: "1.png", 5: "7.png", 7: "8.png", 8: "2.png"}
    assert layout.table.index.name == "row"
    assert layout.notes == (
        "Row numbers run on from table to table (rows 2-4: the train table; rows 5-7: the val table; "
        "row 8: the test table); where a sentence names a table, the rows in it are its own.",
        "1 of the 3 images of the val table are not at hand and are left out: row 3.",
    )
    b.write_text("image,Mass\n7.png,1\n8.png,maybe\n")
    with pytest.raises(ManifestError, match=r"In the val table: .*row 3"):
        read_tables(given)


def test_columns_are_found_under_other_capitals_and_spaces_where_only_one_is_meant(tmp_path):
    touch(tmp_path / "0.png")
    table = tmp_path / "t.csv"

    def read(header, cells, **options):
        table.write_text(f"{header}\n{cells}\n")
        layout = read_tables([("train", table)], **options)
        return layout.table.iloc[0].to_dict(), list(layout.notes)

    row, notes = read(
        "Image,Patient ID,Age,Sex,View Position,Pleural Thickening,effusion,MASS", "0.png,p7,61,F,PA,1,0,1"
    )
    facts = {"image": "0.png", "split": "train", "patient_id": "p7", "view_position": "PA", "age": "61", "sex": "F"}
    assert row == facts | {"Effusion": "0", "Mass": "1", "Pleural_Thickening": "1"}
    assert notes == []
    said = "{} of the table {} not taken: name what is wanted with --column or --label-map."
    row, notes = read("image,Age,AGE,Mass,mass,weight", "0.png,1,2,1,0,80")  # two ages, and one Mass as it should be
    assert row == {"image": "0.png", "split": "train", "Mass": "1"}
    assert notes == [said.format("4 columns", "are")]
    row, notes = read("image,Age,mass,label", "0.png,1,0,1", columns={"years": "Age"}, label_map={"label": "Mass"})
    assert row == {"image": "0.png", "split": "train", "years": "1", "Mass": "1"}
    assert notes == [said.format("1 column", "is")]


def test_tables_are_refused_with_what_to_do(tmp_path):
    touch(tmp_path / "0.png")
    table = tmp_path / "t.csv"

    def refuse(text, match, split="train", **options):
        table.write_text(text)
        with pytest.raises(ManifestError, match=match):
            read_tables([(split, table)], **options)

    refuse("File,Mass\n0.png,1\n", "no column named image")
    refuse("Image,IMAGE,Mass\n0.png,0.png,1\n", "no column named image")
    refuse("image|Mass\n0.png|1\n", "separated by bars")
    refuse("image,label\n0.png,1\n", "no column that is named like a known finding")
    refuse("image,Mass\n0.png,2\n", "Mass in row 2 is neither")
    refuse("image,Mass\n0.png,1\n", "no column named split", split=None)
    refuse("image,split,Mass\n0.png,train,1\n0.png,holdout,0\n", "neither train, val nor test in row 3", split=None)
    refuse("image,Mass\n0.png,1\n9.png,1\n", "1 of the 2 images of the table are not at hand: row 3")
    refuse("image,Mass,m\n0.png,1,1\n", "Two columns hold labels of Mass", label_map={"m": "Mass"})
    refuse("image,Mass\n0.png,1\n", "named both", columns={"Mass": "Mass"})
    refuse("image,Mass\n0.png,1\n", "no column named Sex", columns={"sex": "Sex"})


# --- NIH

HEADER_2017 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
HEADER_2020 = HEADER_2017.replace("Gender", "Sex").removesuffix(",")


def nih(folder, header=HEADER_2017, more=","):
    """Five entries of three patients; the third image is a DICOM file."""
    entries = [
        ("00000001_000.png", "Cardiomegaly|Emphysema", 1, "058Y", "M", "PA"),
        ("00000001_001.png", "No Finding", 1, "059Y", "M", "PA"),
        ("00000002_000.png", "Pleural_Thickening", 2, "414Y", "F", "AP"),
        ("00000003_000.png", "Hernia", 3, "011M", "F", "AP"),
        ("00000003_001.png", "No Finding", 3, "1", "F", "AP"),
    ]
    lines = [f"{n},{f},0,{p},{a},{s},{v},2682,2749,0.143,0.143{more}" for n, f, p, a, s, v in entries]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Data_Entry_2017_v2020.csv").write_text("\n".join([header, *lines]) + "\n")
    (folder / "train_val_list.txt").write_text("00000001_000.png\n00000001_001.png\n00000002_000.png\n")
    (folder / "test_list.txt").write_text("00000003_000.png\r\n00000003_001.png\r\n00000009_000.png")
    touch(
        folder / "images_001" / "images" / "00000001_000.png",
        folder / "images_001" / "images" / "00000001_001.png",
        folder / "images_001" / "images" / "00000002_000.dcm",
        folder / "images_002" / "images" / "00000003_000.png",
        folder / "images_002" / "images" / "00000003_001",
    )
    return folder


@pytest.mark.parametrize(("header", "more"), [(HEADER_2017, ","), (HEADER_2020, "")])
def test_nih_as_it_is_downloaded(tmp_path, header, more):
    layout = read_nih(nih(tmp_path, header, more))
    assert layout.findings == NIH_FINDINGS
    table = layout.table
    assert table["split"].tolist() == ["train", "train", "train", "test", "test"]
    assert table["image"].tolist()[2:] == [
        "images_001/images/00000002_000.dcm",
        "images_002/images/00000003_000.png",
        "images_002/images/00000003_001",
    ]
    assert table["patient_id"].tolist() == ["1", "1", "2", "3", "3"]
    assert table["age"].tolist() == ["58", "59", "", "0", "1"]
    assert table["sex"].tolist() == ["M", "M", "F", "F", "F"]
    assert table["view_position"].tolist() == ["PA", "PA", "AP", "AP", "AP"]
    present = {(row, f) for row in range(5) for f in NIH_FINDINGS if table[f].iloc[row] == "1"}
    assert present == {(0, "Cardiomegaly"), (0, "Emphysema"), (2, "Pleural_Thickening"), (3, "Hernia")}
    assert set(table[list(NIH_FINDINGS)].to_numpy().ravel()) == {"0", "1"}
    assert layout.notes == (
        "1 ages are impossible (over 120 years) or malformed and were left blank.",
        "2 images of the table were found in another folder, or under another ending, than the table says.",
    )


def test_ages():
    texts = ["058Y", "58", "58y", "024M", "003D", "120", "121", "414Y", "", "Y", "-1", "5.5", "99999", "058X"]
    assert [age_in_years(t) for t in texts] == ["58", "58", "58", "2", "0", "120", *[""] * 8]


def test_nih_without_all_images(tmp_path):
    folder = nih(tmp_path)
    (folder / "images_001" / "images" / "00000001_001.png").unlink()
    with pytest.raises(ManifestError, match="1 of the 5 images of the table are not at hand: row 3"):
        read_nih(folder)
    layout = read_nih(folder, skip_missing=True)
    assert len(layout.table) == 4
    assert "are left out: row 3." in layout.notes[2]
    assert layout.table.index.tolist() == [2, 4, 5, 6]


def test_nih_refusals(tmp_path):
    folder = nih(tmp_path / "a")
    entries = folder / "Data_Entry_2017_v2020.csv"
    (folder / "Data_Entry_2017.csv").write_bytes(entries.read_bytes())
    with pytest.raises(ManifestError, match="2 tables named"):
        read_nih(folder)
    assert len(read_nih(folder, table=entries).table) == 5
    (folder / "Data_Entry_2017.csv").unlink()
    good = entries.read_text()
    entries.write_text(good.replace("No Finding", "No Finding|Mass", 1))
    with pytest.raises(ManifestError, match="not those of ChestX-ray14 in row 3"):
        read_nih(folder)
    entries.write_text(good.replace("Hernia", "Ghost"))
    with pytest.raises(ManifestError, match="in row 5"):
        read_nih(folder)
    entries.write_text(good.replace("Patient Age", "Years"))
    with pytest.raises(ManifestError, match="no column named Patient Age"):
        read_nih(folder)
    entries.write_text(good)
    (folder / "train_val_list.txt").write_text("00000001_000.png\n00000001_001.png\n")
    with pytest.raises(ManifestError, match="neither official list: row 4"):
        read_nih(folder)
    (folder / "train_val_list.txt").write_text("00000003_000.png\n")
    with pytest.raises(ManifestError, match="1 images stand on both"):
        read_nih(folder)
    (folder / "test_list.txt").unlink()
    with pytest.raises(ManifestError, match=r"test_list\.txt is missing"):
        read_nih(folder)
    entries.unlink()
    with pytest.raises(ManifestError, match="no table named"):
        read_nih(folder)


# --- MedMNIST


def medmnist(path, size=64, k=1, counts=(4, 3, 2), change=None):
    random = np.random.default_rng(size)
    arrays = {}
    for split, n in zip(("train", "val", "test"), counts, strict=True):
        arrays[f"{split}_images"] = random.integers(0, 256, (n, size, size), dtype=np.uint8)
        arrays[f"{split}_labels"] = random.integers(0, 2, (n, k), dtype=np.uint8)
    (change or (lambda arrays: None))(arrays)
    np.savez_compressed(path, **arrays)
    return arrays


@pytest.mark.parametrize("size", [28, 64, 128, 224])
def test_medmnist_pictures_and_labels_come_out_as_they_were(tmp_path, size):
    arrays = medmnist(tmp_path / f"pneumoniamnist_{size}.npz", size)
    seen = []
    layout = read_medmnist(
        tmp_path / f"pneumoniamnist_{size}.npz", tmp_path / "out", progress=lambda *step: seen.append(step)
    )
    assert seen[-1] == (9, 9)
    table = layout.table
    assert table["split"].tolist() == ["train"] * 4 + ["val"] * 3 + ["test"] * 2
    digest = hashlib.sha256((tmp_path / f"pneumoniamnist_{size}.npz").read_bytes()).hexdigest()
    assert table["image"].iloc[4] == f"pneumoniamnist_{size}_{digest[:8]}/val/00000.png"
    for split in ("train", "val", "test"):
        rows = table[table["split"] == split]
        assert rows["Pneumonia"].astype(int).tolist() == arrays[f"{split}_labels"][:, 0].tolist()
        for name, picture in zip(rows["image"], arrays[f"{split}_images"], strict=True):
            got = cv2.imread(str(layout.root / name), cv2.IMREAD_UNCHANGED)
            if size == 28:
                assert got.shape == (56, 56)
                for corner in (got[::2, ::2], got[1::2, ::2], got[::2, 1::2], got[1::2, 1::2]):
                    np.testing.assert_array_equal(corner, picture)
            else:
                np.testing.assert_array_equal(got, picture)
    assert not layout.patients_known
    assert len(layout.notes) == (1 if size == 28 else 0)


def test_chestmnist_keeps_its_own_order_of_labels(tmp_path):
    assert " ".join(name.lower().removesuffix("_thickening") for name in DATASETS["chestmnist"]) == (
        "atelectasis cardiomegaly effusion infiltration mass nodule pneumonia pneumothorax "
        "consolidation edema emphysema fibrosis pleural hernia"
    )
    path = tmp_path / "renamed.npz"

    def one_each(arrays):
        arrays["train_labels"] = np.eye(14, dtype=np.uint8)
        arrays["train_images"] = arrays["train_images"][:14]

    medmnist(path, 28, 14, (14, 1, 1), one_each)
    with pytest.raises(ManifestError, match="does not tell which MedMNIST"):
        read_medmnist(path, tmp_path)
    train = read_medmnist(path, tmp_path, dataset="chestmnist").table.iloc[:14]
    for number, finding in enumerate(DATASETS["chestmnist"]):
        assert train[finding].tolist() == ["1" if row == number else "0" for row in range(14)]


def drop(name):
    return lambda arrays: arrays.pop(name)


def put(name, value):
    return lambda arrays: arrays.update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        drop("val_labels"),
        put("val_labels", np.zeros((3, 2), np.uint8)),
        put("val_labels", np.zeros((2, 1), np.uint8)),
        put("val_labels", np.full((3, 1), 2, np.uint8)),
        put("val_labels", np.array([["a"], ["b"], ["c"]], dtype=object)),
        put("val_labels", np.zeros((3, 1))),
        put("val_images", np.zeros((3, 64, 64, 3), np.uint8)),
        put("val_images", np.zeros((3, 28, 28), np.uint8)),
        put("val_images", np.zeros((3, 64, 64), np.uint16)),
        put("val_images", np.array([None, None, None])),
        put("train_images", np.zeros((4, 64, 64), np.uint8, order="F")),
    ],
)
def test_a_malformed_npz_is_refused_before_a_picture_is_written(tmp_path, change):
    medmnist(tmp_path / "pneumoniamnist_64.npz", change=change)
    with pytest.raises(ManifestError, match="not a MedMNIST file, or is damaged"):
        read_medmnist(tmp_path / "pneumoniamnist_64.npz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_later_run_touches_the_pictures_of_an_earlier_one(tmp_path):
    path, out = tmp_path / "pneumoniamnist_64.npz", tmp_path / "out"
    medmnist(path)
    read_medmnist(path, out)
    before = contents(out)
    assert len(before) == 9
    read_medmnist(path, out)  # the same file again
    assert contents(out) == before
    good = path.read_bytes()
    for place in (len(good) // 3, len(good) - 2000):  # the first, and one of the last pictures
        damaged = bytearray(good)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(ManifestError, match="is damaged"):
            read_medmnist(path, out)
        assert contents(out) == before
    assert len(list(out.iterdir())) == 1  # nothing half-made is left behind
    medmnist(path, change=put("train_images", np.zeros((4, 64, 64), np.uint8)))
    read_medmnist(path, out)
    after = contents(out)
    assert len(after) == 18
    assert {name: after[name] for name in before} == before


def test_pictures_that_cannot_take_their_place_leave_the_old_ones(tmp_path, monkeypatch):
    path, out = tmp_path / "pneumoniamnist_64.npz", tmp_path / "out"
    medmnist(path)
    read_medmnist(path, out)
    before, rename = contents(out), Path.rename

    def guarded(self, target):
        if self.name.endswith(".making"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", guarded)
    with pytest.raises(ManifestError, match="cannot be written"):
        read_medmnist(path, out)
    assert contents(out) == before


def test_labels_of_one_finding_may_be_a_plain_list(tmp_path):
    path = tmp_path / "pneumoniamnist_64.npz"
    medmnist(path, change=put("val_labels", np.array([1, 0, 1], np.uint8)))
    table = read_medmnist(path, tmp_path).table
    assert table.loc[table["split"] == "val", "Pneumonia"].tolist() == ["1", "0", "1"]
    for labels in (np.zeros(4, np.uint8), np.zeros((1, 3), np.uint8)):
        medmnist(path, change=put("val_labels", labels))
        with pytest.raises(ManifestError, match="is damaged"):
            read_medmnist(path, tmp_path)
    medmnist(tmp_path / "chestmnist.npz", k=14, change=put("val_labels", np.zeros(3, np.uint8)))
    with pytest.raises(ManifestError, match="is damaged"):
        read_medmnist(tmp_path / "chestmnist.npz", tmp_path)


def test_damaged_npz_files_are_refused(tmp_path):
    good = tmp_path / "pneumoniamnist_64.npz"
    medmnist(good)
    data = good.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 3] ^= 0xFF

    def with_pictures(change):
        """The same archive, sound in itself, whose last pictures are other than their header promises."""
        out = io.BytesIO()
        with zipfile.ZipFile(good) as source, zipfile.ZipFile(out, "w") as target:
            for name in source.namelist():
                content = source.read(name)
                target.writestr(name, change(content) if name == "test_images.npy" else content)
        return out.getvalue()

    short, long = with_pictures(lambda content: content[:-10]), with_pictures(lambda content: content + b"more")
    for number, bad in enumerate((b"", b"PK\x03\x04", data[:-100], bytes(flipped), short, long)):
        path = tmp_path / f"pneumoniamnist-{number}.npz"
        path.write_bytes(bad)
        with pytest.raises(ManifestError, match="is damaged"):
            read_medmnist(path, tmp_path / "out")
    with pytest.raises(ManifestError, match="does not exist"):
        read_medmnist(tmp_path / "pneumoniamnist-none.npz", tmp_path / "out")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ManifestError, match="cannot be written"):
        read_medmnist(good, tmp_path / "file")
