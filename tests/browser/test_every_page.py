"""Every page of the dashboard in a real browser: accessible by axe-core's rules, within its width, and silent abroad.

Screenshots of each stay in ``out/screenshots``, which git ignores, for whoever looks at a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from scripts.take_screenshots import dashboard
from tests.browser.test_dashboard import open_page, sync_api, wait_until_idle, widths
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.timeout(240)

PAGES = sorted(path.stem for path in (REPOSITORY / "pages").glob("*.py"))
SHOTS = REPOSITORY / "out" / "screenshots"
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
TAKES_FILES = {"read", "compare", "batch"}
GRAVE = {"serious", "critical"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with dashboard() as address:
        yield address


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    (folder / "a.dcm").write_bytes(phantom_dicom(seed=1, size=512))
    (folder / "b.png").write_bytes(phantom_png(seed=2, size=512))
    return [folder / "a.dcm", folder / "b.png"]


def settle(page: sync_api.Page) -> None:
    page.locator(".cx-strip").first.wait_for()
    page.get_by_text("Loading and verifying the model").wait_for(state="hidden")
    wait_until_idle(page)
    page.wait_for_timeout(700)  # what fades in has come


def grave(page: sync_api.Page) -> list[str]:
    """What axe-core finds, one line each."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))}: {node['html'][:160]}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


def check(page: sync_api.Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")
    document, window, main, inner = widths(page)
    assert document <= window
    assert main <= inner
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.get_by_text("Something went wrong inside cxrkit").count() == 0
    assert page.get_by_text("Not a medical device").count() > 0
    assert grave(page) == []
    assert page.foreign == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(("size", "scheme"), [("wide", "dark"), ("narrow", "light")])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_without_a_radiograph(server: str, browser: sync_api.Browser, name: str, size: str, scheme: str) -> None:
    page = open_page(browser, server if name == "read" else f"{server}/{name}", *SIZES[size], scheme=scheme)
    settle(page)
    if name in TAKES_FILES:
        sync_api.expect(page.get_by_test_id("stFileUploader").first).to_be_visible()
    check(page, f"{name}_{size}_{scheme}")
    page.close()


@pytest.mark.parametrize("size", SIZES)
def test_pages_with_two_radiographs(server: str, browser: sync_api.Browser, films: list[Path], size: str) -> None:
    page = open_page(browser, server, *SIZES[size])
    settle(page)
    page.locator("input[type=file]").first.set_input_files(films)
    page.locator(".cx-row").first.wait_for()
    page.locator(".st-key-viewport image").first.wait_for()
    settle(page)
    check(page, f"read_films_{size}")
    for name in set(PAGES) - {"read"}:  # by their links: another address would be another session
        if size == "narrow":
            menu = page.get_by_test_id("stTopNavSection").or_(page.get_by_test_id("stExpandSidebarButton"))
            if menu.count() and menu.first.is_visible():
                menu.first.click()
        page.locator(f"a[href$='/{name}']").first.click()
        settle(page)
        check(page, f"{name}_films_{size}")
    page.close()
