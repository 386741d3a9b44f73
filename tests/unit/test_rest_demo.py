"""The page at /demo where nobody asks for it, and where Gradio is not installed; tests/extras has the page itself."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cxrkit.errors import ExtraMissing, ServingError
from cxrkit.serving.rest import create_app, demo
from cxrkit.serving.rest.server import serve
from cxrkit.serving.rest.settings import DEMO, TOKEN, Settings
from tests.conftest import REPOSITORY
from tests.factory import make_preset

HERE = "http://127.0.0.1:8600"


@pytest.fixture
def without_gradio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)


def test_it_is_not_there_unless_asked_for(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(folder=tmp_path)), HERE, client=("127.0.0.1", 5000)) as client:
        for path in ("/demo", "/demo/", "/demo/read", "/demo/gradio_api/upload"):
            assert client.post(path).status_code == 404


def test_a_server_that_is_not_asked_for_it_loads_nothing_of_it(tmp_path: Path) -> None:
    make_preset(tmp_path, "chestxray14")
    code = (
        "import sys, time\n"
        "from starlette.testclient import TestClient\n"
        "from cxrkit.imaging.phantom import phantom_png\n"
        "from cxrkit.serving.rest import app\n"
        "with TestClient(app, 'http://127.0.0.1:8600', client=('127.0.0.1', 5000)) as client:\n"
        "    assert client.post('/v1/readings', files={'file': phantom_png(size=256)}).status_code == 200\n"
        "print([m for m in ('gradio', 'cxrkit.serving.rest.demo') if m in sys.modules])"
    )
    environment = {name: value for name, value in os.environ.items() if name not in (DEMO, TOKEN)}
    environment |= {"CXRKIT_WEIGHTS": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.usefixtures("without_gradio")
def test_what_is_missing_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExtraMissing) as caught:
        create_app(Settings(folder=tmp_path, demo=True))
    assert "pip install --no-deps -r requirements-gradio.txt" in caught.value.remedy
    monkeypatch.delenv(TOKEN, raising=False)
    with pytest.raises(ExtraMissing):
        serve(port=0, demo=True)
    spec = importlib.util.spec_from_file_location("serve", REPOSITORY / "scripts" / "serve.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.main(["--demo", "--port", "0"]) == 2
    assert "requirements-gradio.txt" in capsys.readouterr().err


def test_others_are_not_answered_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    with pytest.raises(ServingError, match="no token"):
        serve("0.0.0.0", 0, demo=True)


def test_the_environment_can_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEMO, raising=False)
    assert Settings.from_environment().demo is False
    monkeypatch.setenv(DEMO, "1")
    assert Settings.from_environment().demo is True
    monkeypatch.setenv(DEMO, "yes")
    with pytest.raises(ServingError, match=DEMO):
        Settings.from_environment()
