"""The network input: what is shown, how it is resized, and on which scale."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from cxrkit.imaging.preprocessing import covered_box, standardise, to_square, to_tensors
from cxrkit.radiograph import Radiograph

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


@pytest.mark.parametrize("geometry", ["squash", "crop", "pad"])
def test_a_border_is_cut_off_in_whole_pixels_before_the_geometry(geometry: str) -> None:
    pixels = noise(290, 405)
    inner = pixels[29:-29, 40:-40]  # a tenth: 29, and 40 of 40.5
    np.testing.assert_array_equal(to_square(pixels, geometry, 100, 0.1), to_square(inner, geometry, 100))
    whole, cut = covered_box(232, 325, geometry), covered_box(290, 405, geometry, 0.1)
    assert (cut.left, cut.top) == (whole.left + 40, whole.top + 29)
    assert (cut.right, cut.bottom) == (whole.right + 40, whole.bottom + 29)


def test_a_border_of_29_percent_of_100_pixels_is_29_pixels() -> None:
    assert covered_box(100, 100, "squash", 0.29).left == 29


def test_intensity_rules_by_hand() -> None:
    square = np.array([[0, 0.5], [1, 0.5]], np.float32)
    expected = {
        "unit": [[0, 0.5], [1, 0.5]],
        "symmetric": [[-1, 0], [1, 0]],
        "xrv": [[-1024, 0], [1024, 0]],
        "sample-standard": np.array([[-1, 0], [1, 0]]) * np.sqrt(2),  # variance 1/8
    }
    for rule, plane in expected.items():
        found = standardise(square, rule)
        assert found.shape == (2, 2, 3)
        assert found.dtype == np.float32
        for channel in range(3):
            np.testing.assert_allclose(found[..., channel], plane, atol=1e-6)
    white = {
        "imagenet": [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225],
        "caffe": [255 - 103.939, 255 - 116.779, 255 - 123.68],
    }
    for rule, channels in white.items():
        found = standardise(square, rule)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[1, 0], channels, rtol=1e-6)


@pytest.mark.parametrize("rule", ["sample-standard", "unit", "symmetric", "imagenet", "caffe", "xrv"])
def test_each_image_of_a_batch_is_on_its_own(rule: str) -> None:
    images = np.stack([noise(8, 8) * 0.5, noise(8, 8)])
    batch = standardise(images, rule)
    assert batch.shape == (2, 8, 8, 3)
    for image, tensor in zip(images, batch, strict=True):
        np.testing.assert_allclose(standardise(image, rule), tensor, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", ["sample-standard", "unit", "symmetric", "imagenet", "caffe", "xrv"])
def test_radiographs_that_are_prepared_together_are_as_by_themselves(rule: str) -> None:
    how = SimpleNamespace(input_size=16, geometry="crop", intensity=rule, border=0.1)
    pictures = [Radiograph(noise(40, 30 + 5 * k), str(k)) for k in range(3)]
    tensors = to_tensors(pictures, how)
    assert (tensors.shape, tensors.dtype) == ((3, 16, 16, 3), np.float32)
    for picture, tensor in zip(pictures, tensors, strict=True):
        np.testing.assert_array_equal(standardise(to_square(picture.pixels, "crop", 16, 0.1), rule), tensor)
    assert to_tensors([], how).shape == (0, 16, 16, 3)


def test_unknown_intensity_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown intensity"):
        standardise(noise(4, 4), "loud")
