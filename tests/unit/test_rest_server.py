"""The API as a real server process: under load, too much of it, and told to stop while it reads."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cxrkit.imaging.phantom import phantom_dicom
from cxrkit.serving.load import Load, run_load
from cxrkit.serving.rest.settings import QUEUE, RATE, TOKEN
from tests.conftest import REPOSITORY
from tests.factory import make_preset

SECONDS = 100


class Server:
    """A process of scripts/serve.py that is ready to read."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, str(REPOSITORY / "scripts" / "serve.py"), "--port", str(self.port)]
        self.log = folder / f"{self.port}.log"
        left = {name: value for name, value in os.environ.items() if name not in (TOKEN, QUEUE, RATE)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=left | {"CXRKIT_WEIGHTS": str(folder)} | environment, stderr=log
            )

    def wait(self) -> None:
        """Until it has loaded its models."""
        until = time.monotonic() + SECONDS
        while not self.ready():
            assert time.monotonic() < until
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.3)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("GET", "/health")
            answer = json.load(connection.getresponse())
            assert answer["status"] == "ok", self.log.read_text()
            return bool(answer["model_loaded"])
        except OSError:
            return False
        finally:
            connection.close()

    def readings(self) -> list[dict]:
        """Lines of the log about readings."""
        lines = map(json.loads, self.log.read_text().splitlines())
        return [line for line in lines if line.get("route") == "/v1/readings"]

    def load(self, clients: int, seconds: float) -> Load:
        return run_load(self.address, [phantom_dicom()], clients=clients, seconds=seconds)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    make_preset(tmp_path, "chestxray14")
    server = Server(tmp_path, **{QUEUE: "8"})
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait(SECONDS)


def test_load_overload_and_the_end(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """One server for all, since starting one takes longer than the rest."""
    spec = importlib.util.spec_from_file_location("load_test", REPOSITORY / "scripts" / "load_test.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    options = ["--address", server.address, "--clients", "8", "--seconds", "3", "--check", "--p99", "20000"]
    assert script.main(options) == 0
    said = capsys.readouterr().out
    assert re.search(r"^\d+ readings by 8 clients", said)
    assert "Other answers: none" in said
    assert "Server's memory" in said

    # more than it takes on: shed, and over when it ends
    load = server.load(clients=24, seconds=2)
    assert load.milliseconds
    assert set(load.statuses) == {"503"}
    assert not server.load(clients=1, seconds=0.5).statuses

    # told to stop while it reads
    before = len(server.readings())
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(server.load, 6, 2)
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(SECONDS)
        load = asking.result(SECONDS)
    answered = server.readings()[before:]
    assert load.milliseconds
    assert set(load.statuses) <= {"broken"}  # connections after the end, none with half an answer
    assert len(answered) == len(load.milliseconds)
    assert {line["status"] for line in answered} == {200}


def test_a_server_that_others_could_ask_does_not_start() -> None:
    command = [sys.executable, str(REPOSITORY / "scripts" / "serve.py"), "--host", "0.0.0.0", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if name != TOKEN}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 2
    assert "there is no token" in done.stderr
