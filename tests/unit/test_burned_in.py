"""Text within the picture: what is found, and what is not taken for text."""

import numpy as np
import pytest

from cxrkit.imaging.burned_in import find_text
from cxrkit.imaging.phantom import phantom
from tests.lettering import FONTS, covered, ink_of, lettered


@pytest.fixture(scope="module")
def plain():
    """The phantom as grey levels, without its own letters."""
    levels = np.rint(phantom(0).pixels * 255).astype(np.uint8)
    levels[970:1020, :160] = 5
    levels[20:80, 950:1010] = 5
    return levels


def text_in(levels):
    return find_text(levels.astype(np.float32) / 255)


def test_the_phantom_says_what_it_is_and_a_blank_film_says_nothing(plain):
    (box,) = find_text(phantom(0).pixels)
    assert 8 < box.left < 20
    assert 975 < box.top < box.bottom < 1015
    assert 120 < box.right < 140
    assert text_in(plain) == ()


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("size", [12, 20, 40])
@pytest.mark.parametrize(("left", "base", "brightness"), [(3, 45, 255), (20, 1010, 255), (380, 900, 0)])
def test_a_name_is_covered_whole(plain, font, size, left, base, brightness):
    if brightness == 0:
        plain = np.maximum(plain, 120)
    ink = ink_of(plain.shape, "Doe^Jane 1947", size, font, left, base)
    assert covered(ink, text_in(lettered(plain, ink, brightness))) > 0.95


def test_text_within_a_frame_and_text_turned_by_a_quarter(plain):
    framed = plain.copy()
    framed[30:80, 30:300] = 250
    framed[33:77, 33:297] = 10
    ink = ink_of(plain.shape, "MRN 4711829", 20, "pillow", 50, 65)
    assert covered(ink, text_in(lettered(framed, ink, 255))) > 0.95
    turned = np.ascontiguousarray(np.rot90(ink_of(plain.shape, "MRN 4711829", 16, "pillow", 500, 30)))
    assert covered(turned, text_in(lettered(plain, turned, 255))) > 0.95


@pytest.mark.parametrize("marker", ["L", "R", "PA", "L AP"])
def test_a_marker_of_the_side_is_no_text(plain, marker):
    assert text_in(lettered(plain, ink_of(plain.shape, marker, 36, "pillow", 60, 80), 255)) == ()


def test_boxes_are_in_pixels_of_the_radiograph():
    pixels = phantom(0, 2048).pixels
    (box,) = find_text(pixels)
    assert 1950 < box.top < box.bottom < 2030
    assert 240 < box.right < 280
    (box,) = find_text(np.pad(pixels, ((0, 0), (1000, 0))))
    assert 1016 < box.left < 1040


@pytest.mark.parametrize("shape", [(1, 1), (3, 4000), (4000, 1), (40, 40)])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_any_shape_is_looked_at(shape, level):
    assert find_text(np.full(shape, level, np.float32)) == ()


def test_noise_is_no_text():
    noise = np.random.default_rng(0).random((1024, 1024), np.float32)
    assert find_text(noise) == ()
