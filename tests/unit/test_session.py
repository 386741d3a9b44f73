"""A run from tables to a preset: what it learns from, what it starts from, what it refuses to mix."""

import json
import shutil

import cv2
import numpy as np
import pytest

from cxrkit.data.manifest import read_manifest
from cxrkit.errors import ManifestError, TrainingError
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.training.recipe import Stage
from cxrkit.training.session import Place, run_training
from cxrkit.training.sources import Source, split_sources
from cxrkit.training.starting import first_network, start_record
from tests.factory import make_preset
from tests.factory_training import SHALLOW, Listener, toy_recipe


def recipe(**changes):
    own = {"findings": ("Mass",), "head": "gap-dense", "stages": (Stage(32, 2, 8, 3e-3), Stage(48, 1, 8, 1e-3))}
    return toy_recipe(**{**own, **changes})


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """80 noisy images, half of them with a bright blob; patients have two images each."""
    folder = tmp_path_factory.mktemp("toy")
    random = np.random.default_rng(0)
    rows = ["image,patient_id,split,Mass"]
    for number in range(80):
        picture = random.normal(90, 15, (48, 48))
        if positive := number % 4 < 2:
            cv2.circle(picture, tuple(int(v) for v in random.integers(12, 36, 2)), 8, 230, -1)
        cv2.imwrite(str(folder / f"{number}.png"), np.clip(picture, 0, 255).astype(np.uint8))
        rows.append(f"{number}.png,p{number // 2},{'test' if number >= 72 else 'train'},{int(positive)}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder / "index.csv"


@pytest.fixture(scope="module", autouse=True)
def _backbones():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "shallow", SHALLOW)
        yield


def run(table, out, where, *, start=None, **changes) -> Preset:
    place = Place(exactly=where)
    how = {"command": "test", "reporter": Listener(), "out": out, "start": start}
    return run_training(recipe(**changes), [Source(table, hold_out=0.25)], place, **how).preset


@pytest.fixture(scope="module")
def finished(_backbones, table, tmp_path_factory):
    """A run that reached its end: the copy of its preset in ``whole``, its folder ``run``."""
    folder = tmp_path_factory.mktemp("finished")
    return run(table, folder / "whole", folder / "run"), folder


class Killed(BaseException):
    pass


def test_training_gives_a_calibrated_preset(finished):
    preset, folder = finished
    assert preset == Preset.load(folder / "whole") == Preset.load(folder / "run" / "preset")
    assert preset.input_size == 48
    assert preset.calibration["Mass"].split == "val (cut out of train)"
    assert preset.training.images + preset.training.validation_images == 72  # never a test row
    assert preset.training.summary == (
        "2 epochs at 32 px, batches of 8, AdamW at 0.003; 1 epoch at 48 px, batches of 8, AdamW at 0.001"
    )
    assert {p.rule for p in preset.operating_points} == {"youden", "screening", "rule-in"}
    for point in preset.operating_points:  # the kept scores say the same as the fit
        own = preset.custom_point("Mass", point.threshold)
        assert (own.sensitivity, own.specificity) == pytest.approx((point.sensitivity, point.specificity))


def test_a_border_and_an_early_end_stand_on_the_card(table, tmp_path):
    stages = (Stage(32, 9, 8, 1e-7, schedule="constant", patience=1, keep="best"),)
    preset = run(table, tmp_path / "p", tmp_path / "r", stages=stages, border=0.1, optimizer="adam")
    assert preset.border == 0.1
    rows = (tmp_path / "r" / "history.csv").read_text().splitlines()[1:]
    assert 2 <= len(rows) < 9
    assert preset.training.summary.startswith(f"{len(rows)} epochs at 32 px, batches of 8, Adam at 1e-07")


def test_a_start_hands_over_trunk_and_shared_findings(finished):
    preset, _ = finished
    trained = XRayModelManager(preset).model
    network = first_network(recipe(findings=("Nodule", "Mass")), None, preset)
    np.testing.assert_array_equal(network.get_layer("bn").get_weights()[3], trained.get_layer("bn").get_weights()[3])
    np.testing.assert_array_equal(
        network.get_layer("logits").get_weights()[0][:, 1], trained.get_layer("logits").get_weights()[0][:, 0]
    )
    record = start_record(None, preset, network)
    assert (record["preset"], record["preset_sha256"]) == ("whole", preset.weights_sha256)
    assert record["weights_sha256"] != start_record(None, None, trained)["weights_sha256"]
    with pytest.raises(TrainingError, match="another backbone"):
        first_network(recipe(backbone="cnn"), None, preset)
    with pytest.raises(TrainingError, match="another backbone or head"):
        first_network(recipe(head="dropout-dense"), None, preset)


def test_a_finding_may_start_as_the_mean_of_other_outputs(tmp_path):
    preset = make_preset(tmp_path, backbone="shallow", findings=("Mass", "Nodule"))
    kernel, bias = XRayModelManager(preset).model.get_layer("logits").get_weights()
    merged = recipe(findings=("Effusion", preset.findings[0]), start_outputs={"Effusion": preset.findings})
    found = first_network(merged, None, preset).get_layer("logits").get_weights()
    np.testing.assert_allclose(found[0][:, 0], kernel.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found[1][0], bias.mean(), rtol=1e-6)
    np.testing.assert_array_equal(found[0][:, 1], kernel[:, 0])  # not named: the output of its own name
    with pytest.raises(TrainingError, match="no output Hernia, from which Effusion"):
        first_network(recipe(findings=("Effusion",), start_outputs={"Effusion": ("Hernia",)}), None, preset)
    with pytest.raises(TrainingError, match="names outputs of a preset"):
        first_network(merged, None, None)
    with pytest.raises(TrainingError, match="start outputs"):
        recipe(findings=("Effusion",), start_outputs={"Mass": ("Effusion",)})
    plain = recipe(findings=("Effusion", preset.findings[0]))
    assert "start_outputs" not in plain.fingerprint()  # runs begun before there was the field can go on
    assert merged.fingerprint() != plain.fingerprint()


def test_validation_never_shares_a_patient_and_test_rows_are_never_taken(table):
    parts = split_sources([Source(table, hold_out=0.25)], recipe(), False)
    training, validation = parts.training[0], parts.validation[0]
    assert not set(training.patients()) & set(validation.patients())
    assert "test" not in set(training.table["split"]) | set(validation.table["split"])
    assert parts.validation_name == "val (cut out of train)"
    # as rich in positives as the rest, half of each
    assert (validation.labels.mean(), training.labels.mean()) == pytest.approx((0.5, 0.5), abs=0.06)
    # the cut does not depend on which other findings are asked for
    wide = recipe(findings=("Effusion", "Mass", "Hernia"))
    again = split_sources([Source(table, hold_out=0.25)], wide, True).validation[0]
    assert list(again.table["image"]) == list(validation.table["image"])


def test_an_image_that_shows_something_else_is_other_data(table, tmp_path):
    shutil.copytree(table.parent, tmp_path / "copy")
    copy = tmp_path / "copy" / table.name

    def checksum(path):
        return split_sources([Source(path, hold_out=0.25)], recipe(), False).checksum()

    assert checksum(copy) == checksum(table)
    first = read_manifest(copy, ("Mass",), split="train").images[0]
    cv2.imwrite(str(first), cv2.imread(str(first))[::-1])
    assert checksum(copy) != checksum(table)


def edited(table, name, change):
    """A copy of the table beside it, with its rows changed."""
    header, *rows = table.read_text().splitlines()
    path = table.with_name(name)
    path.write_text("\n".join([header, *(row for row in map(change, rows) if row)]) + "\n")
    return path


def test_a_patient_or_an_image_on_both_sides_is_refused_across_tables(table):
    trained = edited(table, "trained.csv", lambda row: row.replace("test", "train"))
    with pytest.raises(ManifestError, match="patients stand in both"):
        split_sources([Source(table, hold_out=0.25), Source(trained, split="train")], recipe(), False)
    renamed = edited(table, "renamed.csv", lambda row: row.replace(",p", ",other-p").replace("test", "train"))
    with pytest.raises(ManifestError, match="identical to training images"):
        split_sources([Source(table, hold_out=0.25), Source(renamed, split="train")], recipe(), False)


def test_a_table_without_validation_or_training_rows_is_refused(tmp_path, table):
    with pytest.raises(TrainingError, match="no validation part"):
        run_training(recipe(), [Source(table)], Place(tmp_path / "runs"), command="", reporter=Listener())
    assert not (tmp_path / "runs").exists()
    with pytest.raises(TrainingError, match="no rows to train on"):
        split_sources([Source(table, split="test")], recipe(), False)
    with pytest.raises(ManifestError):
        split_sources([Source(table, split="nowhere")], recipe(), False)
    odd = edited(table, "odd.csv", lambda row: row.replace("train", "Training"))
    with pytest.raises(TrainingError, match="72 rows of a table have a split other than"):
        split_sources([Source(odd)], recipe(), False)


def test_a_run_folder_of_other_data_or_another_start_is_refused(tmp_path, table, finished):
    preset, folder = finished
    shutil.copytree(folder / "run", tmp_path / "r")
    flipped = edited(table, "flipped.csv", lambda row: row[:-1] + str(1 - int(row[-1])))
    with pytest.raises(TrainingError, match="differs in its data"):
        run(flipped, tmp_path / "q", tmp_path / "r")
    with pytest.raises(TrainingError, match="differs in its start"):
        run(table, tmp_path / "q", tmp_path / "r", start=preset)
    with pytest.raises(TrainingError, match="differs in its data and recipe"):
        run(table, tmp_path / "q", tmp_path / "r", seed=99)
    assert json.loads((tmp_path / "r" / "run.json").read_text())["state"] == "finished"  # a refusal leaves no trace
    # the words of the card do not matter: nothing is trained again, and the preset is written anew
    again = run(table, tmp_path / "q", tmp_path / "r", limits=("Mended words.",))
    assert (again.limits, again.name) == (("Mended words.",), "q")
    for one, other in zip(*(XRayModelManager(p).model.get_weights() for p in (again, preset)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.training.summary == preset.training.summary
    (tmp_path / "r" / "checkpoints" / "state.json").write_text("{")
    with pytest.raises(TrainingError, match="cannot be read"):
        run(table, tmp_path / "q", tmp_path / "r")


def test_a_failed_calibration_leaves_the_old_preset_untouched(tmp_path, table, finished, monkeypatch):
    _, folder = finished
    shutil.copytree(folder / "whole", tmp_path / "p")
    before = Preset.load(tmp_path / "p")

    def fail(*args, **kwargs):
        raise Killed

    monkeypatch.setattr("cxrkit.training.finishing.fit_calibration", fail)
    with pytest.raises(Killed):
        run(table, tmp_path / "p", tmp_path / "s", stages=(Stage(32, 1, 8, 1e-3),), seed=4)
    assert Preset.load(tmp_path / "p") == before
    XRayModelManager(Preset.load(tmp_path / "p"))
    assert not (tmp_path / "s" / "preset").exists()
    assert json.loads((tmp_path / "s" / "run.json").read_text())["state"] == "running"  # as after a kill
    monkeypatch.undo()
    after = run(table, tmp_path / "p", tmp_path / "s", stages=(Stage(32, 1, 8, 1e-3),), seed=4)
    assert after.weights_sha256 != before.weights_sha256
    assert {p.name for p in tmp_path.iterdir()} == {"p", "s"}  # nothing half-made is left
    assert {p.name for p in (tmp_path / "p").iterdir()} == {"preset.json", "model.weights.h5", "label_counts.csv"}
