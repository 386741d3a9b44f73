"""What the Learn page computes is what a reading computes; what it draws is made of right numbers."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np
import pytest

from cxrkit.architecture import blocks
from cxrkit.charts import learn, tiles
from cxrkit.charts.drawings import dense_block, network
from cxrkit.charts.style import ON_DARK, ON_LIGHT
from cxrkit.errors import FindingUnknown
from cxrkit.imaging.convolution import KERNELS, respond
from cxrkit.imaging.mishaps import MARKER_BAND, lettered, mishaps
from cxrkit.imaging.phantom import phantom
from cxrkit.model.first_layer import strongest_kernels
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.shortcut import marker_shifts
from cxrkit.model.steps import grad_cam_steps
from cxrkit.radiograph import Radiograph
from cxrkit.serving.mishap_readings import read_mishaps


@pytest.fixture(scope="module")
def manager(tiny_folder: object) -> XRayModelManager:
    return XRayModelManager("tiny", folder=tiny_folder)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def picture() -> Radiograph:
    return phantom(size=128)


# -- Grad-CAM in four steps --------------------------------------------------------------------


@pytest.mark.parametrize("finding", ["Effusion", "Mass", "Pneumonia"])
def test_four_steps_lead_to_the_readings_own_map(manager: XRayModelManager, picture: Radiograph, finding: str) -> None:
    steps = grad_cam_steps(manager, picture, finding)
    explained = manager.explain(picture, finding)
    np.testing.assert_array_equal(steps.map, explained.map)
    whole = steps.sums[steps.channels]
    np.testing.assert_allclose(np.maximum(whole, 0), explained.map, atol=1e-6)
    score = manager.predict(picture).score(finding)
    assert (steps.logit, steps.probability) == pytest.approx((score.logit, score.probability))


def test_strongest_channels_come_first_and_sums_grow(manager: XRayModelManager, picture: Radiograph) -> None:
    steps = grad_cam_steps(manager, picture, "Mass", strongest=8)
    assert steps.channels == 256
    assert list(steps.sums) == [1, 8, 64, 256]
    weights = [float(np.abs(c.alpha * c.map).sum()) for c in steps.strongest]
    assert weights == sorted(weights, reverse=True)
    assert [c.alpha for c in steps.strongest] == pytest.approx(list(steps.alphas[:8]))
    np.testing.assert_allclose(sum(c.alpha * c.map.astype(float) for c in steps.strongest), steps.sums[8], atol=1e-7)
    assert 8 / 256 < steps.share < 1


def test_steps_of_a_finding_that_the_model_lacks(manager: XRayModelManager, picture: Radiograph) -> None:
    with pytest.raises(FindingUnknown):
        grad_cam_steps(manager, picture, "Hernia")


# -- convolution -------------------------------------------------------------------------------


def test_response_is_the_sum_of_products() -> None:
    pixels = np.arange(25, dtype=np.float32).reshape(5, 5)
    weights = np.arange(9, dtype=np.float32).reshape(3, 3)
    # not mirrored: what stands at (2, 2) is the sum of the nine products around it
    assert respond(pixels, weights)[2, 2] == (pixels[1:4, 1:4] * weights).sum()


def test_upright_edges_answer_to_a_step_and_to_nothing_else() -> None:
    pixels = np.zeros((6, 6), np.float32)
    pixels[:, 3:] = 1
    answer = respond(pixels, KERNELS[0].weights)
    assert answer[3].tolist() == [0, 0, 4, 4, 0, 0]
    assert not respond(pixels, KERNELS[1].weights).any()


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_drawn_kernels_ignore_brightness_but_for_the_mean(kernel: object) -> None:
    flat = respond(np.full((20, 20), 0.5, np.float32), kernel.weights)  # type: ignore[attr-defined]
    assert flat == pytest.approx(0.5 if kernel.name == "Mean" else 0.0, abs=1e-5)  # type: ignore[attr-defined]


def test_learned_kernels_answer_as_the_layer_does(manager: XRayModelManager) -> None:
    kernels = strongest_kernels(manager.first_planes, 3)
    layer = manager.model.get_layer("block1_conv")
    grey = np.random.default_rng(0).random((9, 9)).astype(np.float32)
    answer = np.asarray(layer(np.repeat(grey[None, :, :, None], 3, axis=3)))[0]
    assert len(kernels) == 3
    for channel, weights in kernels.items():
        np.testing.assert_allclose(respond(grey, weights)[1:-1, 1:-1], answer[1:-1, 1:-1, channel], atol=1e-5)


# -- shortcuts and mishaps ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [128, 300, 512])
def test_marker_lies_within_the_border_band(size: int) -> None:
    plain = phantom(size=size)
    changed = lettered(plain).pixels != plain.pixels
    assert changed.any()
    assert not changed[:, int(MARKER_BAND * size) :].any()


def test_cutting_the_border_off_takes_the_marker_away(manager: XRayModelManager, picture: Radiograph) -> None:
    shifts = marker_shifts(manager, picture, "PORTABLE", 1.0, (0.0, MARKER_BAND))
    assert [s.border for s in shifts] == [0.0] * 3 + [MARKER_BAND] * 3
    assert any(s.by_marker != 0 for s in shifts[:3])
    assert [s.by_marker for s in shifts[3:]] == [0, 0, 0]
    said = manager.predict(picture)
    marked = manager.predict(lettered(picture))
    for shift in shifts[:3]:
        assert shift.probabilities == pytest.approx((said[shift.finding], marked[shift.finding]), abs=1e-5)


def test_every_mishap_changes_the_picture_and_says_so(picture: Radiograph) -> None:
    made = mishaps(picture)
    assert made[0].radiograph is picture
    assert len({m.name for m in made}) == len(made) == 11
    for mishap in made[1:]:
        assert len(mishap.radiograph.notes) == len(picture.notes) + 1
        changed = mishap.radiograph.pixels
        assert changed.shape != picture.pixels.shape or not np.array_equal(changed, picture.pixels)


def test_mishaps_are_read_as_they_lie(manager: XRayModelManager, picture: Radiograph) -> None:
    read = read_mishaps(manager, picture)
    assert dict(read[0].prediction) == pytest.approx(dict(manager.predict(picture)))
    inverted = next(r for r in read if r.name == "Inverted")
    assert inverted.prediction["Mass"] != read[0].prediction["Mass"]
    assert not inverted.quality.correction
    assert all(r.uri.startswith("data:image/jpeg;base64,") for r in read)


# -- drawings and curves -----------------------------------------------------------------------


def rgb(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.split(",")[1])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def test_signed_tile_is_black_at_zero_and_symmetric() -> None:
    picture = rgb(tiles.signed(np.array([[-2.0, 0.0, 2.0, 1.0]])))
    assert picture[0].tolist() == [list(tiles.BELOW), [0, 0, 0], list(tiles.ABOVE), [115, 60, 0]]
    assert not rgb(tiles.signed(np.zeros((2, 2)))).any()


def test_heat_tile_keeps_to_a_stated_scale() -> None:
    faint, full = rgb(tiles.heat(np.array([[0.1]]), 1.0)), rgb(tiles.heat(np.array([[0.1]])))
    assert faint.sum() < full.sum()
    assert rgb(tiles.grey(np.array([[0.0, 1.0]])))[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_network_drawing_marks_the_layer_of_the_card() -> None:
    drawn = network(blocks("densenet121", 224), 224, "conv5_block16_concat", 14)
    assert drawn.count("<rect") == 10
    assert drawn.count("cx-net-taken") == 1
    assert "Grad-CAM takes the maps of Dense block 4." in drawn
    assert "Dense block 4 7 x 7 x 1,024" in drawn
    assert "cx-net-taken" not in network(blocks("densenet121", 224), 224, "another layer", 14)
    assert network((), 224, "layer", 1) == ""


def test_dense_drawing_shows_what_a_layer_sees() -> None:
    drawn = dense_block(5, 64, 32, 4)
    assert drawn.count("cx-net-seen") == 4
    assert drawn.count("cx-net-other") == 1 + 2 + 3 + 5
    assert "Layer 4 sees 160 channels" in drawn


def test_slope_vanishes_where_the_sigmoid_saturates() -> None:
    assert "its slope 100\u00a0% of" in learn.sigmoid(0.0, ON_LIGHT).caption
    caption = learn.sigmoid(6.0, ON_DARK).caption
    assert re.search(r"probability is 99\.8.%, its slope 0\.99.% of", caption)  # 4 p (1 - p) at 0.99753


def test_captions_say_what_the_curves_mark() -> None:
    caption = learn.predictive(0.9, 0.9, 0.1, ON_LIGHT).caption  # 90 found of 180 called; 810 right of 820 cleared
    assert "PPV is 50.0" in caption
    assert "NPV 98.8" in caption
    always = learn.always_no(0.05, ON_LIGHT)
    assert "right in 95.0" in always.caption
    assert list(always.figure.data[0].x) == [0.5, 0.0, 1.0, 0.95]


def test_most_moved_finding_stands_on_top(manager: XRayModelManager, picture: Radiograph) -> None:
    shifts = marker_shifts(manager, picture, "L", 1.0, (0.0, MARKER_BAND))
    chart = learn.marker_shifts(shifts[:3], shifts[3:], MARKER_BAND, ON_LIGHT)
    moved = [abs(x) for x in chart.figure.data[0].x]
    assert moved == sorted(moved)
    assert set(chart.figure.data[1].x) == {0}
    assert "With the border cut off no logit moves at all." in chart.caption
