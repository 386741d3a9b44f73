"""The formats that a network is exported in: how each is written, and how the library of each runs it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.conversion.exporting_metadata import KEY, as_json, as_texts
from cxrkit.model.building import frozen, intermediate

Floats = npt.NDArray[np.float32]
Outputs = tuple[Floats, Floats]
Record = Mapping[str, Any]
INPUT, LOGITS, MAPS = "image", "logits", "feature_maps"
OPSET = 17
"""Of ONNX, which every release of its runtime since 2022 knows."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A network that is about to be written.

    Attributes
    ----------
    network
        (n, S, S, 3) -> (n, C) logits and (n, H, W, K) feature maps.
    served
        The same as a function of TensorFlow whose weights are constants, with named input and outputs.
    """

    network: keras.Model
    served: Any

    @classmethod
    def of(cls, network: keras.Model, feature_layer: str) -> Traced:
        """A network from `cxrkit.model.network.build_network`, with the maps of a layer as second output."""
        import tensorflow as tf

        both = keras.Model(network.input, [network.output, network.get_layer(feature_layer).output], name=network.name)
        constant = frozen(both)
        spec = tf.TensorSpec((None, *network.input.shape[1:]), tf.float32, name=INPUT)

        def serve(image: Any) -> dict[str, Any]:
            logits, maps = constant(image)
            return {LOGITS: logits, MAPS: maps}

        return cls(both, tf.function(serve, input_signature=[spec]))


@dataclass(frozen=True)
class Form:
    """One format.

    Attributes
    ----------
    files
        Endings of what is written, behind the preset's name; the first one is what a library is given.
    packages
        That it needs beyond requirements.txt.
    write
        Writes a traced network with its record to a path, that of the first ending.
    run
        Has the format's own library compute logits and feature maps of (n, S, S, 3) from a path.
    """

    files: tuple[str, ...]
    packages: tuple[str, ...]
    write: Callable[[Traced, Record, Path], None]
    run: Callable[[Path, Floats], Outputs]


# -- ONNX --------------------------------------------------------------------------------------


def _write_onnx(traced: Traced, record: Record, path: Path) -> None:
    import onnx
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(traced.served, traced.served.input_signature, opset=OPSET)
    model.graph.output.sort(key=lambda output: [LOGITS, MAPS].index(output.name))
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "n"
    model.doc_string = record["disclaimer"]
    for key, value in as_texts(record).items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _run_onnx(path: Path, images: Floats) -> Outputs:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits, maps = session.run([LOGITS, MAPS], {INPUT: images})
    return logits, maps


# -- OpenVINO ----------------------------------------------------------------------------------


def _write_openvino(traced: Traced, record: Record, path: Path) -> None:
    import openvino

    model = intermediate(traced.network, path.parent)
    model.input(0).get_tensor().set_names({INPUT})
    for output in model.outputs:
        output.get_tensor().set_names({LOGITS if output.get_partial_shape().rank.get_length() == 2 else MAPS})
    for key, value in as_texts(record).items():
        model.set_rt_info(value, [KEY, key])
    openvino.save_model(model, path, compress_to_fp16=False)


def _run_openvino(path: Path, images: Floats) -> Outputs:
    import openvino
    from openvino import properties

    from cxrkit.model.openvino_core import core

    # stated, since OpenVINO computes in bfloat16 of its own accord where the processor can
    exact = {properties.hint.inference_precision(): openvino.Type.f32}
    results = core().compile_model(core().read_model(path), "CPU", exact)({INPUT: images})
    return results[LOGITS], results[MAPS]


# -- SavedModel --------------------------------------------------------------------------------

RECORD = Path("assets.extra") / "cxrkit.json"
"""Within a SavedModel; the folder is the one that TensorFlow leaves to users."""


def _write_saved_model(traced: Traced, record: Record, path: Path) -> None:
    _save(traced, path)
    (path / RECORD).parent.mkdir()
    (path / RECORD).write_text(as_json(record) + "\n", encoding="utf-8")


def _save(traced: Traced, path: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.serve = traced.served
    # nobody trains what is exported, and the gradients that EfficientNet's activation brings along cannot be saved
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(path), signatures=traced.served.get_concrete_function(), options=options)


def _run_saved_model(path: Path, images: Floats) -> Outputs:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    results = loaded.signatures["serving_default"](**{INPUT: tf.constant(images)})
    return results[LOGITS].numpy(), results[MAPS].numpy()


# -- LiteRT ------------------------------------------------------------------------------------


def _write_litert(traced: Traced, record: Record, path: Path) -> None:
    import tensorflow as tf
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    with tempfile.TemporaryDirectory() as place:
        _save(traced, Path(place))
        converted = tf.lite.TFLiteConverter.from_saved_model(place).convert()
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(converted))
    text, entry = schema.BufferT(), schema.MetadataT()
    text.data = np.frombuffer(as_json(record).encode(), np.uint8)
    entry.name, entry.buffer = KEY, len(model.buffers)
    model.buffers.append(text)
    model.metadata.append(entry)
    model.description = record["disclaimer"]
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _run_litert(path: Path, images: Floats) -> Outputs:
    import tensorflow as tf

    with warnings.catch_warnings():
        # TensorFlow would have its interpreter taken from another package, which holds the same
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        interpreter = tf.lite.Interpreter(model_path=str(path))
    results = interpreter.get_signature_runner("serving_default")(**{INPUT: images})
    return results[LOGITS], results[MAPS]


FORMS: dict[str, Form] = {
    "onnx": Form((".onnx",), ("tf2onnx", "onnx", "onnxruntime"), _write_onnx, _run_onnx),
    "openvino": Form((".xml", ".bin"), ("openvino",), _write_openvino, _run_openvino),
    "savedmodel": Form((".savedmodel",), (), _write_saved_model, _run_saved_model),
    "litert": Form((".tflite",), (), _write_litert, _run_litert),
}
