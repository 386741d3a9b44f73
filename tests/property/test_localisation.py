"""Whatever maps and boxes hold, scores stay in their bounds and agree with one another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxrkit.evaluation.localisation import IOBB, IOU, aim, inside, score
from cxrkit.evaluation.maps import enlarge
from cxrkit.evaluation.similarity import border_band, evidence_share, map_similarity

GRIDS = arrays(np.float32, (5, 6), elements=st.floats(0, 1e6, width=32))


@st.composite
def boxes(draw):
    x = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    y = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    return [x[0], y[0], x[1], y[1]]


@given(GRIDS, st.lists(boxes(), min_size=1, max_size=3))
def test_scores_stay_in_their_bounds(grid, rectangles):
    truth = inside(rectangles, 32)
    assert truth.any()
    got = score(aim(grid, side=32), truth)
    assert ((got >= 0) & (got <= 1)).all()
    assert set(got[[0, *range(2, len(got))]]) <= {0.0, 1.0}
    over_iou, over_iobb = got[2 : 2 + len(IOU)], got[2 + len(IOU) :]
    assert len(over_iobb) == len(IOBB)
    assert (np.diff(over_iou) <= 0).all()  # a higher threshold is never easier
    assert (np.diff(over_iobb) <= 0).all()
    assert over_iobb[2] >= over_iou[4]  # IoBB is never below IoU
    if not grid.any():
        assert not got.any()


@given(GRIDS, st.floats(0.01, 100))
def test_the_size_of_a_maps_values_does_not_matter(grid, factor):
    truth = inside([[0.1, 0.2, 0.5, 0.9]], 32)
    exact = grid.astype(np.float64)
    # a power of two scales without rounding
    scaled = exact * 2.0 ** round(np.log2(factor))
    np.testing.assert_array_equal(score(aim(exact, side=32), truth), score(aim(scaled, side=32), truth))


@given(GRIDS, GRIDS)
def test_similarity_is_symmetric_and_bounded(one, other):
    got = map_similarity(one, other)
    assert -1 <= got <= 1 + 1e-12
    assert got == map_similarity(other, one)
    assert map_similarity(one, one) >= 1 - 1e-9


@given(GRIDS)
def test_shares_of_a_region_and_the_rest_add_up(grid):
    band, values = border_band(32), enlarge(grid, side=32)
    share, rest = evidence_share(values, band), evidence_share(values, ~band)
    assert (share is None) == (rest is None) == (not values.any())
    if share is not None:
        assert 0 <= share <= 1
        assert abs(share + rest - 1) < 1e-9
