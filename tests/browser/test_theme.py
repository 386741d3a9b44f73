"""Figures follow the page when the reader turns it dark or light."""

from __future__ import annotations

import pytest

from cxrkit.charts.style import ON_DARK, ON_LIGHT
from tests.browser.driving import open_page, settle, sync_api

pytestmark = pytest.mark.timeout(180)
TICK = ".st-key-learn_sigmoid .xtick text"


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.mark.parametrize("first", ["light", "dark"])
def test_a_chart_is_drawn_anew_in_the_colours_of_the_page(server: str, browser: sync_api.Browser, first: str) -> None:
    page = open_page(browser, f"{server}/learn?section=saturation", 1440, 900, first)  # type: ignore[arg-type]
    settle(page)
    inks = {"light": ON_LIGHT, "dark": ON_DARK}
    for scheme in (first, *(other for other in inks if other != first), first):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        sync_api.expect(page.locator(TICK).first).to_have_css("fill", rgb(inks[scheme].text))
        settle(page)
    sync_api.expect(page.locator(".st-key-theme_turned")).to_be_hidden()
    page.close()
