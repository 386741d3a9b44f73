"""On a narrow screen the menu of pages lies over the page: it gives way to the page that was chosen from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.driving import SECONDS, settle, sync_api

pytestmark = pytest.mark.timeout(180)
NARROW = {"width": 390, "height": 844}
ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
)
# whether what a finger would meet in the middle of the screen is the page's
PAGE_IN_SIGHT = "document.elementFromPoint(195, 422).closest('[data-testid=stMain]') !== null"


@pytest.fixture(params=["window", "phone"])
def page(request: pytest.FixtureRequest, server: str, browser: sync_api.Browser) -> Iterator[sync_api.Page]:
    """The page Read in a narrow window of a desktop, and on what says that it is a phone."""
    phone = {"user_agent": ANDROID, "has_touch": True, "is_mobile": True} if request.param == "phone" else {}
    context = browser.new_context(viewport=NARROW, **phone)
    opened = context.new_page()
    opened.set_default_timeout(40 * SECONDS)
    opened.goto(server)
    settle(opened)
    yield opened
    context.close()


def test_a_page_chosen_from_the_menu_is_in_sight(page: sync_api.Page) -> None:
    for name, said in (("Learn", "What a convolution sees"), ("Batch", "Many radiographs"), ("Read", "Drop a frontal")):
        page.get_by_test_id("stExpandSidebarButton").click()
        link = page.get_by_role("link", name=name, exact=True)
        sync_api.expect(link).to_be_visible()
        page.wait_for_function(f"!({PAGE_IN_SIGHT})")
        link.click()
        page.wait_for_function(PAGE_IN_SIGHT)
        sync_api.expect(page.get_by_text(said).first).to_be_visible()
        settle(page)
        assert page.evaluate(PAGE_IN_SIGHT), "the menu does not come back with the page's own sidebar"


def test_the_fields_below_the_menu_leave_it_open(page: sync_api.Page) -> None:
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_text("Screening", exact=True).click()
    settle(page)
    assert not page.evaluate(PAGE_IN_SIGHT)
    page.get_by_role("button", name="Collapse sidebar").click()
    page.wait_for_function(PAGE_IN_SIGHT)
