"""int8: ranges of training rows alone, a graph rounded as it is said, and never another precision in silence."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import openvino
import pytest
from openvino import opset13

import cxrkit.model.openvino_runtime as openvino_runtime
import scripts.quantize as script
from cxrkit.errors import PresetInvalid, TrainingError
from cxrkit.imaging.phantom import phantom
from cxrkit.model.compiled import Blueprint, compiled_form
from cxrkit.model.int8_graph import RangeWatcher, computed_in_int8, convolutions, quantise
from cxrkit.model.int8_ranges import METHOD, RANGES, Int8Ranges, LayerRange, find_ranges, load_ranges
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.openvino_core import core
from cxrkit.model.openvino_runtime import OpenVinoRuntime, can_compute
from cxrkit.model.timing import _coarser
from cxrkit.preset import Preset
from cxrkit.training import range_measuring
from cxrkit.training.range_measuring import measure_ranges
from cxrkit.training.sources import Source
from tests.factory import make_preset

TRAINING = 12


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve training images, and rows of other splits whose images are no images."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["image,split,patient_id,Mass"]
    for number in range(TRAINING):
        cv2.imwrite(str(folder / f"{number}.png"), np.rint(phantom(number, 96).pixels * 255).astype(np.uint8))
        rows.append(f"{number}.png,train,{number},0")
    for split in ("val", "test"):
        (folder / f"{split}.png").write_bytes(b"no image")
        rows.append(f"{split}.png,{split},{split},1")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder / "index.csv"


@pytest.fixture(scope="module")
def measured(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Preset:
    """A preset whose ranges were measured by the script."""
    made = make_preset(folder := tmp_path_factory.mktemp("weights"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_measuring, "FEWEST", TRAINING)
        assert script.main([str(folder / "tiny"), "--manifest", str(table)]) == 0
    assert Preset.load(folder / "tiny") == made
    return made


@pytest.fixture
def plain(tiny_folder: Path) -> Preset:
    """One without ranges."""
    return Preset.load(tiny_folder / "tiny")


def ranges_of(layers: dict[str, tuple[float, float]], weights: str = "0" * 64) -> Int8Ranges:
    return Int8Ranges(weights, METHOD, "train", 1, 0, "none", tuple(LayerRange(k, *ends) for k, ends in layers.items()))


def two_convolutions(kernel: np.ndarray) -> tuple[openvino.Model, str]:
    """A model (1, 2, 1, 1) -> itself by a first convolution -> a second one with a kernel; and that one's name."""
    given = opset13.parameter([1, 2, 1, 1], np.float32)
    same = opset13.constant(np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1))
    pads = ([1, 1], [0, 0], [0, 0], [1, 1])
    first = opset13.convolution(given, same, *pads)
    second = opset13.convolution(first, opset13.constant(kernel), *pads)
    name = hashlib.sha256(kernel.tobytes()).hexdigest()[:16]
    return openvino.Model([opset13.result(second)], [given], "two"), name


# -- the graph ---------------------------------------------------------------------------------


def test_rounding_by_hand() -> None:
    """Steps of 1: 3.4 and 250.6 become 3 and 251; kernels of 127 and 12.6 become 127 and 13, those of 254 have steps
    of 2. 300 lies outside and becomes 255."""
    kernel = np.array([[127, -12.6], [5.1, 254]], np.float32).reshape(2, 2, 1, 1)
    model, name = two_convolutions(kernel)
    assert quantise(model, ranges_of({name: (0, 255)})) == 1
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for pixels, expected in (
        ((3.4, 250.6), (3 * 127 - 251 * 13, 3 * 6 + 251 * 254)),
        ((-1, 300), (-255 * 13, 255 * 254)),
    ):
        (found,) = compiled(np.array(pixels, np.float32).reshape(1, 2, 1, 1)).values()
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-6)


def test_kernels_of_signed_inputs_have_half_of_the_levels() -> None:
    """64 steps to the largest weight of each channel: of 1 for 64, of 2 for 128. Inputs have steps of 1."""
    kernel = np.array([[64, -12.6], [5.1, 128]], np.float32).reshape(2, 2, 1, 1)
    model, name = two_convolutions(kernel)
    quantise(model, ranges_of({name: (-128, 127)}))
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    (found,) = compiled(np.array([-99.7, 120.4], np.float32).reshape(1, 2, 1, 1)).values()
    np.testing.assert_allclose(found.ravel(), (-100 * 64 - 120 * 13, -100 * 6 + 120 * 128), rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (-3.0, 0.1), (-0.001, 5.0), (0.0, 5.0)])
def test_zero_stays_zero_in_any_range(low: float, high: float) -> None:
    model, name = two_convolutions(np.ones((2, 2, 1, 1), np.float32))
    quantise(model, ranges_of({name: (low, high)}))
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    (found,) = compiled(np.zeros((1, 2, 1, 1), np.float32)).values()
    assert not np.any(found)
    step = (high - low) / 255
    (found,) = compiled(np.array([low, high], np.float32).reshape(1, 2, 1, 1)).values()
    np.testing.assert_allclose(found.ravel(), low + high, atol=2 * step)  # an end may move by less than a step


def test_a_layer_that_only_saw_zeros_is_left_as_it_is() -> None:
    model, name = two_convolutions(np.ones((2, 2, 1, 1), np.float32))
    assert quantise(model, ranges_of({name: (0, 0)})) == 0
    assert all(node.get_type_name() != "FakeQuantize" for node in model.get_ops())


@pytest.mark.parametrize("layers", [{}, {"0" * 16: (0, 1)}])
def test_ranges_of_other_layers_are_refused(layers: dict[str, tuple[float, float]]) -> None:
    model, _ = two_convolutions(np.ones((2, 2, 1, 1), np.float32))
    with pytest.raises(PresetInvalid, match="do not belong to the layers"):
        quantise(model, ranges_of(layers))


def test_two_layers_that_take_the_same_share_its_rounding() -> None:
    given = opset13.parameter([1, 2, 1, 1], np.float32)
    pads = ([1, 1], [0, 0], [0, 0], [1, 1])
    kernels = [np.full((2, 2, 1, 1), value, np.float32) for value in (1, 2, 3)]
    first, *others = (opset13.constant(kernel) for kernel in kernels)
    common = opset13.convolution(given, first, *pads)
    ends = [opset13.result(opset13.convolution(common, kernel, *pads)) for kernel in others]
    model = openvino.Model(ends, [given], "branches")
    names = set(convolutions(model))
    assert names == {hashlib.sha256(kernel.tobytes()).hexdigest()[:16] for kernel in kernels[1:]}
    assert quantise(model, ranges_of(dict.fromkeys(names, (0, 1)))) == 2
    assert sum(node.get_type_name() == "FakeQuantize" for node in model.get_ops()) == 3  # two kernels, one input


# -- measuring ---------------------------------------------------------------------------------


def test_ranges_are_those_of_the_networks_own_layers(plain: Preset) -> None:
    """Against Keras: what goes into each convolution, and its kernel."""
    import keras

    manager = XRayModelManager(plain)
    tensors = [manager.preprocess(phantom(seed, 96)) for seed in range(4)]
    watcher = RangeWatcher(compiled_form(Blueprint.of(plain)).trunk)
    watcher.look(np.concatenate(tensors[:3]))
    watcher.look(tensors[3])
    found = {layer.kernel: layer for layer in watcher.layers()}
    convs = [layer for layer in manager.model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(found) == len(convs) - 1 == 4  # all but the first
    inputs = keras.Model(manager.model.input, [layer.input for layer in convs])(np.concatenate(tensors))
    for layer, values in list(zip(convs, inputs, strict=True))[1:]:
        kernel = np.ascontiguousarray(np.asarray(layer.kernel).transpose(3, 2, 0, 1))
        one = found[hashlib.sha256(kernel.tobytes()).hexdigest()[:16]]
        assert one.low == 0 <= float(np.min(values))
        assert one.high == pytest.approx(float(np.max(values)), rel=1e-4)


def test_the_script_reads_training_rows_alone(measured: Preset) -> None:
    ranges = load_ranges(measured)
    assert (ranges.n, ranges.split, ranges.seed) == (TRAINING, "train", 20)
    assert ranges.weights_sha256 == measured.weights_sha256
    assert ranges.command == "python scripts/quantize.py tiny --manifest index.csv"
    assert all(layer.low == 0 < layer.high for layer in ranges.layers)


def test_what_is_no_training_is_refused(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = make_preset(tmp_path)
    folder = tmp_path / "tiny"
    assert script.main([str(folder), "--manifest", str(table)]) == 2
    assert "12 training radiographs that can be read, fewer than 50" in capsys.readouterr().err
    fewer = dataclasses.replace(preset, training=dataclasses.replace(preset.training, images=TRAINING - 1))
    fewer.save(folder)
    with pytest.raises(TrainingError, match="12 training rows, but the preset was trained on 11") as caught:
        measure_ranges(folder, [Source(table)], most=50, seed=0, command="", tell=lambda line: None)
    assert "--hold-out" in caught.value.remedy
    with pytest.raises(SystemExit, match="2"):
        script.main([str(folder)])
    assert not (folder / RANGES).exists()


def test_a_network_with_signed_inputs_and_convolutions_by_group(tmp_path: Path) -> None:
    """MobileNetV2: half of its inputs come from no ReLU; its seventeen depthwise convolutions stay as they are."""
    preset = make_preset(tmp_path, backbone="mobilenetv2", input_size=96)
    trunk = compiled_form(Blueprint.of(preset)).trunk
    images = np.random.default_rng(0).normal(0, 1, (4, 96, 96, 3)).astype(np.float32)
    watcher = RangeWatcher(trunk)
    watcher.look(images)
    layers = watcher.layers()
    assert (len(layers), sum(layer.low < 0 for layer in layers)) == (34, 17)
    coarse = OpenVinoRuntime(trunk, "int8", ranges=Int8Ranges("0" * 64, METHOD, "train", 1, 0, "none", layers))
    assert computed_in_int8(coarse.compiled) == 34
    exact = OpenVinoRuntime(trunk).features(images)
    assert 0 < np.sqrt(np.mean((coarse.features(images) - exact) ** 2) / np.mean(exact**2)) < 0.02


# -- reading -----------------------------------------------------------------------------------


def test_int8_is_really_int8_and_near_float32(measured: Preset) -> None:
    """Four of five convolutions, by OpenVINO's own account; probabilities of six phantoms within .01."""
    exact, coarse = XRayModelManager(measured), XRayModelManager(measured, precision="int8")
    assert (coarse.runtime.name, coarse.runtime.precision) == ("openvino", "int8")
    assert [computed_in_int8(m.runtime.compiled) for m in (exact, coarse)] == [0, 4]
    assert coarse.runtime.compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    radiographs = [phantom(seed, 96) for seed in range(6)]
    one, other = (np.array([list(dict(p).values()) for p in m.predict_many(radiographs)]) for m in (exact, coarse))
    assert 0 < np.abs(one - other).max() < 0.01
    reading, expected = coarse.read(radiographs[0]), exact.read(radiographs[0])
    assert reading.prediction["Mass"] == pytest.approx(expected.prediction["Mass"], abs=0.01)
    many = XRayModelManager(measured, precision="int8", bulk=True)
    assert computed_in_int8(many.runtime.compiled) == 4
    tensor = exact.preprocess(radiographs[1])
    np.testing.assert_allclose(many.runtime.features(tensor), coarse.runtime.features(tensor), rtol=1e-4, atol=1e-5)


def test_a_preset_without_ranges_is_refused(plain: Preset, measured: Preset) -> None:
    with pytest.raises(PresetInvalid, match="'tiny' cannot be computed in int8") as caught:
        XRayModelManager(plain, precision="int8")
    assert "scripts/quantize.py" in caught.value.remedy
    assert "float32" in caught.value.remedy
    for runtime in ("tensorflow", "keras"):
        with pytest.raises(PresetInvalid, match="float32 only"):
            XRayModelManager(measured, precision="int8", runtime=runtime)  # type: ignore[arg-type]
    assert find_ranges(plain) is None


def test_ranges_of_other_weights_and_damaged_ones_are_refused(measured: Preset, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(measured.folder, folder)
    text = (folder / RANGES).read_text()
    (folder / RANGES).write_text(text.replace(measured.weights_sha256, "0" * 64))
    with pytest.raises(PresetInvalid, match="measured with other weights"):
        XRayModelManager(folder, precision="int8")
    assert XRayModelManager(folder).runtime.precision == "float32"  # who does not ask for int8 needs none
    table = json.loads(text)
    for wrong in ("{}", "no JSON", json.dumps({**table, "split": "test"}), text.replace('"high": ', '"high": -')):
        (folder / RANGES).write_text(wrong)
        with pytest.raises(PresetInvalid, match="malformed"):
            XRayModelManager(folder, precision="int8")


def test_a_processor_that_leaves_the_marks_aside_is_refused(measured: Preset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runtime, "computed_in_int8", lambda compiled: 0)
    with pytest.raises(PresetInvalid, match="cannot compute in int8"):
        XRayModelManager(measured, precision="int8")
    monkeypatch.setattr(openvino_runtime, "can_compute", lambda precision: False)
    with pytest.raises(PresetInvalid, match="cannot compute in int8"):
        XRayModelManager(measured, precision="int8")


def test_a_runtime_takes_ranges_for_int8_and_for_nothing_else(measured: Preset) -> None:
    trunk, ranges = compiled_form(Blueprint.of(measured)).trunk, load_ranges(measured)
    with pytest.raises(ValueError, match="needs the ranges"):
        OpenVinoRuntime(trunk, "int8")
    with pytest.raises(ValueError, match="nothing else takes them"):
        OpenVinoRuntime(trunk, "float32", ranges=ranges)


def test_the_benchmark_times_what_the_preset_and_the_processor_have(measured: Preset, plain: Preset) -> None:
    both = [precision for precision in ("bfloat16", "int8") if can_compute(precision)]  # type: ignore[arg-type]
    for preset, expected in ((measured, both), (plain, [p for p in both if p != "int8"])):
        found = dict(_coarser(XRayModelManager(preset)))
        assert list(found) == expected
        assert [manager.runtime.precision for manager in found.values()] == expected
    assert not list(_coarser(XRayModelManager(measured, runtime="tensorflow")))
