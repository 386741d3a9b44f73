"""The recipes that come along, and single settings that a command line changes."""

import argparse
import dataclasses

import pytest

from cxrkit.data.public_weights import IMAGENET
from cxrkit.errors import TrainingError
from cxrkit.model.backbones import backbone_row
from cxrkit.training.command import parse, public_command, spelt
from cxrkit.training.named import MODEL_TYPES, find_recipe, listing, recipe_names
from cxrkit.training.overrides import Overrides
from cxrkit.training.recipe import Recipe


def test_each_recipe_says_what_its_source_says():
    """Numbers typed again from the sources' own descriptions, not read from the files."""
    # backbone, head, stages as (trainable, epochs, batch, rate, patience); rotation, shift, flip, optimiser
    s0 = (10, 0.1, True, "adam")
    stated = {
        "s0-mobilenet": ("mobilenetv2", "dropout-dense", [("head", 5, 32, 1e-3, None), ("top", 10, 32, 1e-4, 6)], s0),
        "s0-resnet": ("resnet50", "dropout-dense", [("head", 10, 32, 1e-3, None), ("top", 15, 32, 1e-4, 6)], s0),
        "s0-efficientnet": (
            "efficientnetb0",
            "dropout-dense",
            [("head", 8, 32, 1e-3, None), ("top", 12, 32, 1e-4, 6)],
            s0,
        ),
        "s1-vgg16": ("vgg16", "dense-stack", [("top", 25, 32, 1e-4, 5)], (20, 0.2, True, "adam")),
        "s3-resnet18": ("resnet18", "gap-dense", [("all", 8, 8, 1e-4, None)], (0, 0, False, "adamw")),
    }
    for name, (backbone, head, stages, more) in stated.items():
        recipe = find_recipe(name)
        assert (recipe.backbone, recipe.head) == (backbone, head)
        assert [(s.trainable, s.epochs, s.batch, s.learning_rate, s.patience) for s in recipe.stages] == stages
        change = recipe.augmentation
        assert (change.rotation, change.shift, change.flip, recipe.optimizer) == more
        assert recipe.findings == ("Pneumonia",)
    s1 = find_recipe("s1-vgg16")
    assert (s1.augmentation.shear, s1.augmentation.zoom, s1.stages[0].plateau_factor) == (0.2, 0.2, 0.5)
    assert (s1.stages[0].monitor, s1.stages[0].schedule, s1.intensity) == ("accuracy", "plateau", "unit")
    assert find_recipe("s2-cnn").border > 0
    assert find_recipe("s3-resnet18").weight_decay == 1e-4
    for name in ("s0-resnet", "s3-resnet18"):
        assert find_recipe(name).sampling == "stratified"
    s4 = find_recipe("s4-densenet")
    assert s4.findings[:3] == ("Cardiomegaly", "Emphysema", "Effusion")
    assert s4.findings[-3:] == ("Fibrosis", "Edema", "Consolidation")
    assert len(s4.findings) == 14
    assert not s4.augmentation.flip  # it would put the heart on the other side
    assert (s4.class_weights, s4.intensity) == ("prevalence", "sample-standard")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_whole(name):
    recipe = find_recipe(name)
    row = backbone_row(recipe.backbone)
    assert recipe.name == name
    assert name in listing()
    assert recipe.population is None
    assert recipe.data == ()
    if recipe.pretrained == "imagenet":
        assert recipe.backbone in IMAGENET  # which can be fetched
        if name not in ("s1-vgg16", "s4-densenet"):  # whose sources state another rule
            assert recipe.intensity == row.intensity
    assert set(MODEL_TYPES.values()) == set(recipe_names())


def test_a_recipe_is_found_by_name_or_file(tmp_path):
    with pytest.raises(TrainingError, match="no recipe named 's9'") as refused:
        find_recipe("s9")
    assert "s4-densenet" in refused.value.remedy
    with pytest.raises(TrainingError, match="does not exist"):
        find_recipe(tmp_path / "none.json")
    (tmp_path / "own.json").write_text("{}")
    with pytest.raises(TrainingError, match="malformed"):
        find_recipe(tmp_path / "own.json")


def changed(name, **changes) -> Recipe:
    return Overrides(**changes).apply(find_recipe(name))


def test_overrides_change_what_they_name_and_nothing_else():
    before = find_recipe("s0-resnet")
    assert Overrides().apply(before) == before
    after = changed("s0-resnet", epochs_frozen=2, epochs_finetune=3, batch_size=4, input_size=64, flip=False, seed=7)
    assert [(s.epochs, s.batch, s.size) for s in after.stages] == [(2, 4, 64), (3, 4, 64)]
    assert [s.learning_rate for s in after.stages] == [1e-3, 1e-4]
    assert (after.augmentation, after.seed) == (dataclasses.replace(before.augmentation, flip=False), 7)
    assert [s.trainable for s in changed("s0-resnet", epochs_frozen=0).stages] == ["top"]
    assert [s.trainable for s in changed("s0-resnet", epochs_finetune=0).stages] == ["head"]
    more = changed("s2-cnn", learning_rate=0.5, border=0.2, sampling="balanced", class_weights="none",
                   mixed_precision=False, label_smoothing=0.1)  # fmt: skip
    assert (more.stages[0].learning_rate, more.border, more.sampling) == (0.5, 0.2, "balanced")
    assert (more.class_weights, more.mixed_precision, more.label_smoothing) == ("none", False, 0.1)
    other = changed("s2-cnn", findings=("Edema", "Mass"))
    assert (other.findings, other.title[:16]) == (("Edema", "Mass"), "Edema, Mass, pla")
    assert changed("s4-densenet", findings=("Mass",)).title == "Mass, DenseNet-121 (settings of S4)"
    own = dataclasses.replace(before, title="Ours")
    assert Overrides(findings=tuple("ABCD")).apply(own).title == "Ours: 4 findings"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("s1-vgg16", {"epochs_frozen": 3}, "no frozen stages"),
        ("s0-resnet", {"learning_rate": 1e-2}, "2 stages, each with a learning rate"),
        ("s0-resnet", {"batch_size": 0}, "batch"),
        ("s0-resnet", {"epochs_frozen": -1}, "epochs"),
        ("s0-resnet", {"epochs_frozen": 0, "epochs_finetune": 0}, "no stages"),
        ("s2-cnn", {"border": 0.7}, "border"),
        ("s2-cnn", {"findings": ("A", "A")}, "repeated"),
    ],
)
def test_impossible_overrides_are_refused(name, changes, message):
    with pytest.raises(TrainingError, match=message):
        changed(name, **changes)


def test_both_spellings_give_the_same_options():
    words = ["--model_type", "resnet", "--epochs_frozen", "10", "--epochs_finetune=15", "--batch_size", "32"]
    options = parse(words, None)
    assert isinstance(options, argparse.Namespace)
    assert options == parse([word.replace("_", "-") for word in words], None)
    assert (options.model_type, options.epochs_frozen, options.epochs_finetune) == ("resnet", 10, 15)
    assert options.sources == []
    assert parse(["--model_type", "efficientnet_b0"], None).model_type == "efficientnet_b0"
    # values keep their underscores
    assert spelt("--label_map=a_b=C_D") == "--label-map=a_b=C_D"
    assert spelt("dup_group") == "dup_group"
    assert parse(["--recipe", "x", "--no-flip", "--mixed_precision"], None).flip is False


def test_the_public_command_names_no_place(monkeypatch, tmp_path):
    monkeypatch.setenv("CXRKIT_DATA", str(tmp_path / "data"))
    words = ["--manifest", str(tmp_path / "data" / "a.csv"), f"--out={tmp_path}/weights/mine", "--images", "../../b",
             "--only", "kind=x y", "--only", "patient_id=4711",
             "--runs", "~somebody/runs", "--manifest", "labels.csv"]  # fmt: skip
    assert public_command(words) == (
        "python scripts/train.py --manifest $CXRKIT_DATA/a.csv --out=mine --images b "
        "--only 'kind=x y' --only patient_id=... --runs runs --manifest labels.csv"
    )
