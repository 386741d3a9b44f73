"""Maps of a preset held against boxes and masks, row by row of a manifest."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from cxrkit.data.boxes import read_boxes
from cxrkit.data.manifest import read_manifest
from cxrkit.errors import ManifestError
from cxrkit.evaluation.localisation import inside
from cxrkit.evaluation.maps import enlarge
from cxrkit.evaluation.similarity import evidence_share
from cxrkit.imaging.loading import load_radiograph
from cxrkit.model.manager import XRayModelManager
from cxrkit.serving.attention import examine_attention
from cxrkit.serving.localising import fractions, localise_preset
from tests.factory import make_preset

FINDINGS = ("Effusion", "Mass", "Pneumonia")
LUNGS = [0.25, 0.25, 0.75, 0.5]


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    return XRayModelManager(make_preset(tmp_path_factory.mktemp("weights")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Six radiographs of five patients in images/, masks of the first four in masks/, and a table."""
    home = tmp_path_factory.mktemp("manifest")
    (home / "images").mkdir()
    (home / "masks").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for i in range(6):
        pixels = cv2.resize(rng.integers(0, 255, (8, 8), dtype=np.uint8), (96, 64), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(home / "images" / f"r{i}.png"), pixels)
        mask = inside([LUNGS], 128).astype(np.uint8) * 255
        cv2.imwrite(str(home / "masks" / f"m{i}.png"), mask)
        rows.append(
            {
                "image": f"images/r{i}.png",
                "mask": f"masks/m{i}.png" if i < 4 else "",
                "split": ["train", "train", "test", "test", "", "test"][i],
                "patient_id": str(min(i, 4)),
                **dict.fromkeys(FINDINGS, "1"),
            }
        )
    pd.DataFrame(rows).to_csv(home / "index.csv", index=False)
    return home


@pytest.fixture
def manifest(folder):
    return read_manifest(folder / "index.csv", FINDINGS)


def boxes(folder, text, name="b.csv"):
    (folder / name).write_text("image,label,x,y,w,h\n" + text, encoding="utf-8")
    return read_boxes(folder / name)


class Counting:
    """A manager that counts its readings."""

    def __init__(self, manager):
        self.preset, self.manager, self.readings = manager.preset, manager, 0

    def explanations(self, radiograph):
        self.readings += 1
        return self.manager.explanations(radiograph)


def test_localisation_by_set_split_and_finding(manager, manifest, folder):
    one = boxes(
        folder,
        "r0.png,Mass,0,0,512,512\nr2.png,Mass,0,0,512,512\nr2.png,Effusion,0,0,1024,1024\n"
        "r4.png,Mass,512,0,512,512\nr3.png,Hernia,0,0,9,9\nr9.png,Mass,0,0,9,9\n",
    )
    other = boxes(folder, "r2.png,Mass,0,0,1024,1024\n", "other.csv")
    counting, seen = Counting(manager), []
    got = localise_preset(
        counting, manifest, {"one": one, "other": other}, progress=lambda done, total: seen.append((done, total))
    )
    assert counting.readings == 3  # each radiograph once, whatever the number of its boxes
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [(e.boxes, e.split, e.finding, e.pairs, e.images, e.headline) for e in got] == [
        ("one", "train", "all", 1, 1, False),
        ("one", "train", "Mass", 1, 1, False),
        ("one", "test", "all", 2, 1, True),
        ("one", "test", "Mass", 1, 1, True),
        ("one", "test", "Effusion", 1, 1, True),
        ("one", "all rows", "all", 1, 1, False),
        ("one", "all rows", "Mass", 1, 1, False),
        ("other", "test", "all", 1, 1, True),
        ("other", "test", "Mass", 1, 1, True),
    ]
    whole = got[4].model  # a box around everything holds whatever the map points at
    assert whole.pointing.value == 1.0
    assert whole.iobb["0.5"].value == 1.0
    assert whole.pointing.weights_sha256 == manager.preset.weights_sha256


def test_boxes_meet_the_part_of_the_radiograph_that_a_preset_sees(tmp_path, folder):
    # 96 x 64 pixels: padded above and below by a sixth of the width, or cropped left and right
    radiograph = load_radiograph(folder / "images" / "r0.png")
    for geometry, expected in (("pad", (0, -0.25, 1, 1.25)), ("crop", (1 / 6, 0, 5 / 6, 1))):
        shown = XRayModelManager(make_preset(tmp_path, geometry, geometry=geometry)).explain(radiograph, "Mass")
        assert fractions(shown.box, radiograph) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("split", "headline"),
    [("Train", False), ("training", False), ("train_val", False), ("trainval", False), ("val", False),
     ("Validation", False), ("dev", False), ("TUNE", False), ("test", True), ("Test", True), ("external", True)],
)  # fmt: skip
def test_headlines_are_of_splits_that_the_model_has_not_seen(manager, folder, split, headline):
    table = pd.read_csv(folder / "index.csv", dtype=str, keep_default_na=False)
    table["split"] = split
    table.to_csv(folder / "other.csv", index=False)
    drawn = {"b": boxes(folder, "r2.png,Mass,0,0,9,9\n")}
    got = localise_preset(manager, read_manifest(folder / "other.csv", FINDINGS), drawn)
    assert [(e.split, e.headline) for e in got] == [(split, headline)] * 2


def test_an_image_that_is_gone_is_named_by_its_row(manager, folder, tmp_path):
    good = read_manifest(folder / "index.csv", FINDINGS)
    bad = tmp_path / "secret.png"
    bad.write_bytes(b"not an image")
    images = (*good.images[:2], bad, *good.images[3:])
    broken = dataclasses.replace(good, images=images)
    drawn = {"b": boxes(folder, "r2.png,Mass,0,0,9,9\n")}
    for read in (lambda: localise_preset(manager, broken, drawn), lambda: examine_attention(manager, broken)):
        with pytest.raises(ManifestError, match=r"The image in row 4 of the table cannot be read\.") as caught:
            read()
        assert "secret" not in str(caught.value)


def test_boxes_of_no_image_at_hand_are_refused(manager, manifest, folder):
    with pytest.raises(ManifestError, match="No image of the table has a box"):
        localise_preset(manager, manifest, {"b": boxes(folder, "z.png,Mass,0,0,9,9\n")})
    with pytest.raises(ManifestError, match="that the model predicts"):
        localise_preset(manager, manifest, {"b": boxes(folder, "r0.png,Hernia,0,0,9,9\n")})


def test_attention(manager, manifest, folder):
    got = examine_attention(manager, manifest, sample=20, seed=1)
    assert got.randomisation[0].stage == "none"
    assert got.randomisation[-1].stage == "whole"
    assert got.randomisation[0].ssim.value == pytest.approx(1.0, abs=1e-6)
    assert got.randomisation[-1].ssim.value < 0.9
    assert {stage.ssim.n for stage in got.randomisation} == {got.evidence[0].share.n}
    lungs = [entry for entry in got.evidence if entry.region == "outside the lungs"]
    border = [entry for entry in got.evidence if entry.region == "border band"]
    explained = [manager.read(load_radiograph(path)).explanations for path in manifest.images]
    evident = [f for f in FINDINGS if any(maps[f].has_positive_evidence for maps in explained)]
    assert [entry.finding for entry in border] == ["all", *evident]
    for entry in border[1:]:
        assert entry.share.n == sum(maps[entry.finding].has_positive_evidence for maps in explained)
    assert border[0].area.value == pytest.approx(1 - (230 / 256) ** 2)
    assert lungs[0].area.value == pytest.approx(1 - 0.5 * 0.25, abs=0.003)
    assert border[0].share.split == "all rows"
    # by hand: the masks of four rows
    shares = []
    for path in manifest.images[:4]:
        values = enlarge(manager.explain(load_radiograph(path), "Mass").map)
        share = evidence_share(values, ~inside([LUNGS]))
        if share is not None:
            shares.append(share)
    mass = next(entry for entry in lungs if entry.finding == "Mass")
    assert mass.share.n == len(shares)
    assert mass.share.value == pytest.approx(np.mean(shares), abs=1e-6)


def test_the_sample_is_seeded_and_says_its_split(manager, manifest):
    test = manifest.subset([2, 3, 5])
    one, again = (examine_attention(manager, test, sample=2, seed=5) for _ in range(2))
    assert one == again
    assert one.evidence[0].share.split == "test"
    assert one.evidence[1].share.n <= 2


def test_an_unreadable_mask_is_refused_by_row(manager, folder):
    table = pd.read_csv(folder / "index.csv", dtype=str, keep_default_na=False)
    table.loc[1, "mask"] = "masks/secret.png"
    table.to_csv(folder / "bad.csv", index=False)
    with pytest.raises(ManifestError, match="The mask in row 3 ") as caught:
        examine_attention(manager, read_manifest(folder / "bad.csv", FINDINGS))
    assert "secret" not in str(caught.value)


def test_masks_of_absolute_images_lie_beside_them(manager, folder):
    table = pd.read_csv(folder / "index.csv", dtype=str, keep_default_na=False).iloc[:1].copy()
    table["image"] = str(folder / "images" / "r0.png")
    table["mask"] = "../masks/m0.png"
    table.to_csv(folder / "absolute.csv", index=False)
    got = examine_attention(manager, read_manifest(folder / "absolute.csv", FINDINGS))
    assert {entry.region for entry in got.evidence} == {"border band", "outside the lungs"}
    assert got.evidence[0].share.low is None  # one patient
