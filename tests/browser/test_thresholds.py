"""The page of thresholds in a real browser: the mark on the curves, a click on one, and a point that reaches Read."""

from __future__ import annotations

import json

import pytest

from tests.browser.driving import SECONDS, open_page, settle, sync_api

pytestmark = pytest.mark.timeout(180)
SLIDER = ".st-key-threshold input[type=range]"
LIT = """name => [...document.querySelectorAll(`.st-key-${name} .scatterlayer > :last-child .point`)]
    .map((point, place) => getComputedStyle(point).opacity === "1" ? place : -1).filter(place => place >= 0)"""


def test_a_click_on_the_curve_moves_the_mark_and_a_saved_point_reaches_read(
    browser: sync_api.Browser, server: str
) -> None:
    page = open_page(browser, f"{server}/thresholds?preset=pneumonia", 1440, 900)
    page.set_default_timeout(60 * SECONDS)
    curve = page.locator(".st-key-roc .nsewdrag")
    curve.wait_for()
    settle(page)
    slider = page.locator(SLIDER)
    page.wait_for_function(f"place => ({LIT})('roc')[0] == place", arg=int(slider.input_value()))
    before, box = slider.input_value(), curve.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 2)
    page.wait_for_function(f"before => document.querySelector('{SLIDER}').value != before", arg=before)
    place = int(slider.input_value())
    page.wait_for_function(f"place => ({LIT})('roc')[0] == place", arg=place)
    assert page.evaluate(LIT, "roc") == page.evaluate(LIT, "precision_recall") == [place]

    settle(page)
    page.get_by_role("button", name="Save this threshold").click()
    page.get_by_label("Name", exact=True).fill("night shift")
    page.get_by_label("Name", exact=True).press("Tab")
    settle(page)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved: night shift").first.wait_for()
    page.keyboard.press("Escape")
    settle(page)
    page.get_by_role("tab", name="Saved points").click()
    settle(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save to a file").click()
    points = json.loads(saved.value.path().read_text())["points"]
    assert [(p["name"], p["tuned_on_evaluation"]) for p in points] == [("night shift", False)]
    page.get_by_role("link", name="Read").first.click()
    page.locator(".cx-welcome").wait_for()
    settle(page)
    page.get_by_text("night shift", exact=True).click()
    sync_api.expect(page.get_by_text("Your point 'night shift'.")).to_have_count(1)
    assert page.foreign == []  # type: ignore[attr-defined]
    page.close()
