"""Real boxes join real radiographs, and the shipped maps depend on the shipped weights."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from cxrkit.data.boxes import read_boxes
from cxrkit.data.manifest import read_manifest
from cxrkit.serving.attention import examine_attention
from cxrkit.serving.localising import localise_preset

FINDINGS = ("Cardiomegaly", "Infiltration", "Mass", "Nodule", "Pneumonia")


@pytest.fixture(scope="module")
def manager(shipped):
    return shipped("chestxray14")


def joined(boxes, manifest):
    """Per split the images, pairs and boxes that met."""
    images, pairs, rectangles = Counter(), Counter(), Counter()
    for split, row in zip(manifest.table["split"], boxes.join(manifest), strict=True):
        if row:
            images[split] += 1
            pairs[split] += len(row)
            rectangles[split] += sum(len(found) for found in row.values())
    return dict(images), dict(pairs), dict(rectangles)


def test_nih_boxes(data_dir):
    manifest = read_manifest(data_dir / "cxr14" / "index.csv", FINDINGS)
    boxes = read_boxes(data_dir / "cxr14" / "bbox.csv")
    assert (len(boxes), len(boxes.by_image)) == (984, 880)
    assert "Infiltration" in boxes.findings
    assert len(boxes.findings) == 8
    images, pairs, rectangles = joined(boxes, manifest)
    assert pairs == rectangles == {"train": 43, "val": 8, "test": 7}
    assert images == {"train": 38, "val": 8, "test": 7}
    # a heart is wider than a nodule, and both lie inside the image
    shares = {
        finding: np.median([np.prod(b[:, 2:] - b[:, :2], axis=1).sum() for b in found])
        for finding in ("Cardiomegaly", "Nodule")
        if (found := [row[finding] for row in boxes.by_image.values() if finding in row])
    }
    assert shares["Cardiomegaly"] > 0.1
    assert shares["Nodule"] < 0.02


def test_rsna_boxes(data_dir):
    manifest = read_manifest(data_dir / "cxr14" / "index.csv", FINDINGS)
    boxes = read_boxes(data_dir / "cxr14" / "rsna_boxes.csv")
    assert (len(boxes), len(boxes.by_image)) == (229, 150)
    assert boxes.findings == ("Pneumonia",)
    images, _, rectangles = joined(boxes, manifest)
    assert images == {"train": 126, "val": 10, "test": 14}
    assert sum(rectangles.values()) == 229
    # the table itself says how many boxes each of its images has
    stated = manifest.table["n_rsna_boxes"].replace("", "0").astype(float).astype(int)
    assert [sum(len(found) for found in row.values()) for row in boxes.join(manifest)] == stated.tolist()


def test_the_shipped_maps_depend_on_the_shipped_weights(data_dir, manager):
    validation = read_manifest(data_dir / "cxr14" / "index.csv", manager.findings, split="val")
    attention = examine_attention(manager, validation, sample=4, seed=0)
    stages = {entry.stage: entry.ssim for entry in attention.randomisation}
    assert list(stages) == ["none", "head", "conv5", "conv4", "conv3", "conv2", "whole"]
    assert stages["none"].value == pytest.approx(1.0, abs=1e-4)
    assert max(ssim.value for stage, ssim in stages.items() if stage != "none") < 0.5
    assert stages["none"].split == "val"
    border = attention.evidence[0]
    assert (border.region, border.finding) == ("border band", "all")
    assert 0 < border.share.value < 1


def test_hearts_are_found_where_hearts_are(data_dir, manager, tmp_path):
    """A floor under gross mistakes (maps or boxes transposed or upside down), on all splits.

    Hearts lie near the middle, so that left and right tell little here; tests/unit/test_localisation.py has those.
    """
    every = read_manifest(data_dir / "cxr14" / "index.csv", manager.findings)
    table = pd.read_csv(data_dir / "cxr14" / "bbox.csv")
    upside_down = table.assign(y=1024 - table["y"] - table["h"])
    transposed = table.assign(x=table["y"], y=table["x"], w=table["h"], h=table["w"])
    hits = {}
    for name, boxed in (("right", table), ("upside down", upside_down), ("transposed", transposed)):
        boxed.to_csv(tmp_path / f"{name}.csv", index=False)
        boxes = read_boxes(tmp_path / f"{name}.csv")
        hearts = every.subset(np.array(["Cardiomegaly" in row for row in boxes.join(every)]))
        entries = localise_preset(manager, hearts, {"NIH": boxes})
        found = {entry.split: entry for entry in entries if entry.finding == "Cardiomegaly"}
        assert {split: entry.pairs for split, entry in found.items()} == {"train": 1, "val": 1, "test": 2}
        assert not found["train"].headline
        assert found["test"].headline
        hits[name] = sum(round(entry.model.pointing.value * entry.pairs) for entry in found.values())
        if name == "right":
            assert all(entry.model.mean_iou.value > entry.random.mean_iou.value for entry in found.values())
    assert hits["right"] == 4  # by chance in about 1 of 200 cases: a random map's peak lies in a quarter of them
    assert max(hits["upside down"], hits["transposed"]) <= 2
