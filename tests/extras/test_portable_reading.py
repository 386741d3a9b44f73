"""A preset reads alike on every backend of Keras: probabilities, maps of every head, and maps of new weights."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cxrkit.model.network import HEADS
from cxrkit.preset import Preset
from tests.factory import make_preset

REPOSITORY = Path(__file__).resolve().parents[2]

READ = """
import os
import sys
if os.environ["KERAS_BACKEND"] != "tensorflow":
    sys.modules["tensorflow"] = None  # as on a host that has none: importing it fails
from concurrent.futures import ThreadPoolExecutor
import keras
import numpy as np
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.randomisation import cascaded_maps
from cxrkit.radiograph import Radiograph

folder, out, *presets = sys.argv[1:]
rng = np.random.default_rng(0)
images = [Radiograph(rng.random((90, 70), dtype=np.float32), str(i)) for i in range(4)]
found = {"backend": keras.backend.backend()}
for name in presets:
    own = "tensorflow" if keras.backend.backend() == "tensorflow" else "auto"  # else OpenVINO would read
    manager = XRayModelManager(name, folder=folder, runtime=own)
    found[f"{name} runtime"] = manager.runtime.name
    with ThreadPoolExecutor(4) as pool:
        readings = list(pool.map(manager.read, images))
    found[f"{name} logits"] = [[r.prediction.score(f).logit for f in manager.findings] for r in readings]
    found[f"{name} maps"] = [[r.explanations[f].map for f in manager.findings] for r in readings]
    found[f"{name} batches"] = [[p.score(f).logit for f in manager.findings]
                                for p in manager.predict_many(images, batch_size=3)]
    tensors = np.concatenate([manager.preprocess(image) for image in images])
    for stage, maps in cascaded_maps(manager, tensors) if name == "dense-stack" else ():
        found[f"stage {stage}"] = maps
np.savez(out, **found)
"""


def read(backend: str, folder: Path) -> dict[str, np.ndarray]:
    out = folder / f"{backend}.npz"
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", READ, str(folder), str(out), *HEADS]
    subprocess.run(command, env=environment, check=True, timeout=110)
    with np.load(out) as found:
        return dict(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A preset of each head on the plain network, each named after its head, and TensorFlow's reading of them."""
    folder = tmp_path_factory.mktemp("portable")
    for seed, head in enumerate(HEADS):
        assert isinstance(make_preset(folder, head, head=head, seed=seed), Preset)
    return folder


@pytest.fixture(scope="module")
def expected(folder) -> dict[str, np.ndarray]:
    return read("tensorflow", folder)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_readings_are_those_of_tensorflow(folder, expected, backend):
    found = read(backend, folder)
    assert str(found["backend"]) == backend
    for head in HEADS:
        assert (str(expected[f"{head} runtime"]), str(found[f"{head} runtime"])) == ("tensorflow", "keras")
        for what in ("logits", "batches"):
            np.testing.assert_allclose(found[f"{head} {what}"], expected[f"{head} {what}"], rtol=1e-4, atol=1e-5)
        scale = expected[f"{head} maps"].max()
        assert scale > 0
        assert np.abs(found[f"{head} maps"] - expected[f"{head} maps"]).max() <= 1e-4 * scale
    # new weights count, although the trunk was compiled with the old ones
    stages = [name for name in found if name.startswith("stage")]
    assert len(stages) == 7
    np.testing.assert_allclose(found["stage none"], found["dense-stack maps"], rtol=1e-4, atol=1e-6)
    for one, other in itertools.pairwise(stages):
        assert np.abs(found[one] - found[other]).max() > 0
