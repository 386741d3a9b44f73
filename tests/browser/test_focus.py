"""Whoever goes by keyboard sees where they are: the picture of every control changes when it has the focus."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests.browser.driving import Scheme, open_page, settle, sync_api

pytestmark = pytest.mark.timeout(240)

STOPS = 16  # the menu, the sidebar and the first controls of each page
# What has the focus may be a hidden field behind a drawn one, as of radio buttons: then look at what is drawn for it.
_PLACE = """() => {
    let element = document.activeElement;
    if (!element || element === document.body) return null;
    const name = element.getAttribute('aria-label') || element.innerText?.slice(0, 40) || element.tagName;
    let box = element.getBoundingClientRect();
    while ((box.width < 12 || box.height < 12) && element.parentElement) {
        element = element.parentElement;
        box = element.getBoundingClientRect();
    }
    return {name, x: box.x, y: box.y, width: box.width, height: box.height};
}"""


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("read", "dark"), ("read", "light"), ("compare", "dark"), ("batch", "light"), ("thresholds", "light"),
     ("model_info", "dark"), ("learn", "dark")],
)  # fmt: skip
def test_the_focus_is_visible(server: str, browser: sync_api.Browser, name: str, scheme: Scheme) -> None:
    page = open_page(browser, f"{server}/{'' if name == 'read' else name}", 1440, 900, scheme)
    settle(page)
    seen, unseen = [], []
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        place: dict[str, Any] | None = page.evaluate(_PLACE)
        if place is None:
            break
        clip = _around(place)
        focused = _picture(page, clip)
        page.evaluate("window.cxFocus = document.activeElement; window.cxFocus.blur()")
        bare = _picture(page, clip)
        page.evaluate("window.cxFocus.focus({focusVisible: true, preventScroll: true})")
        seen.append(place["name"])
        if ImageChops.difference(focused, bare).getbbox() is None:
            unseen.append(place["name"])
    page.close()
    assert len(set(seen)) >= 6, "the keyboard reaches the controls"
    assert unseen == []


def _around(place: dict[str, Any]) -> dict[str, float]:
    """A control with what may be drawn around it, within the window."""
    left, top = max(place["x"] - 6, 0), max(place["y"] - 6, 0)
    right, bottom = min(place["x"] + place["width"] + 6, 1440), min(place["y"] + place["height"] + 6, 900)
    return {"x": left, "y": top, "width": max(right - left, 1), "height": max(bottom - top, 1)}


def _picture(page: sync_api.Page, clip: dict[str, float]) -> Image.Image:
    raw = page.screenshot(clip=clip, animations="disabled", caret="hide")  # type: ignore[arg-type]
    return Image.open(io.BytesIO(raw)).convert("RGB")
