"""scripts/evaluate.py and scripts/predict.py through their main(), with a tiny model."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from cxrkit.preset import Preset

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def load(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def preset(tiny_folder, tmp_path):
    """A preset folder of the test's own, which it may write to."""
    return shutil.copytree(tiny_folder / "tiny", tmp_path / "tiny")


@pytest.fixture
def manifest(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rows = []
    for i in range(12):
        picture = cv2.GaussianBlur(rng.integers(0, 255, (80, 96)).astype(np.uint8), (0, 0), 3)
        cv2.imwrite(str(folder / "images" / f"{i}.png"), cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX))
        rows.append(f"{i}.png,{'train' if i < 2 else 'test'},{i // 2},{i % 2},{int(i % 3 == 0)},{i % 2}")
    path = folder / "t.csv"
    path.write_text("image,split,patient_id,Effusion,Mass,label\n" + "\n".join(rows) + "\n")
    return path


def run(name, *arguments):
    return load(name).main([str(argument) for argument in arguments])


def test_evaluate_writes_predictions_and_evaluation_and_records_the_card(preset, manifest, tmp_path, capsys):
    out = tmp_path / "out"
    before = Preset.load(preset)
    assert run("evaluate", "--preset", preset, "--manifest", manifest, "--split", "test",
               "--label-map", "label=Pneumonia", "--out", out, "--record") == 0  # fmt: skip
    table = pd.read_csv(out / "predictions.csv")
    assert len(table) == 10
    assert {"image", "patient_id", "Mass", "prob_Mass", "logit_Mass"} <= set(table.columns)
    calibrated = [before.calibration["Mass"].probability(z) for z in table["logit_Mass"]]
    np.testing.assert_allclose(table["prob_Mass"], calibrated, atol=1e-9)
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert evaluation["findings"]["Pneumonia"]["n"] == 10
    assert evaluation["patients"] == 5
    assert evaluation["weights_sha256"] == before.weights_sha256
    assert (preset / "evaluation.json").read_bytes() == (out / "evaluation.json").read_bytes()
    recorded = Preset.load(preset)
    assert recorded.metric("Mass", "auroc", "test").value == evaluation["findings"]["Mass"]["auroc"]["value"]
    assert "AUROC" in capsys.readouterr().out

    theirs = tmp_path / "theirs"
    assert run("evaluate", "--predictions", out / "predictions.csv", "--out", theirs) == 0
    again = json.loads((theirs / "evaluation.json").read_text())
    for finding, entry in evaluation["findings"].items():
        assert again["findings"][finding]["auroc"]["value"] == entry["auroc"]["value"]


def test_without_record_the_card_stays(preset, manifest, tmp_path):
    before = (preset / "preset.json").read_bytes()
    assert run("evaluate", "--preset", preset, "--manifest", manifest, "--allow-missing", "--out", tmp_path / "o") == 0
    assert (preset / "preset.json").read_bytes() == before
    evaluation = json.loads((tmp_path / "o" / "evaluation.json").read_text())
    assert evaluation["findings"]["Pneumonia"]["auroc"] is None
    assert evaluation["split"] == "all rows"


def test_evaluate_refuses_with_2(preset, manifest, tmp_path, capsys):
    assert run("evaluate", "--preset", preset, "--manifest", manifest, "--out", tmp_path / "o") == 2
    captured = capsys.readouterr()
    assert "no column for Pneumonia" in captured.err
    assert not (tmp_path / "o").exists()
    assert run("evaluate", "--preset", tmp_path / "none", "--manifest", manifest, "--out", tmp_path / "o") == 2
    for bad in (["--preset", "x"], ["--predictions", "x", "--record"], []):
        with pytest.raises(SystemExit, match="2"):
            run("evaluate", *bad, "--out", tmp_path / "o")


def test_predict_json_goes_on_after_an_unreadable_file(preset, manifest, tmp_path, capsys):
    good, bad = manifest.parent / "images" / "3.png", tmp_path / "note.txt"
    bad.write_text("not a radiograph")
    assert run("predict", bad, good, "--preset", preset, "--json") == 2
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["file"] == str(bad)
    assert set(first["error"]) == {"message", "remedy"}
    assert "findings" not in first
    assert second["file"] == str(good)
    card = Preset.load(preset)
    assert list(second["findings"]) == list(card.findings)
    for finding, entry in second["findings"].items():
        assert entry["probability"] == card.calibration[finding].probability(entry["logit"])
        for rule, at in entry["operating_points"].items():
            point = card.operating_point(finding, rule)
            assert point.supported
            assert at["positive"] == (entry["probability"] >= point.threshold)
    assert any(entry["operating_points"] for entry in second["findings"].values())
    assert "Not a medical device" in second["disclaimer"]


def test_predict_for_a_person(preset, manifest, capsys):
    assert run("predict", manifest.parent / "images" / "3.png", "--preset", preset) == 0
    text = capsys.readouterr().out
    assert "Not a medical device" in text
    assert all(finding in text for finding in Preset.load(preset).findings)


def test_predict_without_a_model_is_2(tmp_path, capsys):
    assert run("predict", tmp_path / "x.png", "--preset", tmp_path / "none") == 2
    assert "no preset" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["evaluate", "predict", "calculate_loss"])
def test_help_works_from_anywhere_without_installing(name):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / f"{name}.py"), "--help"], cwd="/", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout
