"""Building the compiled form of a network: its trunk as OpenVINO's intermediate representation, its head as arrays.

Run as a module, ``python -m cxrkit.model.building FOLDER`` takes a blueprint as JSON from standard input, writes the
form into the folder and answers one line of JSON: ``{"built": true}``, or what went wrong.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cxrkit.errors import CxrError
from cxrkit.model.checkpoints import load_layers
from cxrkit.model.compiled import ARRAYS, KERNELS, TRUNK, Blueprint
from cxrkit.model.first_layer import first_planes
from cxrkit.model.head_file import Arrays, head_arrays
from cxrkit.model.keras_head import head_of
from cxrkit.model.lung_network import build_lung_network, without_enlargement
from cxrkit.model.network import build_network, split_network


def build(blueprint: Blueprint, folder: Path) -> None:
    """Build a network, load its weights, and write its form into a folder.

    Raises
    ------
    WeightsMismatch
        The file was written for other findings, another order of findings or another network.
    PresetInvalid
        The card names what there is not, or a head that cannot be explained.
    """
    path = Path(blueprint.weights)
    if blueprint.kind == "lungs":
        network = build_lung_network()
        load_layers(network, path)
        write(without_enlargement(network), None, folder)
        return
    network = build_network(
        blueprint.backbone, len(blueprint.findings), input_size=blueprint.input_size, head=blueprint.head
    )
    load_layers(network, path, blueprint.findings)
    write(*split_network(network, blueprint.feature_layer), folder)


def write(trunk: keras.Model, head: keras.Model | None, folder: Path) -> None:
    """Write a trunk, and the arrays of a head, as a form."""
    import openvino

    openvino.save_model(intermediate(trunk, folder), folder / TRUNK, compress_to_fp16=False)
    arrays: Arrays = {} if head is None else head_arrays(head_of(head))
    planes = first_planes(trunk)
    if planes is not None:
        arrays[KERNELS] = planes
    np.savez(folder / ARRAYS, allow_pickle=False, **arrays)


def intermediate(trunk: keras.Model, folder: Path) -> Any:
    """A trunk as a model of OpenVINO: (n, S, S, 3) -> (n, H, W, K), float32, of any n.

    Through a frozen graph, for a moment in `folder`: OpenVINO's own converter would report its use to its makers.
    """
    from cxrkit.model.openvino_core import core

    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "trunk.pb"
        path.write_bytes(frozen(trunk).graph.as_graph_def().SerializeToString())
        return core().read_model(path)


def frozen(network: keras.Model) -> Any:
    """A network as a function of TensorFlow whose weights are constants, for any number of images."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = (None, *network.input.shape[1:])
    traced = tf.function(lambda x: network(x, training=False), input_signature=[tf.TensorSpec(shape, tf.float32)])
    return convert_variables_to_constants_v2(traced.get_concrete_function())


def main() -> int:
    """Answer the process that started this one."""
    try:
        given = json.load(sys.stdin)
        build(Blueprint(**{**given, "findings": tuple(given["findings"])}), Path(sys.argv[1]))
        told: dict[str, Any] = {"built": True}
    except CxrError as error:
        told = {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
    print("\n" + json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
