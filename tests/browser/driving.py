"""How the tests of this folder drive a browser: a page is opened, and looked at once it has come to rest."""

from __future__ import annotations

import os
import shutil
from functools import cache
from typing import Literal

import pytest

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
if CHROMIUM is None:
    if os.environ.get("CI") == "true":
        raise RuntimeError("CI must drive a real browser, and there is no chromium on this machine")
    pytest.skip("there is no chromium to drive", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api") if os.environ.get("CI") != "true" else None
if sync_api is None:
    from playwright import sync_api  # type: ignore[no-redef]

SECONDS = 1000
PATIENCE = 100 * SECONDS  # the first run on a fresh server loads the network, and the machine may have other work
# The page's script has rested for so long, and nothing of an earlier run stands there. What was asked for may be on
# its way to the server meanwhile, so the time counts from the question on.
_AT_REST = """quiet => {
    const busy = document.querySelector('[data-testid=stApp]')?.dataset.testScriptState !== 'notRunning'
        || document.querySelector('[data-stale=true]') !== null;
    const now = performance.now();
    window.cxRestsSince = busy ? null : window.cxRestsSince ?? now;
    return !busy && now - window.cxRestsSince >= quiet;
}"""


Scheme = Literal["dark", "light"]


@cache
def _context(browser: sync_api.Browser, width: int, height: int, scheme: Scheme) -> sync_api.BrowserContext:
    """One for all pages of a size: Streamlit's own files are fetched once. Each page is a session nonetheless."""
    return browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)


def open_page(
    browser: sync_api.Browser, address: str, width: int, height: int, scheme: Scheme = "light"
) -> sync_api.Page:
    """A page which notes what it asks of others than the server."""
    page = _context(browser, width, height, scheme).new_page()
    page.set_default_timeout(40 * SECONDS)
    page.foreign = []  # type: ignore[attr-defined]
    own = "/".join(address.split("/")[:3])
    page.on("request", lambda r: page.foreign.append(r.url) if own not in r.url else None)  # type: ignore[attr-defined]
    page.goto(address)
    return page


def wait_until_idle(page: sync_api.Page, quiet: int = 500) -> None:
    """Wait until the page's script has rested so many ms: a button that is being redrawn loses a click."""
    page.evaluate("window.cxRestsSince = null")
    page.wait_for_function(_AT_REST, arg=quiet, polling=50, timeout=PATIENCE)


def wait_until_warm(page: sync_api.Page) -> None:
    """Wait until the welcome stands there and the model is loaded."""
    page.locator(".cx-welcome").wait_for()
    settle(page)


def settle(page: sync_api.Page) -> None:
    """Wait until a page is all there: the disclaimer, the model, and nothing that runs or fades in."""
    page.locator(".cx-strip").first.wait_for()
    sync_api.expect(page.get_by_text("Loading and verifying the model")).to_have_count(0, timeout=PATIENCE)
    wait_until_idle(page)
    page.wait_for_function(
        "document.getAnimations().every(one => "
        "one.playState !== 'running' || one.effect.getComputedTiming().endTime === Infinity)"
    )


def widths(page: sync_api.Page) -> list[int]:
    """Of the document and the window, of the main part and its content: nothing overflows if each pair is equal."""
    return page.evaluate(
        "[document.documentElement.scrollWidth, innerWidth, "
        "document.querySelector('.stMain').scrollWidth, document.querySelector('.stMain').clientWidth]"
    )
