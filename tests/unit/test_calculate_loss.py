"""scripts/calculate_loss.py through its main(), on a weights folder made for the test."""

import dataclasses
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cxrkit.preset_folders
from cxrkit.card import Calibration, LabelCount, Population, TrainingRecord
from cxrkit.preset import Preset
from cxrkit.train_config import counts_to_csv

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "calculate_loss.py"


def make_preset(name, counts):
    findings = tuple(count.finding for count in counts)
    return Preset(
        name=name,
        title=name,
        version="1",
        backbone="tiny",
        feature_layer="relu",
        head="linear",
        findings=findings,
        input_size=32,
        geometry="squash",
        intensity="unit",
        weights_file="model.weights.h5",
        weights_sha256="c" * 64,
        calibration={finding: Calibration(1.0, 0.0, "identity", "", 0, 0) for finding in findings},
        label_counts=counts,
        operating_points=(),
        population=Population("", (), ()),
        training=TrainingRecord("", (), 0, 0, 0, 0, ""),
        intended_use="",
        limits=(),
    )


COUNTS = {
    "chestxray14": (LabelCount("Nodule", 1, 4), LabelCount("Mass", 2, 4)),
    "pneumonia": (LabelCount("Pneumonia", 3, 4),),
}


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script's module, looking at presets in a folder of the test's own."""
    for name, counts in COUNTS.items():
        make_preset(name, counts).save(tmp_path / "weights" / name)
        (tmp_path / "weights" / name / "label_counts.csv").write_bytes(counts_to_csv(counts))
    spec = importlib.util.spec_from_file_location("calculate_loss", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path / "weights"
    monkeypatch.setattr(module, "list_presets", lambda: cxrkit.preset_folders.list_presets(folder))
    monkeypatch.setattr(module, "find_preset", lambda name: cxrkit.preset_folders.find_preset(name, folder))
    return module


@pytest.fixture
def config(tmp_path):
    return tmp_path / "train_config.json"


def test_every_preset_from_its_own_counts_and_twice_the_same_bytes(script, config, tmp_path):
    assert script.main(["--config", str(config)]) == 0
    first = config.read_bytes()
    assert script.main(["--config", str(config)]) == 0
    assert config.read_bytes() == first
    plain = json.loads(first)
    assert list(plain) == ["chestxray14", "pneumonia"]
    entry = plain["chestxray14"]
    assert entry["source"] == "weights/chestxray14/label_counts.csv"
    table = tmp_path / "weights" / "chestxray14" / "label_counts.csv"
    assert entry["sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert [row["finding"] for row in entry["findings"]] == ["Nodule", "Mass"]
    assert entry["findings"][0] == {
        "finding": "Nodule", "positives": 1, "total": 4, "prevalence": 0.25, "w_pos": 0.75, "w_neg": 0.25
    }  # fmt: skip


def test_check_is_1_when_stale_and_writes_nothing(script, config):
    assert script.main(["--config", str(config), "--check"]) == 1
    assert not config.exists()
    script.main(["--config", str(config)])
    assert script.main(["--config", str(config), "--check"]) == 0
    config.write_bytes(config.read_bytes() + b" ")
    stale = config.read_bytes()
    assert script.main(["--config", str(config), "--check"]) == 1
    assert config.read_bytes() == stale


def test_a_manifest_replaces_one_preset_and_masks_blanks(script, config, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("image,split,Mass,Nodule\na,train,1,0\nb,train,0,\nc,train,1,1\nd,test,1,1\n")
    assert script.main(["--config", str(config), "--manifest", str(table), "--split", "train"]) == 0
    plain = json.loads(config.read_bytes())
    assert plain["chestxray14"]["source"] == "mine.csv"
    counted = [(r["finding"], r["positives"], r["total"]) for r in plain["chestxray14"]["findings"]]
    assert counted == [("Nodule", 1, 2), ("Mass", 2, 3)]
    assert plain["pneumonia"]["findings"][0]["positives"] == 3


def test_label_map(script, config, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("image,label\na,1\nb,0\n")
    arguments = ["--config", str(config), "--manifest", str(table), "--preset", "pneumonia"]
    assert script.main([*arguments, "--label-map", "label=Pneumonia"]) == 0
    assert json.loads(config.read_bytes())["pneumonia"]["findings"][0]["total"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,Mass,Nodule\na,1,0.5\n", "label of Nodule in row 2"),
        ("image,Mass\na,1\n", "no column for Nodule"),
        ("image,Mass,Nodule\n", "no rows"),
        ("image,Mass,Nodule\na,1,\n", "Nodule has no known label"),
    ],
)
def test_bad_tables_are_refused_with_2_and_write_nothing(script, config, tmp_path, capsys, text, message):
    table = tmp_path / "mine.csv"
    table.write_text(text)
    assert script.main(["--config", str(config), "--manifest", str(table)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert not config.exists()


def test_counts_that_contradict_the_card_are_refused(script, config, tmp_path, capsys):
    path = tmp_path / "weights" / "pneumonia" / "label_counts.csv"
    path.write_bytes(counts_to_csv((LabelCount("Pneumonia", 2, 4),)))
    assert script.main(["--config", str(config)]) == 2
    assert "contradict its card" in capsys.readouterr().err


def test_check_with_a_manifest_compares_with_that_manifest(script, config, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("image,Mass,Nodule\na,1,0\nb,0,1\nc,1,1\n")
    arguments = ["--config", str(config), "--manifest", str(table)]
    assert script.main(arguments) == 0
    assert script.main([*arguments, "--check"]) == 0
    assert script.main(["--config", str(config), "--check"]) == 1
    table.write_text("image,Mass,Nodule\na,1,0\nb,0,1\nc,1,0\n")
    assert script.main([*arguments, "--check"]) == 1
    with pytest.raises(SystemExit, match="0"):
        script.main(["--help"])
    assert "only to --check with the same --manifest" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("option", ["--split=train", "--label-map=a=Mass", "--preset=pneumonia"])
def test_options_of_a_manifest_need_one(script, config, capsys, option):
    with pytest.raises(SystemExit, match="2"):
        script.main(["--config", str(config), option])
    assert "needs --manifest" in capsys.readouterr().err
    assert not config.exists()


def test_a_file_that_cannot_be_written_is_refused_without_its_name(script, tmp_path, capsys):
    for path in (tmp_path / "secret_name" / "c.json", tmp_path):
        assert script.main(["--config", str(path)]) == 2
        error = capsys.readouterr().err
        assert "cannot be written" in error
        assert str(tmp_path) not in error
        assert script.main(["--config", str(path), "--check"]) == 1


def test_a_copied_preset_folder_is_refused(script, config, tmp_path, capsys):
    shutil.copytree(tmp_path / "weights" / "pneumonia", tmp_path / "weights" / "pneumonia_copy")
    assert script.main(["--config", str(config)]) == 2
    assert "'pneumonia" in capsys.readouterr().err
    assert not config.exists()


def test_a_namesake_from_another_folder_does_not_replace_a_preset(script, config, tmp_path, capsys):
    other = shutil.copytree(tmp_path / "weights" / "pneumonia", tmp_path / "elsewhere" / "pneumonia")
    table = tmp_path / "mine.csv"
    table.write_text("image,Pneumonia\na,1\nb,0\n")
    assert script.main(["--config", str(config), "--manifest", str(table), "--preset", str(other)]) == 2
    assert "Two folders hold a preset named 'pneumonia'" in capsys.readouterr().err
    own = tmp_path / "weights" / "pneumonia"
    assert script.main(["--config", str(config), "--manifest", str(table), "--preset", str(own)]) == 0


def test_presets_of_another_folder_never_overwrite_the_shipped_file(script, tmp_path):
    """In a copy of the repository, so that a failure harms nothing."""
    copy = tmp_path / "copy"
    for part in ("cxrkit", "scripts"):
        shutil.copytree(SCRIPT.parents[1] / part, copy / part)
    shipped = copy / "train_config.json"
    shipped.write_text("shipped")

    def run(weights, *arguments):
        return subprocess.run(
            [sys.executable, str(copy / "scripts" / SCRIPT.name), *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
            env=os.environ | {"CXRKIT_WEIGHTS": str(weights)},
        )  # fmt: skip

    for arguments in ([], ["--check"]):
        done = run(tmp_path / "weights", *arguments)
        assert (done.returncode, shipped.read_text()) == (2, "shipped"), done.stderr
        assert "--config" in done.stderr
    assert run(tmp_path / "weights", "--config", "mine.json").returncode == 0
    assert "pneumonia" in json.loads((tmp_path / "mine.json").read_text())
    shutil.copytree(tmp_path / "weights", copy / "weights")
    assert run(copy / "weights").returncode == 0
    assert "pneumonia" in json.loads(shipped.read_text())


def test_the_shipped_file_is_fresh():
    env = {name: value for name, value in os.environ.items() if name != "CXRKIT_WEIGHTS"}
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], cwd="/", env=env, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_preset_without_counts_is_left_out_and_named(script, config, tmp_path, capsys):
    imported = dataclasses.replace(make_preset("imported", COUNTS["pneumonia"]), label_counts=())
    imported.save(tmp_path / "weights" / "imported")
    assert script.main(["--config", str(config)]) == 0
    assert set(json.loads(config.read_bytes())) == set(COUNTS)
    assert "Left out: imported" in capsys.readouterr().err
    table = tmp_path / "labels.csv"
    table.write_text("image,Pneumonia\na.png,1\nb.png,0\n")
    assert script.main(["--config", str(config), "--manifest", str(table), "--preset", "imported"]) == 0
    assert json.loads(config.read_bytes())["imported"]["findings"][0]["prevalence"] == 0.5
    assert "Left out" not in capsys.readouterr().err
