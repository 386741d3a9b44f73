"""scripts/compare_backbones.py: one recipe for all, nothing done twice, a table that says what was measured."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

from cxrkit.model.backbones import BACKBONES
from cxrkit.training.command import parse
from cxrkit.training.recipe import Recipe

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "compare_backbones.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compare_backbones", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_recipes_differ_in_the_backbone_and_its_learning_rate_alone(script):
    recipes = [Recipe.parse(json.dumps(script.recipe(name))) for name in BACKBONES]
    assert [each.backbone for each in recipes] == list(BACKBONES)
    shared = set()
    for each in recipes:
        plain = json.loads(each.fingerprint())
        assert plain.pop("backbone") == each.backbone
        assert plain["stages"][0].pop("learning_rate") in (1e-3, 1e-4)
        shared.add(json.dumps(plain, sort_keys=True))
    assert len(shared) == 1


def test_each_is_trained_and_judged_once_with_the_same_options(script, tmp_path, monkeypatch, capsys):
    commands = []

    def pretend(command, check):
        assert check
        words = command[1:]
        commands.append((Path(words[0]).name, words[1:]))
        if words[0].endswith("evaluate.py"):
            folder = Path(words[words.index("--out") + 1])
            folder.mkdir()
            number = sorted(BACKBONES).index(folder.parent.name)
            area = {"value": 0.9 + number / 100, "low": 0.8, "high": 0.99, "n": 624, "split": "test"}
            (folder / "evaluation.json").write_text(json.dumps({"findings": {"Pneumonia": {"auroc": area}}}))

    monkeypatch.setattr(script.subprocess, "run", pretend)
    monkeypatch.setattr(script, "measured", lambda rounds: dict.fromkeys(BACKBONES, (7_040_000, 12.4)))
    arguments = ["--manifest", "k.csv", "--label-map", "label=Pneumonia", "--group-by", "patient_key", "--share", "0.2"]
    assert script.main([*arguments, "--out", str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert [name for name, _ in commands] == ["train.py", "evaluate.py"] * len(BACKBONES)
    parsed = parse(commands[0][1], None)
    assert parsed.sources == [
        {"manifest": Path("k.csv"), "label_map": {"label": "Pneumonia"}, "split": "train", "hold_out": 0.05,
         "group_by": ("patient_key",), "repeat": 0.2}
    ]  # fmt: skip
    assert "--split test" in " ".join(commands[1][1])
    lines = table.splitlines()
    assert len(lines) == 2 + len(BACKBONES)
    assert lines[2] == f"| `{sorted(BACKBONES)[-1]}` | 0.960 (0.800 to 0.990) | 7.0 M | 12 |"
    rows = {row["backbone"]: row for row in json.loads((tmp_path / "table.json").read_text())}
    assert rows["densenet121"]["parameters"] == 7_040_000
    assert rows["densenet121"]["n"] == 624

    commands.clear()
    assert script.main([*arguments, "--out", str(tmp_path)]) == 0
    assert commands == []  # all is there


def test_the_times_are_of_all_networks(script, monkeypatch):
    monkeypatch.setattr(script, "BACKBONES", {name: BACKBONES[name] for name in ("cnn", "resnet18")})
    numbers = script.measured(2)
    assert numbers["resnet18"][0] == pytest.approx(11.18e6, rel=0.01)
    assert all(milliseconds > 0 for _, milliseconds in numbers.values())


def test_a_failure_of_training_ends_it_with_its_status(script, tmp_path, monkeypatch):
    def fail(command, check):
        raise subprocess.CalledProcessError(2, command)

    monkeypatch.setattr(script.subprocess, "run", fail)
    assert script.main(["--manifest", "k.csv", "--out", str(tmp_path)]) == 2
