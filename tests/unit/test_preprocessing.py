"""Geometry of the network input: what is shown, and how it is resized."""

import cv2
import numpy as np
import pytest

from cxrkit.imaging.preprocessing import covered_box, to_square

SIZE = 224


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).random((height, width), np.float32)


@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((800, 600), cv2.INTER_AREA),
        ((301, 1000), cv2.INTER_AREA),
        ((SIZE, 801), cv2.INTER_AREA),
        ((225, SIZE), cv2.INTER_AREA),
        ((100, 150), cv2.INTER_LINEAR),
        ((SIZE, 37), cv2.INTER_LINEAR),
    ],
)
def test_both_axes_the_same_way_are_one_call_of_opencv(shape: tuple[int, int], how: int) -> None:
    """To the bit: weights were trained on this."""
    pixels = noise(*shape)
    np.testing.assert_array_equal(
        to_square(pixels, "squash", SIZE), cv2.resize(pixels, (SIZE, SIZE), interpolation=how)
    )


@pytest.mark.parametrize(("height", "width"), [(800, 500), (501, 800)])
def test_crop_and_pad_are_a_cut_and_a_frame_and_then_one_call(height: int, width: int) -> None:
    pixels = noise(height, width)
    spare = abs(height - width)
    first, last = spare // 2, spare - spare // 2
    if height > width:
        cut, framed = pixels[first:-last], np.pad(pixels, ((0, 0), (first, last)))
    else:
        cut, framed = pixels[:, first:-last], np.pad(pixels, ((first, last), (0, 0)))
    for geometry, square in (("crop", cut), ("pad", framed)):
        assert square.shape[0] == square.shape[1]
        expected = cv2.resize(np.ascontiguousarray(square), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(to_square(pixels, geometry, SIZE), expected)


@pytest.mark.parametrize("upright", [False, True])
def test_fine_stripes_become_grey_although_the_other_axis_grows(upright: bool) -> None:
    """Stripes of one pixel along 800 cannot be shown in 224: their mean can."""
    stripes = np.tile(np.array([0, 1], np.float32), (200, 400))
    square = to_square(stripes.T if upright else stripes, "squash", SIZE)
    assert square.shape == (SIZE, SIZE)
    assert np.abs(square - 0.5).max() < 0.15  # each output pixel averages 3.6 stripes


def test_the_growing_axis_is_linear_and_keeps_its_place() -> None:
    ramp = np.repeat(np.linspace(0, 1, 100, dtype=np.float32)[:, None], 800, axis=1)
    rows = (np.arange(SIZE) + 0.5) * 100 / SIZE - 0.5  # centres of the output rows in input rows
    expected = np.clip(rows, 0, 99) / 99
    np.testing.assert_allclose(to_square(ramp, "squash", SIZE), np.repeat(expected[:, None], SIZE, axis=1), atol=1e-5)


@pytest.mark.parametrize("shape", [(201, 300), (300, 201), (200, 301), (301, 200), (200, 300), (77, 77)])
@pytest.mark.parametrize("geometry", ["squash", "crop", "pad"])
def test_the_box_is_where_the_pixels_are_taken_from(shape: tuple[int, int], geometry: str) -> None:
    """At the size of the box nothing is resized: the square holds its pixels, and black around the image."""
    height, width = shape
    box = covered_box(height, width, geometry)
    left, top, right, bottom = (int(edge) for edge in (box.left, box.top, box.right, box.bottom))
    assert (left, top, right, bottom) == (box.left, box.top, box.right, box.bottom)
    if geometry == "squash":
        assert (left, top, right, bottom) == (0, 0, width, height)
        return
    pixels = noise(height, width)
    side = bottom - top
    expected = np.zeros((side, side), np.float32)
    for row in range(max(top, 0), min(bottom, height)):
        expected[row - top, max(-left, 0) : max(-left, 0) + width] = pixels[row, max(left, 0) : right]
    np.testing.assert_array_equal(to_square(pixels, geometry, side), expected)


def test_unknown_geometries_are_refused() -> None:
    for call in (lambda: to_square(noise(40, 50), "fold", 32), lambda: covered_box(40, 50, "fold")):
        with pytest.raises(ValueError, match="unknown geometry"):
            call()
