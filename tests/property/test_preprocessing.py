"""The box of a map is where the pixels of the network input were taken from, whatever the size and the rule."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cxrkit.imaging.preprocessing import covered_box, to_square

SIDE = st.integers(1, 200)
GEOMETRY = st.sampled_from(["squash", "pad", "crop"])
BORDER = st.floats(0, 0.5, exclude_max=True)


@given(SIDE, SIDE, GEOMETRY, BORDER)
def test_the_square_is_the_box_scaled(height, width, geometry, border):
    """Each pixel holds its own place in the radiograph, so that the square says where it was taken from."""
    box = covered_box(height, width, geometry, border)
    edges = (box.left, box.top, box.right, box.bottom)
    assert all(edge == int(edge) for edge in edges)
    left, top, right, bottom = map(int, edges)
    assert right > left
    assert bottom > top
    if geometry != "squash":
        assert right - left == bottom - top
    columns = np.tile(np.arange(1, width + 1, dtype=np.float32), (height, 1))
    rows = np.tile(np.arange(1, height + 1, dtype=np.float32)[:, None], (1, width))
    # shown: of the box what lies within the border, the rest being black
    cut_x, cut_y = int(border * width + 1e-9), int(border * height + 1e-9)
    cut_x, cut_y = min(cut_x, (width - 1) // 2), min(cut_y, (height - 1) // 2)
    x, y = np.arange(left, right), np.arange(top, bottom)
    seen = ((y >= cut_y) & (y < height - cut_y))[:, None] & ((x >= cut_x) & (x < width - cut_x))
    wide, high = right - left, bottom - top
    side = max(wide, high)
    if wide == high:  # not resized: every pixel is a pixel of the box, to the bit
        np.testing.assert_array_equal(to_square(columns, geometry, side, border), np.where(seen, x + 1, 0))
        np.testing.assert_array_equal(to_square(rows, geometry, side, border), np.where(seen, (y + 1)[:, None], 0))
    else:
        assert geometry == "squash"
        assert seen.all()
        assert (left, top) == (cut_x, cut_y)
        # stretched evenly between the centres of the first and the last pixel
        for pixels, axis, first, count in ((columns, 1, left, wide), (rows, 0, top, high)):
            centres = np.clip((np.arange(side) + 0.5) * count / side - 0.5, 0, count - 1) + first + 1
            square = to_square(pixels, geometry, side, border)
            np.testing.assert_allclose(square, np.expand_dims(centres, 1 - axis) + np.zeros((side, side)), atol=2e-3)


@given(SIDE, SIDE, GEOMETRY, BORDER)
def test_at_least_one_pixel_is_left(height, width, geometry, border):
    pixels = np.ones((height, width), np.float32)
    assert to_square(pixels, geometry, 16, border).max() > 0
