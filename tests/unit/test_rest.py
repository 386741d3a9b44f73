"""The API by its application, with small presets: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from cxrkit.errors import CxrError, Overloaded, RequestTimeout, WeightsCorrupt
from cxrkit.imaging import worker
from cxrkit.imaging.dicom import transfer_syntaxes
from cxrkit.imaging.phantom import phantom_dicom
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.writing import ReadingWriter
from cxrkit.preset_folders import list_presets
from cxrkit.quality import QualityIssue, QualityReport
from cxrkit.serving.public_address import ALLOW
from cxrkit.serving.rest import create_app, readings
from cxrkit.serving.rest.bodies import received
from cxrkit.serving.rest.health import health
from cxrkit.serving.rest.problems import status_of
from cxrkit.serving.rest.server import serve
from cxrkit.serving.rest.settings import RATE, TOKEN, Settings
from cxrkit.serving.rest.turns import Rate, Turns
from tests.conftest import REPOSITORY
from tests.factory import make_preset

HERE = "http://127.0.0.1:8600"
SECRET = "a-token-of-some-length"
NAME = "DOE_JOHN_19700101.dcm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Presets with the names that the API reads with by default."""
    folder = tmp_path_factory.mktemp("weights")
    make_preset(folder, "chestxray14")
    make_preset(folder, "pneumonia", ("Pneumonia",), seed=1)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(folder=folder)), HERE, client=("127.0.0.1", 5000)) as client:
        yield client


@pytest.fixture(scope="module")
def dicom() -> bytes:
    return phantom_dicom()


@pytest.fixture(scope="module")
def png(dicom: bytes) -> bytes:
    rng = np.random.default_rng(0)
    levels = cv2.normalize(cv2.GaussianBlur(rng.random((300, 280)), (0, 0), 9), None, 0, 255, cv2.NORM_MINMAX)
    return cv2.imencode(".png", levels.astype(np.uint8))[1].tobytes()


def check_problem(answer, status: int) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "remedy", "request_id"}
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


# -- readings ----------------------------------------------------------------------------------


def test_predict_answers_in_six_fields(client: TestClient, dicom: bytes, folder: Path) -> None:
    answer = client.post("/predict", files={"file": (NAME, dicom)})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert list(body) == ["diagnosis", "confidence", "raw_score", "status", "gradcam_available", "gradcam"]
    assert body["status"] == "success"
    expected = client.post("/v1/readings?preset=pneumonia", files={"file": dicom}).json()["findings"]["Pneumonia"]
    assert body["raw_score"] == round(expected["probability"], 4)
    positive = expected["operating_points"]["youden"]["positive"]
    assert body["diagnosis"] == ("PNEUMONIA" if positive else "NORMAL")
    share = expected["probability"] if positive else 1 - expected["probability"]
    assert body["confidence"] == round(100 * share, 2)
    assert body["gradcam_available"] is (body["gradcam"] is not None)
    assert "Not a medical device" in answer.headers["x-disclaimer"]


def test_predict_sends_a_map(client: TestClient, dicom: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read = XRayModelManager.read

    def with_evidence(self, radiograph, **options):
        reading = read(self, radiograph, **options)
        for explanation in reading.explanations.values():
            object.__setattr__(explanation, "map", np.eye(explanation.map.shape[0], dtype=np.float32))
            object.__setattr__(explanation, "peak", 1.0)
        return reading

    monkeypatch.setattr(XRayModelManager, "read", with_evidence)
    body = client.post("/predict", files={"file": dicom}).json()
    assert body["gradcam_available"] is True
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(body["gradcam"]), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[0] > picture.shape[1]  # the caption's strip
    body = client.post("/v1/readings?maps=png", files={"file": dicom}).json()
    for entry in body["findings"].values():
        assert base64.b64decode(entry["map"]["png"]).startswith(b"\x89PNG")
        assert entry["map"]["rows"] == entry["map"]["columns"] > 1


def test_a_reading_is_that_of_the_library(client: TestClient, png: bytes, folder: Path) -> None:
    from cxrkit.imaging.loading import load_radiograph
    from cxrkit.serving.records import to_record

    manager = XRayModelManager("chestxray14", folder=folder)
    reading = manager.read(load_radiograph(png)).override()
    answer = client.post("/v1/readings", params={"all_the_same": "true"}, files={"file": ("a.png", png)}).json()
    record = json.loads(json.dumps(to_record(reading, manager.preset)))
    assert answer["findings"].keys() == record["findings"].keys()
    for finding, entry in record["findings"].items():
        assert answer["findings"][finding]["logit"] == pytest.approx(entry["logit"], abs=1e-4)
        assert answer["findings"][finding].keys() == entry.keys()
        assert answer["findings"][finding]["operating_points"].keys() == entry["operating_points"].keys()
    assert {**answer, "findings": 0, "quality": 0, "lung_share": 0} == {
        **record, "findings": 0, "quality": 0, "lung_share": 0
    }  # fmt: skip
    one = client.post("/v1/readings", params={"rule": "rule-in", "preset": "pneumonia"}, files={"file": png}).json()
    points = [set(entry["operating_points"]) for entry in one["findings"].values()]
    assert points in ([{"rule-in"}], [])


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is refused."""
    report = QualityReport((QualityIssue("not-frontal-chest", "refuse"),), distance=3.0)
    monkeypatch.setattr(ReadingWriter, "quality", lambda *arguments: report)


@pytest.mark.usefixtures("refused")
def test_a_refused_picture_has_no_numbers(client: TestClient, png: bytes) -> None:
    answer = client.post("/v1/readings?maps=png", files={"file": png})
    assert answer.status_code == 200
    body = answer.json()
    assert body["quality"]["refused"] is True
    assert body["findings"] == {}
    assert "frontal chest" in check_problem(client.post("/predict", files={"file": png}), 422)["detail"]
    same = client.post("/v1/readings?all_the_same=true", files={"file": png}).json()
    assert same["quality"]["overridden"] is True
    assert same["findings"]


def test_displays_are_counted_from_one(client: TestClient, dicom: bytes) -> None:
    assert client.post("/v1/readings?display=1", files={"file": dicom}).status_code == 200
    check_problem(client.post("/v1/readings?display=9", files={"file": dicom}), 422)


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"url": "/predict", "content": b"x", "headers": {"content-type": "text/plain"}}, 415),
        ({"url": "/predict", "content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"url": "/predict", "json": {"url": 1}}, 400),
        ({"url": "/predict", "json": {"url": "http://a.example/", "more": 1}}, 400),
        ({"url": "/predict", "json": ["http://a.example/"]}, 400),
        ({"url": "/predict", "json": {"url": "a" * 20_000}}, 400),
        ({"url": "/predict", "content": b"[" * 9000, "headers": {"content-type": "application/json"}}, 400),
        ({"url": "/predict", "content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"url": "/predict", "files": {"picture": b"x"}}, 400),
        ({"url": "/predict", "files": {"file": ("", b"")}}, 400),
        ({"url": "/predict", "files": [("file", b"x"), ("file", b"y")]}, 400),
        ({"url": "/predict", "files": {"file": b"x"}, "data": {str(n): "x" for n in range(20)}}, 400),
        ({"url": "/predict", "files": {"file": b"x"}, "data": {"a": "x" * 9000}}, 400),
        ({"url": "/predict", "files": {"file": (NAME, b"no picture")}}, 415),
        ({"url": "/predict", "files": {"file": (NAME, b"\x89PNG\r\n\x1a\n and no more")}}, 422),
        ({"url": "/v1/readings?preset=none", "files": {"file": b"x"}}, 404),
        ({"url": "/v1/readings?maps=jpg", "files": {"file": b"x"}}, 422),
        ({"url": "/v1/readings?rule=custom", "files": {"file": b"x"}}, 422),
        ({"url": "/v1/readings?map=png", "files": {"file": b"x"}}, 422),
        ({"url": "/v1/readings?display=0", "files": {"file": b"x"}}, 422),
        ({"url": "/nothing"}, 404),
        ({"url": "/health"}, 405),
        ({"url": "/v1/presets"}, 405),
    ],
)
def test_refusals(client: TestClient, png: bytes, asked: dict, status: int) -> None:
    if asked["url"] == "/v1/readings?preset=none":
        asked = {**asked, "files": {"file": png}}
    body = check_problem(client.post(**asked), status)
    assert NAME not in json.dumps(body)


def test_every_error_has_a_status() -> None:
    def below(kind: type[CxrError]) -> Iterator[type[CxrError]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    for kind in below(CxrError):
        assert status_of(kind("No.", "Well.")) in (400, 401, 404, 408, 413, 415, 422, 429, 503), kind


@pytest.mark.parametrize("announced", [True, False])
def test_the_size_is_limited_while_it_arrives(tmp_path: Path, announced: bool) -> None:
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(1000):
            taken += 1
            yield bytes(100_000)
        yield b"\r\n--b--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=b"} | (
        {"content-length": "100000099"} if announced else {}
    )
    app = create_app(Settings(folder=tmp_path, largest=1_000_000))
    with TestClient(app, HERE) as client:
        check_problem(client.post("/predict", content=pieces(), headers=headers), 413)
        assert app.state.services.turns.taken == app.state.services.turns.bytes == 0


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def receive() -> dict:
        await asyncio.sleep(30)
        return {}

    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    request = Request({"type": "http", "headers": headers}, receive)
    with Turns(1, 1).turn() as turn, pytest.raises(RequestTimeout):
        asyncio.run(received(request, Settings(seconds=0.05), turn))


def test_too_much_at_a_time_is_shed_and_forgotten(folder: Path, png: bytes) -> None:
    app = create_app(Settings(folder=folder, queue=2, memory=2_000_000))
    with TestClient(app, HERE) as client:
        turns = app.state.services.turns
        with turns.turn(), turns.turn():
            answer = client.post("/v1/readings", files={"file": png})
            check_problem(answer, 503)
            assert answer.headers["retry-after"] == "1"
        with turns.turn() as turn:
            turn.take(2_000_000)
            check_problem(client.post("/v1/readings", files={"file": png}), 503)
        assert (turns.taken, turns.bytes) == (0, 0)
        assert client.post("/v1/readings", files={"file": png}).status_code == 200
    with pytest.raises(Overloaded):
        turn.take(3_000_000)


def test_a_file_whose_turn_to_be_decoded_does_not_come_may_be_sent_again(
    client: TestClient, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = worker.Pool(most=1)
    busy._turns.acquire()
    with monkeypatch.context() as patch:
        patch.setattr(worker, "_pool", busy)
        patch.setattr(readings, "load_untrusted", functools.partial(worker.load_untrusted, seconds=0.05))
        answer = client.post("/v1/readings", files={"file": png})
        form = client.post("/", data={"preset": "chestxray14"}, files={"file": png})
    body = check_problem(answer, 503)
    assert body["type"] == "urn:cxrkit:problem:overloaded"
    assert "others are being read" in body["detail"]
    assert (form.status_code, "others are being read" in form.text) == (503, True)
    assert answer.headers["retry-after"] == form.headers["retry-after"] == "1"
    assert client.post("/v1/readings", files={"file": png}).status_code == 200
    busy.close()


def test_a_defect_gives_a_number_and_no_words(
    client: TestClient, png: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    from cxrkit.serving.rest.logs import JsonLines

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonLines().format(record))

    handler, log = Kept(), logging.getLogger("cxrkit.api")
    log.addHandler(handler)
    monkeypatch.setattr(XRayModelManager, "read", lambda *a, **b: (_ for _ in ()).throw(ValueError("John Doe")))
    answer = client.post(f"/v1/readings?preset={NAME}", files={"file": (NAME, png)})
    log.removeHandler(handler)
    check_problem(answer, 404)
    log.addHandler(handler)
    body = check_problem(client.post("/v1/readings", files={"file": (NAME, png)}), 500)
    log.removeHandler(handler)
    logged = [json.loads(line) for line in lines]
    incident = next(line for line in logged if line["event"] == "incident")
    assert incident["incident"] in body["remedy"]
    assert incident["request_id"] == body["request_id"]
    assert {line["route"] for line in logged if "route" in line} == {"/v1/readings"}
    for text in (json.dumps(body), *lines):
        assert "Doe" not in text
        assert "DOE" not in text
    monkeypatch.undo()
    assert client.post("/v1/readings", files={"file": png}).status_code == 200


# -- who may ask -------------------------------------------------------------------------------


def test_a_token_is_asked_for_before_the_body(tmp_path: Path, png: bytes) -> None:
    with TestClient(create_app(Settings(folder=tmp_path, token=SECRET)), "http://10.0.0.1") as client:
        basic = base64.b64encode(f"anyone:{SECRET}".encode()).decode()
        for right in (f"Bearer {SECRET}", f"bearer {SECRET}", f"Basic {basic}"):
            assert client.get("/v1/presets", headers={"Authorization": right}).status_code == 200
        for wrong in ("", "Bearer", f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", SECRET, "Basic ???", "Bearer \xe4"):
            headers = {"Authorization": wrong.encode("latin-1")} if wrong else {}
            answer = client.post("/predict", files={"file": png}, headers=headers)
            check_problem(answer, 401)
            offers = answer.headers.get_list("www-authenticate")  # Chromium takes one header for one offer
            assert [offer.split()[0] for offer in offers] == ["Bearer", "Basic"]
        for path in ("/", "/docs", "/openapi.json", "/metrics", "/v1/presets"):
            check_problem(client.get(path), 401)
        assert client.get("/health").status_code == 200


def test_guessing_tokens_is_slow(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(folder=tmp_path, token=SECRET)), HERE) as client:
        answers = [client.get("/v1/presets", headers={"Authorization": f"Bearer {n}"}) for n in range(25)]
        assert {answer.status_code for answer in answers[:20]} == {401}
        assert int(check_problem(answers[-1], 429)["status"]) == 429
        assert answers[-1].headers["retry-after"]
        check_problem(client.get("/v1/presets", headers={"Authorization": f"Bearer {SECRET}"}), 429)


def test_without_a_token_only_this_computer_is_answered(tmp_path: Path) -> None:
    """However the server was started: uvicorn can be told to listen anywhere."""
    app = create_app(Settings(folder=tmp_path))
    for base, status in ((HERE, 200), ("http://[::1]:8600", 200), ("http://10.0.0.1", 401), ("http://name", 401)):
        with TestClient(app, base) as client:
            assert client.get("/v1/presets").status_code == status


def test_a_rate_is_kept(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(folder=tmp_path, rate=3)), HERE) as client:
        assert [client.get("/v1/presets").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert client.get("/health").status_code == 200


def test_a_rate_recovers() -> None:
    now = 0.0
    rate = Rate(2, lambda: now)
    for _ in range(2):
        assert not rate.exhausted("a")
        rate.spend("a")
    assert rate.exhausted("a")
    assert not rate.exhausted("b")
    now = 29.0
    assert rate.exhausted("a")
    now = 30.0
    assert not rate.exhausted("a")


@pytest.mark.parametrize(("given", "kept"), [("0123456789abcdef", True), ("John Doe", False), ("a" * 65, False)])
def test_request_ids(client: TestClient, given: str, kept: bool) -> None:
    answer = client.get("/health", headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"] == given) is kept


def test_serving_other_computers_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uvicorn.run", lambda *a, **b: pytest.fail("served"))
    monkeypatch.delenv(TOKEN, raising=False)
    for host in ("0.0.0.0", "::", "192.168.1.1", "example.org", ""):
        with pytest.raises(CxrError, match="no token"):
            serve(host, 0)
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(CxrError, match="fewer than 16"):
        serve("127.0.0.1", 0)
    monkeypatch.setenv(TOKEN, SECRET)
    monkeypatch.setenv(RATE, "-1")
    with pytest.raises(CxrError, match="whole number"):
        serve("127.0.0.1", 0)
    monkeypatch.delenv(RATE)
    served = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.append(options["host"]))
    serve("0.0.0.0", 0)
    assert served == ["0.0.0.0"]


# -- by address --------------------------------------------------------------------------------


def test_addresses_are_off_unless_configured(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALLOW, raising=False)
    body = check_problem(client.post("/predict", json={"url": "http://images.example.org/doe.png"}), 422)
    assert "may not be fetched" in body["detail"]
    assert "doe" not in json.dumps(body)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://2130706433/", "unusual notation"),
        ("http://0177.0.0.1/", "unusual notation"),
        ("http://[::ffff:127.0.0.1]/", "not on the public internet"),
        ("http://169.254.169.254/latest/meta-data", "not on the public internet"),
        ("http://localhost/", "not on the public internet"),
        ("file:///etc/passwd", "only http and https"),
    ],
)
def test_addresses_that_lead_inside_are_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv(ALLOW, "*")
    for path in ("/predict", "/v1/readings"):
        assert said in check_problem(client.post(path, json={"url": url}), 422)["detail"]


def test_a_file_by_its_address(client: TestClient, monkeypatch: pytest.MonkeyPatch, dicom: bytes) -> None:
    monkeypatch.setattr("cxrkit.serving.rest.routes.fetch", lambda url: dicom if url.endswith("/a.dcm") else b"")
    answer = client.post("/v1/readings", json={"url": "http://images.example.org/a.dcm"})
    assert answer.json() == client.post("/v1/readings", files={"file": dicom}).json()


# -- the rest ----------------------------------------------------------------------------------


def test_health_lists_presets_and_what_can_be_decoded(client: TestClient, folder: Path) -> None:
    client.app.state.services.readers.manager("pneumonia")  # until they are loaded
    body = client.get("/health").json()
    assert (body["status"], body["model_loaded"], body["gradcam_enabled"], body["api_version"]) == (
        "ok", True, True, "2.0"
    )  # fmt: skip
    expected = {p.name: p.weights_sha256 for p in list_presets(folder)}
    assert {p["name"]: p["weights_sha256"] for p in body["presets"]} == expected
    assert all(p["runtime"] in ("openvino", "tensorflow", "keras") for p in body["presets"])
    assert [(s["uid"], s["name"], s["decodable"]) for s in body["transfer_syntaxes"]] == list(transfer_syntaxes())
    assert "Not a medical device" in body["disclaimer"]


def test_presets_that_cannot_be_used_are_told_without_a_path(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "preset.json").write_text("{}")
    with TestClient(create_app(Settings(folder=tmp_path)), HERE) as client:
        answer = client.get("/health")
        assert answer.status_code == 503
        assert answer.json()["status"] == "unusable"
        for text in (answer.text, client.get("/v1/presets").text, client.post("/predict", files={"file": png}).text):
            assert str(tmp_path) not in text
        check_problem(client.get("/v1/presets"), 503)
        check_problem(client.post("/predict", files={"file": png}), 503)
        assert "malformed" in client.get("/").text


def test_a_missing_decoder_or_no_preset_is_degraded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cxrkit.imaging.dicom.transfer_syntaxes", lambda: (("1.2", "One", False),))
    assert health()["status"] == "degraded"
    monkeypatch.undo()
    assert health(folder=tmp_path)["status"] == "degraded"
    assert health(folder=tmp_path)["model_loaded"] is False


def test_a_preset_whose_gate_is_missing_is_unusable(tmp_path: Path) -> None:
    shipped = next(p for p in list_presets() if p.name == "pneumonia")
    shutil.copytree(shipped.folder, tmp_path / "pneumonia")
    assert shipped.quality_gate is not None
    (tmp_path / "pneumonia" / shipped.quality_gate.file).unlink()
    with pytest.raises(WeightsCorrupt, match="quality gate"):
        health(folder=tmp_path)


def test_presets_and_counters(client: TestClient, folder: Path) -> None:
    body = client.get("/v1/presets").json()
    assert [p["name"] for p in body["presets"]] == ["chestxray14", "pneumonia"]
    assert body["presets"][0]["rules"] == ["youden", "screening", "rule-in"]
    text = client.get("/metrics").text
    assert 'cxrkit_requests_total{method="GET",route="/v1/presets",status="200"}' in text
    assert 'cxrkit_readings_total{outcome="' in text
    assert list_presets(folder)[0].weights_sha256 in text
    assert "cxrkit_batch_images_count" in text


def test_the_form_reads(client: TestClient, dicom: bytes, png: bytes) -> None:
    page = client.get("/")
    assert 'enctype="multipart/form-data"' in page.text
    assert "Not a medical device" in page.text
    assert "script" not in page.headers["content-security-policy"]
    assert "<script" not in page.text
    read = client.post("/", files={"file": (NAME, png)}, data={"preset": "chestxray14", "all_the_same": "1"})
    assert read.status_code == 200, read.text
    for word in ("Pleural effusion", "Mass", "Pneumonia", "Demonstration weights"):
        assert word in read.text
    assert NAME not in read.text
    failed = client.post("/", files={"file": (NAME, b"<html>")}, data={"preset": "chestxray14"})
    assert failed.status_code == 415
    assert "a web page or other text" in failed.text
    assert 'role="alert"' in failed.text


@pytest.mark.usefixtures("refused")
def test_the_form_says_why_there_is_no_reading(client: TestClient, png: bytes) -> None:
    read = client.post("/", files={"file": png}, data={"preset": "pneumonia"})
    assert "No reading for this picture" in read.text
    assert "does not look like a frontal chest radiograph" in read.text
    assert "<table" not in read.text


def test_pages_load_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/docs", "/style.css"):
        text = client.get(path).text
        assert "//" not in text.replace("http://127.0.0.1:8600", "")
    paths = client.get("/openapi.json").json()["paths"]
    described = client.get("/docs").text
    assert set(paths) == {"/predict", "/v1/readings", "/v1/presets", "/health", "/metrics"}
    assert all(f"</b> {path}</code>" in described for path in paths)


def test_importing_the_api_is_light() -> None:
    code = (
        "import sys, cxrkit.serving.rest;"
        "print([m for m in ('streamlit', 'plotly', 'keras', 'tensorflow', 'torch', 'gradio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_what_models_log_becomes_json_lines_too() -> None:
    from cxrkit.serving.rest.logs import JsonLines, configure

    configure()
    (handler,) = {h for h in logging.getLogger("cxrkit.model").handlers if isinstance(h.formatter, JsonLines)}
    assert handler in logging.getLogger("cxrkit.api").handlers
    configure()
    assert logging.getLogger("cxrkit.model").handlers.count(handler) == 1
