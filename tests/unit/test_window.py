"""A window does in the browser what it does in a saved file; small and linked pictures are what they should be."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cxrkit.card import QualityGate
from cxrkit.charts import overlay
from cxrkit.charts.contact_sheet import contact_sheet
from cxrkit.charts.viewer import layers_css, viewer
from cxrkit.charts.window import Window, windowed
from cxrkit.imaging.phantom import phantom
from cxrkit.reading import Box, Explanation

GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def browser(window: Window) -> np.ndarray:
    """What the style sheet means by the standard (Filter Effects), clamped after each step."""
    x = GREYS / 255
    for name, given in re.findall(r"(\w+)\(([^)]+)\)", window.css()):
        a = float(given)
        x = {"brightness": a * x, "contrast": a * (x - 0.5) + 0.5, "invert": a + (1 - 2 * a) * x}[name]
        x = np.clip(x, 0, 1)
    return 255 * x


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("width", [0.05, 0.3, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("level", [0.0, 0.1, 0.49, 0.5, 0.62, 1.0])
def test_browser_and_file_show_the_same(level: float, width: float, inverted: bool) -> None:
    window = Window(level, width, inverted)
    assert np.abs(browser(window) - window.applied(GREYS)).max() <= 0.6  # rounding, and five digits


def test_a_window_spreads_what_lies_in_it() -> None:
    out = Window(0.5, 0.5).applied(GREYS).ravel()
    assert out[63] == 0  # 63.75 is where black begins
    assert out[192] == 255
    assert out[127] == pytest.approx(2 * 127 - 127.5, abs=1)
    assert (Window(inverted=True).applied(GREYS) == 255 - GREYS).all()


def test_the_plain_window_changes_nothing_and_says_nothing() -> None:
    assert (Window().applied(GREYS) == GREYS).all()
    assert Window().css() == "none"
    assert Window().caption() == ()
    copy = overlay.display_copy(phantom(size=64))
    assert windowed(copy, Window()) is copy


@pytest.mark.parametrize(("level", "width"), [(-0.1, 1), (1.1, 1), (0.5, 0.01), (0.5, 1.5), (float("nan"), 1)])
def test_a_window_outside_of_the_greys_is_refused(level: float, width: float) -> None:
    with pytest.raises(ValueError, match="shares of all greys"):
        Window(level, width)


def test_what_was_blanked_stays_black_when_inverted() -> None:
    copy = overlay.blank(overlay.display_copy(phantom(size=64)), (Box(0, 0, 10, 10),))
    seen = windowed(copy, Window(inverted=True))
    assert (seen.levels[:10, :10] == 0).all()
    assert (seen.levels[20:, 20:] == 255 - copy.levels[20:, 20:]).all()
    assert seen.blanked == copy.blanked


def maps(size: int = 64) -> dict[str, Explanation]:
    box = Box(0, 0, size, size)
    rising = np.arange(49, dtype=np.float32).reshape(7, 7)
    return {
        "Mass": Explanation("Mass", "grad-cam", "layer", rising, box, 48.0),
        "Edema": Explanation("Edema", "grad-cam", "layer", 0 * rising, box, 0.0),
        "Hernia": Explanation("Hernia", "grad-cam", "layer", rising[::-1].copy(), box, 48.0),
    }


def test_the_filter_is_of_the_radiograph_alone() -> None:
    css = layers_css(".v", maps(), "Hernia", overlay.Look(), Window(0.5, 0.5))
    assert ".v image:nth-of-type(1) { filter: brightness(1) contrast(2); }" in css
    assert css.count("filter") == 1
    assert "filter" not in layers_css(".v", maps(), "Hernia", overlay.Look())


def test_beside_each_other_both_pictures_have_their_own_layers_and_one_zoom() -> None:
    copy = overlay.display_copy(phantom(size=64))
    figure = viewer(copy, maps(), beside=True)
    images = figure.layout.images
    assert [i.xref for i in images] == ["x", "x2", "x2", "x2"]
    assert images[0].source == images[1].source == copy.uri
    # the n-th trace of the right picture belongs to its n-th image, as in the single viewer
    assert [(t.xaxis, t.mode) for t in figure.data] == [("x", "markers"), ("x2", "markers")] + [("x2", "lines")] * 2
    assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]
    assert (figure.layout.xaxis2.matches, figure.layout.yaxis2.matches) == ("x", "y")
    single = viewer(copy, maps())
    assert [i.source for i in single.layout.images] == [i.source for i in images[1:]]


def test_a_contact_sheet_of_fourteen_maps_is_small() -> None:
    copy = overlay.display_copy(phantom(size=512))
    many = {f"{name} {k}": one for k in range(7) for name, one in maps(512).items() if one.has_positive_evidence}
    sheet = contact_sheet(copy, many | {"none": maps(512)["Edema"]}, "Inferno")
    assert len(sheet.maps) == 14
    assert sheet.aspect == 1
    assert len(sheet.film) + sum(map(len, sheet.maps.values())) < 150_000


def gate(*distances: float) -> QualityGate:
    return QualityGate("gate.npz", "0" * 64, "1" * 64, ("made up",), 6, 6, {}, 0, "none", distances=distances)


@pytest.mark.parametrize(
    ("distance", "share"),
    [(0.1, 0.0), (0.2, 0.0), (0.3, 0.125), (0.4, 0.25), (0.5, 0.5), (0.9, 0.9), (1.0, 1.0), (7, 1)],
)
def test_a_distance_is_placed_among_those_of_validation(distance: float, share: float) -> None:
    # quantiles at 0, 25, 50, 75 and 100 %; two of them are equal
    assert gate(0.2, 0.4, 0.5, 0.5 + 1e-9, 1.0).share_nearer(distance) == pytest.approx(share, abs=0.06)


def test_without_quantiles_nothing_is_said() -> None:
    assert gate().share_nearer(0.5) is None
    assert gate(0.1, 0.9).share_nearer(float("nan")) is None


@pytest.mark.parametrize("distances", [(0.5,), (0.5, 0.2), (-0.1, 0.2)])
def test_quantiles_that_are_none_are_refused(distances: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"order|greater"):
        gate(*distances)
