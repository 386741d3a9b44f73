"""One browser for all tests that drive one, and one server with the shipped presets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from scripts.take_screenshots import dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a window; closed after this folder's tests, because Playwright keeps an event loop running."""
    from tests.browser.driving import CHROMIUM, sync_api  # whose import says what to do without a browser

    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        sync_api.expect.set_options(timeout=20_000)  # the machine may have other work
        yield running
        running.close()


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    """Address of a server with the shipped presets; every page that is opened is a session of its own."""
    with dashboard() as address:
        yield address
