"""A preset as OpenVINO's representation, SavedModel and LiteRT: same numbers, all of its record, all or nothing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cxrkit.conversion import exporting, exporting_forms
from cxrkit.conversion.exporting import Exported, export
from cxrkit.conversion.exporting_forms import FORMS
from cxrkit.errors import ExportRefused, ExtraMissing
from cxrkit.imaging.phantom import phantom
from cxrkit.model.compiled import Blueprint, compiled_form, form_folder
from cxrkit.model.gradcam import grad_cam
from cxrkit.model.head_file import head_from
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.openvino_core import core
from cxrkit.preset import Preset
from cxrkit.reading import DISCLAIMER
from tests.conftest import REPOSITORY

PLAIN = ("openvino", "savedmodel", "litert")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Preset:
    from tests.factory import make_preset

    # a head of several layers, behind whose feature layer more than an average follows
    return make_preset(tmp_path_factory.mktemp("weights"), "tiny", backbone="cnn", head="dense-stack")


@pytest.fixture(scope="module")
def exported(tiny: Preset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    out = tmp_path_factory.mktemp("exported")
    return {done.form: done for done in export(tiny, PLAIN, out)}


@pytest.fixture(scope="module")
def manager(tiny: Preset) -> XRayModelManager:
    return XRayModelManager(tiny)


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # the door sets it; no other test shall find it
    spec = importlib.util.spec_from_file_location("export_door", REPOSITORY / "scripts" / "export.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_was_asked_for_is_there_and_nothing_else(exported: dict[str, Exported]) -> None:
    folder = exported["openvino"].path.parent
    assert sorted(path.name for path in folder.iterdir()) == [
        "tiny.bin", "tiny.head.npz", "tiny.savedmodel", "tiny.tflite", "tiny.xml",
    ]  # fmt: skip
    for done in exported.values():
        assert 0 <= done.probability_difference < 1e-5
        assert done.size > 1_000_000  # 400,000 weights in float32


@pytest.mark.parametrize("form", PLAIN)
def test_a_form_gives_the_readings_of_the_preset(
    form: str, exported: dict[str, Exported], tiny: Preset, manager: XRayModelManager
) -> None:
    """Of a radiograph that the export did not see, on its own, with Grad-CAM from what lies beside it."""
    path = exported[form].path
    with np.load(path.parent / "tiny.head.npz", allow_pickle=False) as arrays:
        head = head_from(dict(arrays))
    radiograph = phantom(30, 200)
    expected = manager.read(radiograph)
    logits, maps = FORMS[form].run(path, manager.preprocess(radiograph))
    assert logits.shape == (1, 3)
    assert maps.ndim == 4
    seen = grad_cam(maps[0], head.alpha(maps[0]))
    assert seen.any()
    for place, finding in enumerate(tiny.findings):
        probability = tiny.calibration[finding].probability(float(logits[0, place]))
        assert probability == pytest.approx(expected.prediction[finding], abs=1e-5)
        wanted = expected.explanations[finding].map
        np.testing.assert_allclose(seen[place], wanted, atol=1e-3 * max(float(wanted.max()), 1e-6))


def litert_record(path: Path) -> dict:
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(path.read_bytes()), 0))
    place = next(entry.buffer for entry in model.metadata if entry.name == b"cxrkit")
    return json.loads(bytes(model.buffers[place].data))


def openvino_record(path: Path) -> dict:
    model = core().read_model(path)
    assert [output.get_any_name() for output in model.outputs] == ["logits", "feature_maps"]
    assert [given.get_any_name() for given in model.inputs] == ["image"]
    texts = {key: model.get_rt_info(["cxrkit", key]).astype(str) for key in ("findings", "calibration", "disclaimer")}
    points, input_, sha = (
        model.get_rt_info(["cxrkit", key]).astype(str)
        for key in ("operating_points", "preprocessing", "weights_sha256")
    )
    return {
        **{key: json.loads(texts[key]) for key in ("findings", "calibration")},
        "disclaimer": texts["disclaimer"],
        "operating_points": json.loads(points),
        "preprocessing": json.loads(input_),
        "weights_sha256": sha,
    }


def saved_record(path: Path) -> dict:
    return json.loads((path / "assets.extra" / "cxrkit.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("form", "read"), [("openvino", openvino_record), ("savedmodel", saved_record), ("litert", litert_record)]
)
def test_a_form_carries_the_record(form: str, read, exported: dict[str, Exported], tiny: Preset) -> None:
    record = read(exported[form].path)
    assert tuple(record["findings"]) == tiny.findings
    assert record["disclaimer"] == DISCLAIMER
    assert record["weights_sha256"] == tiny.weights_sha256
    assert {key: record["preprocessing"][key] for key in ("input_size", "geometry", "intensity", "border")} == {
        "input_size": tiny.input_size, "geometry": tiny.geometry, "intensity": tiny.intensity, "border": tiny.border,
    }  # fmt: skip
    for finding in tiny.findings:
        assert record["calibration"][finding]["slope"] == tiny.calibration[finding].slope
    assert len(record["operating_points"]) == len(tiny.operating_points)
    assert {"threshold", "sensitivity", "n", "supported"} <= set(record["operating_points"][0])


def test_other_numbers_are_refused_and_leave_nothing(tiny: Preset, tmp_path, monkeypatch) -> None:
    true = FORMS["openvino"]

    def off(path: Path, images):
        logits, maps = true.run(path, images)
        logits[3, 1] += 1e-3
        return logits, maps

    monkeypatch.setitem(
        exporting_forms.FORMS, "openvino", exporting_forms.Form(true.files, true.packages, true.write, off)
    )
    with pytest.raises(ExportRefused, match="other numbers than the preset"):
        export(tiny, ["openvino"], tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("logit", "value"), [(np.nan, 1), (0, np.nan), (0, 1.001)])
def test_maps_count_and_what_is_no_number_is_refused(logit: float, value: float, tiny: Preset) -> None:
    images, maps = np.zeros((1, 64, 64, 3), np.float32), np.ones((1, 4, 4, 2), np.float32)
    expected = exporting._Expected(images, np.full((1, 3), 0.5), maps)
    same = np.zeros((1, 3), np.float32), maps.copy()
    assert exporting._differences("a form", same, expected, tiny) == (0, 0)  # of logit 0 the probability is one half
    same[0][0, 2], same[1][0, 3, 3, 1] = logit, value
    with pytest.raises(ExportRefused, match="other numbers"):
        exporting._differences("a form", same, expected, tiny)


def test_what_is_there_stays_unless_it_may_give_way(
    door: ModuleType, exported: dict[str, Exported], tiny: Preset, tmp_path, capsys
) -> None:
    arguments = [tiny.folder, "--form", "openvino", "--out", str(tmp_path)]
    (tmp_path / "tiny.bin").write_text("mine")
    assert door.main(arguments) == 2
    assert "there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.bin"]
    assert (tmp_path / "tiny.bin").read_text() == "mine"
    assert door.main([*arguments, "--replace"]) == 0
    assert (tmp_path / "tiny.bin").stat().st_size > 1_000_000
    assert "probabilities differ by at most" in capsys.readouterr().out


def test_a_missing_package_is_named_before_anything_is_done(tiny: Preset, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match="onnxruntime") as caught:
        export(tiny, ["onnx"], tmp_path / "new")
    assert "requirements-export.txt" in caught.value.remedy
    assert not (tmp_path / "new").exists()


def test_the_cache_is_filled_for_presets_and_lungs_and_for_others_to_read(
    door: ModuleType, tiny: Preset, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("CXRKIT_CACHE", str(tmp_path / "cache"))
    assert not form_folder(Blueprint.of(tiny)).exists()
    assert door.main([tiny.folder, "--cache"]) == 0
    assert "lung network is in the cache" in capsys.readouterr().out
    assert len(list((tmp_path / "cache" / "openvino").iterdir())) == 2
    assert form_folder(Blueprint.of(tiny)).stat().st_mode == (tmp_path / "cache").stat().st_mode
    assert compiled_form(Blueprint.of(tiny)).head is not None


@pytest.mark.parametrize("arguments", [["--cache", "--form", "onnx"], [], ["tiny"], ["--form", "onnx", "--out", "x"]])
def test_options_that_do_not_go_together_are_refused(door: ModuleType, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        door.main(arguments)
    assert end.value.code == 2
