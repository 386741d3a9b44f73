"""One reading from upload to download in a real browser, against a server of its own on loopback."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cxrkit.card import OperatingPoint
from cxrkit.imaging.phantom import phantom_dicom
from cxrkit.preset import Preset
from cxrkit.reading import DISCLAIMER
from scripts.take_screenshots import dashboard
from tests.browser.driving import PATIENCE, open_page, sync_api, wait_until_idle, wait_until_warm
from tests.conftest import REPOSITORY
from tests.factory import FOURTEEN

pytestmark = pytest.mark.timeout(180)
VISIBLE_WITHIN = 1.5  # seconds from choosing the file to the findings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a fresh server that reads with the shipped 14-finding network, at thresholds of its own."""
    folder = tmp_path_factory.mktemp("browser-weights")
    shutil.copytree(REPOSITORY / "weights" / "chestxray14", folder / "fourteen")
    shipped = Preset.load(folder / "fourteen")
    points = [
        OperatingPoint(finding, rule, threshold, 0.8, 0.7, "val", 200, 60, shipped.weights_sha256)
        for finding in shipped.findings
        for rule, threshold in (("youden", 0.5), ("screening", 0.3), ("rule-in", 0.7))
    ]
    named = dataclasses.replace(shipped, name="fourteen", title="Test preset fourteen", operating_points=tuple(points))
    named.save(folder / "fourteen")
    with dashboard(CXRKIT_WEIGHTS=str(folder)) as address:
        yield address


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DICOM file without extension, named after a patient."""
    path = tmp_path_factory.mktemp("scan") / "Doe_Jane_4711"
    path.write_bytes(phantom_dicom(size=1024, attributes={"PatientName": "Doe^Jane", "PatientID": "ID-4711"}))
    return path


def shown_layers(page: sync_api.Page) -> list[list[str]]:
    """Opacity of the pictures, and of the contours, that are not hidden."""
    return [
        page.locator(f".st-key-viewport {part}").evaluate_all(
            "all => all.map(e => getComputedStyle(e).opacity).filter(o => o !== '0')"
        )
        for part in ("image", ".scatterlayer .trace")
    ]


def wait_for_layers(page: sync_api.Page, expected: list[list[str]]) -> None:
    until = time.monotonic() + 15
    while (now := shown_layers(page)) != expected and time.monotonic() < until:
        page.wait_for_timeout(100)
    assert now == expected


def test_deep_link_on_a_fresh_server_goes_through_the_router(server: str, browser: sync_api.Browser) -> None:
    """First in this file: the server has had no request yet, which is when Streamlit would skip the router."""
    page = open_page(browser, f"{server}/model_info?from=link", 1440, 900)
    sync_api.expect(page.locator("h2", has_text="Test preset fourteen")).to_have_count(1, timeout=PATIENCE)
    sync_api.expect(page).to_have_url(f"{server}/model_info?from=link&preset=fourteen")
    sync_api.expect(page.locator("[data-testid=stTopNavLink]")).to_have_count(6)
    page.close()


def test_upload_read_choose_and_download(server: str, browser: sync_api.Browser, scan: Path) -> None:
    page = open_page(browser, server, 1440, 900)
    wait_until_warm(page)
    page.locator("input[type=file]").set_input_files(scan)
    page.locator(".cx-row").nth(13).wait_for()
    page.locator(".st-key-viewport image").first.wait_for()
    shown = page.locator("body").inner_text()
    assert "Doe" not in shown
    assert "4711" not in shown

    wait_until_idle(page)
    threshold = page.locator(".cx-pairs dd").first
    sync_api.expect(threshold).to_have_text("50.0 %")
    page.get_by_text("Screening", exact=True).click()
    sync_api.expect(threshold).to_have_text("30.0 %")
    wait_until_idle(page)

    page.get_by_role("button", name="Show Mass on the radiograph").click()
    sync_api.expect(page.locator(".cx-row.is-shown .cx-name")).to_have_text(["Mass"])
    sync_api.expect(page.locator(".cx-side-title")).to_have_text(["Mass at this operating point"])
    wait_for_layers(page, [["1", "0.45"], ["1"]])

    wait_until_idle(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="JSON").click()
    name = waiting.value.suggested_filename
    reading = json.loads(waiting.value.path().read_text())
    assert name == f"fourteen-{reading['radiograph_sha256'][:8]}.json"
    assert list(reading["findings"]) == FOURTEEN
    assert reading["disclaimer"] == DISCLAIMER
    assert not re.search("Doe|ID-4711|_4711", json.dumps(reading))  # a probability may have these digits

    wait_until_idle(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="PNG").click()
    assert waiting.value.suggested_filename == f"fourteen-{reading['radiograph_sha256'][:8]}-mass.png"
    data = waiting.value.path().read_bytes()
    picture = Image.open(io.BytesIO(data))
    assert picture.width == 1024
    assert picture.height > 1024  # the radiograph, and below it the strip that says what it is
    red, _, blue = picture.crop((0, 0, 1024, 1024)).convert("RGB").split()
    assert red.tobytes() != blue.tobytes()  # the map's colours lie on the grey radiograph

    before = page.locator(".st-key-viewport image").first.bounding_box()
    page.locator(".st-key-viewport [data-title='Zoom in']").click()
    wait_until_idle(page)
    after = page.locator(".st-key-viewport image").first.bounding_box()
    assert before
    assert after
    assert after["width"] > 1.2 * before["width"]

    page.get_by_role("button", name="Adjust").click()
    wait_until_idle(page)
    page.get_by_text("Half-peak contour").click()
    wait_until_idle(page)
    page.keyboard.press("Escape")
    wait_until_idle(page)
    page.get_by_role("button", name="Show Pleural effusion on the radiograph").click()
    sync_api.expect(page.locator(".cx-row.is-shown .cx-name")).to_have_text(["Pleural effusion"])
    wait_for_layers(page, [["1", "0.45"], []])  # another map, no contour, and the zoom stays
    redrawn = page.locator(".st-key-viewport image").first.bounding_box()
    assert redrawn
    assert abs(redrawn["width"] - after["width"]) < 2

    assert page.foreign == []  # type: ignore[attr-defined]  # nothing leaves this machine
    page.get_by_role("button", name="Clear patient").click()
    page.locator(".cx-welcome").wait_for()
    sync_api.expect(page.locator(".cx-row")).to_have_count(0)  # stale rows go with the end of the run
    page.close()


@pytest.mark.alone
def test_first_reading_is_visible_soon(server: str, browser: sync_api.Browser, tmp_path: Path) -> None:
    """On a warm app; the best of three, because the test machine may have other work."""
    took = []
    page = open_page(browser, server, 1440, 900)
    for seed in range(3):
        wait_until_warm(page)
        path = tmp_path / f"scan{seed}.dcm"
        path.write_bytes(phantom_dicom(seed=seed + 1, size=1024))
        start = time.monotonic()
        page.locator("input[type=file]").set_input_files(path)
        page.locator(".cx-row").nth(13).wait_for()
        took.append(time.monotonic() - start)
        if took[-1] < VISIBLE_WITHIN:
            break
        page.get_by_role("button", name="Clear patient").click()
        # the old field is still there while the new one comes
        sync_api.expect(page.locator("input[type=file]")).to_have_count(1)
    page.close()
    print("first reading visible after", ", ".join(f"{seconds:.2f} s" for seconds in took))
    assert min(took) < VISIBLE_WITHIN


def test_unreadable_file_leaves_the_page_usable(server: str, browser: sync_api.Browser, tmp_path: Path) -> None:
    page = open_page(browser, server, 1440, 900)
    wait_until_warm(page)
    bad = tmp_path / "scan.dcm"
    bad.write_bytes(b"GIF89a not a radiograph")
    page.locator("input[type=file]").set_input_files(bad)
    page.get_by_text("The file is a GIF image, not a radiograph.").first.wait_for()
    wait_until_idle(page)
    page.get_by_role("button", name="Synthetic phantom").click()
    page.locator(".cx-row").nth(13).wait_for()
    sync_api.expect(page.get_by_text("The file is a GIF image")).to_have_count(0)
    page.close()


def test_the_screenshots_of_the_documents_are_taken_by_a_command(tmp_path):
    """Where there is no network but loopback, if this computer can do that: server, reading and browser need none."""
    offline = ["bash", str(REPOSITORY / ".ci" / "offline")]
    possible = subprocess.run([*offline, "true"], stderr=subprocess.DEVNULL).returncode == 0
    assert possible or os.environ.get("CI") != "true"
    command = [sys.executable, "scripts/take_screenshots.py", "--out", str(tmp_path)]
    subprocess.run([*(offline if possible else []), *command], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    sizes, colours = {}, {}
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            sizes[path.name] = picture.size
            colours[path.name] = len(picture.convert("RGB").getcolors(maxcolors=1 << 21))
    assert sizes == {"screenshot.png": (1440, 900), "screenshot-narrow.png": (390, 844)}
    assert min(colours.values()) > 1000, "the radiograph and its map are in the picture"
