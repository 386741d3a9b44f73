"""The compiled form of a preset: built once, verified, and read with in a process that has no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import pytest

import cxrkit.model.compiled as compiled
from cxrkit.conversion.exporting import fill_cache
from cxrkit.errors import PresetInvalid, StorageUnusable, WeightsMismatch
from cxrkit.imaging.phantom import phantom, phantom_png
from cxrkit.model import unkept
from cxrkit.model.compiled import BINARY, RECORD, TRUNK, Blueprint, can_be_kept, compiled_form, form_folder
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.openvino_core import core
from cxrkit.preset import Preset
from cxrkit.serving.rest.logs import JsonLines
from tests.conftest import REPOSITORY

ABSENT = ("tensorflow", "keras", "streamlit", "plotly")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CXRKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(tiny_folder) -> Preset:
    return Preset.load(tiny_folder / "tiny")


def refuse(*_: object) -> None:
    raise AssertionError("it was built")


def test_a_form_is_built_once_and_lies_under_the_sum_of_its_weights(cache, tiny, monkeypatch):
    blueprint = Blueprint.of(tiny)
    form = compiled_form(blueprint)
    assert form.trunk == cache / "openvino" / tiny.weights_sha256 / blueprint.key / TRUNK
    assert form.head is not None
    assert form.kernels is not None
    assert [path.name for path in form.trunk.parent.parent.iterdir()] == [blueprint.key]  # nothing half-built is left
    monkeypatch.setattr(compiled, "_build_here", refuse)
    assert compiled_form(blueprint).trunk == form.trunk


@pytest.mark.parametrize("damaged", [BINARY, TRUNK, "arrays.npz"])
def test_a_damaged_form_is_built_again(cache, tiny, damaged):
    blueprint = Blueprint.of(tiny)
    before = XRayModelManager(tiny).read(phantom(size=128))
    path = form_folder(blueprint) / damaged
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    after = XRayModelManager(tiny).read(phantom(size=128))
    assert dict(after.prediction) == dict(before.prediction)
    assert not path.read_bytes().endswith(b"?")


@pytest.fixture
def unwritable(cache) -> Iterator[Path]:
    """A cache that nothing can be written to, by root neither, and no form that is held from before."""
    cache.write_text("a file where the folder should be")
    unkept.forget()
    yield cache
    unkept.forget()


def test_without_a_form_and_without_room_for_one_the_error_tells_the_cure(unwritable, tiny, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(unwritable))
    assert not unkept.can_build()
    with pytest.raises(StorageUnusable, match="neither the cache nor the system's temporary") as caught:
        XRayModelManager(tiny)
    assert "CXRKIT_CACHE" in caught.value.remedy
    assert str(unwritable) not in caught.value.message + caught.value.remedy


def test_a_form_that_is_to_be_kept_is_refused_where_it_cannot_be(unwritable, tiny):
    with pytest.raises(StorageUnusable, match="the cache cannot be written to") as caught:
        compiled_form(Blueprint.of(tiny), to_keep=True)
    assert "CXRKIT_CACHE" in caught.value.remedy
    assert str(unwritable) not in caught.value.message + caught.value.remedy
    with pytest.raises(StorageUnusable, match="the cache cannot be written to"):
        fill_cache([tiny])
    assert unkept.seconds_of(Blueprint.of(tiny).key) is None


def test_a_form_that_cannot_be_kept_is_built_once_held_and_said(unwritable, tiny, tmp_path, monkeypatch, caplog):
    """It reads as one that is kept, leaves no file behind, and a second model takes the same."""
    blueprint = Blueprint.of(tiny)
    assert not can_be_kept(blueprint)
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    manager = XRayModelManager(tiny)
    assert list(place.iterdir()) == []
    lines = [json.loads(JsonLines().format(r)) for r in caplog.records if r.name == unkept.__name__]
    (said,) = {line["event"] for line in lines}
    assert "a network was compiled for this process alone" in said
    assert all(line["milliseconds"] > 0 for line in lines), "the API's log tells, too, what it took"
    assert str(tmp_path) not in caplog.text
    monkeypatch.setattr(compiled, "_build_here", refuse)
    assert compiled_form(blueprint) is compiled_form(blueprint)
    assert compiled_form(blueprint).kernels is not None
    again = XRayModelManager(tiny).read(phantom(size=128))
    assert unkept.seconds_of(blueprint.key) > 0
    monkeypatch.undo()
    monkeypatch.setenv("CXRKIT_CACHE", str(tmp_path / "another"))
    kept = XRayModelManager(tiny).read(phantom(size=128))
    assert can_be_kept(blueprint)
    for reading in (manager.read(phantom(size=128)), again):
        assert dict(reading.prediction) == dict(kept.prediction)
        for finding, explanation in kept.explanations.items():
            np.testing.assert_array_equal(reading.explanations[finding].map, explanation.map)


def test_several_threads_have_a_form_that_cannot_be_kept_built_once(unwritable, tiny, monkeypatch):
    built = []
    build = compiled._build_here
    monkeypatch.setattr(compiled, "_build_here", lambda *given: (built.append(1), build(*given)))
    with ThreadPoolExecutor(4) as threads:
        forms = set(threads.map(lambda _: id(compiled_form(Blueprint.of(tiny))), range(4)))
    assert (len(forms), len(built)) == (1, 1)


def test_a_cache_that_can_be_written_to_needs_no_temporary_folder(cache, tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file" / "temporary"))
    assert compiled_form(Blueprint.of(tiny)).trunk == form_folder(Blueprint.of(tiny)) / TRUNK


def test_a_cache_that_is_filled_and_read_only_suffices(cache, tiny, monkeypatch):
    expected = XRayModelManager(tiny).read(phantom(size=128))
    monkeypatch.setattr(compiled.tempfile, "mkdtemp", refuse)  # root may write anywhere, so nothing may even try
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert dict(XRayModelManager(tiny).read(phantom(size=128)).prediction) == dict(expected.prediction)


def test_another_order_of_findings_is_another_form_and_refused(cache, tiny):
    compiled_form(Blueprint.of(tiny))
    swapped = dataclasses.replace(Blueprint.of(tiny), findings=tuple(reversed(tiny.findings)))
    with pytest.raises(WeightsMismatch, match="the order differs"):
        compiled_form(swapped)


def test_the_precision_is_stated_and_never_another_one(tiny):
    manager = XRayModelManager(tiny)
    assert manager.runtime.precision == "float32"
    assert manager.runtime.compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    able = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if able:
        coarse = XRayModelManager(tiny, precision="bfloat16")
        assert coarse.runtime.compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.bf16
    else:
        with pytest.raises(PresetInvalid, match="cannot compute in bfloat16"):
            XRayModelManager(tiny, precision="bfloat16")
    weights = core().read_model(form_folder(Blueprint.of(tiny)) / TRUNK).get_ops()
    constants = {op.get_element_type() for op in weights if op.get_type_name() == "Constant"}
    assert openvino.Type.f16 not in constants
    assert openvino.Type.f32 in constants


def test_ctrl_c_is_handled_after_trunks_have_gone(tmp_path, tiny_folder):
    """Where processors have AMX, OpenVINO changes the stack that signals are handled on; it must stay mapped."""
    code = """
import ctypes, gc, os, signal, sys
from pathlib import Path
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.openvino_core import core
def stack():
    words = (ctypes.c_size_t * 3)()  # stack_t: where, flags, bytes
    assert ctypes.CDLL(None).sigaltstack(None, words) == 0
    return list(words)
core().get_property("CPU", "FULL_DEVICE_NAME")
before = stack()
managers = [XRayModelManager(name, folder=Path(sys.argv[1])) for name in ("tiny", "single")]
while managers:
    del managers[0]
    gc.collect()
assert stack() == before
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
except KeyboardInterrupt:
    print("stopped")
"""
    environment = {**os.environ, "CXRKIT_CACHE": str(tmp_path)}
    words = [sys.executable, "-c", code, str(tiny_folder)]
    # whoever starts the tests may have them ignore SIGINT, which children would inherit
    done = subprocess.run(
        words,
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr


def test_a_child_builds_and_the_process_itself_stays_light(tmp_path, tiny_folder):
    """A command that has never met these weights reads with them, and has no network library in memory."""
    radiograph = tmp_path / "a.png"
    radiograph.write_bytes(phantom_png(size=256))
    code = (
        "import sys, json\n"
        "from cxrkit.model.manager import XRayModelManager\n"
        "from cxrkit import load_radiograph\n"
        "manager = XRayModelManager('tiny', folder=sys.argv[1])\n"
        "reading = manager.read(load_radiograph(sys.argv[2]))\n"
        f"print(json.dumps([dict(reading.prediction), [m for m in {ABSENT} if m in sys.modules]]))\n"
    )
    environment = {**os.environ, "CXRKIT_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_folder), str(radiograph)],
        env=environment,
        capture_output=True,
        check=True,
        timeout=100,
    )
    prediction, loaded = json.loads(done.stdout)
    assert loaded == []
    here = XRayModelManager("tiny", folder=tiny_folder).predict(phantom(size=256))
    assert prediction == pytest.approx(dict(here), abs=2e-3)  # eight bits in the file
    record = json.loads(next((tmp_path / "cache").rglob(RECORD)).read_text())
    assert set(record["sha256"]) == {TRUNK, BINARY, "arrays.npz"}


def test_what_goes_wrong_in_the_child_comes_back_as_what_it_is(cache, tiny, monkeypatch):
    monkeypatch.setattr(compiled, "_tensorflow_is_loaded", lambda: False)
    wrong = dataclasses.replace(Blueprint.of(tiny), backbone="abacus")
    with pytest.raises(compiled.CxrError, match="no backbone named 'abacus'"):
        compiled_form(wrong)
    assert not np.any([path.is_file() for path in cache.rglob("*")])


def test_for_many_radiographs_calls_run_side_by_side_and_give_the_same(tiny):
    one, many = XRayModelManager(tiny), XRayModelManager(tiny, bulk=True)
    assert one.runtime.streams == 1
    hint = many.runtime.compiled.get_property("PERFORMANCE_HINT")
    assert str(hint).endswith("THROUGHPUT")
    assert many.runtime.compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert many.runtime.streams == many.runtime.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    tensors = [many.preprocess(phantom(seed, size=128)) for seed in range(12)]
    with ThreadPoolExecutor(6) as threads:
        for tensor, found in zip(tensors, threads.map(many.runtime.features, tensors), strict=True):
            np.testing.assert_allclose(found, one.runtime.features(tensor), rtol=1e-4, atol=1e-5)


def test_what_was_begun_holds_its_input(tiny):
    """OpenVINO only points to it: memory that was given back meanwhile would hold something else."""
    runtime = XRayModelManager(tiny).runtime
    picture = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    expected = runtime.features(picture)
    for _ in range(50):
        finish = runtime.begin(picture.copy())
        others = [np.full_like(picture, 1e9) for _ in range(8)]
        np.testing.assert_array_equal(finish(), expected)
        del others
