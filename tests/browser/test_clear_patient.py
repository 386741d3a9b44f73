"""After "Clear patient" nothing of the patient is left: not in the server's memory, not in its files."""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxrkit.imaging.phantom import phantom_dicom
from tests.browser.driving import open_page, sync_api, wait_until_idle, wait_until_warm
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.timeout(180)
MARKER = "ZQXJANE"
ROWS, COLUMNS = 1021, 1021  # of no other array; the file has 2 MB, which a web server may well put on its disk


class Watched:
    """A server in a home and a folder for temporary files of its own, that says what it holds."""

    def __init__(self, folder: Path) -> None:
        self.home, self.temporary = folder / "home", folder / "temporary"
        for one in (self.home, self.temporary):
            one.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, str(REPOSITORY / "tests" / "browser" / "watched_server.py"), str(port)]
        environment = os.environ | {"HOME": str(self.home), "TMPDIR": str(self.temporary)}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError("the dashboard did not come up")

    def holds(self, sha256: str) -> dict:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{MARKER} {sha256} {ROWS} {COLUMNS}\n")
        self.process.stdin.flush()
        assert select.select([self.process.stdout], [], [], 60)[0]
        return json.loads(self.process.stdout.readline())

    def files(self) -> set[Path]:
        return {path for root in (self.home, self.temporary) for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    server = Watched(tmp_path_factory.mktemp("watched"))
    yield server
    server.process.terminate()
    server.process.communicate(timeout=20)


def test_nothing_is_left(watched: Watched, browser: sync_api.Browser, tmp_path: Path) -> None:
    data = phantom_dicom(
        seed=7, size=ROWS, attributes={"PatientName": MARKER, "PatientID": MARKER, "StudyDescription": MARKER}
    )
    sha256 = hashlib.sha256(data).hexdigest()
    scan = tmp_path / f"{MARKER}.dcm"
    scan.write_bytes(data)
    page = open_page(browser, watched.address, 1440, 900)
    wait_until_warm(page)
    files, bare = watched.files(), watched.holds(sha256)
    assert bare["objects"] == {}

    page.locator("input[type=file]").set_input_files(scan)
    page.locator(".cx-row").nth(13).wait_for()
    page.locator(".st-key-viewport image").first.wait_for()
    wait_until_idle(page)
    page.get_by_role("button", name="Show Mass on the radiograph").click()
    sync_api.expect(page.locator(".cx-row.is-shown .cx-name")).to_have_text(["Mass"])
    wait_until_idle(page)
    for name in ("PNG", "JSON", "PDF", "HTML"):
        if name == "PDF":
            page.get_by_role("button", name="Report").click()  # where the last two are
        with page.expect_download() as waiting:
            page.get_by_role("button", name=name, exact=True).click()
        saved = waiting.value.path().read_bytes()
        assert MARKER.encode() not in saved
        wait_until_idle(page)
    holds = watched.holds(sha256)
    # The watch sees what there is while the patient is there.
    assert holds["objects"]["Radiograph"] >= 1
    assert holds["objects"]["Reading"] >= 1
    assert holds["objects"]["DisplayCopy"] >= 1
    assert holds["objects"]["array"] >= 1
    assert holds["objects"]["text"] >= 1
    assert holds["media"] == bare["media"] + 4  # which holds the page's icon
    assert holds["deferred"] == 4
    assert holds["uploads"] == 0  # let go as soon as it was decoded

    page.get_by_role("button", name="Clear patient").click()
    page.locator(".cx-welcome").wait_for()
    sync_api.expect(page.locator(".cx-row")).to_have_count(0)
    wait_until_idle(page)
    holds = watched.holds(sha256)
    assert holds == bare  # files that were opened to be written included
    assert watched.files() == files
    page.close()
