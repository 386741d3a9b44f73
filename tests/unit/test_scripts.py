"""scripts/evaluate.py and scripts/predict.py through their main(), with a tiny model."""

import ast
import hashlib
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

from cxrkit.imaging.phantom import phantom_dicom
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.openvino_runtime import can_compute
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


def test_evaluate_degrades_every_image_and_says_so(preset, manifest, tmp_path, capsys):
    arguments = ["evaluate", *of_preset(preset, manifest, "--split", "test", "--no-report")]
    tables = []
    for name, more in (("plain", []), ("none", ["--degrade", "shrink=1"]), ("dark", ["--degrade", "gamma=3"])):
        assert run(*arguments, *more, "--out", tmp_path / name) == 0
        tables.append(pd.read_csv(tmp_path / name / "predictions.csv"))
    plain, unchanged, dark = tables
    np.testing.assert_array_equal(plain["logit_Mass"], unchanged["logit_Mass"])
    assert (abs(plain["logit_Mass"] - dark["logit_Mass"]) > 1e-6).all()
    notes = json.loads((tmp_path / "dark" / "evaluation.json").read_text())["notes"]
    assert notes[0] == "Every image was degraded before it was scored: gamma 3."
    assert notes[0] in capsys.readouterr().out
    for degraded, said in (("haze=1", "blur, shrink, gamma, noise"), ("blur=wide", "between 0.0005 and 0.1")):
        assert run(*arguments, "--degrade", degraded, "--out", tmp_path / "o") == 2
        assert said in capsys.readouterr().err
    for other in (["--record"], ["--attention"], ["--boxes", "b.csv"]):
        with pytest.raises(SystemExit, match="2"):
            run(*arguments, "--degrade", "gamma=3", *other, "--out", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_evaluate_computes_in_another_precision_and_says_so(preset, manifest, tmp_path, capsys):
    arguments = ["evaluate", *of_preset(preset, manifest, "--split", "test", "--no-report")]
    assert run(*arguments, "--out", tmp_path / "plain") == 0
    coarse = run(*arguments, "--precision", "bfloat16", "--out", tmp_path / "coarse")
    if can_compute("bfloat16"):
        assert coarse == 0
        plain, other = (pd.read_csv(tmp_path / name / "predictions.csv") for name in ("plain", "coarse"))
        difference = abs(plain["logit_Mass"] - other["logit_Mass"])
        assert 0 < difference.max() < 0.1
        assert "The network computed in bfloat16" in capsys.readouterr().out
    else:
        assert coarse == 2
        assert "cannot compute in bfloat16" in capsys.readouterr().err
    assert run(*arguments, "--precision", "int8", "--out", tmp_path / "o") == 2
    assert "ranges of its layers were not measured" in capsys.readouterr().err
    for precision in ("bfloat16", "int8"):
        with pytest.raises(SystemExit, match="2"):
            run(*arguments, "--precision", precision, "--record", "--out", tmp_path / "o")


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
    [
        ["--manifest", "m.csv"],
        ["--images", "d"],
        ["--label-map", "a=b"],
        ["--allow-missing"],
        ["--record"],
        ["--precision", "bfloat16"],
    ],
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


def of_preset(preset, manifest, *more):
    return ["--preset", preset, "--manifest", manifest, "--label-map", "label=Pneumonia", *more]


@pytest.fixture
def nothing_is_scored(monkeypatch):
    monkeypatch.setattr(XRayModelManager, "predict_many", lambda *a: pytest.fail("scored in vain"))


@pytest.mark.usefixtures("nothing_is_scored")
def test_a_card_records_no_split_that_the_model_has_seen(preset, manifest, tmp_path, capsys):
    for split, message in (("train", "one to train on"), ("val", "one to fit thresholds on")):
        manifest.write_text(manifest.read_text().replace(",test,", f",{split},"))
        assert run("evaluate", *of_preset(preset, manifest, "--split", split, "--record"), "--out", tmp_path / "o") == 2
        assert message in capsys.readouterr().err
        manifest.write_text(manifest.read_text().replace(f",{split},", ",test,"))
    assert not (tmp_path / "o").exists()


@pytest.mark.usefixtures("nothing_is_scored")
def test_a_card_records_no_split_in_part(preset, manifest, tmp_path, capsys):
    before = (preset / "preset.json").read_bytes()
    table = ["--preset", preset, "--manifest", manifest, "--split", "test", "--record", "--out", tmp_path / "o"]
    assert run("evaluate", *table, "--allow-missing") == 2
    assert "no label of Pneumonia" in capsys.readouterr().err
    (manifest.parent / "images" / "5.png").write_bytes(b"not an image")
    assert run("evaluate", *table, "--label-map", "label=Pneumonia", "--skip-unreadable") == 2
    assert "1 images of the split cannot be read" in capsys.readouterr().err
    assert (preset / "preset.json").read_bytes() == before
    assert not (preset / "evaluation.json").exists()


def test_a_card_gives_up_recorded_metrics_on_request_alone(preset, manifest, tmp_path, capsys, monkeypatch):
    record = of_preset(preset, manifest, "--split", "test", "--record", "--no-report", "--out", tmp_path / "o")
    for _ in range(2):  # the same table may be judged again
        assert run("evaluate", *record) == 0
    card = (preset / "preset.json").read_bytes()
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join(lines[:-2]) + "\n")
    with monkeypatch.context() as patch:
        patch.setattr(XRayModelManager, "predict_many", lambda *a: pytest.fail("scored in vain"))
        assert run("evaluate", *record) == 2
    error = capsys.readouterr().err
    assert "t.csv (10 images" in error
    assert "t.csv (8 images" in error
    assert (preset / "preset.json").read_bytes() == card
    assert run("evaluate", *record, "--replace") == 0
    assert Preset.load(preset).metric("Mass", "auroc", "test").n == 8


def test_replace_alone_says_nothing(preset, manifest, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("evaluate", *of_preset(preset, manifest, "--split", "test", "--replace"), "--out", tmp_path / "o")
    assert "--replace goes with --record" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["-5", "0"])
def test_attention_needs_a_radiograph(number, preset, manifest, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("evaluate", *of_preset(preset, manifest, "--attention", number), "--out", tmp_path / "o")
    assert "at least 1 radiograph" in capsys.readouterr().err


# -- files that are read are not written over ------------------------------------------------------


def rival(path, images, finding="Mass", probability=0.5):
    """Another model's predictions."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"image,prob_{finding}\n" + "".join(f"{name},{probability}\n" for name in images))
    return path


def test_a_rival_is_compared_with(preset, manifest, tmp_path):
    other = rival(tmp_path / "rival.csv", [f"{i}.png" for i in range(12)])
    out = tmp_path / "o"
    assert run("evaluate", *of_preset(preset, manifest, "--against", other, "--no-report"), "--out", out) == 0
    found = json.loads((out / "evaluation.json").read_text())
    difference = found["comparison"]["findings"]["Mass"]["difference"]["value"]
    assert difference == pytest.approx(found["findings"]["Mass"]["auroc"]["value"] - 0.5)
    assert difference != 0


@pytest.mark.usefixtures("nothing_is_scored")
@pytest.mark.parametrize("which", ["--against", "--manifest", "--boxes"])
@pytest.mark.parametrize("name", ["predictions.csv", "evaluation.json", "report.html"])
def test_no_file_that_a_preset_is_judged_with_is_written_over(which, name, preset, manifest, tmp_path, capsys):
    out = tmp_path / "o"
    theirs = rival(out / name, ["3.png"])
    if which == "--boxes":
        theirs.write_text("image,label,x,y,w,h\n3.png,Mass,0,0,9,9\n")
    elif which == "--manifest":
        theirs.write_text(manifest.read_text())
    before = theirs.read_bytes()
    options = of_preset(preset, theirs if which == "--manifest" else manifest, "--images", manifest.parent / "images")
    link = tmp_path / "link"
    link.symlink_to(out)
    for folder in (out, link, tmp_path / "o" / ".." / "o"):
        assert run("evaluate", *options, *([which, theirs] if which != "--manifest" else []), "--out", folder) == 2
        error = capsys.readouterr().err
        assert f"the {name} in the folder for the results" in error
        assert str(tmp_path) not in error
    assert theirs.read_bytes() == before
    assert [path.name for path in out.iterdir()] == [name]


def test_no_table_that_predictions_are_judged_with_is_written_over(tmp_path, capsys):
    out = tmp_path / "o"
    table = tmp_path / "p.csv"
    table.write_text("image,Mass,prob_Mass\na,1,0.9\nb,0,0.2\n")
    theirs = rival(out / "predictions.csv", ["a", "b"])
    theirs.write_text("image,Mass,prob_Mass\nc,1,0.9\nd,0,0.2\n")
    before = theirs.read_bytes()
    for option in ("--against", "--fit-predictions"):
        assert run("evaluate", "--predictions", table, option, theirs, "--out", out) == 2
        assert "predictions.csv in the folder for the results" in capsys.readouterr().err
    assert theirs.read_bytes() == before
    assert not (out / "evaluation.json").exists()
    named = tmp_path / "p" / "report.html"
    named.parent.mkdir()
    named.write_text(table.read_text())
    assert run("evaluate", "--predictions", named, "--out", named.parent) == 2
    assert named.read_text() == table.read_text()


def test_predictions_that_lie_among_the_results_stay_as_they_are(tmp_path):
    table = tmp_path / "predictions.csv"
    table.write_text("split,Mass,prob_Mass\nval,1,0.8\ntest,1,0.9\ntest,0,0.2\n")
    before = table.read_bytes()
    assert run("evaluate", "--predictions", table, "--split", "test", "--out", tmp_path, "--no-report") == 0
    assert table.read_bytes() == before
    assert json.loads((tmp_path / "evaluation.json").read_text())["images"] == 2


@pytest.mark.usefixtures("nothing_is_scored")
def test_the_evaluation_beside_a_card_is_not_written_over(preset, manifest, tmp_path, capsys):
    (preset / "evaluation.json").write_text("kept")
    for what in (of_preset(preset, manifest), ["--predictions", table_of(tmp_path)]):
        assert run("evaluate", *what, "--out", preset) == 2
        assert "holds a model" in capsys.readouterr().err
    assert (preset / "evaluation.json").read_text() == "kept"
    assert not (preset / "predictions.csv").exists()


@pytest.mark.usefixtures("nothing_is_scored")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prob_Mass\n0.5\n", "column image, which one of them lacks"),
        ("image,prob_Hernia\n3.png,0.5\n", "share no finding"),
        ("image,prob_Mass\nz.png,0.5\n", "share no image"),
        ("image,prob_Mass\n3.png,0.5\n3.png,0.4\n", "names 1 images twice"),
        ("", "table is empty"),
    ],
)
def test_a_rival_that_cannot_be_compared_with_is_refused_before_scoring(
    text, message, preset, manifest, tmp_path, capsys
):
    other = tmp_path / "rival.csv"
    other.write_text(text)
    assert run("evaluate", *of_preset(preset, manifest, "--against", other), "--out", tmp_path / "o") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_radiographs_without_any_label_are_scored_and_their_maps_examined(preset, manifest, tmp_path, capsys):
    lines = [line.split(",") for line in manifest.read_text().splitlines()]
    bare = manifest.parent / "bare.csv"
    cv2.imwrite(str(manifest.parent / "mask.png"), np.pad(np.full((40, 48), 255, np.uint8), ((20, 20), (24, 24))))
    bare.write_text("image,mask\n" + "".join(f"{line[0]},../mask.png\n" for line in lines[1:]))
    arguments = ["--preset", preset, "--manifest", bare, "--attention", "3", "--out", tmp_path / "o"]
    assert run("evaluate", *arguments) == 2
    assert "no column for Effusion" in capsys.readouterr().err
    assert run("evaluate", *arguments, "--allow-missing") == 0
    assert "outside the lungs" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "o" / "predictions.csv")
    assert table["Mass"].isna().all()
    assert table["prob_Mass"].between(0, 1).all()
    found = json.loads((tmp_path / "o" / "evaluation.json").read_text())
    assert found["images"] == 12
    assert found["macro"] == {"auroc": None, "auprc": None, "brier": None}
    for entry in found["findings"].values():
        assert (entry["n"], entry["auroc"], entry["brier"]) == (0, None, None)
    assert "outside the lungs" in {share["region"] for share in found["attention"]["evidence"]}
    assert (tmp_path / "o" / "report.html").is_file()


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


def test_predict_with_another_display(preset, manifest, tmp_path, capsys):
    scan, plain = tmp_path / "scan.dcm", manifest.parent / "images" / "3.png"
    scan.write_bytes(phantom_dicom(size=128, attributes={"WindowCenter": [2048, 900], "WindowWidth": [4096, 700]}))
    logits = []
    for number, name in ((1, "Window 2048 / 4096"), (2, "Window 900 / 700"), (3, "Full range")):
        assert run("predict", scan, "--preset", preset, "--json", "--display", number) == 0
        line = capsys.readouterr().out
        assert f"Shown as display {number} of 3: {name}." in line
        logits.append([entry["logit"] for entry in json.loads(line)["findings"].values()])
    assert logits[0] != logits[1] != logits[2]
    assert run("predict", scan, plain, "--preset", preset, "--display", 4) == 2
    text = capsys.readouterr().out
    assert "no such display: it has 3" in text
    assert "only one way to be displayed" in text


def test_predict_writes_maps_that_are_named_after_no_patient(preset, manifest, tmp_path, capsys):
    film, maps = tmp_path / "DOE^JANE.png", tmp_path / "maps"
    shutil.copy(manifest.parent / "images" / "3.png", film)
    assert run("predict", film, "--preset", preset, "--overlay", maps, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    past = [
        finding
        for finding, entry in record["findings"].items()
        if any(point["positive"] and not point["in_doubt"] for point in entry["operating_points"].values())
    ]
    assert past
    sha256 = hashlib.sha256(film.read_bytes()).hexdigest()
    assert record["maps"] == [f"tiny-{sha256}-{finding.lower()}.png" for finding in past]
    assert {path.name for path in maps.iterdir()} == set(record["maps"])
    assert run("predict", film, "--preset", preset, "--overlay", maps, "--findings", "all") == 0
    assert f"map: tiny-{sha256}-mass.png" in capsys.readouterr().out
    pictures = {path.name: path.read_bytes() for path in maps.iterdir()}
    assert len(pictures) == len(Preset.load(preset).findings)
    for data in pictures.values():
        height, width = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[:2]
        assert width == 96
        assert height > 80  # the captions under it
        assert b"DOE" not in data
    assert run("predict", film, "--preset", preset, "--overlay", maps, "--findings", "Gout") == 2
    assert "does not predict 'Gout'" in capsys.readouterr().err
    assert run("predict", film, "--preset", preset, "--overlay", film) == 2
    assert "cannot be written to" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run("predict", film, "--preset", preset, "--findings", "Mass")


def test_predict_tells_of_an_interruption(preset, manifest, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(XRayModelManager, "read", interrupted)
    assert run("predict", manifest.parent / "images" / "3.png", "--preset", preset) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_score_reads_what_predict_reads(preset, manifest, tmp_path, capsys):
    images = manifest.parent / "images"
    (images / "bad.png").write_text("not a radiograph")
    out = tmp_path / "readings.csv"
    assert run("score", images, "--out", out, "--preset", preset, "--part", 5, "--batch", 4) == 2
    captured = capsys.readouterr()
    assert "13 files: 12 read, 0 refused, 1 not readable." in captured.out
    assert "Not a medical device" in captured.out
    table = pd.read_csv(out).set_index("file")
    assert run("predict", *(images / f"{k}.png" for k in range(12)), "--preset", preset, "--json") == 0
    for line in capsys.readouterr().out.splitlines():
        record = json.loads(line)
        row = table.loc[Path(record["file"]).name]
        for finding, entry in record["findings"].items():
            assert row[f"prob_{finding}"] == pytest.approx(entry["probability"], abs=1e-5)
    assert table.loc["bad.png", "code"] == "UnsupportedFormat"
    assert run("score", tmp_path / "none", "--out", tmp_path / "o.csv", "--preset", preset) == 2
    assert "does not exist" in capsys.readouterr().err


def test_predict_without_a_model_is_2(tmp_path, capsys):
    assert run("predict", tmp_path / "x.png", "--preset", tmp_path / "none") == 2
    assert "no preset" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["evaluate", "predict", "score", "calculate_loss"])
def test_help_works_from_anywhere_without_installing(name):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / f"{name}.py"), "--help"], cwd="/", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout
