"""scripts/fit_head.py: what it chooses it says, a teacher is asked of training rows alone, the preset reads."""

import importlib.util
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxrkit.errors import TrainingError
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.training.head_fitting import Search, fit_head
from cxrkit.training.recipe import Stage
from cxrkit.training.sources import Source
from tests.factory import make_preset
from tests.factory_training import SHALLOW, toy_recipe

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fit_head.py"
RECIPE = {
    "backbone": "shallow",
    "findings": ("Mass", "Nodule"),
    "head": "gap-dense",
    "stages": (Stage(32, 1, 8, 1e-3),),
}


@pytest.fixture(autouse=True, scope="module")
def _shallow():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "shallow", SHALLOW)
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """60 noisy images: Mass is a bright square, whose size the teacher knows; Nodule is unrelated noise."""
    folder = tmp_path_factory.mktemp("toy")
    random = np.random.default_rng(0)
    rows, scores = ["image,patient_id,split,ward,Mass,Nodule"], ["image,prob_Mass,prob_Nodule"]
    for number in range(60):
        picture, size = random.normal(90, 15, (32, 32)), random.integers(0, 12)
        picture[10 : 10 + size, 10 : 10 + size] += 90
        cv2.imwrite(str(folder / f"{number}.png"), np.clip(picture, 0, 255).astype(np.uint8))
        split = "val" if number % 3 == 0 else "train"
        rows.append(f"{number}.png,p{number},{split},{'ab'[number % 2]},{int(size > 5)},{int(random.random() < 0.5)}")
        scores.append(f"{number}.png,{size / 12:.3f},{random.random():.3f}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    (folder / "teacher.csv").write_text("\n".join(scores) + "\n")
    return folder / "index.csv"


def fitted(table, out, *, teacher=True, search=None, **changes):
    lines = []
    start = make_preset(out.parent, "start", ("Mass",), backbone="shallow", input_size=32)
    path = table.parent / "teacher.csv" if teacher else None
    preset = fit_head(
        toy_recipe(**RECIPE | changes),
        [Source(table)],
        start,
        path,
        search or Search(),
        out,
        command="test",
        tell=lines.append,
    )
    return preset, lines


def test_the_preset_reads_with_the_head_that_was_chosen_and_the_trunk_of_the_start(tmp_path, table):
    preset, lines = fitted(table, tmp_path / "mine")
    assert preset == Preset.load(tmp_path / "mine")
    tried = {
        words: float(value)
        for words, value in re.findall(r"^(penalty .*): mean AUROC ([\d.]+)", "\n".join(lines), flags=re.MULTILINE)
    }
    assert len(tried) == 12
    chosen = next(line for line in lines if line.startswith("chosen: ")).removeprefix("chosen: ")
    assert tried[chosen] == max(tried.values()) > 0.6
    assert preset.training.summary == f"head in closed form at 32 px ({chosen}), on the trunk of the preset start"
    assert preset.operating_points[0].split == "val"
    ours, theirs = XRayModelManager(preset).model, XRayModelManager(Preset.load(tmp_path / "start")).model
    np.testing.assert_array_equal(ours.get_layer("bn").get_weights()[0], theirs.get_layer("bn").get_weights()[0])
    scores = preset.validation_scores["Mass"]
    assert np.mean(scores.positives) > np.mean(scores.negatives)


def test_the_teacher_is_asked_of_training_rows_alone_and_may_be_left_out(tmp_path, table):
    _, lines = fitted(table, tmp_path / "one" / "mine")
    assert "a teacher speaks of 40 of 40 training images" in lines
    _, lines = fitted(table, tmp_path / "two" / "mine", teacher=False)
    assert "a teacher speaks of 0 of 40 training images" in lines
    assert not any("share 1" in line for line in lines)


def test_a_share_of_the_starts_own_outputs_can_be_kept(tmp_path, table):
    changes = {"findings": ("Mass",)}
    search = Search(alphas=(10.0,), shares=(0.5,), keeps=(0.0, 0.5, 1.0))
    _, lines = fitted(table, tmp_path / "mine", search=search, **changes)
    tried = [line.split(":")[0] for line in lines if ": mean AUROC" in line]
    solved = "penalty 10, teacher's share 0.5"
    assert tried == [solved, f"{solved}, the start's share 0.5", "the start's own outputs"]
    kept, _ = fitted(table, tmp_path / "kept" / "mine", search=Search(keeps=(1.0,)), **changes)
    start = XRayModelManager(Preset.load(tmp_path / "kept" / "start")).model
    ours = XRayModelManager(kept).model
    for one, other in zip(ours.get_weights(), start.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)  # kernels are stored in float16
    with pytest.raises(TrainingError, match="no output for Nodule"):
        fitted(table, tmp_path / "x" / "mine", search=search)
    named = {"start_outputs": {"Nodule": ("Mass",)}}
    assert fitted(table, tmp_path / "y" / "mine", search=search, **named)[0].findings == ("Mass", "Nodule")


def test_only_the_rows_asked_for_decide(tmp_path, table):
    _, lines = fitted(table, tmp_path / "mine", search=Search(only=(("ward", "a"),)))
    assert "choosing by the mean AUROC of 10 validation images" in lines
    with pytest.raises(TrainingError, match="rows that are to decide"):
        fitted(table, tmp_path / "x" / "mine", search=Search(only=(("ward", "nowhere"),)))
    with pytest.raises(TrainingError, match="another backbone or head"):
        fitted(table, tmp_path / "y" / "mine", head="dropout-dense")


def test_the_script_takes_the_tables_of_train_py(tmp_path, table, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("fit_head", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    make_preset(tmp_path, "start", ("Mass",), backbone="cnn", input_size=32)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(
        '{"name": "mine", "title": "Mine", "version": "1", "backbone": "cnn", "head": "gap-dense", '
        '"findings": ["Mass"], "geometry": "squash", "intensity": "sample-standard", "intended_use": "test", '
        '"limits": [], "stages": [{"size": 32, "epochs": 1, "batch": 8, "learning_rate": 0.001}]}'
    )
    words = ["--recipe", str(recipe), "--start", str(tmp_path / "start"), "--out", str(tmp_path / "out" / "mine")]
    words += ["--manifest", str(table), "--choose-only", "ward=a", "--alphas", "1,10"]
    assert script.main(words) == 0
    assert "penalty 10, teacher's share 0" in capsys.readouterr().out
    preset = Preset.load(tmp_path / "out" / "mine")
    assert "--choose-only ward=a" in preset.training.command
    assert script.main([*words, "--teacher", str(tmp_path / "none.csv")]) == 2
    assert "cannot be opened" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        script.main(words[:6])
