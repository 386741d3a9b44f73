"""Maps against boxes: cases worked by hand, and controls that score what chance gives."""

import cv2
import numpy as np
import pytest

from cxrkit.charts.overlay import heat
from cxrkit.evaluation.localisation import (
    IOBB,
    IOU,
    Pair,
    RandomMaps,
    aim,
    bootstrap_means,
    centre_map,
    inside,
    localisation_entries,
    score,
)
from cxrkit.evaluation.maps import SIDE, WHOLE, enlarge, reach
from cxrkit.reading import Box, Explanation

ODD_BOX = [0.1003, 0.2507, 0.3999, 0.6001]


def values(*blocks):
    """16 x 16 map, zero but for blocks of (rows, columns, value)."""
    grid = np.zeros((16, 16))
    for rows, columns, value in blocks:
        grid[slice(*rows), slice(*columns)] = value
    return grid


def aim16(grid):
    return aim(grid, side=16)


def entries(pairs, **options):
    fixed = {"boxes": "test", "headline": {"test"}, "weights_sha256": None, "unit": "patient"}
    return localisation_entries(pairs, **{**fixed, "draws": 50, "replicates": 200, **options})


# -- enlarging -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 7), (4, 9)])
@pytest.mark.parametrize("covered", [(0.0, 0.0, 1.0, 1.0), (0.25, 0.0, 0.75, 1.0), (-0.2, 0.0, 1.2, 1.0)])
def test_maps_are_enlarged_as_the_viewer_shows_them(shape, covered):
    grid = np.random.default_rng(1).random(shape).astype(np.float32)
    left, top, right, bottom = covered
    explanation = Explanation(
        "Mass", "grad-cam", "x", grid, Box(left * 300, top * 200, right * 300, bottom * 200), float(grid.max())
    )
    shown, seen = heat(explanation, 200, 300, (64, 64))
    mine = enlarge(grid, covered, 64)
    # OpenCV rounds places to 1/32 of a cell
    np.testing.assert_allclose(np.clip(mine / grid.max(), 0, 1), shown, atol=0.04)
    np.testing.assert_array_equal(reach(covered, 64), seen)
    assert not mine[~seen].any()


def test_cubic_enlargement_against_opencv():
    grid = np.random.default_rng(2).random((7, 7))
    expected = cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(enlarge(grid), np.maximum(expected, 0), atol=1e-6)
    stack = np.stack([grid, grid[::-1]])
    np.testing.assert_allclose(enlarge(stack)[1], enlarge(grid[::-1]), atol=1e-12)


def test_a_map_of_the_full_size_is_itself():
    grid = np.random.default_rng(3).random((SIDE, SIDE))
    np.testing.assert_array_equal(enlarge(grid), grid)


# -- one pair, by hand ---------------------------------------------------------------------------


def test_overlap_by_hand():
    # predicted: rows 0-4, columns 0-8 (32 points); true: rows 2-6, columns 4-12 (32); common 2 x 4 = 8
    truth = inside([[4 / 16, 2 / 16, 12 / 16, 6 / 16]], 16)
    got = score(aim16(values(((0, 4), (0, 8), 1.0))), truth)
    assert np.count_nonzero(truth) == 32
    assert got[0] == 0.0  # all of the plateau must lie inside
    assert got[1] == 8 / 56
    assert got[2:9].tolist() == [1, 0, 0, 0, 0, 0, 0]  # 1/7 exceeds .1 alone
    assert got[9:].tolist() == [1, 0, 0]  # IoBB 8/32 = .25 does not exceed .25


def test_exactly_a_threshold_does_not_exceed_it():
    # 1 of 10 points: predicted 10, true 1 inside it
    got = score(aim16(values(((0, 1), (0, 10), 1.0))), inside([[0, 0, 1 / 16, 1 / 16]], 16))
    assert got[1] == 0.1
    assert not got[2:9].any()


def test_components_become_boxes():
    # an L fills its bounding box of 4 x 4; a point at .4 of the peak and the corner neighbour do not join
    grid = values(((0, 4), (0, 1), 1.0), ((3, 4), (0, 4), 1.0), ((8, 9), (8, 9), 0.4), ((4, 5), (4, 5), 0.6))
    region = aim16(grid).region
    assert np.count_nonzero(region) == 17
    assert region[:4, :4].all()
    assert region[4, 4]


def test_several_true_boxes_are_one_region():
    truth = inside([[0, 0, 0.25, 0.25], [0.5, 0.5, 1, 1]], 16)
    assert np.count_nonzero(truth) == 16 + 64
    got = score(aim16(values(((0, 4), (0, 4), 1.0), ((8, 16), (8, 16), 1.0))), truth)
    assert (got == 1).all()


def test_one_of_two_boxes_found():
    truth = inside([[0, 0, 0.25, 0.25], [0.5, 0.5, 0.75, 0.75]], 16)
    got = score(aim16(values(((0, 4), (0, 4), 1.0))), truth)
    assert got[0] == 1
    assert got[1] == 0.5
    assert got[9:].tolist() == [1, 1, 1]


@pytest.mark.parametrize("box", [ODD_BOX, [0, 0, 1, 1], [0.5, 0.5, 0.5001, 0.5001], [0.999, 0.999, 1.0, 1.0]])
def test_a_perfect_map_scores_one_in_all(box):
    truth = inside([box])
    assert truth.any()
    assert (score(aim(truth.astype(float)), truth) == 1.0).all()


def test_a_perfect_map_scores_one_through_the_door():
    box = np.array([ODD_BOX])
    pairs = [
        Pair("Mass", "test", i, str(i), inside(box).astype(np.float32) * 1e-7, box) for i in range(3)
    ]  # however small its values
    for entry in entries(pairs, draws=5):
        got = entry.model
        assert [m.value for m in (got.pointing, got.mean_iou, *got.iou.values(), *got.iobb.values())] == [1.0] * 12
        assert got.iou.keys() == {f"{t:g}" for t in IOU}
        assert got.iobb.keys() == {f"{t:g}" for t in IOBB}
        assert got.pointing.low == pytest.approx(3 / (3 + 1.959964**2), abs=1e-6)  # Wilson of 3 of 3


def test_no_evidence_and_no_peak_are_misses():
    truth = inside([ODD_BOX])
    assert not score(aim(np.zeros((7, 7))), truth).any()
    flat = aim(np.full((7, 7), 0.3))
    assert flat.region.all()
    assert score(flat, truth)[0] == 0.0


# -- controls ------------------------------------------------------------------------------------


def test_random_maps_point_by_area():
    truth = inside([[0.2, 0.1, 0.6, 0.55]], 48)
    share, draws = truth.mean(), 1000
    got = RandomMaps(draws, seed=5, side=48).score((48, 48), WHOLE, truth)
    assert got[0] == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / draws))


@pytest.mark.parametrize("corner", [(0, 0), (2, 2), (5, 4)])
def test_random_coarse_maps_peak_in_every_cell_alike(corner):
    # 2 x 3 of 49 cells, at an edge or not: an enlarged map's peak would lean to the edges
    row, column = corner
    truth = inside([[column / 7, row / 7, (column + 3) / 7, (row + 2) / 7]], 56)
    assert truth.mean() == pytest.approx(6 / 49)
    got = RandomMaps(1000, seed=6, side=56).score((7, 7), WHOLE, truth)
    assert got[0] == pytest.approx(6 / 49, abs=3 * np.sqrt(6 * 43 / 49**2 / 1000))


def test_the_peak_is_the_cells_centre_however_the_enlarged_map_overshoots():
    grid = np.zeros((7, 7))
    grid[0, 6] = 1.0
    aimed = aim(grid)
    assert np.unravel_index(aimed.peaks[0], (SIDE, SIDE)) == (int(256 / 14), int(256 * 13 / 14))
    assert enlarge(grid).max() > 1.05
    assert len(aimed.peaks) == 1


def test_a_peak_in_the_padding_is_a_miss():
    grid = np.zeros((4, 4))
    grid[1, 0] = 1.0  # padded left and right: the outer columns lie outside
    aimed = aim(grid, (-0.5, 0.0, 1.5, 1.0))
    assert score(aimed, np.ones((SIDE, SIDE), bool))[0] == 0.0
    random = RandomMaps(300, seed=9, side=32).score((4, 4), (-0.5, 0.0, 1.5, 1.0), np.ones((32, 32), bool))
    assert random[0] == pytest.approx(0.5, abs=0.09)  # half of the grid is padding


def test_the_region_is_what_the_viewer_outlines():
    grid = np.random.default_rng(10).random((7, 7)).astype(np.float32)
    shown, _ = heat(Explanation("Mass", "m", "x", grid, Box(0, 0, 300, 300), float(grid.max())), 300, 300, (SIDE, SIDE))
    outlined = shown >= 0.5
    assert not (outlined & ~aim(grid).region).sum() > 0.01 * outlined.sum()


def test_the_random_control_equals_scoring_map_by_map():
    truth = inside([ODD_BOX])
    rng = np.random.default_rng(7)
    one_by_one = np.mean([score(aim(rng.random((7, 7))), truth) for _ in range(30)], axis=0)
    got = RandomMaps(30, seed=7).score((7, 7), WHOLE, truth)
    np.testing.assert_allclose(got, one_by_one, atol=1e-12)


@pytest.mark.parametrize("shape", [(7, 7), (8, 8)])
def test_the_centre_map_points_at_the_centre(shape):
    aimed = aim(centre_map(*shape))
    rows, columns = np.unravel_index(aimed.peaks, (SIDE, SIDE))
    # the middle cell, or the four around the middle
    assert np.abs((rows + 0.5) / SIDE - 0.5).max() <= 0.5 / shape[0] + 0.5 / SIDE
    assert np.abs((columns + 0.5) / SIDE - 0.5).max() <= 0.5 / shape[1] + 0.5 / SIDE
    # half the peak lies at 1.177 sigma, so the box spans .59 of each side
    assert aimed.region.mean() == pytest.approx(0.59**2, abs=0.04)


# -- entries -------------------------------------------------------------------------------------


def some_pairs():
    rng = np.random.default_rng(8)
    box = np.array([[0.3, 0.3, 0.6, 0.6]])
    hit = inside(box, 7).astype(np.float32)
    plan = [("Mass", "train"), ("Mass", "test"), ("Nodule", "test"), ("Mass", "test")]
    grids = [hit, hit, np.zeros((7, 7), np.float32), rng.random((7, 7), dtype=np.float32)]
    images = [0, 1, 1, 2]
    return [
        Pair(finding, split, i, f"p{i}", grid, box)
        for (finding, split), i, grid in zip(plan, images, grids, strict=True)
    ]


def test_entries_by_split_and_finding():
    got = entries(some_pairs())
    assert [(e.split, e.finding, e.pairs, e.images, e.headline) for e in got] == [
        ("train", "all", 1, 1, False),
        ("train", "Mass", 1, 1, False),
        ("test", "all", 3, 2, True),
        ("test", "Mass", 2, 2, True),
        ("test", "Nodule", 1, 1, True),
    ]
    every = got[2]
    assert every.model.pointing.n == every.model.pointing.positives == 3
    assert every.model.pointing.split == "test"
    assert every.model.pointing.method == "Wilson"
    assert every.model.pointing.clustered is not None
    assert (
        every.random.pointing.method == "percentile of 200 patient bootstrap replicates, of means over 50 random maps"
    )
    assert every.area_share.value == pytest.approx(0.09, abs=0.002)
    assert got[4].model.mean_iou.value == 0.0  # no evidence stays in the denominator
    assert got[4].model.pointing.value == 0.0


def test_one_patient_has_no_bootstrap_interval():
    entry = entries(some_pairs())[0]
    assert entry.model.mean_iou.low is None
    assert entry.model.pointing.clustered is None
    assert entry.model.pointing.low is not None


def test_no_pairs_no_entries():
    assert entries([]) == ()


def test_bootstrap_means_resample_patients_whole():
    # two patients, of one row (0) and three rows (1): replicates can only be 0, 3/4 and 1
    got = bootstrap_means([[0.0], [1.0], [1.0], [1.0]], ["a", "b", "b", "b"], replicates=400)
    assert set(np.unique(got)) == {0.0, 0.75, 1.0}
    assert np.mean(got == 0.75) == pytest.approx(0.5, abs=0.1)
