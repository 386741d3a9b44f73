"""scripts/prepare_data.py: what it writes is what the other scripts take, and leaks never pass."""

import importlib.util
import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from cxrkit.data.leaks import shared_patients
from cxrkit.data.manifest import read_manifest
from cxrkit.data.public_sets import PUBLIC_SETS
from cxrkit.data.table import read_table
from cxrkit.errors import ManifestError
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "prepare_data.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("prepare_data", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prepare(script):
    return lambda *arguments: script.main([str(argument) for argument in arguments])


def levels(seed):
    return np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), levels(seed))


def kaggle(folder, train=40, val=2, test=6):
    """Patients of two images each; even numbers are normal."""
    seed = 0
    for split, first, count in (("train", 0, train), ("val", 500, val), ("test", 700, test)):
        for number in range(first, first + count):
            normal = number % 2 == 0
            for image in range(2):
                name = f"IM-{number:04d}-{image:04d}.png" if normal else f"person{number}_virus_{image}.png"
                picture(folder / split / ("NORMAL" if normal else "PNEUMONIA") / name, seed)
                seed += 1
    return folder


def csv_tables(folder, splits, patient=str, pictures=None):
    """Tables in the style of source project S4 (Image, Mass, PatientId); splits name numbers of images."""
    pictures = pictures or {}
    for split, numbers in splits.items():
        lines = [f"{n}.png,{n % 2},{patient(n)}" for n in numbers]
        (folder / f"{split}.csv").write_text("\n".join(["Image,Mass,PatientId", *lines]) + "\n")
        for n in numbers:
            picture(folder / f"{n}.png", pictures.get(n, n))
    options = [part for split in splits for part in ("--table", f"{split}={folder / split}.csv")]
    return ["table", *options, "--column", "image=Image", "--column", "patient_id=PatientId"]


def test_a_kaggle_tree_becomes_a_manifest_with_a_validation_part(prepare, tmp_path, capsys):
    tree = kaggle(tmp_path / "chest_xray")
    assert prepare("kaggle", tree, "--out", tmp_path / "m.csv", "--hold-out", "0.25") == 0
    said = capsys.readouterr().out
    assert re.search(r"^test: 12 images, 6 patients$", said, re.MULTILINE)
    assert re.search(r"^  Pneumonia +6 positive +6 negative +0 unknown$", said, re.MULTILINE)
    assert "seed 0" in said
    whole = read_manifest(tmp_path / "m.csv", ["Pneumonia"])  # found beside the table, without --images
    train, val, test = (
        read_manifest(tmp_path / "m.csv", ["Pneumonia"], split=split) for split in ("train", "val", "test")
    )
    assert len(whole) == 96
    assert len(train) + len(val) == 84
    assert 19 <= len(val) <= 23  # a quarter of 84, the official val having gone back into train
    for a, b in ((train, val), (train, test), (val, test)):
        assert shared_patients(a, b) == ()
    assert "IM-" not in said
    assert "person" not in said
    first = (tmp_path / "m.csv").read_bytes()
    assert prepare("kaggle", tree, "--out", tmp_path / "m.csv", "--hold-out", "0.25") == 0
    assert (tmp_path / "m.csv").read_bytes() == first
    assert prepare("kaggle", tree, "--out", tmp_path / "n.csv", "--hold-out", "0.25", "--seed", "1") == 0
    assert (tmp_path / "n.csv").read_bytes() != first


def test_dicom_stands_wherever_png_does(prepare, tmp_path):
    """With its suffix, without any, and under a UID, in the tree and in the table of a data set."""
    names = ("person1_virus_1.dcm", "person2_virus_1", "1.2.840.10008.7")
    for split, seed in (("train", 0), ("test", 9)):
        for number, name in enumerate(names):
            path = tmp_path / "tree" / split / "PNEUMONIA" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(write_dicom(levels(seed + number), photometric="MONOCHROME1", bits_stored=8))
            path.rename(path.with_name(name.replace("person", f"person{seed}")))
    assert prepare("kaggle", tmp_path / "tree", "--out", tmp_path / "m.csv") == 0
    table = read_table(tmp_path / "m.csv")[0]
    assert sorted(table["patient_key"]) == [
        "",
        "",
        "virus_person01",
        "virus_person02",
        "virus_person91",
        "virus_person92",
    ]
    for path in read_manifest(tmp_path / "m.csv", ["Pneumonia"]).images:
        assert load_radiograph(path).source_format == "DICOM"


def test_without_a_cut_the_useless_validation_part_is_pointed_out(prepare, tmp_path, capsys):
    tree = kaggle(tmp_path / "x" / "chest_xray", train=4, val=2, test=2)
    out = tmp_path / "elsewhere" / "m.csv"
    assert prepare("kaggle", tree, "--out", out) == 0
    said = capsys.readouterr().out
    assert "The validation part has 4 images, too few" in said
    assert "--images" in said  # the images do not lie below the manifest
    assert len(read_manifest(out, ["Pneumonia"], images=tree)) == 16


def test_source_project_s4_s_split_shares_197_of_199_validation_patients(prepare, tmp_path, capsys):
    """1,000 / 200 / 420 rows; 199 validation patients, of whom all but two are trained on."""
    train = [f"0{1000 + n % 950}" for n in range(1000)]
    valid = [f"0{1000 + n}" for n in range(197)] + ["0888001", "0888002", "0888002"]
    test = [f"0{5000 + n}" for n in range(420)]
    assert [len(set(p)) for p in (valid, set(valid) & set(train))] == [199, 197]
    patients = train + valid + test
    splits = {"train": range(1000), "val": range(1000, 1200), "test": range(1200, 1620)}
    options = csv_tables(tmp_path, splits, patients.__getitem__)
    out, leaks = tmp_path / "m.csv", tmp_path / "leaks.csv"
    assert prepare(*options, "--out", out, "--leaks-out", leaks) == 3
    assert not out.exists()
    said = capsys.readouterr()
    assert "LEAK: 197 patients stand in both train and val:" in said.out
    assert said.out.count("LEAK") == 1
    assert "No manifest was written." in said.err
    printed = said.out + said.err
    assert not any(patient in printed for patient in set(patients))
    assert not re.search(r"\d+\.png", printed)
    listed = pd.read_csv(leaks)
    assert list(listed.columns) == ["shared", "split_a", "split_b", "split", "row"]
    assert set(listed["shared"]) == {"patients"}
    assert listed[listed["split"] == "val"]["row"].tolist() == list(range(1002, 1199))
    # 950 patients in 1,000 rows: the first fifty of them have two rows
    assert listed[listed["split"] == "train"]["row"].tolist() == [*range(2, 199), *range(952, 1002)]
    refused = pd.read_csv(tmp_path / "m.refused.csv")
    assert refused["row"].tolist() == sorted(listed["row"])
    assert set(refused["problem"]) == {"patient also in val", "patient also in train"}

    # cut anew, the same rows pass; and the table of refused rows goes away
    assert prepare(*options, "--out", out, "--hold-out", "0.15") == 0
    assert not (tmp_path / "m.refused.csv").exists()
    parts = [read_manifest(out, ["Mass"], split=split) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == 1620
    assert shared_patients(parts[0], parts[1]) == ()


def test_every_pair_of_splits_is_checked_for_patients_and_pictures(prepare, tmp_path, capsys):
    splits = {"train": range(0, 6), "val": range(6, 10), "test": range(10, 14)}
    options = csv_tables(tmp_path, splits, lambda n: {13: 6, 10: 0}.get(n, n), {9: 1, 12: 8, 11: 8, 3: 2})
    # the copy in test is a DICOM file, found by its stem
    (tmp_path / "12.png").unlink()
    (tmp_path / "12.dcm").write_bytes(write_dicom(levels(8), photometric="MONOCHROME2", bits_stored=8))
    assert prepare(*options, "--out", tmp_path / "m.csv") == 3
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if "LEAK" in line or line.startswith("  t") or "  val:" in line] == [
        "LEAK: 1 patient stands in both train and test:",
        "  train: row 2",
        "  test: row 12",
        "LEAK: 1 patient stands in both val and test:",
        "  val: row 8",
        "  test: row 15",
        "LEAK: 1 picture stands in both train and val:",
        "  train: row 3",
        "  val: row 11",
        "LEAK: 1 picture stands in both val and test:",
        "  val: row 10",
        "  test: rows 13, 14",
    ]
    assert "1 images of train are copies of others in it." in said
    assert "1 images of test are copies of others in it." in said


def own_table(folder, header, lines, name="mine.csv"):
    """A table of img0.png, img1.png ..., one per line of its other columns; each picture another one."""
    rows = [f"img{n}.png,{line}" for n, line in enumerate(lines)]
    (folder / name).write_text("\n".join([f"image,{header}", *rows]) + "\n")
    for n in range(len(lines)):
        picture(folder / f"img{n}.png", n)
    return ["table", "--table", folder / name, "--out", folder / "m.csv"]


def test_patients_are_compared_by_their_id_where_the_key_is_blank(prepare, tmp_path, capsys):
    lines = [f"{split},,P{n // 3},{n % 2}" for n, split in enumerate(["train", "train", "test"] * 10)]
    options = own_table(tmp_path, "split,patient_key,patient_id,Mass", lines)
    assert prepare(*options) == 3
    said = capsys.readouterr().out
    assert "LEAK: 10 patients stand in both train and test:" in said
    assert "train: 20 images, 10 patients\n" in said
    # a cut is by patient, not by image
    options = own_table(tmp_path, "split,patient_key,patient_id,Mass", [line.replace("test", "val") for line in lines])
    assert prepare(*options, "--hold-out", "0.3") == 0
    assert "cut out as val by patient" in capsys.readouterr().out
    assert read_table(tmp_path / "m.csv")[0].groupby("patient_id")["split"].nunique().tolist() == [1] * 10


def test_a_table_of_keys_is_compared_with_a_table_of_ids(prepare, tmp_path, capsys):
    (tmp_path / "train.csv").write_text("image,patient_id,Mass\na.png,P1,0\nb.png,P2,1\n")
    (tmp_path / "val.csv").write_text("image,patient_key,Mass\nc.png,P2,0\nd.png,P3,1\n")
    for seed, name in enumerate("abcd"):
        picture(tmp_path / f"{name}.png", seed)
    options = [part for split in ("train", "val") for part in ("--table", f"{split}={tmp_path / split}.csv")]
    assert prepare("table", *options, "--out", tmp_path / "m.csv") == 3
    said = capsys.readouterr().out
    assert "LEAK: 1 patient stands in both train and val:\n  train: row 3\n  val: row 4" in said
    assert "P2" not in said


def test_ids_that_restart_under_each_key_pass_with_a_note(prepare, tmp_path, capsys):
    options = own_table(tmp_path, "split,patient_key,patient_id,Mass", ["train,a,S,0", "val,b,S,0", "test,c,S,1"])
    assert prepare(*options) == 0
    note = "1 patient_id stands in several splits under different patient_keys; the keys are taken as right."
    assert note in capsys.readouterr().out
    prepare(*own_table(tmp_path, "split,patient_key,patient_id,Mass", ["train,a,S,0", "train,b,S,0", "test,c,T,1"]))
    assert "under different" not in capsys.readouterr().out
    prepare(*own_table(tmp_path, "split,patient_key,patient_id,Mass", ["train,a,S,0", "val,,S,0", "test,,,1"]))
    said = capsys.readouterr().out
    assert "1 patient_id stands in several splits, in some rows with a patient_key and in some without" in said
    assert "taken as right" not in said


@pytest.mark.parametrize(
    ("ids", "count"),
    [
        (["00000012", "12", "12.0", "p7", "P7", "x9"], 2),
        (["12", "13", "12.0", "p7", "x9", "P8"], 0),  # 12 and 12.0 are both trained on
        (["0", "000", "0.0", "", "", ""], 1),
        (["120", "12", "1.20", "P07", "P7", "10.5"], 0),
        (["a", "b", "c", "d", "e", "f"], 0),
    ],
)
def test_spellings_of_one_id_in_several_splits_are_counted(prepare, tmp_path, capsys, ids, count):
    splits = ["train", "val", "train", "val", "test", "test"]
    options = own_table(tmp_path, "split,patient_id,Mass", [f"{s},{i},0" for s, i in zip(splits, ids, strict=True)])
    assert prepare(*options) == 0
    found = re.findall(r"(\d) patient ids? stands? in several splits in spellings", capsys.readouterr().out)
    assert found == ([str(count)] if count else [])


@pytest.mark.parametrize(("name", "hint"), [("NA", True), ("Unknown", True), ("0", True), ("N/A", True), ("P1", False)])
def test_ids_that_stand_for_unknown_are_told_apart_from_a_leak(prepare, tmp_path, capsys, name, hint):
    options = own_table(tmp_path, "split,patient_id,Mass", [f"train,{name},0", f"test,{name},1"])
    assert prepare(*options) == 3
    assert ("Leave unknown ids blank" in capsys.readouterr().err) == hint
    options = own_table(
        tmp_path, "split,patient_id,Mass", [f"train,{name},0", f"train,{name},1", "test,A,0", "val,A,0"]
    )
    assert prepare(*options) == 3
    assert "Leave unknown ids blank" not in capsys.readouterr().err


def test_copies_with_contradicting_labels_are_counted_by_finding(prepare, tmp_path, capsys):
    """Four groups of copies in train: Mass contradicts in two, Nodule in one; unknown contradicts nothing."""
    lines = ["0,1", "1,1", "0,0", "1,1", "1,0", "1,0", "0,", ",1", "1,0"]
    options = own_table(tmp_path, "split,Mass,Nodule", [f"train,{line}" for line in lines[:-1]] + ["val,1,0"])
    for copy, of in ((1, 0), (3, 2), (5, 4), (7, 6)):
        picture(tmp_path / f"img{copy}.png", of)
    assert prepare(*options) == 0
    said = capsys.readouterr().out
    assert "Groups of identical pictures in train have contradicting labels: Mass in 2, Nodule in 1.\n" in said
    assert said.count("have contradicting") == 1


def test_advice_to_cut_is_not_given_after_a_cut(prepare, tmp_path, capsys):
    options = own_table(tmp_path, "split,Mass", ["train,0", "train,1"] * 10)
    assert prepare(*options) == 0
    assert "has no images, too few to choose anything by: cut one out" in capsys.readouterr().out
    assert prepare(*options, "--hold-out", "0.2") == 0
    said = capsys.readouterr().out
    assert "has 4 images, too few to choose anything by.\n" in said
    assert "cut one out" not in said


def test_a_table_s_split_is_one_of_three_in_a_usual_spelling(script, capsys):
    with pytest.raises(SystemExit):
        script.parse(["table", "--table", "holdout=x.csv", "--out", "m.csv"])
    said = " ".join(capsys.readouterr().err.split())
    listed = re.search(r"must be one of (.*) \((.*) are taken as these\)", said)
    names = re.findall(r"\w+", listed[1]) + re.findall(r"(?!and\b)\b\w+", listed[2])
    options = [part for name in names for part in ("--table", f"{name}=x.csv")]
    read = [split for split, _ in script.parse(["table", *options, "--out", "m.csv"]).table]
    assert read == ["train", "val", "test", "train", "val", "val", "val", "test"]


def test_a_cut_keeps_copies_together(prepare, tmp_path):
    """Forty patients in pairs of equal pictures: wherever the cut goes, no pair is torn apart."""
    options = csv_tables(tmp_path, {"train": range(40)}, str, {n: n // 2 for n in range(40)})
    for seed in range(3):
        assert prepare(*options, "--out", tmp_path / "m.csv", "--hold-out", "0.3", "--seed", seed) == 0
        table = read_table(tmp_path / "m.csv")[0]
        assert table.groupby("dup_group")["split"].nunique().tolist() == [1] * 20
        assert set(table["split"]) == {"train", "val"}


def test_unreadable_images_are_all_listed_and_stop_or_are_skipped(prepare, tmp_path, capsys):
    options = csv_tables(tmp_path, {"train": range(30), "test": range(30, 36)})
    for n in (1, *range(4, 28)):
        (tmp_path / f"{n}.png").write_bytes(b"not an image")
    assert prepare(*options, "--out", tmp_path / "m.csv") == 2
    said = capsys.readouterr()
    assert "25 images cannot be read:" in said.out
    assert [int(row) for row in re.findall(r"^  row (\d+): The file is neither", said.out, re.MULTILINE)] == [
        3,
        *range(6, 30),
    ]
    assert "--skip-unreadable" in said.err
    assert not (tmp_path / "m.csv").exists()
    assert len(pd.read_csv(tmp_path / "m.refused.csv")) == 25
    assert prepare(*options, "--out", tmp_path / "m.csv", "--skip-unreadable") == 0
    assert "25 images cannot be read and are left out:" in capsys.readouterr().out
    assert len(read_manifest(tmp_path / "m.csv", ["Mass"])) == 11
    assert not (tmp_path / "m.refused.csv").exists()
    skipped = pd.read_csv(tmp_path / "m.skipped.csv")
    assert skipped["row"].tolist() == [3, *range(6, 30)]
    assert skipped["image"].iloc[0] == "1.png"


def test_leaks_and_unreadable_images_are_told_at_once(prepare, tmp_path, capsys):
    options = csv_tables(tmp_path, {"train": range(4), "test": range(4, 8)}, lambda n: n % 4)
    (tmp_path / "0.png").write_bytes(b"")
    assert prepare(*options, "--out", tmp_path / "m.csv") == 3
    said = capsys.readouterr()
    assert "1 images cannot be read" in said.out
    assert "LEAK: 3 patients" in said.out
    assert "--skip-unreadable" in said.err
    assert prepare(*options, "--out", tmp_path / "m.csv", "--skip-unreadable") == 3
    assert "--skip-unreadable" not in capsys.readouterr().err


def test_unknown_patients_are_said_to_be_unknown(prepare, tmp_path, capsys):
    random = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 6), ("val", 2), ("test", 2)):
        arrays[f"{split}_images"] = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    assert prepare("medmnist", tmp_path / "pneumoniamnist.npz", "--out", tmp_path / "out" / "m.csv") == 0
    said = capsys.readouterr().out
    assert "train: 6 images, patients unknown" in said
    assert said.count("cannot be ruled out") == 1
    assert len(read_manifest(tmp_path / "out" / "m.csv", ["Pneumonia"])) == 10
    arrays["test_images"][1] = arrays["train_images"][3]
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    assert prepare("medmnist", tmp_path / "pneumoniamnist.npz", "--out", tmp_path / "out" / "m.csv") == 3
    assert "LEAK: 1 picture stands in both train and test:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("layout", "source", "wanted"),
    [
        ("kaggle", "data", "kermany"),
        ("nih", "data", "chestxray14"),
        ("medmnist", "data/pneumoniamnist.npz", "pneumoniamnist-28"),
        ("medmnist", "data/chestmnist_224.npz", "chestmnist-224"),
    ],
)
def test_download_fetches_the_public_set_into_the_folder_that_is_read(
    script, prepare, tmp_path, monkeypatch, capsys, layout, source, wanted
):
    called = []

    def fetch(name, folder, *, progress):
        called.append(("fetch", PUBLIC_SETS[name].name, folder))
        if layout == "kaggle":
            kaggle(folder / "chest_xray", train=2, val=0, test=2)

    monkeypatch.setattr(script, "fetch", fetch)
    monkeypatch.setattr(script, "unpack", lambda name, folder, *, progress: called.append(("unpack", name, folder)))
    # only the Kaggle tree is there afterwards
    done = prepare(layout, tmp_path / source, "--download", "--out", tmp_path / "m.csv")
    assert done == (0 if layout == "kaggle" else 2)
    assert called == [("fetch", wanted, tmp_path / "data"), ("unpack", wanted, tmp_path / "data")]
    assert prepare(layout, tmp_path / source, "--out", tmp_path / "m.csv") == done
    assert len(called) == 2
    capsys.readouterr()


def test_download_without_a_network_says_what_to_fetch_and_where_to_put_it(
    script, prepare, tmp_path, monkeypatch, capsys
):
    def unreachable(*_, **__):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("socket.socket.connect", unreachable)
    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    assert prepare("kaggle", tmp_path, "--download", "--out", tmp_path / "m.csv") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "ChestXRay2017.zip from https://data.mendeley.com/" in said.err
    assert "into the folder that was named" in said.err
    assert prepare("medmnist", tmp_path / "pneumonia.npz", "--download", "--out", tmp_path / "m.csv") == 2
    assert "pneumoniamnist-224" in capsys.readouterr().err


def test_errors_are_two_sentences_and_status_two(prepare, tmp_path, capsys):
    options = csv_tables(tmp_path, {"test": range(3)})
    for arguments in (
        ["kaggle", tmp_path / "nowhere", "--out", tmp_path / "m.csv"],
        ["nih", tmp_path, "--out", tmp_path / "m.csv"],
        ["medmnist", tmp_path / "test.csv", "--out", tmp_path / "m.csv"],
        [*options, "--out", tmp_path],
        [*options, "--out", tmp_path / "test.csv" / "m.csv"],
        [*options, "--out", tmp_path / "m.csv", "--hold-out", "0.5"],
        [*options, "--out", tmp_path / "m.csv", "--column", "nonsense"],
    ):
        assert prepare(*arguments) == 2, arguments
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.strip().splitlines()) == 2
        assert str(tmp_path) not in said.err
    for wrong in (["table", "--table", "dark=x.csv"], ["kaggle", "x", "--hold-out", "1"], ["paper"], []):
        with pytest.raises(SystemExit) as stop:
            prepare(*wrong, "--out", tmp_path / "m.csv")
        assert stop.value.code == 2
    capsys.readouterr()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("table", "out", "leaks"),
    [
        ("mine.csv", "mine.csv", "l.csv"),
        ("mine.csv", "link.csv", "l.csv"),
        ("mine.csv", "m.csv", "mine.csv"),
        ("m.refused.csv", "m.csv", "l.csv"),
        ("m.skipped.csv", "m.csv", "l.csv"),
        ("m.csv.making", "m.csv", "l.csv"),
        ("mine.csv", "img0.png", "l.csv"),
        ("mine.csv", "m.csv", "img0.png"),
        ("mine.csv", "notes.csv", "l.csv"),
        ("mine.csv", "m.csv", "m.csv"),
        ("mine.csv", "m.csv", "m.refused.csv"),
    ],
)
@pytest.mark.parametrize("begin", ["image", "row,problem,image", "shared,split_a,image"])
def test_nothing_is_written_over_what_is_read_or_was_not_written_here(
    prepare, tmp_path, capsys, table, out, leaks, begin
):
    own_table(tmp_path, "split,patient_id,Mass", ["train,A,0", "val,A,1"], table)
    text = (tmp_path / table).read_text()
    if begin != "image":  # even a table that looks like one of ours is kept when it is read
        extra = "1,2," if begin.startswith("row") else "1,1,"
        first, *rest = text.splitlines()
        (tmp_path / table).write_text("\n".join([f"{begin.removesuffix('image')}{first}", *(extra + r for r in rest)]))
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / table)
    before = contents(tmp_path)
    options = ["table", "--table", tmp_path / table, "--out", tmp_path / out, "--leaks-out", tmp_path / leaks]
    assert prepare(*options) == 2
    assert contents(tmp_path) == before
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search("would overwrite|would write the same file", said.err)
    assert len(said.err.strip().splitlines()) == 2


@pytest.mark.parametrize("name", ["Data_Entry_2017.csv", "train_val_list.txt", "BBox_List_2017.csv"])
def test_a_file_of_a_data_set_s_folder_is_never_overwritten(prepare, tmp_path, capsys, name):
    (tmp_path / name).write_text("Image Index,Finding Labels\n1.png,Mass\n")
    assert prepare("nih", tmp_path, "--out", tmp_path / name) == 2
    assert "did not write" in capsys.readouterr().err
    assert prepare("nih", tmp_path, "--out", tmp_path / "m.csv", "--leaks-out", tmp_path / name) == 2
    assert "--leaks-out would overwrite a file" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "Image Index,Finding Labels\n1.png,Mass\n"


def test_what_is_written_here_may_be_written_again(prepare, tmp_path):
    """Manifest, list of leaks and refused rows; an empty file has nothing to lose."""
    (tmp_path / "l.csv").touch()
    for patients in ("AA", "AB", "AA"):
        options = own_table(tmp_path, "split,patient_id,Mass", [f"train,{patients[0]},0", f"val,{patients[1]},1"])
        for _ in range(2):
            assert prepare(*options, "--leaks-out", tmp_path / "l.csv") == (3 if patients == "AA" else 0)
    assert prepare(*options, "--leaks-out", tmp_path / "new" / "er" / "l.csv") == 3
    assert (tmp_path / "new" / "er" / "l.csv").read_bytes() == (tmp_path / "l.csv").read_bytes()


TAKEN = [
    "image",
    "split",
    "patient_id",
    "patient_key",
    "view_position",
    "view",
    "age",
    "sex",
    "mask",
    "dup_group",
    "row",
    "problem",
]


@pytest.mark.parametrize("name", [*TAKEN, "Age"])
def test_a_finding_is_not_named_like_another_column(prepare, tmp_path, capsys, name):
    options = own_table(tmp_path, "split,label", ["train,0", "val,1"])
    assert prepare(*options, "--label-map", f"label={name}") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"A finding cannot be called {name},")
    assert not (tmp_path / "m.csv").exists()


@pytest.mark.parametrize("name", ["row", "problem", "dup_group"])
def test_no_column_is_named_like_one_that_is_written_here(prepare, tmp_path, capsys, name):
    options = own_table(tmp_path, "split,patient_id,Mass,no", ["train,A,0,1", "val,A,0,1"])
    assert prepare(*options, "--column", f"{name}=no") == 2
    assert capsys.readouterr().err.startswith(f"A column cannot be called {name},")


def test_a_column_that_is_a_finding_is_named_as_one(prepare, tmp_path, capsys):
    options = own_table(tmp_path, "split,label,other", ["train,banana,0", "val,1,1"])
    assert prepare(*options, "--column", "Pneumonia=label", "--label-map", "other=Mass") == 2
    assert capsys.readouterr().err.endswith("Use --label-map label=Pneumonia.\n")


@pytest.mark.parametrize("layout", ["table", "nih", "kaggle"])
def test_a_folder_that_may_not_be_entered_is_an_error_without_its_path(prepare, tmp_path, capsys, monkeypatch, layout):
    def closed(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    options = own_table(tmp_path, "split,Mass", ["train,0", "val,1"])
    if layout != "table":
        options = [layout, tmp_path, "--out", tmp_path / "m.csv"]
        monkeypatch.setattr(Path, "is_dir", closed)
        monkeypatch.setattr(Path, "iterdir", closed)
        monkeypatch.setattr(Path, "glob", closed)
    else:
        monkeypatch.setattr(Path, "read_bytes", closed)
    assert prepare(*options) == 2
    said = capsys.readouterr()
    assert len(said.err.strip().splitlines()) == 2
    assert tmp_path.name not in said.out + said.err


def test_an_image_named_by_too_many_characters_is_an_error(prepare, tmp_path, capsys):
    own_table(tmp_path, "split,Mass", ["train,0", "val,1"])
    (tmp_path / "mine.csv").write_text(f"image,split,Mass\n{'n' * 300}.png,train,0\n")
    assert prepare("table", "--table", tmp_path / "mine.csv", "--out", tmp_path / "m.csv") == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 2
    assert "nnn" not in said
    with pytest.raises(ManifestError, match="more characters than a name may have"):
        read_manifest(tmp_path / "mine.csv", ["Mass"])


@pytest.mark.parametrize("option", ["--out", "--leaks-out"])
@pytest.mark.parametrize("name", ["", "mine.csv/x.csv", "n" * 300 + ".csv"])
def test_a_file_that_cannot_be_written_is_named_before_any_image_is_looked_at(
    prepare, tmp_path, capsys, monkeypatch, option, name
):
    monkeypatch.setattr("cxrkit.serving.preparing.survey", lambda *_, **__: pytest.fail("decoded"))
    options = own_table(tmp_path, "split,Mass", ["train,0", "val,1"])
    assert prepare(*options, option, tmp_path / name) == 2
    said = capsys.readouterr().err
    assert said.splitlines()[0] == f"The {'manifest' if option == '--out' else 'list of leaks'} cannot be written."
    assert option in said.splitlines()[1]


def test_a_refusal_leaves_the_rows_that_the_standing_manifest_skipped(prepare, tmp_path):
    lines = ["train,A,0", "train,B,1", "val,C,0"]
    options = own_table(tmp_path, "split,patient_id,Mass", lines)
    (tmp_path / "img1.png").write_bytes(b"no image")
    assert prepare(*options, "--skip-unreadable") == 0
    skipped = (tmp_path / "m.skipped.csv").read_bytes()
    assert prepare(*options) == 2
    assert (tmp_path / "m.skipped.csv").read_bytes() == skipped
    assert (tmp_path / "m.refused.csv").exists()
    own_table(tmp_path, "split,patient_id,Mass", lines)
    assert prepare(*options) == 0
    assert not (tmp_path / "m.skipped.csv").exists()
    assert not (tmp_path / "m.refused.csv").exists()


@pytest.mark.parametrize("layout", [[], ["kaggle"], ["nih"], ["medmnist"], ["table"]])
def test_help_is_worth_reading(prepare, capsys, layout):
    with pytest.raises(SystemExit) as stop:
        prepare(*layout, "--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(word in text for word in (["--hold-out", "--skip-unreadable"] if layout else ["Exit status", "leak"]))
