"""GET /health by a real server process."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxrkit.errors import WeightsCorrupt
from cxrkit.imaging.dicom import transfer_syntaxes
from cxrkit.preset import list_presets
from cxrkit.serving import rest
from tests.conftest import REPOSITORY

SECONDS = 30


@pytest.fixture
def get() -> Iterator[Callable[..., tuple[int, dict]]]:
    """Start the server and ask it; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def ask(path: str, **environment: str) -> tuple[int, dict]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, str(REPOSITORY / "scripts" / "serve.py"), "--port", str(port)]
        started.append(subprocess.Popen(command, env=os.environ | environment))
        until = time.monotonic() + SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error) if error.code == 503 else {}
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    yield ask
    for process in started:
        process.terminate()
        process.wait(SECONDS)


def test_health_lists_presets_and_what_can_be_decoded(get: Callable[..., tuple[int, dict]]) -> None:
    status, body = get("/health")
    assert status == 200
    assert body["status"] == "ok"
    assert {p["name"]: p["weights_sha256"] for p in body["presets"]} == {
        p.name: p.weights_sha256 for p in list_presets()
    }
    assert [(s["uid"], s["name"], s["decodable"]) for s in body["transfer_syntaxes"]] == list(transfer_syntaxes())
    assert "Not a medical device" in body["disclaimer"]


def test_health_says_what_is_wrong_without_a_path(get: Callable[..., tuple[int, dict]], tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "preset.json").write_text("{}")
    status, body = get("/health", CXRKIT_WEIGHTS=str(tmp_path))
    assert status == 503
    assert body["status"] == "unusable"
    assert body["remedy"]
    assert str(tmp_path) not in json.dumps(body)


def test_other_addresses_are_not_found(get: Callable[..., tuple[int, dict]]) -> None:
    assert get("/predict")[0] == 404


def test_a_missing_decoder_or_no_preset_is_degraded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cxrkit.imaging.dicom.transfer_syntaxes", lambda: (("1.2", "One", False),))
    assert rest.health()["status"] == "degraded"
    monkeypatch.undo()
    monkeypatch.setattr("cxrkit.preset.WEIGHTS", tmp_path)
    assert rest.health()["status"] == "degraded"


def test_a_preset_whose_gate_is_missing_is_unusable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shipped = next(p for p in list_presets() if p.name == "pneumonia")
    shutil.copytree(shipped.folder, tmp_path / "pneumonia")
    assert shipped.quality_gate is not None
    (tmp_path / "pneumonia" / shipped.quality_gate.file).unlink()
    monkeypatch.setattr("cxrkit.preset.WEIGHTS", tmp_path)
    with pytest.raises(WeightsCorrupt, match="quality gate"):
        rest.health()
