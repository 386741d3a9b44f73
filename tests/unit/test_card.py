"""A card that says impossible things is refused, and so is a threshold of other weights."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from cxrkit.card import ValidationScores
from cxrkit.errors import OperatingPointMismatch, PresetInvalid, PresetNotFound
from cxrkit.preset import Preset
from cxrkit.preset_folders import find_preset, list_presets
from tests.factory import make_preset


@pytest.fixture(scope="module")
def preset(tmp_path_factory) -> Preset:
    return make_preset(tmp_path_factory.mktemp("w"), "good")


def edit(preset: Preset, tmp_path: Path, change) -> Path:
    card = json.loads((Path(preset.folder) / "preset.json").read_text())
    change(card)
    folder = tmp_path / "good"
    folder.mkdir()
    (folder / "preset.json").write_text(json.dumps(card))
    return folder


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.update(input_size=0), "input_size"),
        (lambda c: c.update(input_size="224"), "input_size"),
        (lambda c: c.update(weights_file="../../other/model.weights.h5"), "weights_file"),
        (lambda c: c.update(weights_file="/model.weights.h5"), "weights_file"),
        (lambda c: c.update(name="../x"), "name"),
        (lambda c: c.update(findings=["Mass", "Mass", "Pneumonia"]), "repeated"),
        (lambda c: c["calibration"]["Mass"].update(slope=-1), "slope"),
        (lambda c: c["calibration"]["Mass"].update(prevalence=3), "prevalence"),
        (lambda c: c["calibration"]["Mass"].update(n=-4), "n"),
        (lambda c: c["calibration"]["Mass"].update(positives=900), "900 positives"),
        (lambda c: c["calibration"].pop("Mass"), "Mass"),
        (lambda c: c["label_counts"][0].update(positives=101), "101 positives"),
        (lambda c: c["label_counts"].reverse(), "label counts"),
        (lambda c: c["operating_points"].append(c["operating_points"][0]), "twice"),
        (lambda c: c["operating_points"][0].update(finding="Hernia"), "Hernia"),
        (lambda c: c["operating_points"][0].update(threshold=1.5), "threshold"),
        (lambda c: c.update(reference_prevalence={"source": "x", "by_finding": {"Hernia": 0.1}}), "other findings"),
        (lambda c: c.update(geometry="stretch"), "geometry"),
        (lambda c: c.pop("limits"), "limits"),
    ],
)
def test_an_impossible_card_is_refused_by_what_is_wrong(preset, tmp_path, change, word):
    with pytest.raises(PresetInvalid, match=word) as caught:
        Preset.load(edit(preset, tmp_path, change))
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.remedy


def test_an_operating_point_of_other_weights_is_refused(preset, tmp_path):
    other = dataclasses.replace(preset.operating_points[0], weights_sha256="0" * 64)
    with pytest.raises(OperatingPointMismatch, match="other weights"):
        preset.with_operating_points([other])
    with pytest.raises(OperatingPointMismatch, match=r"good"):
        Preset.load(edit(preset, tmp_path, lambda c: c["operating_points"][0].update(weights_sha256="0" * 64)))


def test_a_copied_folder_is_not_confused_with_the_original(preset, tmp_path):
    for name in ("good", "copy"):
        shutil.copytree(preset.folder, tmp_path / name)
    with pytest.raises(PresetInvalid, match="'copy' holds the card of a preset named 'good'"):
        list_presets(tmp_path)
    shutil.rmtree(tmp_path / "copy")
    assert [p.name for p in list_presets(tmp_path)] == ["good"]


def test_presets_are_found_by_name_then_by_folder(preset, tmp_path):
    folder = Path(preset.folder)
    assert find_preset("good", folder.parent) == preset
    assert find_preset(folder) == preset
    assert find_preset(preset) is preset
    for odd in ("none", "a\0b", "", str(tmp_path)):
        with pytest.raises(PresetNotFound):
            find_preset(odd, tmp_path)


def test_few_positives_or_few_negatives_are_unsupported(preset):
    point = preset.operating_points[0]
    for positives, supported in ((29, False), (30, True), (170, True), (171, False)):
        assert dataclasses.replace(point, positives=positives).supported is supported


def test_a_threshold_of_the_readers_own_is_looked_up_on_validation(preset):
    scores = {"Mass": ValidationScores("val", (0.2, 0.4, 0.9), (0.1, 0.1, 0.3, 0.5, 0.6))}
    kept = dataclasses.replace(preset, validation_scores=scores)
    for threshold, sensitivity, specificity in ((0.4, 2 / 3, 3 / 5), (0.41, 1 / 3, 3 / 5), (0.0, 1, 0), (1.0, 0, 1)):
        point = kept.custom_point("Mass", threshold)
        assert (point.sensitivity, point.specificity) == pytest.approx((sensitivity, specificity))
        assert (point.rule, point.n, point.positives, point.supported) == ("custom", 8, 3, False)
    assert kept.custom_point("Effusion", 0.5) is None
    with pytest.raises(PresetInvalid, match="Hernia"):
        dataclasses.replace(preset, validation_scores={"Hernia": scores["Mass"]})


@pytest.mark.parametrize(
    ("findings", "words"), [(["Mass", "Mass"], "published threshold stands twice"), (["Scoliosis"], "Scoliosis")]
)
def test_published_thresholds_are_for_its_own_findings(preset: Preset, tmp_path: Path, findings, words) -> None:
    published = [{"finding": f, "threshold": 0.5, "source": "a paper"} for f in findings]
    with pytest.raises(PresetInvalid, match=words):
        Preset.load(edit(preset, tmp_path, lambda c: c.update(published_thresholds=published)))


def test_a_card_may_leave_open_what_nobody_stated(preset: Preset, tmp_path: Path) -> None:
    def change(card) -> None:
        card["label_counts"] = []
        card["training"].update(images=None, patients=None, validation_images=None, seed=None)
        card["population"].update(age_bands=[], views=[])

    opened = Preset.load(edit(preset, tmp_path, change))
    assert opened.training.images is None
    assert opened.population.mismatches("0-17", "LL") == ()
    assert preset.population.mismatches("0-17", "LL") != ()
