"""OpenVINO reads as TensorFlow does: probabilities and maps of the shipped presets on real radiographs."""

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
