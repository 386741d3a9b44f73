"""kill -9 at any moment, then the same command with --resume: the same weights as the run that nobody killed."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cxrkit.model.backbones import BACKBONES
from cxrkit.model.checkpoints import read_layers
from cxrkit.training.recipe import Recipe, Stage
from tests.factory_training import SHALLOW, toy_recipe

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)  # five processes
def test_a_killed_run_ends_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setitem(BACKBONES, "shallow", SHALLOW)
    random = np.random.default_rng(0)
    rows = ["image,patient_id,split,Mass"]
    for number in range(28):
        cv2.imwrite(str(tmp_path / f"{number}.png"), random.integers(0, 255, (40, 40)).astype(np.uint8))
        rows.append(f"{number}.png,p{number},{'val' if number >= 16 else 'train'},{number % 2}")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    stages = (Stage(32, 1, 4, 1e-2, trainable="head"), Stage(32, 2, 4, 1e-3, schedule="plateau"))
    recipe = toy_recipe(findings=("Mass",), stages=stages)
    (tmp_path / "recipe.json").write_bytes(TypeAdapter(Recipe).dump_json(recipe))

    done = subprocess.run(
        [sys.executable, "-m", "tests.killed_training", str(tmp_path)],
        cwd=ROOT,
        # one thread adds in one order
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0, -9, -9, 0], done.stderr

    (whole,), (killed,) = list((tmp_path / "whole").iterdir()), list((tmp_path / "killed").iterdir())
    one, other = (read_layers(run / "preset" / "model.weights.h5")[0] for run in (whole, killed))
    assert one.keys() == other.keys()
    for name, arrays in one.items():
        for a, b in zip(arrays, other[name], strict=True):
            np.testing.assert_array_equal(a, b)
    record = json.loads((killed / "run.json").read_text())
    assert record["state"] == "finished"
    assert len(record["resumed"]) == 2
    for run in (whole, killed):
        with (run / "history.csv").open(newline="") as stream:
            table = list(csv.DictReader(stream))
        assert [(row["stage"], row["epoch"]) for row in table] == [("1", "1"), ("2", "1"), ("2", "2")]
        events = EventAccumulator(str(run / "tensorboard")).Reload().Scalars("loss")
        assert [event.step for event in events] == [1, 2, 3]
        np.testing.assert_allclose([event.value for event in events], [float(row["loss"]) for row in table], rtol=1e-6)
    cards = [json.loads((run / "preset" / "preset.json").read_text()) for run in (whole, killed)]
    assert cards[0]["calibration"] == cards[1]["calibration"]
    assert cards[0]["training"]["summary"] == cards[1]["training"]["summary"]
