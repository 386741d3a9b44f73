"""Dockerfile and compose file by their text, since no engine runs here: who runs, what is written, what is pinned."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from cxrkit.serving.rest.server import SECONDS_TO_FINISH
from cxrkit.serving.rest.settings import TOKEN
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("docker")  # the parser opens its file for writing, too
    (folder / "Dockerfile").write_text((REPOSITORY / "Dockerfile").read_text())
    return DockerfileParser(str(folder)).structure


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    return yaml.safe_load((REPOSITORY / "compose.yaml").read_text())["services"]


def of(steps: list[dict], instruction: str) -> list[str]:
    return [step["value"] for step in steps if step["instruction"] == instruction]


def last_stage(steps: list[dict]) -> list[dict]:
    start = max(number for number, step in enumerate(steps) if step["instruction"] == "FROM")
    return steps[start:]


def test_images_are_named_by_version(steps: list[dict], services: dict[str, dict]) -> None:
    images = [value.split()[0] for value in of(steps, "FROM")] + [service["image"] for service in services.values()]
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+(\.\d+)+[a-z-]*", image), image
    assert all("slim" in value for value in of(steps, "FROM"))
    assert len({value.split()[0] for value in of(steps, "FROM")}) == 1  # the environment moves between like systems


def test_nobody_runs_as_root(steps: list[dict]) -> None:
    assert of(last_stage(steps), "USER") == ["10001:10001"]
    assert last_stage(steps)[-1]["instruction"] == "CMD"
    after = [step["instruction"] for step in last_stage(steps)]
    assert set(after[after.index("USER") + 1 :]) <= {"EXPOSE", "COMMENT", "HEALTHCHECK", "STOPSIGNAL", "CMD"}


def test_nothing_is_taken_from_the_network_but_packages(steps: list[dict]) -> None:
    assert not of(steps, "ADD")
    for value in of(steps, "RUN"):
        assert not re.search(r"curl|wget|apt|git clone|sudo|https?://", value), value
    installs = [value for value in of(steps, "RUN") if "pip install" in value]
    assert installs == ["pip install -r /build/requirements.txt"]
    assert not re.search(r"TOKEN|SECRET|PASSWORD", (REPOSITORY / "Dockerfile").read_text())


def test_what_runs_is_there(steps: list[dict], services: dict[str, dict]) -> None:
    commands = [json.loads(of(last_stage(steps), "CMD")[0]), *(service["command"] for service in services.values())]
    for command in commands:
        assert command[0] == "python"
        script = next(part for part in command if part.endswith(".py"))
        assert (REPOSITORY / script).is_file()
    check = of(steps, "HEALTHCHECK")[0]
    code = json.loads(check[check.index("[") :])[-1]
    compile(code, "HEALTHCHECK", "exec")
    assert "8600/health" in code
    assert "model_loaded" in code
    options = shlex.split(check[: check.index("CMD")])
    assert {option.split("=")[0] for option in options} == {"--interval", "--timeout", "--start-period", "--retries"}


def test_services_are_confined(services: dict[str, dict]) -> None:
    assert set(services) == {"api", "app"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(mount.startswith("/tmp:size=") and "noexec" in mount for mount in service["tmpfs"])
        assert service["mem_limit"]
        assert service["pids_limit"]
        assert not {"privileged", "user", "volumes", "network_mode", "cap_add"} & set(service)
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert int(service["stop_grace_period"].removesuffix("s")) > SECONDS_TO_FINISH
    assert "healthcheck" in services["app"]  # the image's own is the API's
    assert services["api"]["environment"][TOKEN].startswith("${" + TOKEN + ":?")  # no start without one


@pytest.mark.parametrize("path", [".git/config", ".env", ".streamlit/secrets.toml", "a.dcm", "runs/1", "tests/x.py"])
def test_what_stays_out_of_the_image(path: str) -> None:
    patterns = (REPOSITORY / ".dockerignore").read_text().splitlines()
    parts = [str(parent) for parent in (Path(path), *Path(path).parents)]
    assert any(fnmatch.fnmatch(part, pattern) for part in parts for pattern in patterns if not pattern.startswith("#"))


@pytest.mark.parametrize("path", ["weights", "cxrkit", "scripts", "pages", "streamlit_app.py", "requirements.txt"])
def test_what_must_be_in_the_image(path: str) -> None:
    patterns = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert (REPOSITORY / path).exists()
    assert not any(fnmatch.fnmatch(path, pattern) for pattern in patterns)
