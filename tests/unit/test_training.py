"""Training on a handful of synthetic images: it learns, it repeats itself in bfloat16, and a recipe is read."""

import json

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter

from cxrkit.errors import TrainingError
from cxrkit.model.backbones import BACKBONES
from cxrkit.training.batches import ImageSet, batches
from cxrkit.training.recipe import Recipe, Stage
from tests.factory_training import SHALLOW, toy_images, toy_recipe, train_toy


@pytest.fixture(autouse=True)
def _backbones(monkeypatch):
    monkeypatch.setitem(BACKBONES, "shallow", SHALLOW)


def blobs(number, seed):
    """Noisy images, half of them with a bright blob somewhere."""
    random = np.random.default_rng(seed)
    squares = random.normal(90, 15, (number, 48, 48))
    for picture in squares[::2]:
        cv2.circle(picture, tuple(int(v) for v in random.integers(12, 36, 2)), 8, 230, -1)
    labels = np.stack([np.arange(number) % 2 == 0, np.full(number, np.nan)], axis=1).astype(np.float32)
    small = np.stack([cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA) for picture in squares])
    return ImageSet(small.clip(0, 255).astype(np.uint8), labels, np.ones(number), np.ones(number, np.float32))


def test_it_learns_the_blob(tmp_path):
    _, listener = train_toy(
        tmp_path,
        backbone="cnn",
        head="gap-dense",
        stages=(Stage(32, 2, 8, 1e-2),),
        loader=lambda size: (blobs(54, 0), blobs(18, 1)),
    )
    assert listener.rows[-1]["validation_auroc"]["Mass"] > 0.9
    assert listener.rows[-1]["learning_rate"] == pytest.approx(1e-4, rel=1e-3)


def test_a_resumed_run_in_bfloat16_ends_with_the_same_bits(tmp_path):
    """With traced steps, and killed within the second epoch."""

    def killed():
        calls.append(1)
        if len(calls) == 9:  # 1 after loading, 4 steps and 3 batches of validation before
            raise KeyboardInterrupt

    calls: list[int] = []
    whole, _ = train_toy(tmp_path / "whole", mixed_precision=True)
    with pytest.raises(KeyboardInterrupt):
        train_toy(tmp_path / "again", mixed_precision=True, check=killed)
    resumed, listener = train_toy(tmp_path / "again", mixed_precision=True)
    assert [row["epoch"] for row in listener.before] == [1]
    for ours, theirs in zip(whole, resumed, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


def test_batches_are_seeded_and_carry_labels_and_weights():
    images, recipe, order = toy_images(11), toy_recipe(), np.arange(11)[::-1]
    images.sample_weight[:] = np.arange(11)
    first, same, other = (list(batches(images, order, recipe, 4, (7, seed))) for seed in (0, 0, 1))
    assert len(first) == 2
    for (x, y, weight), (again, *_), (different, *_), rows in zip(
        first, same, other, (order[:4], order[4:8]), strict=True
    ):
        assert x.shape == (4, 32, 32, 3)
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, again)
        assert (x != different).any()
        np.testing.assert_array_equal(y, images.labels[rows])
        np.testing.assert_array_equal(weight, rows)


def test_a_malformed_recipe_is_named(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"name": "x", "surprise": 1}')
    with pytest.raises(TrainingError, match="malformed"):
        Recipe.load(path)
    with pytest.raises(TrainingError, match="does not exist"):
        Recipe.load(tmp_path / "none.json")
    for wrong, word in (
        ({"stages": [{"size": 32, "epochs": 0, "batch": 8, "learning_rate": 1e-3}]}, "epochs"),
        ({"stages": [{"size": -1, "epochs": 1, "batch": 8, "learning_rate": 1e-3}]}, "size"),
        ({"stages": [{"size": 32, "epochs": 1, "batch": 0, "learning_rate": 1e-3}]}, "batch"),
        ({"stages": []}, "no stages"),
        ({"name": "../evil"}, "name"),
        ({"findings": ["Mass", "Mass"]}, "repeated"),
        ({"backbone": "vgg99"}, "vgg99"),
        ({"head": "tail"}, "tail"),
        ({"reference_prevalence": {"source": "x", "by_finding": {"Hernia": 0.1}}}, "reference prevalence"),
    ):
        good = TypeAdapter(Recipe).dump_python(toy_recipe(), mode="json")
        path.write_text(json.dumps(good | wrong))
        with pytest.raises(TrainingError, match=word):
            Recipe.load(path)
