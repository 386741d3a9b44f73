"""One browser for all tests that drive one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a window; closed after this folder's tests, because Playwright keeps an event loop running."""
    from tests.browser.test_dashboard import CHROMIUM, sync_api  # whose import says what to do without a browser

    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()
