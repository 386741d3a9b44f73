"""OpenVINO reads as TensorFlow does, and nearly so in int8: the shipped presets on real radiographs."""

import csv
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from cxrkit import XRayModelManager, load_radiograph
from tests.conftest import REPOSITORY

BATCH = 20


def images(data_dir: Path, folder: str, number: int) -> list[Path]:
    """Evenly drawn from those that may be trained on or validated with."""
    home = data_dir / folder
    with (home / "index.csv").open(encoding="utf-8") as stream:
        names = [row["image"] for row in csv.DictReader(stream) if row["split"] != "test"]
    step = len(names) // number
    return [home / name if (home / name).is_file() else home / "images" / name for name in names[::step][:number]]


@pytest.mark.parametrize(("preset", "each"), [("chestxray14", 100), ("pneumonia", 20)])
def test_openvino_gives_the_probabilities_and_maps_of_tensorflow(data_dir, shipped, preset, each):
    ours = shipped(preset)
    theirs = XRayModelManager(preset, folder=REPOSITORY / "weights", runtime="tensorflow")
    assert (ours.runtime.name, ours.runtime.precision, theirs.runtime.name) == ("openvino", "float32", "tensorflow")
    paths = iter(images(data_dir, "cxr14", each) + images(data_dir, "kermany", each))
    compared = jumped = 0
    while batch := list(islice(paths, BATCH)):
        tensors = np.concatenate([ours.preprocess(load_radiograph(path)) for path in batch])
        for a, b in zip(ours.runtime.features(tensors), theirs.runtime.features(tensors), strict=True):
            mine, other = (1 / (1 + np.exp(-m.head.logits(x[None])[0])) for m, x in ((ours, a), (theirs, b)))
            assert np.abs(mine - other).max() < 1e-5
            # relative to the map before rectification: what may be left of it is rounded as much as the whole
            ours_map, theirs_map = a @ ours.head.alpha(a), b @ (weights := theirs.head.alpha(b))
            largest = np.abs(theirs_map).max(axis=(0, 1))
            assert np.all(np.abs(a @ weights - theirs_map).max(axis=(0, 1)) < 1e-5 * largest)
            jumped += bool(np.any(np.abs(ours_map - theirs_map).max(axis=(0, 1)) >= 1e-3 * largest))
            compared += 1
    assert compared == 2 * each
    # The gradient of a ReLU jumps at 0: where one of 50,000 values rounds to either side of it, the weight of its
    # channel moves by a 49th. That happens between any two ways to compute, to one radiograph of these.
    assert jumped <= 0.01 * compared


@pytest.mark.parametrize("preset", ["chestxray14", "pneumonia"])
def test_int8_stays_near_float32(data_dir, shipped, preset):
    """On 30 radiographs of each collection; measured: probabilities by .0066 at most, logits by .061."""
    exact = shipped(preset)
    coarse = XRayModelManager(preset, folder=REPOSITORY / "weights", precision="int8")
    apart, alike = [], []
    for path in images(data_dir, "cxr14", 30) + images(data_dir, "kermany", 30):
        radiograph = load_radiograph(path)
        one, other = exact.predict(radiograph), coarse.predict(radiograph)
        apart += [(one[f] - other[f], one.score(f).logit - other.score(f).logit) for f in exact.findings]
        a, b = (m.runtime.features(m.preprocess(radiograph))[0] for m in (exact, coarse))
        maps = [(x @ m.head.alpha(x)).reshape(-1, len(exact.findings)) for m, x in ((exact, a), (coarse, b))]
        alike += [np.corrcoef(x, y)[0, 1] for x, y in zip(*(m.T for m in maps), strict=True)]
    probabilities, logits = np.abs(np.array(apart)).max(axis=0)
    assert 0 < probabilities < 0.02
    assert 0 < logits < 0.2
    assert np.mean(alike) > 0.999
