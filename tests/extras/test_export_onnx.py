"""A preset as ONNX, run by ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from cxrkit.conversion.exporting import export
from cxrkit.imaging.phantom import phantom
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.reading import DISCLAIMER
from tests.factory import make_preset


@pytest.fixture(scope="module", params=[("cnn", "gap-dense", 64), ("mobilenetv2", "dense-stack", 64)])
def preset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Preset:
    backbone, head, side = request.param
    return make_preset(tmp_path_factory.mktemp("weights"), "small", backbone=backbone, head=head, input_size=side)


def test_onnx_runtime_gives_the_readings_of_the_preset_and_finds_its_record(preset: Preset, tmp_path: Path) -> None:
    (done,) = export(preset, ["onnx"], tmp_path)
    assert done.probability_difference < 1e-5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.head.npz", "small.onnx"]
    session = onnxruntime.InferenceSession(done.path, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["logits", "feature_maps"]
    assert session.get_inputs()[0].shape == ["n", 64, 64, 3]
    manager = XRayModelManager(preset)
    for seed in (30, 31):
        radiograph = phantom(seed, 200)
        logits, _ = session.run(None, {"image": manager.preprocess(radiograph)})
        expected = manager.predict(radiograph)
        for finding, logit in zip(preset.findings, logits[0].tolist(), strict=True):
            assert preset.calibration[finding].probability(logit) == pytest.approx(expected[finding], abs=1e-5)
    record = session.get_modelmeta().custom_metadata_map
    assert tuple(json.loads(record["findings"])) == preset.findings
    assert (
        json.loads(record["calibration"])[preset.findings[0]]["slope"] == preset.calibration[preset.findings[0]].slope
    )
    assert json.loads(record["preprocessing"])["geometry"] == preset.geometry
    assert len(json.loads(record["operating_points"])) == len(preset.operating_points)
    assert (record["weights_sha256"], record["disclaimer"]) == (preset.weights_sha256, DISCLAIMER)
    model = onnx.load(done.path)
    assert {np.dtype(onnx.helper.tensor_dtype_to_np_dtype(t.data_type)) for t in model.graph.initializer} <= {
        np.dtype(np.float32),
        np.dtype(np.int64),
        np.dtype(np.int32),
    }
