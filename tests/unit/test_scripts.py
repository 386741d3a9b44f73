"""scripts/evaluate.py and scripts/predict.py through their main(), with a tiny model."""

import ast
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

from cxrkit.errors import ManifestError
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.serving.judging import ALL_ROWS, judge_predictions, record_evaluation

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


def table_of(folder):
    """A small table of predictions."""
    path = folder / "p.csv"
    path.write_text("Mass,prob_Mass\n1,0.9\n0,0.2\n")
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
    assert (tmp_path / "o" / "report.html").stat().st_size > 1e6  # with plots that need no network
    run(
        "evaluate",
        "--preset",
        preset,
        "--manifest",
        manifest,
        "--allow-missing",
        "--out",
        tmp_path / "p",
        "--no-report",
    )
    assert not (tmp_path / "p" / "report.html").exists()


def test_evaluate_refuses_with_2(preset, manifest, tmp_path, capsys):
    assert run("evaluate", "--preset", preset, "--manifest", manifest, "--out", tmp_path / "o") == 2
    captured = capsys.readouterr()
    assert "no column for Pneumonia" in captured.err
    assert not (tmp_path / "o").exists()
    assert run("evaluate", "--preset", tmp_path / "none", "--manifest", manifest, "--out", tmp_path / "o") == 2
    for bad in (["--preset", "x"], ["--split", "test"], []):
        with pytest.raises(SystemExit, match="2"):
            run("evaluate", *bad, "--out", tmp_path / "o")


@pytest.mark.parametrize(
    "option",
    [["--manifest", "m.csv"], ["--images", "d"], ["--label-map", "a=b"], ["--allow-missing"], ["--record"]],
    ids=lambda option: option[0],
)
def test_evaluate_refuses_options_that_predictions_do_not_take(option, tmp_path, capsys):
    table = table_of(tmp_path)
    assert run("evaluate", "--predictions", table, "--out", tmp_path / "o") == 0
    with pytest.raises(SystemExit, match="2"):
        run("evaluate", "--predictions", table, *option, "--split", "test", "--out", tmp_path / "o2")
    assert f"{option[0]} does not go with --predictions" in capsys.readouterr().err
    assert not (tmp_path / "o2").exists()


@pytest.mark.parametrize("rows", [[], ["--only", "patient_id=1"], ["--split", "test", "--only", "patient_id=1"]])
def test_a_card_records_whole_splits_alone(rows, preset, manifest, tmp_path, capsys):
    before = (preset / "preset.json").read_bytes()
    with pytest.raises(SystemExit, match="2"):
        run("evaluate", "--preset", preset, "--manifest", manifest, *rows, "--label-map", "label=Pneumonia",
            "--out", tmp_path / "o", "--record")  # fmt: skip
    assert "whole split" in capsys.readouterr().err
    assert (preset / "preset.json").read_bytes() == before
    assert not (preset / "evaluation.json").exists()


def test_a_card_takes_no_evaluation_of_all_rows(preset, tmp_path):
    card = Preset.load(preset)
    evaluation, _ = judge_predictions(table_of(tmp_path), split=None)
    assert evaluation.split == ALL_ROWS
    with pytest.raises(ManifestError, match="all rows"):
        record_evaluation(card, evaluation)
    assert not (preset / "evaluation.json").exists()


def test_a_card_that_cannot_be_written_is_refused_without_its_name(preset, manifest, tmp_path, capsys, monkeypatch):
    def fail(self, folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Preset, "save", fail)
    assert run("evaluate", "--preset", preset, "--manifest", manifest, "--split", "test",
               "--label-map", "label=Pneumonia", "--out", tmp_path / "o", "--record") == 2  # fmt: skip
    error = capsys.readouterr().err
    assert "cannot be written" in error
    assert str(preset) not in error


def test_evaluate_into_a_file_is_refused_before_anything_is_scored(preset, manifest, tmp_path, capsys, monkeypatch):
    out = tmp_path / "secret_name"
    out.write_text("x")
    monkeypatch.setattr(XRayModelManager, "predict_many", lambda *a: pytest.fail("scored in vain"))
    table = table_of(tmp_path)
    of_preset = ["--preset", preset, "--manifest", manifest, "--label-map", "label=Pneumonia"]
    for what in (of_preset, ["--predictions", table]):
        assert run("evaluate", *what, "--out", out) == 2
        error = capsys.readouterr().err
        assert "cannot be written" in error
        assert "secret_name" not in error
    assert out.read_text() == "x"
    inside = tmp_path / "folder"
    (inside / "evaluation.json").mkdir(parents=True)
    assert run("evaluate", "--predictions", table, "--out", inside) == 2


def test_a_mistyped_split_is_answered_before_keras_is_loaded(preset, manifest, tmp_path):
    arguments = ["--preset", str(preset), "--manifest", str(manifest), "--split", "tset",
                 "--label-map", "label=Pneumonia", "--out", str(tmp_path / "o")]  # fmt: skip
    code = (
        f"import runpy, sys; script = runpy.run_path({str(SCRIPTS / 'evaluate.py')!r});"
        f"print(script['main']({arguments!r}), 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "2 False"
    assert "Its values are: test, train" in done.stderr


def test_doors_are_thin():
    for name in ("evaluate", "predict", "calculate_loss"):
        tree = ast.parse((SCRIPTS / f"{name}.py").read_text())
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert defined <= {"main", "parse", "show_progress"}, name


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
