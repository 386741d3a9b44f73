"""The door scripts/train.py: which option belongs to which manifest, what a run leaves, and how it refuses."""

import csv
import importlib.util
import json
import os
import signal
import sys
import time
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter

from cxrkit.errors import TrainingError
from cxrkit.imaging.loading import load_radiograph
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.preset_folders import find_run, list_presets
from cxrkit.training.interruption import Interruption
from cxrkit.training.recipe import Recipe, Stage
from tests.factory_training import SHALLOW, toy_recipe

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "train.py"


def toy(**changes) -> Recipe:
    own = {
        "findings": ("Mass",),
        "head": "gap-dense",
        "stages": (Stage(32, 1, 8, 1e-3),),
        "population": None,
        "data": (),
    }
    return toy_recipe(**{**own, **changes})


@pytest.fixture(autouse=True)
def _backbone(monkeypatch):
    monkeypatch.setitem(BACKBONES, "shallow", SHALLOW)


def write(path, recipe):
    path.write_bytes(TypeAdapter(Recipe).dump_json(recipe))
    return path


@pytest.fixture
def train():
    spec = importlib.util.spec_from_file_location("train_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *arguments: module.main([str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    """Two tables: a.csv with a split, b.csv with another label name, no split and its own image folder."""
    random = np.random.default_rng(0)
    (tmp_path / "b_images").mkdir()
    for number in range(24):
        for where in (tmp_path, tmp_path / "b_images"):
            cv2.imwrite(str(where / f"{number}.png"), random.integers(0, 255, (40, 40)).astype(np.uint8))
    a = [f"{n}.png,p{n},{'val' if n % 3 == 0 else 'train'},{n % 2},{20 + n},PA" for n in range(24)]
    (tmp_path / "a.csv").write_text("image,patient_id,split,Mass,age,view_position\n" + "\n".join(a) + "\n")
    b = [f"{n}.png,q{n},{n % 2},{'x' if n < 12 else 'y'}" for n in range(24)]
    (tmp_path / "b.csv").write_text("image,patient_id,label,kind\n" + "\n".join(b) + "\n")
    write(tmp_path / "recipe.json", toy())
    return tmp_path


@pytest.fixture
def base(folder):
    """The words of a short run on the first table."""
    return ["--recipe", folder / "recipe.json", "--runs", folder / "runs", "--manifest", folder / "a.csv"]


def only_run(folder):
    (run,) = (folder / "runs").iterdir()
    return run


def record(run):
    return json.loads((run / "run.json").read_text())


def test_options_belong_to_the_manifest_before_them(train, folder, base, monkeypatch, capsys):
    monkeypatch.setenv("CXRKIT_DATA", str(folder))
    more = ["--manifest", folder / "b.csv", "--images", folder / "b_images", "--label-map", "label=Mass"]
    more += ["--only", "kind=x", "--repeat", 2, "--weight", 0.5]
    assert train(*base, *more, "--name", "mine", "--progress", "json") == 0
    preset = Preset.load(only_run(folder) / "preset")
    assert preset.name == "mine"
    # 16 training rows of a, 12 of b; validation is a's val split alone
    assert preset.training.images == 28
    assert preset.training.validation_images == 8
    assert str(folder) not in json.dumps(preset.training.command)
    assert "$CXRKIT_DATA/a.csv" in preset.training.command
    assert preset.training.data[1].startswith("b.csv: 12 training images of 12 patients")
    # b states neither age nor view
    assert (preset.population.age_bands, preset.population.views) == ((), ())
    data = record(only_run(folder))["data"]
    assert (data["repeats"], data["weights"]) == ([1.0, 2.0], [1.0, 0.5])
    # nothing but objects stands on standard output
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"run", "line", "epoch_begins", "step", "epoch_ends"} <= {event["event"] for event in events}
    assert any(event.get("text", "").startswith("training on 28 images, validating on 8") for event in events)
    assert events[-1]["state"] == "finished"
    assert events[-1]["preset"] == str(only_run(folder) / "preset")


def test_a_run_leaves_a_folder_that_tells_everything(train, folder, base, capsys):
    assert train(*base, "--out", folder / "weights" / "mine", "--progress", "quiet") == 0
    assert capsys.readouterr().out == f"{folder / 'weights' / 'mine'}\n"
    run = only_run(folder)
    assert run.name.startswith("mine_20")
    assert {p.name for p in run.iterdir()} == {
        "run.json", "history.csv", "tensorboard", "checkpoints", "preset"
    }  # fmt: skip
    told = record(run)
    assert (told["state"], told["name"], told["seed"]) == ("finished", "mine", 20)
    assert told["recipe"]["backbone"] == "shallow"
    assert told["data"]["training"] == {"images": 16, "patients": 16}
    assert str(folder) not in json.dumps(told)
    with (run / "history.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert 0 <= float(row["validation_auroc_Mass"]) <= 1
    assert list(run.glob("tensorboard/events.out.tfevents.*"))
    # the preset is in the run and, as a copy, among the weights
    (shown,) = list_presets(folder / "weights")
    assert shown == find_run(run)
    assert shown.population.age_bands == ("18-44",)
    assert shown.population.views == ("PA",)
    XRayModelManager(shown)


def test_a_folder_of_ones_own_choice_is_begun_and_gone_on_with(train, folder, base, monkeypatch):
    places = []

    def fake(recipe, sources, place, **more):
        places.append(place)
        raise KeyboardInterrupt

    monkeypatch.setattr("cxrkit.training.launch.run_training", fake)
    assert train(*base, "--run", folder / "here") == 130
    assert places[0].exactly == folder / "here"
    with pytest.raises(SystemExit):
        train(*base, "--run", folder / "here", "--resume")


def test_ctrl_c_stops_after_the_batch_and_resume_goes_on(train, folder, base, capsys, monkeypatch):
    write(folder / "recipe.json", toy(stages=(Stage(32, 2, 4, 1e-3),)))
    heard = []

    def press(self, step, loss):
        heard.append(step)
        if len(heard) == 6:  # in the second epoch
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):  # a signal is taken between two instructions of the interpreter
                if len(heard) > 6:
                    break

    monkeypatch.setattr("cxrkit.training.display.Silent.step", press, raising=False)
    before = signal.getsignal(signal.SIGINT)
    assert train(*base, "--progress", "quiet") == 130
    assert heard == [1, 2, 3, 4, 1, 2]
    assert signal.getsignal(signal.SIGINT) is before
    run = only_run(folder)
    assert record(run)["state"] == "stopped"
    assert f"--resume {run}" in capsys.readouterr().err
    assert not (run / "preset").exists()
    assert train(*base, "--resume", "--progress", "lines") == 0
    out = capsys.readouterr().out
    assert "resumed after stage 1 epoch 1" in out
    assert "copy the preset's folder to weights/toy" in out
    told = record(only_run(folder))
    assert told["state"] == "finished"
    assert len(told["resumed"]) == 1
    assert len((run / "history.csv").read_text().splitlines()) == 3
    # now it is finished, so there is nothing to go on with
    assert train(*base, "--resume") == 2
    assert "no unfinished run of 'toy'" in capsys.readouterr().err
    assert train(*base, "--resume", run, "--seed", 5) == 2
    assert "differs in its recipe" in capsys.readouterr().err


def test_ctrl_c_while_libraries_load_is_no_traceback(train, base, capsys, monkeypatch):
    class Loading(types.ModuleType):
        def __getattr__(self, name):
            raise KeyboardInterrupt if name == "launch" else AttributeError(name)

    monkeypatch.setitem(sys.modules, "cxrkit.training.launch", Loading("launch"))
    assert train(*base) == 130
    assert capsys.readouterr().err == "Stopped. Nothing was begun yet.\n"


def test_ctrl_c_while_images_are_read_stops_after_one(train, folder, base, monkeypatch):
    read = []

    def press(path):
        read.append(path)
        if len(read) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.02)  # so that those ahead are not done before the first is looked at
        return load_radiograph(path)

    monkeypatch.setattr("cxrkit.training.batches.load_radiograph", press)
    assert train(*base) == 130
    assert len(read) < 10  # of 16
    assert record(only_run(folder))["state"] == "stopped"


def test_a_second_ctrl_c_does_not_wait():
    told = []
    with Interruption(lambda: told.append(1)) as interruption:
        interruption.check()
        signal.raise_signal(signal.SIGINT)
        assert told == [1]
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (TrainingError("The loss was not finite.", "Lower it."), 2, "The loss was not finite."),
        (OSError("no room in /a/place"), OSError, "an unexpected error of the kind OSError"),
    ],
)
def test_the_record_says_how_a_run_failed(train, folder, base, monkeypatch, capsys, error, status, message):
    def broken(*args, **kwargs):
        raise error

    monkeypatch.setattr("cxrkit.training.session.train_network", broken)
    if status == 2:
        assert train(*base) == 2
        assert capsys.readouterr().err == "The loss was not finite.\nLower it.\n"
    else:
        with pytest.raises(status):
            train(*base)
    told = record(only_run(folder))
    assert (told["state"], told["message"]) == ("failed", message)


def test_without_a_manifest_labels_csv_of_this_folder_is_taken(train, folder, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("cxrkit.training.launch.run_training", lambda recipe, sources, *_, **__: seen.append(sources))
    monkeypatch.chdir(folder)
    words = ["--recipe", "recipe.json", "--progress", "quiet"]
    assert train(*words) == 2
    message, remedy = capsys.readouterr().err.strip().splitlines()
    assert "no labels.csv" in message
    assert "scripts/prepare_data.py" in remedy
    (folder / "a.csv").rename("labels.csv")
    assert train(*words, "--out", "mine") == 0
    assert [source.manifest for source in seen[0]] == [Path("labels.csv")]


def test_a_model_type_stands_for_its_recipe(train, folder, capsys, monkeypatch):
    seen = {}

    def fake(recipe, sources, place, **more):
        seen.update(recipe=recipe, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr("cxrkit.training.launch.run_training", fake)
    words = ["--model_type", "resnet", "--epochs_frozen", 2, "--epochs_finetune=3", "--batch_size", 16]
    table = ["--manifest", folder / "a.csv"]
    assert train(*words, "--findings", "Mass", *table) == 130
    assert "Nothing was begun yet" in capsys.readouterr().err
    assert (seen["recipe"].name, seen["recipe"].findings) == ("s0-resnet", ("Mass",))
    assert [(s.epochs, s.batch) for s in seen["recipe"].stages] == [(2, 16), (3, 16)]
    assert seen["imagenet"] == "download"  # as the recipe says
    train(*words, "--imagenet", "none", *table)
    assert seen["imagenet"] is None
    train("--model-type", "vgg16", "--epochs-frozen", 2, *table)
    assert "no frozen stages" in capsys.readouterr().err


def test_the_recipes_are_listed(train, capsys):
    assert train("--list-recipes") == 0
    assert "s4-densenet" in capsys.readouterr().out


def test_devices_are_shared_on_jax_alone(train, base, capsys):
    assert train(*base, "--distribute") == 2
    assert "works on the backend jax, and this is tensorflow" in capsys.readouterr().err


def test_refusals_are_two_sentences_and_status_two(train, folder, capsys):
    words = ["--recipe", folder / "recipe.json", "--runs", folder / "runs"]
    assert train(*words, "--manifest", folder / "b.csv", "--images", folder / "b_images") == 2
    message, remedy = capsys.readouterr().err.strip().splitlines()
    assert "Mass" in message
    assert remedy.endswith(".")
    assert train("--recipe", folder / "no.json", "--manifest", "x.csv") == 2
    table = ["--manifest", folder / "a.csv"]
    for wrong, what in (
        (["--name", "../x"], "characters that names cannot have"),
        (["--name", "x", "--out", folder / "y"], "name of the preset and the last part"),
        (["--out", folder / "a.csv"], "taken by a file"),
        (["--resume"], "no unfinished run"),
        (["--imagenet", folder / "none.h5"], "does not exist|no ImageNet weights"),
    ):
        assert train(*words, *wrong, *table) == 2
        assert any(part in capsys.readouterr().err for part in what.split("|"))
    assert not (folder / "runs").exists()
    for wrong in (["--images", "x", "--manifest", "y"], ["--manifest", "y", "--label-map", "label"], []):
        with pytest.raises(SystemExit):
            train(*(words if wrong else []), *wrong)


def test_help_is_worth_reading(train, capsys):
    with pytest.raises(SystemExit) as stop:
        train("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "--resume" in text
    assert "--hold-out" in text
    assert "docs/training.md" in text
