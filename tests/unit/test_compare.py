"""Comparing two readings: changes by hand, and pictures of other sizes that zoom in proportion."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cxrkit.card import Calibration
from cxrkit.charts.overlay import Look, display_copy
from cxrkit.charts.side_by_side import NOTHING, Side, side_by_side, side_by_side_css
from cxrkit.errors import PresetInvalid
from cxrkit.preset import Preset
from cxrkit.quality import QualityReport
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box, Explanation, FindingScore, Prediction, Reading
from cxrkit.repeatability import Repeatability, RepeatabilityLimit
from cxrkit.serving.score_change import score_changes

Read = Callable[[dict[str, float]], Reading]


@pytest.fixture
def preset(tiny_folder: Path) -> Preset:
    """Mass has a slope of 2 and a band, Pneumonia a slope of 1 and a band, Effusion none."""
    tiny = Preset.load(tiny_folder / "tiny")
    calibration = {**tiny.calibration, "Mass": Calibration(2.0, 0.5, "platt", "val", 200, 60, 0.3)}
    limits = tuple(RepeatabilityLimit(f, 0.3, 0.2, 0.4, 0.95) for f in ("Mass", "Pneumonia"))
    record = Repeatability(("shift",), "val", 100, 6, limits, tiny.weights_sha256, 0, "none")
    return dataclasses.replace(tiny, calibration=calibration, repeatability=record)


@pytest.fixture
def read(preset: Preset) -> Read:
    def make(logits: dict[str, float]) -> Reading:
        scores = {f: FindingScore(preset.calibration[f].probability(z), z) for f, z in logits.items()}
        return Reading(
            Prediction(scores), {}, QualityReport(), (), (), preset.name, preset.weights_sha256, "0", dropout=None
        )

    return make


def test_changes_by_hand(preset: Preset, read: Read) -> None:
    prior = read({"Effusion": 0.0, "Mass": 1.0, "Pneumonia": -1.0})
    current = read({"Effusion": 3.0, "Mass": 1.29, "Pneumonia": -1.31})
    effusion, mass, pneumonia = score_changes(preset, prior, current)
    assert (effusion.change, effusion.band, effusion.verdict) == (3.0, None, "unknown")
    assert mass.change == pytest.approx(2 * 0.29)  # in log-odds of the calibrated probability
    assert mass.band == pytest.approx(2 * 0.3)
    assert mass.verdict == "within"
    assert pneumonia.change == pytest.approx(-0.31)
    assert pneumonia.verdict == "changed"
    assert pneumonia.size == pytest.approx(0.31 / 0.3)
    for change in (effusion, mass, pneumonia):  # the very difference of the probabilities' log-odds
        odds = [math.log(p / (1 - p)) for p in (change.before, change.after)]
        assert change.change == pytest.approx(odds[1] - odds[0])


def test_readings_by_other_weights_are_not_compared(preset: Preset, read: Read) -> None:
    one = read({"Effusion": 0.0, "Mass": 1.0, "Pneumonia": -1.0})
    other = dataclasses.replace(one, weights_sha256="0" * 64)
    with pytest.raises(PresetInvalid, match="different weights"):
        score_changes(preset, one, other)


# -- the pictures ------------------------------------------------------------------------------


def side(height: int, width: int, *findings: str) -> Side:
    """A radiograph whose maps have their only evidence in the lower right quarter."""
    radiograph = Radiograph(np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width), "s")
    map_ = np.array([[0, 0], [0, 1]], np.float32)
    box = Box(0, 0, width, height)
    maps = {f: Explanation(f, "grad-cam", "layer", map_, box, 1.0) for f in findings}
    maps["None"] = Explanation("None", "grad-cam", "layer", 0 * map_, box, 0.0)
    return Side(display_copy(radiograph), maps)


def test_pictures_of_other_sizes_share_one_scale() -> None:
    """Axes in shares of the height: a picture twice as large covers the same range, a wider one more of it."""
    figure = side_by_side([side(200, 100, "A"), side(400, 200, "A"), side(200, 300, "A")], ["A"]).to_plotly_json()
    layout = figure["layout"]
    for axis, other in (("xaxis", "x"), ("yaxis", "y")):
        assert [layout[f"{axis}{n}"]["matches"] for n in (2, 3)] == [other, other]
        assert layout[f"{axis}2"]["range"] == layout[axis]["range"]
    assert list(layout["xaxis"]["range"]) == [-0.75, 0.75]  # of the widest
    assert list(layout["yaxis"]["range"]) == [1, 0]
    assert (layout["yaxis"]["scaleanchor"], layout["yaxis"]["scaleratio"]) == ("x", 1)
    pictures = layout["images"][::2]
    assert [(p["x"], p["sizex"], p["sizey"]) for p in pictures] == [(-0.25, 0.5, 1), (-0.25, 0.5, 1), (-0.75, 1.5, 1)]


def test_maps_lie_where_their_evidence_is() -> None:
    figure = side_by_side([side(200, 100, "A"), side(200, 300, "A")], ["A"]).to_plotly_json()
    for trace, aspect in zip(figure["data"][1::2], (0.5, 1.5), strict=True):
        x, y = ([v for v in trace[axis] if v is not None] for axis in ("x", "y"))
        assert 0 < np.mean(x) < aspect / 2  # right of the middle
        assert max(x) <= aspect / 2 + 0.01
        assert 0.5 < np.mean(y) <= 1


def test_layers_of_both_pictures_count_alike() -> None:
    """A finding without map, or that one model has not, keeps its place: one rule of the style sheet serves both."""
    findings = ["A", "None", "B"]
    figure = side_by_side([side(200, 100, "A"), side(200, 100, "A", "B")], findings).to_plotly_json()
    sources = [image["source"] == NOTHING for image in figure["layout"]["images"]]
    assert sources == [False, False, True, True, False, False, True, False]
    assert len({image["sizex"] for image in figure["layout"]["images"][:4]}) == 4  # else Plotly drops some
    assert [trace["xaxis"] for trace in figure["data"]] == ["x"] * 4 + ["x2"] * 4
    css = side_by_side_css(".here", findings, "B", Look(opacity=0.4))
    assert ".here image:nth-of-type(4) { opacity: 0.40 !important; }" in css
    assert ".here .scatterlayer .trace:nth-of-type(4) { opacity: 1 !important; }" in css
    assert ":nth-of-type(2)" not in side_by_side_css(".here", findings, "C", Look())
