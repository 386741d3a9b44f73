"""scripts/train.py on the backends torch and jax, without TensorFlow, and on several devices of jax."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxrkit.imaging.loading import load_radiograph
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset_folders import find_run
from tests.factory_training import SHALLOW

ROOT = Path(__file__).resolve().parents[2]

# Runs the script as a host without TensorFlow would, and then reads the images with the finished preset.
DRIVER = """
import importlib.machinery, json, sys
from pathlib import Path

class WithoutTensorFlow(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] == "tensorflow" else super().find_spec(name, path, target)

place = sys.meta_path.index(importlib.machinery.PathFinder)
sys.meta_path[place] = WithoutTensorFlow
sys.path[:0] = ["scripts", "."]
folder = Path(sys.argv[1])
import train
from cxrkit.model.backbones import BACKBONES
from tests.factory_training import SHALLOW
BACKBONES["shallow"] = SHALLOW
status = train.main(sys.argv[2:])
if status:
    sys.exit(status)
from cxrkit.imaging.loading import load_radiograph
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset_folders import find_run
(run,) = (folder / "runs").iterdir()
manager = XRayModelManager(find_run(run))
predictions = manager.predict_many(load_radiograph(folder / f"{n}.png") for n in range(6))
print(json.dumps([[p.score(f).logit for f in manager.findings] for p in predictions]))
assert "tensorflow" not in sys.modules
"""


@pytest.fixture(autouse=True)
def _backbone(monkeypatch):
    monkeypatch.setitem(BACKBONES, "shallow", SHALLOW)


@pytest.fixture
def folder(tmp_path):
    """19 images of two findings with their table, and a recipe with both kinds of stages."""
    random = np.random.default_rng(0)
    rows = ["image,patient_id,split,Mass,Edema"]
    for number in range(19):
        picture = cv2.GaussianBlur(random.integers(0, 255, (48, 48)).astype(np.uint8), (0, 0), 2)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
        rows.append(f"{number}.png,p{number},{'val' if number >= 14 else 'train'},{number % 2},{number // 2 % 2}")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def recipe(folder, **changes):
    stage = {"size": 32, "epochs": 1, "batch": 4, "learning_rate": 1e-3}
    content = {
        "name": "toy",
        "title": "Toy",
        "version": "0",
        "backbone": "shallow",
        "head": "gap-dense",
        "findings": ["Mass", "Edema"],
        "geometry": "squash",
        "intensity": "sample-standard",
        "stages": [{**stage, "trainable": "head"}, stage],
        "intended_use": "test",
        "limits": [],
        "mixed_precision": False,
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps({**content, **changes}))
    return path


def train(folder, backend, *more, **environment):
    words = ["--recipe", str(folder / "recipe.json"), "--manifest", str(folder / "table.csv")]
    words += ["--runs", str(folder / "runs"), "--progress", "lines", *more]
    return subprocess.run(
        [sys.executable, "-c", DRIVER, str(folder), *words],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def logits_by_tensorflow(run):
    manager = XRayModelManager(find_run(run))
    predictions = manager.predict_many(load_radiograph(run.parents[1] / f"{n}.png") for n in range(6))
    return np.array([[p.score(f).logit for f in manager.findings] for p in predictions])


def check_run(folder, backend, done):
    """The run ended, and TensorFlow reads its preset as the backend does; its logits."""
    assert done.returncode == 0, done.stderr
    there = np.array(json.loads(done.stdout.splitlines()[-1]))
    (run,) = (folder / "runs").iterdir()
    versions = json.loads((run / "run.json").read_text())["versions"]
    assert versions["backend"] == backend
    assert versions[backend] != "unknown"
    assert list((run / "tensorboard").iterdir())
    assert np.abs(there).max() > 1e-3
    np.testing.assert_allclose(there, logits_by_tensorflow(run), atol=1e-4)
    return there


@pytest.mark.timeout(300)
def test_torch_trains_without_tensorflow_what_tensorflow_then_reads(folder):
    recipe(folder, mixed_precision=True, head="dropout-dense")
    check_run(folder, "torch", train(folder, "torch"))
    done = train(folder, "torch", "--distribute")
    assert done.returncode == 2
    assert "works on the backend jax, and this is torch" in done.stderr


@pytest.mark.timeout(300)
def test_jax_trains_without_tensorflow_on_one_device_as_on_two(folder):
    recipe(folder)
    alone = check_run(folder, "jax", train(folder, "jax"))
    (folder / "runs").rename(folder / "before")
    shared = train(folder, "jax", "--distribute", XLA_FLAGS="--xla_force_host_platform_device_count=2")
    assert "each batch is divided among 2 devices" in shared.stdout
    np.testing.assert_allclose(check_run(folder, "jax", shared), alone, atol=1e-3)


@pytest.mark.timeout(300)
def test_what_cannot_be_divided_is_refused(folder):
    recipe(folder)
    done = train(folder, "jax", "--distribute")
    assert done.returncode == 2
    assert "only one device" in done.stderr
    flags = "--xla_force_host_platform_device_count=2"
    odd = train(folder, "jax", "--distribute", "--batch-size", "3", XLA_FLAGS=flags)
    assert odd.returncode == 2
    assert "cannot be divided among 2 devices" in odd.stderr
