"""A batch in a real browser: an archive and a broken file in, a table, a download, and nothing left afterwards."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from cxrkit.imaging.phantom import phantom_png
from tests.browser.driving import open_page, settle, sync_api, wait_until_idle
from tests.browser.test_every_page import SHOTS, check

pytestmark = pytest.mark.timeout(240)  # as in test_every_page, and a server of its own to start
SECRET = "Doe_Jane_4711"
PICTURES = [phantom_png(seed=k, size=256) for k in range(4)]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for place, picture in enumerate(PICTURES):
            archive.writestr(f"{SECRET}/{place}.png", picture)
        archive.writestr("readme.txt", b"hello")
    (tmp_path / f"{SECRET}.zip").write_bytes(whole.getvalue())
    (tmp_path / f"{SECRET}.pdf").write_bytes(b"%PDF-1.7 a report")
    return [tmp_path / f"{SECRET}.zip", tmp_path / f"{SECRET}.pdf"]


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_upload_table_download_and_clear(
    server: str, browser: sync_api.Browser, files: list[Path], size: tuple[int, int]
) -> None:
    page = open_page(browser, f"{server}/batch", *size)
    settle(page)
    page.locator("input[type=file]").set_input_files(files)
    csv = page.get_by_role("button", name="CSV", exact=True)
    csv.wait_for()
    settle(page)
    sync_api.expect(page.locator(".cx-batch-ended")).to_contain_text(["4 read, 0 refused, 1 not readable."])
    assert SECRET not in page.locator("body").inner_text()
    check(page, "batch_table")
    with page.expect_download() as waiting:
        csv.click()
    assert SECRET not in waiting.value.suggested_filename
    table = pd.read_csv(waiting.value.path())
    assert table["sha256"].tolist()[:4] == [hashlib.sha256(picture).hexdigest() for picture in PICTURES]
    assert table["outcome"].tolist() == ["read"] * 4 + ["failed"]
    wait_until_idle(page)
    page.get_by_role("radio", name="Not readable (1)").click()
    wait_until_idle(page)
    page.screenshot(path=SHOTS / f"batch_failed_{size[0]}.png")
    page.get_by_role("button", name="Clear patient").click()
    page.locator(".cx-welcome").first.wait_for()
    sync_api.expect(csv).to_have_count(0)
    page.close()
