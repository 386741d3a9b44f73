"""Grad-CAM and probabilities of the shipped presets on real radiographs."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from cxrkit import load_radiograph


def images(data_dir: Path, folder: str, number: int) -> list[Path]:
    with (data_dir / folder / "index.csv").open(encoding="utf-8") as stream:
        names = [row["image"] for row in csv.DictReader(stream) if row["split"] == "test"]
    step = len(names) // number
    home = data_dir / folder
    return [home / name if (home / name).is_file() else home / "images" / name for name in names[::step][:number]]


def taped(network):
    """Grad-CAM by a gradient tape over the whole network per finding, traced once.

    (1, S, S, 3) and the finding's number -> its (H, W) map before rectification, and the (C,) logits.
    """
    both = keras.Model(network.input, [network.get_layer("conv5_block16_concat").output, network.output])

    @tf.function
    def one(tensor, finding):
        with tf.GradientTape() as tape:
            features, logits = both(tensor, training=False)
            score = logits[0, finding]
        alpha = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2))
        return tf.reduce_sum(alpha[:, None, None, :] * features, axis=-1)[0], logits[0]

    return lambda tensor, finding: [np.asarray(found) for found in one(tf.constant(tensor), tf.constant(finding))]


@pytest.mark.parametrize(("preset", "folder"), [("chestxray14", "cxr14"), ("pneumonia", "kermany")])
def test_closed_form_equals_a_tape_over_the_whole_network(data_dir, shipped, preset, folder):
    manager = shipped(preset)
    tape = taped(manager.model)
    evident = 0
    for path in images(data_dir, folder, 3):
        radiograph = load_radiograph(path)
        reading = manager.read(radiograph)
        tensor = manager.preprocess(radiograph)
        for number, finding in enumerate(manager.findings):
            slow, logits = tape(tensor, number)
            explanation = reading.explanations[finding]
            assert explanation.map.shape == (7, 7)
            # relative to the map before rectification: what little may be left of it after cancelling
            # carries the rounding of the whole, in the tape as much as here
            assert np.abs(explanation.map - np.maximum(slow, 0)).max() <= 1e-5 * np.abs(slow).max()
            assert explanation.has_positive_evidence == bool(slow.max() > 0)
            evident += explanation.has_positive_evidence
        mine = [reading.prediction.score(f).logit for f in manager.findings]
        np.testing.assert_allclose(mine, logits, rtol=1e-4, atol=1e-4)
    assert evident > 0


def test_the_pneumonia_preset_tells_sick_from_well(data_dir, shipped):
    """A floor under gross mistakes (swapped labels, inverted input), on training images on purpose.

    How well it does on unseen children is measured once, on the test split, by scripts/evaluate.py.
    """
    manager = shipped("pneumonia")
    with (data_dir / "kermany" / "index.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "train"]
    sick = [r for r in rows if r["label"] == "1"][::400][:8]
    well = [r for r in rows if r["label"] == "0"][::150][:8]
    scores = [
        [manager.predict(load_radiograph(data_dir / "kermany" / row["image"]))["Pneumonia"] for row in group]
        for group in (sick, well)
    ]
    assert np.mean(scores[0]) > np.mean(scores[1]) + 0.3
