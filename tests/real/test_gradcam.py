"""Grad-CAM and probabilities of the shipped presets on real radiographs."""

import csv
from pathlib import Path

import numpy as np
import pytest

from cxrkit import XRayModelManager, load_radiograph
from cxrkit.model.timing import tape_grad_cam


def images(data_dir: Path, folder: str, number: int) -> list[Path]:
    with (data_dir / folder / "index.csv").open(encoding="utf-8") as stream:
        names = [row["image"] for row in csv.DictReader(stream) if row["split"] == "test"]
    step = len(names) // number
    home = data_dir / folder
    return [home / name if (home / name).is_file() else home / "images" / name for name in names[::step][:number]]


@pytest.mark.parametrize(("preset", "folder"), [("chestxray14", "cxr14"), ("pneumonia", "kermany")])
def test_closed_form_equals_a_tape_over_the_whole_network(data_dir, preset, folder):
    manager = XRayModelManager(preset)
    tape = tape_grad_cam(manager.model, "conv5_block16_concat")
    evident = 0
    for path in images(data_dir, folder, 3):
        radiograph = load_radiograph(path)
        reading = manager.read(radiograph)
        tensor = manager.preprocess(radiograph)
        expected = tape(tensor)
        for finding, slow in zip(manager.findings, expected, strict=True):
            explanation = reading.explanations[finding]
            assert explanation.map.shape == (7, 7)
            # relative to the map before rectification: what little may be left of it after cancelling
            # carries the rounding of the whole, in the tape as much as here
            assert np.abs(explanation.map - np.maximum(slow, 0)).max() <= 1e-5 * np.abs(slow).max()
            assert explanation.has_positive_evidence == bool(slow.max() > 0)
            evident += explanation.has_positive_evidence
        logits = np.asarray(manager.model(tensor))[0]
        mine = [reading.prediction.score(f).logit for f in manager.findings]
        np.testing.assert_allclose(mine, logits, rtol=1e-4, atol=1e-4)
    assert evident > 0


def test_the_pneumonia_preset_tells_sick_from_well(data_dir):
    """A floor under gross mistakes (swapped labels, inverted input), on training images on purpose.

    How well it does on unseen children is measured once, on the test split, by scripts/evaluate.py.
    """
    manager = XRayModelManager("pneumonia")
    with (data_dir / "kermany" / "index.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "train"]
    sick = [r for r in rows if r["label"] == "1"][::400][:8]
    well = [r for r in rows if r["label"] == "0"][::150][:8]
    scores = [
        [manager.predict(load_radiograph(data_dir / "kermany" / row["image"]))["Pneumonia"] for row in group]
        for group in (sick, well)
    ]
    assert np.mean(scores[0]) > np.mean(scores[1]) + 0.3
