"""The page at /demo: a real server, a real browser, and what disk, log and network may not hold afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from packaging.requirements import Requirement
from starlette.testclient import TestClient

from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.serving.rest import create_app, demo_door
from cxrkit.serving.rest.settings import TOKEN, Settings
from tests.browser.driving import CHROMIUM, sync_api
from tests.conftest import REPOSITORY
from tests.factory import make_preset

HERE = "http://127.0.0.1:8600"
NAME = "DOE_JOHN_19700101"
SECONDS = 100
SECRET = "a-token-of-some-length"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    make_preset(folder, "chestxray14")
    make_preset(folder, "pneumonia", ("Pneumonia",), seed=1)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    settings = Settings(folder=folder, demo=True, largest=2**21)

    async def made() -> FastAPI:
        return create_app(settings)  # without a running loop Gradio makes several, which nobody closes

    with TestClient(asyncio.run(made()), HERE, client=("127.0.0.1", 5000)) as client:
        yield client


class Server:
    """A process of scripts/serve.py --demo, whose folder for passing files and home are its own and watched."""

    def __init__(self, weights: Path, folder: Path, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.log, self.outbound = folder / "log.txt", folder / "outbound.txt"
        self.folders = [folder / "tmp", folder / "home"]
        for own in self.folders:
            own.mkdir()
        left = {name: value for name, value in os.environ.items() if name not in (TOKEN, "GRADIO_TEMP_DIR", "CI")}
        own_environment = {
            "CXRKIT_WEIGHTS": str(weights),
            "CXRKIT_OUTBOUND": str(self.outbound),
            "PYTHONPATH": str(REPOSITORY / "tests" / "guard"),
            "TMPDIR": str(self.folders[0]),
            "HOME": str(self.folders[1]),
        }
        command = [sys.executable, str(REPOSITORY / "scripts" / "serve.py"), "--demo", "--port", str(port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=left | own_environment | environment, stdout=log, stderr=log)
        until = time.monotonic() + SECONDS
        while not self._ready():
            assert time.monotonic() < until
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.3)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=SECONDS) as answer:
                return bool(json.load(answer)["model_loaded"])
        except OSError:
            return False

    def files(self) -> set[Path]:
        return {path for own in self.folders for path in own.rglob("*") if path.is_file()}

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(SECONDS)
        finally:
            self.process.kill()


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(folder, tmp_path_factory.mktemp("server"))
    yield server
    server.end()


def upload(client: TestClient, data: bytes, name: str = f"{NAME}.dcm") -> str:
    answer = client.post("/demo/gradio_api/upload?upload_id=a", files={"files": (name, data)})
    assert answer.status_code == 200, answer.text
    (held,) = answer.json()
    return str(held)


def test_the_bound_that_is_not_kept_is_the_one_on_pillow_alone() -> None:
    wishes = [Requirement(wish) for wish in requires("gradio") or []]
    asked = [wish for wish in wishes if wish.marker is None or wish.marker.evaluate({"extra": ""})]
    assert {wish.name for wish in asked if not wish.specifier.contains(version(wish.name))} <= {"pillow"}


def test_a_browser_reads_a_phantom_and_nothing_of_it_stays(server: Server) -> None:
    before = server.files()  # Keras writes its settings when it compiles a preset
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        sheet = browser.new_page(viewport={"width": 390, "height": 844})
        asked: list[str] = []
        sheet.on("request", lambda request: asked.append(request.url))
        sheet.goto(f"{server.address}/demo")
        sync_api.expect(sheet.get_by_text("Not a medical device")).to_be_visible(timeout=SECONDS * 1000)
        chosen = {"name": f"{NAME}.dcm", "mimeType": "application/octet-stream", "buffer": phantom_dicom(size=256)}
        sheet.get_by_label("Read it even if it is refused").check()
        sheet.locator("input[type=file]").set_input_files(chosen)
        rows = sheet.locator("tbody tr")
        sync_api.expect(rows).to_have_count(3, timeout=SECONDS * 1000)
        first = rows.first.locator("th").inner_text()
        assert rows.first.locator("td").first.inner_text().split()[1] == "%"
        choice = sheet.get_by_label("Map of")
        sync_api.expect(choice).to_have_value(first)
        second = rows.nth(1).locator("th").inner_text()
        told = []
        for wanted in (first, second):
            choice.click()
            sheet.get_by_role("option", name=wanted).click()
            sheet.locator(f"figure img[alt$='{wanted}'], p:has-text('score of {wanted}.')").wait_for()
            told.append(sheet.locator("figure, p:has-text('No map:')").inner_text())
        assert told[0] != told[1]
        assert sheet.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # what cannot be read says why, and takes the place of the reading before it
        broken = {"name": f"{NAME}.png", "mimeType": "image/png", "buffer": b"no picture"}
        sheet.locator("input[type=file]").set_input_files(broken)
        sync_api.expect(sheet.get_by_role("alert")).to_contain_text("Export the radiograph again")
        sync_api.expect(rows).to_have_count(0)
        assert sheet.locator("figure").count() == 0
        outside = [url for url in asked if not url.startswith((f"{server.address}/", "data:", "blob:"))]
        assert outside == []
        browser.close()
    assert server.files() == before
    log = server.log.read_text()
    assert "/demo/read" in log
    assert NAME not in log
    assert not server.outbound.exists() or server.outbound.read_text() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_the_page_says_can_be_read_on_a_light_and_a_dark_one(
    server: Server, scheme: Literal["light", "dark"]
) -> None:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        sheet = browser.new_page(color_scheme=scheme)
        sheet.goto(f"{server.address}/demo")
        chosen = {"name": "a.dcm", "mimeType": "application/octet-stream", "buffer": phantom_dicom(size=256)}
        sheet.get_by_label("Read it even if it is refused").check()
        sheet.locator("input[type=file]").set_input_files(chosen)
        sync_api.expect(sheet.locator("tbody tr")).to_have_count(3, timeout=SECONDS * 1000)
        own = ["section", "footer", "figure", "h1"]
        found = Axe().run(sheet, context={"include": [[part] for part in own]}, options={"runOnly": ["color-contrast"]})
        assert [node["html"] for rule in found.response["violations"] for node in rule["nodes"]] == []
        assert any(node["html"].startswith("<footer") for rule in found.response["passes"] for node in rule["nodes"])
        browser.close()


def test_the_page_needs_the_token_and_a_browser_can_give_it(folder: Path, tmp_path: Path) -> None:
    server = Server(folder, tmp_path, **{TOKEN: SECRET})
    try:
        paths = ("/demo", "/demo/", "/demo/theme.css", "/demo/gradio_api/upload", "/demo/read", "/demo/config")
        for path in paths:
            for method in ("GET", "POST"):
                with pytest.raises(urllib.error.HTTPError, match="401"):
                    urllib.request.urlopen(urllib.request.Request(server.address + path, method=method))
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            context = browser.new_context(http_credentials={"username": "any", "password": SECRET})
            sheet = context.new_page()
            sheet.goto(f"{server.address}/demo/")
            chosen = {"name": "a.png", "mimeType": "image/png", "buffer": phantom_png(size=256)}
            sheet.get_by_label("Read it even if it is refused").check()
            sheet.locator("input[type=file]").set_input_files(chosen)
            sync_api.expect(sheet.locator("tbody tr")).to_have_count(3, timeout=SECONDS * 1000)
            browser.close()
    finally:
        server.end()


def test_the_numbers_are_those_of_the_api(client: TestClient) -> None:
    data = phantom_dicom(size=256)
    parameters = {"preset": "pneumonia", "rule": "youden", "all_the_same": "true"}
    record = client.post("/v1/readings", params=parameters, files={"file": data}).json()
    body = client.post("/demo/read", params=parameters | {"held": upload(client, data)}).json()
    assert f"{100 * record['findings']['Pneumonia']['probability']:.1f} %" in body["told"]
    assert record["notice"] in body["told"]
    assert [entry["label"] for entry in body["maps"]] == ["Pneumonia"]


def test_a_file_is_read_once_and_forgotten_after_a_while(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    held = upload(client, phantom_dicom(size=256))
    turns = client.app.state.services.turns
    assert (turns.taken, turns.bytes > 0) == (1, True)
    assert client.post("/demo/read", params={"held": held}).status_code == 200
    assert (turns.taken, turns.bytes) == (0, 0)
    again = client.post("/demo/read", params={"held": held})
    assert (again.status_code, again.json()["remedy"]) == (400, "Drop it onto the page again.")
    monkeypatch.setattr(demo_door, "SECONDS_HELD", 0.05)
    held = upload(client, phantom_dicom(size=256))
    until = time.monotonic() + 10
    while turns.taken and time.monotonic() < until:
        time.sleep(0.05)
    assert (turns.taken, turns.bytes) == (0, 0)
    assert client.post("/demo/read", params={"held": held}).status_code == 400


def test_errors_and_bounds_are_those_of_the_api(client: TestClient) -> None:
    answer = client.post("/demo/gradio_api/upload", files={"files": (f"{NAME}.dcm", bytes(2**22))})
    assert answer.status_code == 413
    assert answer.text.endswith("Export the single radiograph instead of a whole study or series.")
    assert client.app.state.services.turns.taken == 0
    wrong = client.post("/v1/readings", files={"file": (f"{NAME}.dcm", b"no picture")}).json()
    same = client.post("/demo/read", params={"held": upload(client, b"no picture")})
    assert same.status_code == wrong["status"]
    assert (same.json()["detail"], same.json()["remedy"]) == (wrong["detail"], wrong["remedy"])
    assert NAME not in same.text
    unknown = client.post("/demo/read", params={"preset": "none", "held": upload(client, phantom_dicom(size=256))})
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/hostname"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/proxy=https://example.hf.space/"),
        ("GET", "/gradio_api/queue/data?session_hash=a"),
        ("GET", "/gradio_api/deep_link?session_hash=a"),
        ("GET", "/gradio_api/heartbeat/a"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/assets/../gradio_api/info"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/login"),
        ("GET", "/monitoring"),
    ],
)
def test_gradio_answers_nothing_but_its_page_and_files(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, f"/demo{path}").status_code == 404


def test_the_page_may_load_nothing_from_elsewhere_and_says_nothing_of_itself(client: TestClient) -> None:
    page = client.get("/demo/")
    assert page.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert not [value for value in policy.values() if "//" in value or "*" in value]
    assert "fonts.googleapis" not in page.text + client.get("/demo/theme.css").text
    config = client.get("/demo/config").json()
    assert config["analytics_enabled"] is False
    assert config["connect_heartbeat"] is False
    assert client.get("/demo", follow_redirects=False).headers["location"] == "./demo/"
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
