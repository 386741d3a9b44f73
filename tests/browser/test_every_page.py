"""Every page and section in a real browser: accessible by axe-core's rules, within its width, and silent abroad.

Screenshots of each stay in ``out/screenshots``, which git ignores, for whoever looks at a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from cxrkit.dashboard import info_view, learn_view, threshold_tabs, threshold_view
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from tests.browser.driving import open_page, settle, sync_api, wait_until_idle, widths
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.timeout(360)

PAGES = {
    "compare": "Compare",
    "batch": "Batch",
    "thresholds": "ROC and thresholds",
    "model_info": "Model info",
    "learn": "Learn",
    "read": "Read",
}
SHOTS = REPOSITORY / "out" / "screenshots"
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
TAKES_FILES = {"read", "compare", "batch"}
GRAVE = {"serious", "critical"}


def test_no_page_is_left_out() -> None:
    assert set(PAGES) == {path.stem for path in (REPOSITORY / "pages").glob("*.py")}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    (folder / "a.dcm").write_bytes(phantom_dicom(seed=1, size=512))
    (folder / "b.png").write_bytes(phantom_png(seed=2, size=512))
    return [folder / "a.dcm", folder / "b.png"]


@pytest.fixture(scope="module", params=SIZES)
def page(request: pytest.FixtureRequest, server: str, browser: sync_api.Browser) -> Iterator[sync_api.Page]:
    """One session, which goes from page to page by their links; it begins at an address that the other has not."""
    wide = request.param == "wide"
    opened = open_page(browser, f"{server}/{'compare' if wide else 'learn'}", *SIZES[request.param])
    settle(opened)
    yield opened
    opened.close()


def grave(page: sync_api.Page, *rules: str) -> list[str]:
    """What axe-core finds by these rules, or by all, one line each."""
    found = Axe().run(page, options={"runOnly": list(rules)} if rules else None).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))}: {node['html'][:160]}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


def check(page: sync_api.Page, name: str) -> None:
    """What holds of every page in every state.

    A wide page is looked at by axe-core in both colour schemes: by all rules in the one that it came in, by those of
    colours in the other, in which it is left for the next check. Of a narrow one only what is laid out otherwise may
    differ, which the first state of each page shows.
    """
    SHOTS.mkdir(parents=True, exist_ok=True)
    size = size_of(page)
    page.screenshot(path=SHOTS / f"{name}_{size}_{scheme_of(page)}.png")
    document, window, main, inner = widths(page)
    assert document <= window
    assert main <= inner
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.get_by_text("Something went wrong inside cxrkit").count() == 0
    assert page.get_by_text("Not a medical device").count() > 0
    assert page.foreign == []  # type: ignore[attr-defined]
    if size == "wide" or name in (*PAGES, "read_films", "read_refused", "batch_table"):
        assert grave(page) == []
    if size == "wide":
        other_colours(page)
        page.screenshot(path=SHOTS / f"{name}_{size}_{scheme_of(page)}.png")
        assert grave(page, "color-contrast") == []


def other_colours(page: sync_api.Page) -> None:
    """Light for dark, or dark for light."""
    dark = scheme_of(page) == "dark"
    page.emulate_media(color_scheme="light" if dark else "dark")
    background = "rgb(246, 247, 248)" if dark else "rgb(13, 17, 20)"
    sync_api.expect(page.get_by_test_id("stApp")).to_have_css("background-color", background)
    settle(page)


def go_to(page: sync_api.Page, name: str) -> None:
    """Another page by its link: another address would be another session."""
    if urlsplit(page.url).path == ("/" if name == "read" else f"/{name}"):
        return
    link = page.get_by_role("link", name=PAGES[name]).first
    menu = page.get_by_test_id("stExpandSidebarButton")
    covered = menu.count() and menu.first.is_visible()
    if covered:
        menu.first.click()
    link.click()
    sync_api.expect(link).to_have_attribute("aria-current", "page")
    if covered:  # the menu gives way to the page that was chosen from it
        sync_api.expect(menu.first).to_be_visible()
    settle(page)


def scheme_of(page: sync_api.Page) -> str:
    return "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"


def size_of(page: sync_api.Page) -> str:
    return next(name for name, (width, _) in SIZES.items() if page.viewport_size["width"] == width)  # type: ignore[index]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_without_a_radiograph(page: sync_api.Page, name: str) -> None:
    go_to(page, name)
    if name in TAKES_FILES:
        sync_api.expect(page.get_by_test_id("stFileUploader").first).to_be_visible()
    check(page, name)


@pytest.mark.parametrize("name", [*info_view.SECTIONS][1:])
def test_a_section_of_model_info(page: sync_api.Page, name: str) -> None:
    go_to(page, "model_info")
    section(page, info_view.SECTIONS[name][0])
    check(page, f"model_info_{name}")


@pytest.mark.parametrize("name", [*learn_view.SECTIONS][1:])
def test_a_section_of_learn(page: sync_api.Page, name: str) -> None:
    go_to(page, "learn")
    section(page, learn_view.SECTIONS[name][0])
    check(page, f"learn_{name}")


def section(page: sync_api.Page, title: str) -> None:
    page.get_by_role("radio", name=title, exact=True).click()
    sync_api.expect(page.get_by_role("radio", name=title, exact=True)).to_be_checked()
    settle(page)


@pytest.mark.parametrize("name", [*threshold_view.VIEWS[1:], *threshold_tabs.TABS[1:]])
def test_a_view_of_thresholds(page: sync_api.Page, name: str) -> None:
    go_to(page, "thresholds")
    if name in threshold_view.VIEWS:
        page.get_by_role("tab", name=threshold_tabs.TABS[0]).click()
        section(page, name)
    else:
        page.get_by_role("tab", name=name, exact=True).click()
        sync_api.expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
        settle(page)
    check(page, f"thresholds_{name.lower().replace(' ', '_')}")


@pytest.fixture
def reading(page: sync_api.Page, films: list[Path]) -> sync_api.Page:
    """The page Read with two films on it, of which the first is read."""
    go_to(page, "read")
    if page.locator(".cx-row").count() == 0:
        page.locator("input[type=file]").set_input_files(films)
        page.locator(".cx-row").nth(13).wait_for()
        page.locator(".st-key-viewport image").first.wait_for()
        settle(page)
    return page


def test_a_reading(reading: sync_api.Page) -> None:
    check(reading, "read_films")


@pytest.mark.parametrize("name", ["All maps", "Side by side"])
def test_the_pictures_of_a_reading(reading: sync_api.Page, name: str) -> None:
    if name == "Side by side" and size_of(reading) == "narrow":
        sync_api.expect(reading.get_by_role("radio", name=name)).to_be_hidden()
        return
    section(reading, name)
    check(reading, f"read_{name.lower().replace(' ', '_')}")
    section(reading, "Map")


@pytest.mark.parametrize("name", ["Adjust", "Keyboard", "Report", "Blank text", "Copy"])
def test_a_popover_of_a_reading(reading: sync_api.Page, name: str) -> None:
    button = reading.get_by_test_id("stPopover").get_by_role("button", name=name).first
    if name == "Keyboard" and size_of(reading) == "narrow":
        sync_api.expect(button).to_be_hidden()  # a phone has none
        return
    button.click()
    sync_api.expect(reading.get_by_test_id("stPopoverBody")).to_be_visible()
    wait_until_idle(reading)
    check(reading, f"read_{name.lower().replace(' ', '_')}")
    reading.keyboard.press("Escape")
    sync_api.expect(reading.get_by_test_id("stPopoverBody")).to_have_count(0)


@pytest.mark.parametrize("name", ["compare", "batch", "thresholds", "model_info", "learn"])
def test_another_page_with_two_radiographs(reading: sync_api.Page, name: str) -> None:
    go_to(reading, name)
    check(reading, f"{name}_films")


def test_comparison_of_models_with_the_focus_on_it(reading: sync_api.Page) -> None:
    go_to(reading, "compare")
    first, second = reading.locator(".st-key-compare_bar [role=radio]").all()
    second.click()
    sync_api.expect(second).to_be_checked()
    sync_api.expect(second).to_be_focused()
    settle(reading)
    check(reading, "compare_models")
    first.click()
    settle(reading)


def test_a_picture_that_is_refused(page: sync_api.Page, tmp_path: Path) -> None:
    """The last of this file: it takes the place of the two films."""
    (tmp_path / "ct.dcm").write_bytes(phantom_dicom(size=512, attributes={"Modality": "CT"}))
    go_to(page, "read")
    page.locator("input[type=file]").set_input_files(tmp_path / "ct.dcm")
    page.locator(".cx-refused").wait_for()
    settle(page)
    check(page, "read_refused")
    page.get_by_test_id("stPopover").get_by_role("button", name="Blank text").click()
    sync_api.expect(page.get_by_test_id("stPopoverBody")).to_be_visible()
    wait_until_idle(page)
    check(page, "read_refused_blank_text")
    page.keyboard.press("Escape")
