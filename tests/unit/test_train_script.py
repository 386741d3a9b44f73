"""The door scripts/train.py: which option belongs to which manifest, and how it refuses."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter

from cxrkit.preset import Preset
from cxrkit.training.recipe import Recipe, Stage
from tests.unit.test_training import recipe

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "train.py"


@pytest.fixture
def train():
    spec = importlib.util.spec_from_file_location("train_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def folder(tmp_path):
    """Two tables: a.csv with a split, b.csv with another label name, no split and its own image folder."""
    random = np.random.default_rng(0)
    (tmp_path / "b_images").mkdir()
    for number in range(24):
        for where in (tmp_path, tmp_path / "b_images"):
            cv2.imwrite(str(where / f"{number}.png"), random.integers(0, 255, (40, 40)).astype(np.uint8))
    a = [f"{n}.png,p{n},{'val' if n % 3 == 0 else 'train'},{n % 2}" for n in range(24)]
    (tmp_path / "a.csv").write_text("image,patient_id,split,Mass\n" + "\n".join(a) + "\n")
    b = [f"{n}.png,q{n},{n % 2},{'x' if n < 12 else 'y'}" for n in range(24)]
    (tmp_path / "b.csv").write_text("image,patient_id,label,kind\n" + "\n".join(b) + "\n")
    (tmp_path / "recipe.json").write_bytes(TypeAdapter(Recipe).dump_json(recipe(stages=(Stage(32, 1, 8, 1e-3),))))
    return tmp_path


def test_options_belong_to_the_manifest_before_them(train, folder, monkeypatch, capsys):
    monkeypatch.setenv("CXRKIT_DATA", str(folder))
    arguments = [
        "--recipe",
        "recipe.json",
        "--out",
        "out",
        "--run",
        "run",
        "--manifest",
        "a.csv",
        "--manifest",
        "b.csv",
    ]
    arguments = [str(folder / a) if a in ("recipe.json", "out", "run", "a.csv", "b.csv") else a for a in arguments]
    arguments += [
        "--images",
        str(folder / "b_images"),
        "--label-map",
        "label=Mass",
        "--only",
        "kind=x",
        "--repeat",
        "2",
    ]
    assert train(arguments) == 0
    preset = Preset.load(folder / "out")
    # 16 training rows of a, 12 of b; validation is a's val split alone
    assert preset.training.images == 28
    assert preset.training.validation_images == 8
    assert str(folder) not in json.dumps(preset.training.command)
    assert "$CXRKIT_DATA/a.csv" in preset.training.command
    out = capsys.readouterr().out
    assert "training on 28 images, validating on 8" in out
    assert "finished" in out


def test_refusals_are_two_sentences_and_status_two(train, folder, capsys):
    base = ["--recipe", str(folder / "recipe.json"), "--out", str(folder / "o"), "--run", str(folder / "r")]
    assert train([*base, "--manifest", str(folder / "b.csv"), "--images", str(folder / "b_images")]) == 2
    message, remedy = capsys.readouterr().err.strip().splitlines()
    assert "Mass" in message
    assert remedy.endswith(".")
    assert train(["--recipe", str(folder / "no.json"), "--out", "o", "--manifest", "x.csv"]) == 2
    assert not (folder / "o").exists()
    for wrong in (["--images", "x", "--manifest", "y"], ["--manifest", "y", "--label-map", "label"]):
        with pytest.raises(SystemExit):
            train([*base, *wrong])


def test_help_is_worth_reading(train, capsys):
    with pytest.raises(SystemExit) as stop:
        train(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "resumes" in text
    assert "--hold-out" in text
