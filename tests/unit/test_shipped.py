"""What ships agrees with itself: cards, weights, evaluations, train_config.json and the README's table."""

from pathlib import Path

import pytest

from cxrkit.evaluation.schema import Evaluation
from cxrkit.model.int8_graph import computed_in_int8
from cxrkit.model.int8_ranges import load_ranges
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.preset_folders import list_presets, verified_weights
from cxrkit.train_config import TrainConfig

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = REPOSITORY / "weights"


def readme_row(preset: Preset) -> str:
    """The row of the README's accuracy table that a card stands for."""
    several = len(preset.findings) > 1
    finding = "macro" if several else preset.findings[0]
    auroc = preset.metric(finding, "auroc")
    measure = f"mean AUROC of {len(preset.findings)}" if several else "AUROC"
    positives = f"{auroc.n} ({auroc.positives} labels)" if several else f"{auroc.n} ({auroc.positives})"
    return f"| `{preset.name}` | {measure} | {auroc.value:.3f} | {auroc.low:.3f} to {auroc.high:.3f} | {positives} |"


def test_two_presets_ship_and_verify():
    presets = list_presets(SHIPPED)
    assert [(p.name, len(p.findings)) for p in presets] == [("chestxray14", 14), ("pneumonia", 1)]
    for preset in presets:
        assert verified_weights(preset).stat().st_size < 20e6
        assert preset.feature_layer == "conv5_block16_concat"
        assert preset.input_size == 224
        assert "emonstration weights" in preset.notice
        assert "$CXRKIT_DATA" in preset.training.command
        assert preset.limits
        assert preset.label_noise
        assert {point.split.split(" ")[0] for point in preset.operating_points} == {"val"}
        assert {c.split.split(" ")[0] for c in preset.calibration.values()} == {"val"}


@pytest.mark.parametrize("name", ["chestxray14", "pneumonia"])
def test_the_ranges_for_int8_are_of_these_weights_and_of_training_radiographs(name):
    preset = Preset.load(SHIPPED / name)
    ranges = load_ranges(preset)  # refuses those of other weights
    assert len(ranges.layers) == 119  # of 120 convolutions; that a kernel is changed, loading would refuse
    assert ranges.split == "train"
    assert ranges.n >= 300
    assert "$CXRKIT_DATA" in ranges.command
    runtime = XRayModelManager(preset, precision="int8").runtime
    assert computed_in_int8(runtime.compiled) == 119
    told = [limit for limit in preset.limits if "--precision int8" in limit]
    assert len(told) == 1


@pytest.mark.parametrize("name", ["chestxray14", "pneumonia"])
def test_the_card_repeats_its_evaluation(name):
    preset = Preset.load(SHIPPED / name)
    evaluation = Evaluation.load(SHIPPED / name)
    assert evaluation.weights_sha256 == preset.weights_sha256
    assert evaluation.split == "test"
    for finding in preset.findings:
        stated, metric = evaluation.findings[finding].auroc, preset.metric(finding, "auroc")
        assert (stated.value, stated.low, stated.high) == (metric.value, metric.low, metric.high)
        assert stated.n == metric.n
        kinds = {point.fitted_on.kind for point in evaluation.findings[finding].operating_points.values()}
        assert kinds == {"card"}, "nothing was fitted on the test split"


def test_the_shipped_maps_are_judged_beside_their_controls():
    """Boxes by split, those of trained images apart; the maps depend on the weights."""
    evaluation = Evaluation.load(SHIPPED / "chestxray14")
    assert {entry.split for entry in evaluation.localisation if entry.headline} == {"test"}
    assert {entry.split for entry in evaluation.localisation} == {"train", "val", "test"}
    stages = {stage.stage: stage.ssim.value for stage in evaluation.attention.randomisation}
    assert stages.pop("none") == pytest.approx(1)
    assert all(value < 0.5 for value in stages.values())


def test_accuracy_floors():
    assert Preset.load(SHIPPED / "pneumonia").metric("Pneumonia", "auroc").value >= 0.975
    assert Preset.load(SHIPPED / "chestxray14").metric("macro", "auroc").value >= 0.68


def test_the_readme_states_the_cards_numbers():
    readme = (REPOSITORY / "README.md").read_text()
    for preset in list_presets(SHIPPED):
        assert readme_row(preset) in readme


def test_the_readme_counts_the_findings_that_tell_nothing():
    preset = Preset.load(SHIPPED / "chestxray14")
    aurocs = [preset.metric(finding, "auroc") for finding in preset.findings]
    silent = sum(a.low < 0.5 < a.high for a in aurocs)
    readme = " ".join((REPOSITORY / "README.md").read_text().split())
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    assert f"intervals of {words[silent]} of our fourteen findings include 0.5" in readme


def test_train_config_lists_the_presets_findings_in_order():
    config = TrainConfig.load()
    for preset in list_presets(SHIPPED):
        weights = config.class_weights(preset.name)
        assert tuple(weights) == preset.findings
        for w_pos, w_neg in weights.values():
            assert w_pos + w_neg == pytest.approx(1, abs=1e-12)
