"""The quality gate on features: placements, classes, distances and files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cxrkit.card import QualityGate
from cxrkit.errors import PresetInvalid, WeightsCorrupt
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.quality import corrected
from cxrkit.model.gate import ARRAYS, CLASSES, GATE_FILE, GRID, OTHER, PLACEMENTS, SCREEN, Gate, lung_shape, placed
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from tests.unit.test_manager import radiograph


def make_gate(size: int, *, winner: int = 0, limit: float = 10.0, unlike: float = 1.0) -> Gate:
    """A gate for which every descriptor belongs to one class; distances are Euclidean along the first axis."""
    bias = np.full(CLASSES, -10.0, np.float32)
    bias[winner] = 10
    arrays = {
        "centre": np.zeros(size),
        "scale": np.ones(size),
        "kernel": np.zeros((size, CLASSES)),
        "bias": bias,
        "axes": np.eye(size, 1),
        "spread": np.array([2.0]),
        "upright": np.zeros(size),
        "references": np.arange(6.0)[:, None],
        "shapes": np.stack([np.arange(GRID * GRID) < 64] * 6),
        "limits": np.array([limit, limit, unlike, 0, 0, 0]),
    }
    return Gate(**{name: np.asarray(arrays[name], dtype=np.float32) for name in ARRAYS})


@pytest.mark.parametrize("number", range(len(PLACEMENTS)))
def test_a_placement_is_undone_by_its_corrections(number):
    pixels = radiograph(4).pixels
    put_wrong = Radiograph(placed(pixels, number), "0" * 64)
    np.testing.assert_allclose(corrected(put_wrong, PLACEMENTS[number]).pixels, pixels, atol=1e-6)


def test_the_placements_are_all_eight():
    assert len(set(PLACEMENTS)) == 8
    assert PLACEMENTS[0] == ()


def test_scores_by_hand():
    gate = make_gate(3)
    # 8 along the axis is 4 of its deviations: the five nearest of 0..5 are 5, 4, 3, 2, 1, on average 1.4 away
    half = lung_shape(np.arange(128 * 128).reshape(128, 128) < 16 * 128)  # two of the four rows of cells
    scores = gate.scores(np.array([[8.0, 3.0, 0.0]], np.float32), half[None])[0]
    assert scores[0] == pytest.approx(np.mean([1, 0, 1, 2, 3]))
    assert scores[1] == pytest.approx(np.sqrt(9 / 3))
    assert scores[2] == pytest.approx(1 - 2 * 32 / (32 + 64))  # by Dice's coefficient
    assert (scores[3:] < -10).all()


@pytest.mark.parametrize(
    ("winner", "proposed", "screen", "other"),
    [(0, (), False, False), (2, ("rotate-180",), False, False), (SCREEN, (), True, False), (OTHER, (), False, True)],
)
def test_verdicts(winner, proposed, screen, other):
    verdict = make_gate(3, winner=winner).judge(np.zeros((1, 3), np.float32), None)
    assert (verdict.proposed, verdict.screen, verdict.other) == (proposed, screen, other)
    assert bool(verdict.issues()) == (screen or other)


def test_what_is_far_is_no_chest():
    verdict = make_gate(3, limit=1.0).judge(np.array([[50.0, 0, 0]], np.float32), None)
    assert verdict.distance > 1
    assert [issue.code for issue in verdict.issues()] == ["not-frontal-chest"]


@pytest.fixture
def gated(tiny_folder, tmp_path):
    """A copy of the tiny preset whose gate thinks that everything lies upside down."""

    def make(**options) -> Preset:
        preset = Preset.load(tiny_folder / "tiny")
        folder = tmp_path / "tiny"
        folder.mkdir(exist_ok=True)
        (folder / preset.weights_file).write_bytes((tiny_folder / "tiny" / preset.weights_file).read_bytes())
        manager = XRayModelManager(preset)
        described = manager.describe(manager.runtime.features(manager.preprocess(radiograph(0))))
        sha256 = make_gate(described.shape[1], **options).save(folder / GATE_FILE)
        record = QualityGate(GATE_FILE, sha256, preset.weights_sha256, ("made up",), 6, 6, {"Mass": 0.5}, 0, "none")
        dataclasses.replace(preset, quality_gate=record).save(folder)
        return Preset.load(folder)

    return make


def test_what_no_turning_makes_a_chest_is_refused_and_can_be_asked_for(gated):
    manager = XRayModelManager(gated(winner=2, unlike=0.5))
    image = radiograph(1)
    reading = manager.read(image)
    assert reading.quality.refused
    assert [i.code for i in reading.quality.issues if i.severity == "refuse"] == ["not-frontal-chest", "no-lungs"]
    assert reading.quality.correction == reading.quality.proposed == ()
    assert not reading.override().quality.refused
    as_it_lies = manager.read(image, correct=False)  # which is not a way past
    assert as_it_lies.quality.refused
    assert as_it_lies.quality.proposed == ()
    assert dict(as_it_lies.prediction) == dict(reading.prediction)


def test_what_is_like_a_chest_is_not_refused_for_a_turn_that_leads_nowhere(gated):
    reading = XRayModelManager(gated(winner=2)).read(phantom(0, 512))
    assert reading.quality.distance < 1
    assert not reading.quality.refused
    assert reading.quality.correction == reading.quality.proposed == ()
    assert not {"rotated", "inverted"} & {issue.code for issue in reading.quality.issues}


def test_lungs_of_another_shape_are_looked_at_turned():
    gate = make_gate(3, winner=0, unlike=0.5)
    gate.bias[2] = 0  # the next probable
    upright, elsewhere = np.zeros((2, 128, 128), np.bool_)
    upright[:32], elsewhere[64:] = True, True
    described = np.zeros((1, 3), np.float32)
    assert gate.judge(described, upright).issues() == ()
    far = gate.judge(described, elsewhere)
    assert far.proposed == ()  # the classifier knows no better position
    assert [issue.code for issue in far.issues()] == ["not-frontal-chest"]
    gate.bias[0] = -1
    assert gate.judge(described, elsewhere).proposed == ("rotate-180",)


def test_a_chest_passes_at_one_pass(gated):
    manager = XRayModelManager(gated(winner=0, limit=1e6))
    noise = manager.read(radiograph(1)).quality
    assert [i.code for i in noise.issues if i.severity == "refuse"] == ["no-lungs"]
    reading = manager.read(phantom(0, 512))
    assert not reading.quality.refused
    assert reading.quality.gated
    assert 0 <= reading.quality.distance < 1


def test_a_gate_that_is_missing_or_another_is_refused(gated):
    preset = gated()
    file = Path(preset.folder) / GATE_FILE
    with file.open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(WeightsCorrupt, match="quality gate"):
        Gate.load(preset)
    Gate.load(dataclasses.replace(preset, quality_gate=None))
    with pytest.raises(WeightsCorrupt, match="quality gate"):
        Gate.load(dataclasses.replace(preset, folder=f"{preset.folder}/elsewhere"))


def test_a_gate_of_other_weights_is_refused(gated):
    preset = gated()
    with pytest.raises(PresetInvalid, match="quality gate was fitted for other weights"):
        dataclasses.replace(preset, quality_gate=dataclasses.replace(preset.quality_gate, weights_sha256="0" * 64))
