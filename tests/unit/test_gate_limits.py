"""Limits of the quality gate: chosen so that radiographs of a collection pass that the gate has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from cxrkit.imaging.counterexamples import DRAWN
from cxrkit.imaging.drawing import SIDE
from cxrkit.model.gate import GRID, OTHER, PLACEMENTS, SCREEN
from cxrkit.training.appearance import as_elsewhere
from cxrkit.training.gate_lessons import AS_IT_IS, NO_COLLECTION, UPRIGHT_ONLY, Lessons
from cxrkit.training.gate_limits import (
    MARGIN,
    across_collections,
    expectations,
    fit_without_limits,
    leave_out,
    limits_of,
    within_collection,
)

WIDTH = 24


def made_up(apart: float) -> Lessons:
    """Three collections whose descriptors lie `apart`, and lungs that are alike in all."""
    random = np.random.default_rng(3)
    described, classes, collections, kinds = [], [], [], []
    kind = {SCREEN: "screen", OTHER: "noise", UPRIGHT_ONLY: AS_IT_IS}
    for number, name in enumerate((NO_COLLECTION, "a", "b", "c")):
        for label in [*range(len(PLACEMENTS)), SCREEN, OTHER, UPRIGHT_ONLY]:
            for k in range(12):
                point = random.standard_normal(WIDTH) * 0.3
                point[max(label, 0)] += 4
                point[12 + number] += apart
                described.append(point)
                classes.append(label)
                collections.append(name)
                kinds.append(
                    sorted(DRAWN)[k] if label == OTHER else kind.get(label, AS_IT_IS if label == k == 0 else "changed")
                )
    shapes = np.zeros((len(classes), GRID, GRID), np.float32)
    shapes[:, 4:12, 2:7] = shapes[:, 4:12, 9:14] = 1
    shapes *= random.uniform(0.8, 1, shapes.shape)
    shapes[np.array(classes) == OTHER] = shapes[0].T
    return Lessons(
        np.array(described, np.float32),
        shapes.reshape(len(shapes), -1).astype(np.float32),
        np.array(classes),
        np.array(collections),
        np.array(kinds),
    )


def test_each_collection_counts_alike():
    scores = np.ones((1100, 6), np.float32)
    scores[1000:] = 3  # the smaller collection is a half of all
    names = np.array(["large"] * 1000 + ["small"] * 100)
    np.testing.assert_allclose(limits_of(scores, names), [3 * MARGIN] * 3 + [0] + [3] * 2, rtol=1e-6)
    scores[1000:, 4] = -2
    assert limits_of(scores, names)[4] == 1
    scores[:, 4] = -2
    assert limits_of(scores, names)[4] == 0, "never less than even odds"


def test_limits_let_a_collection_pass_that_was_left_out():
    lessons = made_up(apart=2.0)
    gate = fit_without_limits(lessons.only(lessons.collections != "c"), 1)
    new = (lessons.collections == "c") & (lessons.kinds == AS_IT_IS)
    far = gate.scores(lessons.described[new], lessons.shapes[new])[:, 0]
    seen = (lessons.collections == "a") & (lessons.kinds == AS_IT_IS)
    near = gate.scores(lessons.described[seen], lessons.shapes[seen])
    assert (far > within_collection(near)[0]).all(), "its own collections would refuse every one"
    told: list[str] = []
    limits = across_collections(lessons, 1, told.append)
    assert (far <= limits[0]).mean() > 0.9
    assert [line.split(":")[0] for line in told] == ["a", "b", "c"]
    np.testing.assert_array_equal(limits, across_collections(lessons, 1, told.append))


def test_what_was_left_out_was_not_seen(monkeypatch):
    # so few lessons need a weaker penalty, or seven wrong positions together are more probable than the right one
    monkeypatch.setattr("cxrkit.training.gate_limits.PENALTY", 1.0)
    # axes as many as numbers would leave of the second distance nothing but rounding, which each processor does its way
    monkeypatch.setattr("cxrkit.training.gate_limits.AXES", WIDTH // 2)
    left = leave_out(made_up(apart=0.0), 1)
    assert set(left.folds) == {"a", "b", "c"}
    assert left.unseen.any()
    assert set(left.lessons.kinds[left.unseen]) <= set(DRAWN)
    assert (left.lessons.collections[~left.unseen] == left.folds[~left.unseen]).all()
    lines = expectations(left)
    n = int((left.unseen & (left.folds == "a")).sum())
    assert int(lines["a"].split()[1]) >= 12, "of 13: limits from the others leave out one at most"
    assert lines["a"].endswith(f"kinds never seen refused {n} of {n}")


@pytest.mark.parametrize("kind", sorted(DRAWN))
def test_drawn_kinds(kind):
    radiograph = np.random.default_rng(0).random((300, 280), np.float32)
    first, again = (DRAWN[kind](np.random.default_rng(5), radiograph) for _ in range(2))
    assert first.shape == (SIDE, SIDE)
    assert first.dtype == np.float32
    assert 0 <= first.min() < first.max() <= 1
    np.testing.assert_array_equal(first, again)


def test_as_elsewhere_keeps_size_and_range():
    square = np.linspace(0, 1, 128 * 128, dtype=np.float32).reshape(128, 128)
    random = np.random.default_rng(2)
    changed = [as_elsewhere(square, random) for _ in range(30)]
    assert {(c.shape, c.dtype) for c in changed} == {((128, 128), np.dtype(np.float32))}
    assert all(0 <= c.min() < c.max() <= 1 for c in changed)
    assert sum(not np.array_equal(c, square) for c in changed) > 25
