"""--precision of the doors: another one than float32 only where it can be had, and told wherever the numbers go."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from starlette.testclient import TestClient

import cxrkit.model.openvino_runtime as openvino_runtime
import scripts.quantize
from cxrkit import command
from cxrkit.errors import PresetInvalid, ScoringError
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.openvino_runtime import can_compute
from cxrkit.model.runtimes import Precision
from cxrkit.preset import Preset
from cxrkit.serving.rest import create_app
from cxrkit.serving.rest import server as rest_server
from cxrkit.serving.rest.settings import TOKEN, Settings
from cxrkit.serving.scoring import PLAIN, here, score
from cxrkit.serving.scoring_cluster import load_model
from cxrkit.serving.scoring_sources import SourceSpec
from cxrkit.training import range_measuring
from tests.factory import make_preset
from tests.scoring_model import PixelModel
from tests.scoring_model import preset as pixel_preset

COARSE = ("bfloat16", "int8")
HERE = "http://127.0.0.1:8600"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six phantoms, and the table of them."""
    folder = tmp_path_factory.mktemp("films")
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}.png"), np.rint(phantom(number, 96).pixels * 255).astype(np.uint8))
    (folder / "index.csv").write_text("image,split,Mass\n" + "".join(f"{k}.png,train,0\n" for k in range(6)))
    return folder


@pytest.fixture(scope="module")
def weights(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one preset whose ranges for int8 were measured."""
    folder = tmp_path_factory.mktemp("weights")
    make_preset(folder, "measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_measuring, "FEWEST", 6)
        assert scripts.quantize.main([str(folder / "measured"), "--manifest", str(films / "index.csv")]) == 0
    return folder


@pytest.fixture(params=COARSE)
def precision(request: pytest.FixtureRequest) -> Precision:
    return request.param


@pytest.fixture
def unable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that computes in float32 alone."""
    monkeypatch.setattr(openvino_runtime, "can_compute", lambda precision: precision == "float32")


def run(*words: object) -> int:
    """``cxrkit ...``, which is the script of that name."""
    return command.main([str(word) for word in words])


def refused_or(precision: Precision, status: int, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether this processor has the precision; where it has not, that must have been the answer."""
    if can_compute(precision):
        assert status == 0
        return True
    assert status == 2
    assert f"This processor cannot compute in {precision}." in capsys.readouterr().err
    return False


# -- read --------------------------------------------------------------------------------------


def test_a_record_names_a_precision_that_is_not_float32(
    films: Path, weights: Path, precision: Precision, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["read", *sorted(films.glob("*.png")), "--preset", weights / "measured"]
    assert run(*given, "--json") == 0
    plain = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert not any("precision" in record for record in plain)
    if not refused_or(precision, run(*given, "--json", "--precision", precision), capsys):
        return
    coarse = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["precision"] for record in coarse] == 6 * [precision]
    assert [record["file"] for record in coarse] == [record["file"] for record in plain]
    apart = [
        abs(one["findings"][finding]["logit"] - entry["logit"])
        for one, other in zip(plain, coarse, strict=True)
        for finding, entry in other["findings"].items()
    ]
    assert len(apart) == 18
    assert 0 < max(apart) < 0.1
    for other in ("float32", precision):  # for a person
        assert run(*given, "--precision", other) == 0
        assert (f"The network computed in {other};" in capsys.readouterr().out) == (other == precision)


@pytest.mark.usefixtures("unable")
@pytest.mark.parametrize("door", ["read", "score", "serve"])
def test_a_processor_that_cannot_is_told_and_nothing_begins(
    door: str, films: Path, weights: Path, precision: Precision, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(rest_server, "list_presets", lambda folder: (Preset.load(weights / "measured"),))
    monkeypatch.setattr(rest_server.uvicorn, "run", lambda *_, **__: pytest.fail("served"))
    of_door = {
        "read": [films / "0.png", "--preset", weights / "measured"],
        "score": [films, "--out", tmp_path / "r.csv", "--preset", weights / "measured"],
        "serve": ["--port", 0],
    }
    assert run(door, *of_door[door], "--precision", precision) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        f"This processor cannot compute in {precision}.\nLeave the precision at float32, which is exact.\n"
    )
    assert captured.out == ""
    assert not list(tmp_path.iterdir())  # no part that a run in float32 would be refused for


def test_what_a_preset_or_a_runtime_lacks_is_told(
    films: Path, weights: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(openvino_runtime, "can_compute", lambda precision: True)
    monkeypatch.setattr(rest_server, "list_presets", lambda folder: (Preset.load(tiny_folder / "tiny"),))
    score_it = ["score", films, "--out", tmp_path / "r.csv"]
    for words in (
        ["read", films / "0.png", "--preset", tiny_folder / "tiny"],
        [*score_it, "--preset", tiny_folder / "tiny"],
        ["serve", "--port", 0],
    ):
        assert run(*words, "--precision", "int8") == 2
        assert "'tiny' cannot be computed in int8" in capsys.readouterr().err
    for name in COARSE:
        given = ["--preset", weights / "measured", "--runtime", "tensorflow", "--precision", name]
        assert run(*score_it, *given) == 2
        assert "'tensorflow' computes in float32 only" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("door", ["read", "score", "serve"])
def test_no_other_precision_is_taken(door: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(door, "--precision", "float16")
    assert "invalid choice: 'float16'" in capsys.readouterr().err


# -- score -------------------------------------------------------------------------------------


def test_a_table_says_its_precision(
    films: Path, weights: Path, precision: Precision, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In each row that something was computed for."""
    given = ["score", films, "--match", "*.png", "--preset", weights / "measured", "--quiet"]
    plain, coarse = tmp_path / "plain.parquet", tmp_path / "coarse.parquet"
    assert run(*given, "--out", plain) == 0
    assert "The network computed" not in capsys.readouterr().out
    schema = pyarrow.parquet.read_schema(plain)
    assert "precision" not in schema.names
    assert "precision" not in json.loads(schema.metadata[b"cxrkit"])
    if not refused_or(precision, run(*given, "--out", coarse, "--precision", precision), capsys):
        return
    assert f"The network computed in {precision};" in capsys.readouterr().out
    assert json.loads(pyarrow.parquet.read_schema(coarse).metadata[b"cxrkit"])["precision"] == precision
    one, other = (pd.read_parquet(path).set_index("file") for path in (plain, coarse))
    assert list(other["precision"]) == 6 * [precision]
    assert [name for name in other.columns if name != "precision"] == list(one.columns)
    assert 0 < (one["logit_Mass"] - other["logit_Mass"]).abs().max() < 0.1

    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "bad.png").write_text("no radiograph")
    (tmp_path / "films" / "good.png").write_bytes((films / "0.png").read_bytes())
    out = tmp_path / "coarse.csv"
    given[1:4] = [tmp_path / "films"]
    assert run(*given, "--out", out, "--precision", precision) == 2
    table = pd.read_csv(out, keep_default_na=False).set_index("file")
    assert dict(table["precision"]) == {"bad.png": "", "good.png": precision}


class CoarseModel(PixelModel):
    precision = "bfloat16"


class Interrupted:
    """Stops a run after its first part."""

    def begin(self, done: int, total: int) -> None:
        self.parts = 0

    def tick(self, outcomes: list[str]) -> None:
        self.parts += 1
        if self.parts == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("first", "then"), [(PixelModel, CoarseModel), (CoarseModel, PixelModel)])
def test_a_run_does_not_go_on_in_another_precision(
    films: Path, tmp_path: Path, first: type[PixelModel], then: type[PixelModel]
) -> None:
    source, out = SourceSpec(str(films), match="*.png"), tmp_path / "r.parquet"

    def go(model: type[PixelModel], **more: object) -> object:
        how = dataclasses.replace(PLAIN, batch=1, trusted=True, precision=model.precision)
        return score(source, out, pixel_preset(), here(model, source, how), how=how, part=1, **more)

    with pytest.raises(KeyboardInterrupt):
        go(first, progress=Interrupted())
    with pytest.raises(ScoringError, match=r"with another precision\."):
        go(then)
    assert not out.exists()
    summary = go(first)
    assert (summary.files, summary.before > 0) == (6, True)


def test_rows_never_claim_a_precision_that_the_model_has_not(films: Path, tmp_path: Path) -> None:
    source, how = SourceSpec(str(films), match="*.png"), dataclasses.replace(PLAIN, trusted=True, precision="bfloat16")
    with pytest.raises(ValueError, match="computes in float32, not in bfloat16"):
        score(source, tmp_path / "r.csv", pixel_preset(), here(PixelModel, source, how), how=how)


def test_a_worker_of_a_cluster_loads_the_precision_that_was_asked_for(weights: Path, precision: Precision) -> None:
    if can_compute(precision):
        assert load_model(str(weights / "measured"), "auto", precision).runtime.precision == precision
    else:
        with pytest.raises(PresetInvalid, match="cannot compute in"):
            load_model(str(weights / "measured"), "auto", precision)
    assert load_model(str(weights / "measured"), "auto", "float32").runtime.precision == "float32"


# -- serve -------------------------------------------------------------------------------------


@pytest.fixture
def client(weights: Path, precision: Precision) -> Iterator[TestClient]:
    settings = Settings(folder=weights, precision=precision)
    with TestClient(create_app(settings), HERE, client=("127.0.0.1", 5000)) as client:
        yield client


def test_the_server_says_its_precision(client: TestClient, films: Path, weights: Path, precision: Precision) -> None:
    readers, file = client.app.state.services.readers, (films / "0.png").read_bytes()
    if not can_compute(precision):
        with pytest.raises(PresetInvalid, match=f"cannot compute in {precision}"):
            readers.manager("measured")
        assert client.get("/health").json()["status"] == "unusable"
        return
    readers.manager("measured")  # until it is loaded
    (told,) = client.get("/health").json()["presets"]
    assert set(told) == {"name", "version", "weights_sha256", "runtime", "precision"}
    assert (told["runtime"], told["precision"]) == ("openvino", precision)
    record = client.post("/v1/readings?preset=measured", files={"file": file}).json()
    assert record["precision"] == precision
    expected = XRayModelManager(weights / "measured", precision=precision).read(load_radiograph(file)).prediction
    assert record["findings"]["Mass"]["probability"] == pytest.approx(expected["Mass"], abs=1e-4)
    page = client.post("/", files={"file": file}, data={"preset": "measured"})
    assert f"Computed in {precision}." in page.text


def test_a_server_in_float32_says_so_in_its_health_alone(weights: Path, films: Path) -> None:
    with TestClient(create_app(Settings(folder=weights)), HERE, client=("127.0.0.1", 5000)) as client:
        before = client.get("/health").json()["presets"][0]
        assert before["precision"] in (None, "float32")  # None while it is loaded
        client.app.state.services.readers.manager("measured")
        assert client.get("/health").json()["presets"][0]["precision"] == "float32"
        file = (films / "0.png").read_bytes()
        assert "precision" not in client.post("/v1/readings?preset=measured", files={"file": file}).json()
        assert "Computed in" not in client.post("/", files={"file": file}, data={"preset": "measured"}).text


def test_the_command_line_reaches_the_server(
    weights: Path, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.setattr(openvino_runtime, "can_compute", lambda precision: True)
    monkeypatch.setattr(rest_server, "list_presets", lambda folder: (Preset.load(weights / "measured"),))
    served = []
    monkeypatch.setattr(rest_server.uvicorn, "run", lambda app, **options: served.append(app))
    assert run("serve", "--port", 0) == 0
    assert run("serve", "--port", 0, "--precision", precision) == 0
    assert [app.state.services.settings.precision for app in served] == ["float32", precision]
