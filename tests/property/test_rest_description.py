"""What the API says of itself is true: schemathesis makes requests of the description and compares the answers with it.

Half of the files that it makes up are replaced by a radiograph: no description tells one from other bytes.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from cxrkit.imaging.phantom import phantom_dicom
from cxrkit.serving.rest import create_app
from cxrkit.serving.rest.settings import Settings
from tests.factory import make_preset

RADIOGRAPH = phantom_dicom()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the API, in a thread of this process."""
    folder = tmp_path_factory.mktemp("weights")
    make_preset(folder, "chestxray14")
    make_preset(folder, "pneumonia", ("Pneumonia",), seed=1)
    app = create_app(Settings(folder=folder))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < until
            time.sleep(0.05)
        app.state.services.readers.manager("pneumonia")  # until it is loaded
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def api(server: str) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{server}/openapi.json")


OPERATIONS = [
    ("POST", "/predict"),
    ("POST", "/v1/readings"),
    ("GET", "/v1/presets"),
    ("GET", "/health"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [(*operation, GenerationMode.POSITIVE) for operation in OPERATIONS]
    # what takes no parameter and no body can be asked in no wrong way
    + [(*operation, GenerationMode.NEGATIVE) for operation in OPERATIONS if operation[0] == "POST"],
)
def test_answers_are_as_described(api: schemathesis.BaseSchema, method: str, path: str, mode: GenerationMode) -> None:
    statuses, every = set(), itertools.count()
    # which bytes are a radiograph, and which address may be asked, is in no description
    unfit = [positive_data_acceptance] + [negative_data_rejection] * (mode is GenerationMode.POSITIVE)

    @given(api[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE and case.media_type == "multipart/form-data" and next(every) % 2:
            case.body = {"file": RADIOGRAPH}
            if "preset" in case.query:
                case.query["preset"] = "pneumonia"
        statuses.add(case.call_and_validate(excluded_checks=unfit).status_code)

    check()
    assert (200 in statuses) is (mode is GenerationMode.POSITIVE)
    assert statuses <= {200, 400, 404, 413, 415, 422}


def test_every_operation_is_asked(api: schemathesis.BaseSchema) -> None:
    assert {(found.ok().method.upper(), found.ok().path) for found in api.get_all_operations()} == set(OPERATIONS)
