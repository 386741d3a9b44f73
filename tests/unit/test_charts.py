"""The map lies on the right pixels at any aspect ratio, and an exported picture explains itself."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from cxrkit.charts import overlay
from cxrkit.charts.viewer import layers_css, map_uri, viewer
from cxrkit.imaging.preprocessing import covered_box
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Explanation


def explanation(grid: np.ndarray, height: int, width: int, geometry: str = "squash") -> Explanation:
    grid = grid.astype(np.float32)
    return Explanation("Mass", "grad-cam", "layer", grid, covered_box(height, width, geometry), float(grid.max()))


def one_cell(row: int, column: int, size: int = 7) -> np.ndarray:
    grid = np.zeros((size, size))
    grid[row, column] = 3.0
    return grid


def radiograph(height: int, width: int) -> Radiograph:
    ramp = np.linspace(0.2, 0.8, height * width, dtype=np.float32).reshape(height, width)
    return Radiograph(ramp, "ab" * 32)


@pytest.mark.parametrize(
    ("geometry", "height", "width", "centre"),
    [
        # cell (1, 4) of 7 x 7 has its centre at (1.5 / 7, 4.5 / 7) of the box
        ("squash", 700, 1400, (150, 900)),
        ("pad", 700, 1400, (-350 + 300, 900)),  # the box starts 350 above the radiograph
        ("pad", 1400, 700, (300, -350 + 900)),
        ("crop", 700, 1400, (150, 350 + 450)),  # the box starts 350 from the left
    ],
)
def test_peak_lies_at_its_cell(geometry: str, height: int, width: int, centre: tuple[int, int]) -> None:
    values, _ = overlay.heat(
        explanation(one_cell(1, 4), height, width, geometry), height, width, (height // 2, width // 2)
    )
    row, column = np.unravel_index(values.argmax(), values.shape)
    if centre[0] < 0:  # padded cell outside of the radiograph: nothing of its peak is visible
        assert values.max() < 1
        assert row == 0
    else:
        assert abs(2 * row - centre[0]) <= 3
        assert values.max() == pytest.approx(1, abs=0.01)
    assert abs(2 * column - centre[1]) <= 3


def test_outside_of_a_crop_nothing_is_claimed() -> None:
    values, covered = overlay.heat(explanation(np.ones((7, 7)), 100, 300, "crop"), 100, 300, (100, 300))
    assert not covered[:, :99].any()
    assert not covered[:, 201:].any()
    assert covered[:, 101:199].all()
    assert (values[~covered] == 0).all()


def test_values_never_leave_the_scale() -> None:
    noisy = np.random.default_rng(0).uniform(0, 5, (7, 7))
    values, _ = overlay.heat(explanation(noisy, 300, 200), 300, 200, (300, 200))
    assert values.min() >= 0
    assert values.max() <= 1


def test_contour_is_closed_and_surrounds_half_of_the_peak() -> None:
    values, _ = overlay.heat(explanation(one_cell(3, 3), 700, 700), 700, 700, (350, 350))
    (line,) = overlay.contours(values, 700, 700)
    assert (line[0] == line[-1]).all()
    assert np.abs(line.mean(axis=0) - 350).max() < 3
    inside = values[(line[:, 1] / 2).astype(int), (line[:, 0] / 2).astype(int)]
    assert np.abs(inside - 0.5).max() < 0.08


def test_viewer_holds_every_map_with_evidence_at_a_place_of_its_own() -> None:
    # Plotly silently drops all but the first of several images that agree in place and size.
    copy = overlay.display_copy(radiograph(60, 90))
    grids = {"Mass": one_cell(2, 2), "Edema": np.zeros((7, 7)), "Hernia": one_cell(5, 5)}
    maps = {f: dataclasses.replace(explanation(g, 60, 90), finding=f) for f, g in grids.items()}
    figure = viewer(copy, maps)
    images = figure.layout.images
    assert len(images) == 3
    assert len({i.sizex for i in images}) == 3
    assert max(i.sizex for i in images) == pytest.approx(90)
    assert len(figure.data) == 3  # the invisible trace and two contours
    assert len(viewer(copy).layout.images) == 1

    def css(finding: str, contour: bool = True) -> str:
        return layers_css(".v", maps, finding, overlay.Look(opacity=0.3, contour=contour))

    assert ".v image:nth-of-type(2) { opacity: 0.30 !important; }" in css("Mass")
    assert ".v image:nth-of-type(3) { opacity: 0.30 !important; }" in css("Hernia")
    assert ".trace:nth-of-type(3) { opacity: 1 !important; }" in css("Hernia")
    assert "opacity: 1 !" not in css("Hernia", contour=False)
    assert css("Edema").count("{") == 1  # all maps hidden, none shown


@pytest.mark.parametrize("colour_map", overlay.COLOUR_MAPS)
def test_map_on_the_page_has_the_colours_of_its_evidence_and_covers_as_much_as_there_is(colour_map: str) -> None:
    grid = np.random.default_rng(1).uniform(0, 3, (7, 7))
    one = explanation(grid, 60, 90, "crop")
    data = base64.b64decode(map_uri(one, 60, 90, colour_map).removeprefix("data:image/png;base64,"))
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    values, covered = overlay.heat(one, 60, 90, (85, 128))
    assert not covered.all()
    assert np.array_equal(picture[:, :, 3], np.rint(255 * values * covered))
    there = picture[:, :, 3] > 0
    assert np.array_equal(picture[there, :3], overlay.coloured(values, colour_map)[there])


def test_display_copy_is_bounded() -> None:
    copy = overlay.display_copy(radiograph(3000, 1500))
    assert copy.levels.shape == (1024, 512)
    assert (copy.height, copy.width) == (3000, 1500)
    assert len(copy.uri) < 600_000


def test_exported_picture_carries_its_captions_and_no_metadata() -> None:
    copy = overlay.display_copy(radiograph(400, 600))
    bare = overlay.overlay_png(copy, explanation(np.zeros((7, 7)), 400, 600), ())
    full = overlay.overlay_png(
        copy, explanation(one_cell(3, 3), 400, 600), ("A caption. " * 30, "Not a medical device.")
    )
    picture = Image.open(io.BytesIO(full))
    assert picture.width == 600
    assert picture.height > Image.open(io.BytesIO(bare)).height > 400
    assert picture.info == {}
    strip = np.asarray(picture.convert("L"))[400:]
    assert strip.max() > 150  # there are letters on it
    assert strip[:, -3:].max() < 60  # and they end before its edge


def test_opacity_zero_leaves_the_radiograph_as_it_is() -> None:
    copy = overlay.display_copy(radiograph(400, 600))
    look = overlay.Look(opacity=0, contour=False)
    picture = Image.open(io.BytesIO(overlay.overlay_png(copy, explanation(one_cell(3, 3), 400, 600), (), look)))
    assert (np.asarray(picture)[:400, :, 1] == copy.levels).all()


@pytest.mark.parametrize("name", list(overlay.COLOUR_MAPS))
def test_every_colour_map_has_its_ramp(name: str) -> None:
    stops = overlay.colour_stops(name)
    assert len(set(stops)) == 9
