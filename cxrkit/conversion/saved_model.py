"""TensorFlow's SavedModel folders as data: variables by name, and a graph of plain arithmetic to compare with.

A SavedModel is a program: TensorFlow's own loader runs whatever operations it holds, among them some that
read and write files. Here only the operations that its serving signature needs are taken, every one of
them, within functions too, is checked against a list of plain arithmetic, and the variables are read from
the checkpoint beside it as arrays. Nothing else in the folder is run or even kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2

from cxrkit.errors import ImportRefused, WeightsCorrupt, WeightsMissing
from cxrkit.model.checkpoints import Arrays

Floats = npt.NDArray[np.float32]

LARGEST_GRAPH = 256 * 2**20
PLAIN_OPERATIONS = frozenset(
    {"Add", "AddN", "AddV2", "AvgPool", "BiasAdd", "BroadcastTo", "Cast", "ConcatV2", "Const", "Conv2D"}
    | {"DepthwiseConv2dNative", "DisableCopyOnRead", "Exp", "ExpandDims", "Fill", "FusedBatchNorm"}
    | {"FusedBatchNormV2", "FusedBatchNormV3", "Identity", "IdentityN", "LeakyRelu", "MatMul", "Max", "MaxPool"}
    | {"Maximum", "Mean", "Minimum", "MirrorPad", "Mul", "Neg", "NoOp", "Pack", "Pad", "PadV2", "PartitionedCall"}
    | {"Placeholder", "Prod", "ReadVariableOp", "RealDiv", "Relu", "Relu6", "Reshape", "Rsqrt", "Selu", "Shape"}
    | {"Sigmoid", "Softplus", "Split", "Sqrt", "Square", "SquaredDifference", "Squeeze", "StatefulPartitionedCall"}
    | {"StopGradient", "StridedSlice", "Sub", "Sum", "Tanh", "Transpose", "VarHandleOp"}
)
_SIGNATURE = "serving_default"
_ORDER = {"kernel": 0, "depthwise_kernel": 0, "gamma": 0, "bias": 1, "beta": 1, "moving_mean": 2, "moving_variance": 3}
_FETCH = "Fetch the folder again, with its folder variables."
_RESAVE = "Save the model as a .keras file, or its weights alone, and import that."


class SavedModelSource:
    """A network out of a SavedModel.

    Parameters
    ----------
    folder
        With ``saved_model.pb`` and ``variables``.

    Attributes
    ----------
    layers
        Name -> arrays, in the order of the network.

    Raises
    ------
    WeightsMissing, WeightsCorrupt
        The folder is incomplete or damaged.
    ImportRefused
        The graph holds an operation that is not plain arithmetic, or has no signature of one image and one
        output.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        graph, self._input, self._output = _serving_graph(Path(folder))
        _check_operations(graph)
        variables = _variables(Path(folder))
        self.layers = _by_layer(variables)
        self._graph = tf.Graph()
        with self._graph.as_default():
            try:
                tf.graph_util.import_graph_def(graph, name="")
            except (ValueError, tf.errors.OpError) as error:
                raise WeightsCorrupt(
                    f"The graph of the SavedModel contradicts itself ({type(error).__name__}).", _FETCH
                ) from None
            self._assign = []
            for node in graph.node:
                if node.op == "VarHandleOp":
                    name = node.attr["shared_name"].s.decode(errors="replace") or node.name
                    if name not in variables:  # a copy that the export made, numbered
                        name = re.sub(r"_\d+$", "", name)
                    if name not in variables:
                        raise WeightsCorrupt(f"The variable {name} is not in the checkpoint.", _FETCH)
                    handle = self._graph.get_tensor_by_name(node.name + ":0")
                    fed = tf.compat.v1.placeholder(tf.float32, variables[name].shape)
                    operation = tf.raw_ops.AssignVariableOp(resource=handle, value=fed)
                    self._assign.append((operation, fed, variables[name]))

    def outputs(self, images: Floats) -> Floats:
        """What the signature gives for (n, S, S, 3) images: (n, outputs), probabilities or logits."""
        try:
            with tf.compat.v1.Session(graph=self._graph) as session:
                for operation, fed, value in self._assign:
                    session.run(operation, {fed: value})
                return np.asarray(session.run(self._output, {self._input: images}), dtype=np.float32)
        except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
            raise ImportRefused(f"The SavedModel cannot be run ({type(error).__name__}).", _RESAVE) from None

    def logits(self, images: Floats) -> Floats:
        """(n, S, S, 3) -> (n, outputs): the log-odds of its probabilities where it ends in a sigmoid."""
        given = self.outputs(images)
        if not self.ends_in_sigmoid:
            return given
        with np.errstate(divide="ignore"):
            odds = given.astype(np.float64)
            return np.asarray(np.log(odds) - np.log1p(-odds), dtype=np.float32)

    @property
    def ends_in_sigmoid(self) -> bool:
        """Whether the last arithmetic before the output is a sigmoid."""
        nodes = {n.name: n for n in self._graph.as_graph_def().node}
        functions = {f.signature.name: f for f in self._graph.as_graph_def().library.function}
        name = self._output.partition(":")[0]
        while name in nodes:
            node = nodes[name]
            if node.op in ("PartitionedCall", "StatefulPartitionedCall"):
                function = functions[node.attr["f"].func.name]
                nodes = {n.name: n for n in function.node_def}
                name = next(iter(function.ret.values())).partition(":")[0]
            elif node.op in ("Identity", "StopGradient"):
                name = node.input[0].partition(":")[0]
            else:
                return bool(node.op == "Sigmoid")
        return False


def _serving_graph(folder: Path) -> tuple[Any, str, str]:
    """The part of the graph that the signature needs, and the names of its input and output."""
    file = folder / "saved_model.pb"
    if not file.is_file():
        raise WeightsMissing("The folder holds no saved_model.pb.", "Give the folder of a SavedModel.")
    if file.stat().st_size > LARGEST_GRAPH:
        raise ImportRefused("The graph of the SavedModel is too large.", _RESAVE)
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(file.read_bytes())
        whole = next(meta for meta in model.meta_graphs if _SIGNATURE in meta.signature_def)
        signature = whole.signature_def[_SIGNATURE]
        (source,), (target,) = signature.inputs.values(), signature.outputs.values()
        kept = _needed(whole.graph_def, target.name.partition(":")[0])
    except (DecodeError, OSError):
        raise WeightsCorrupt("The graph of the SavedModel cannot be read.", _FETCH) from None
    except (StopIteration, ValueError, KeyError):
        raise ImportRefused("The SavedModel has no serving signature from one image to one output.", _RESAVE) from None
    return kept, source.name, target.name


def _needed(whole: Any, output: str) -> Any:
    """The nodes that an output needs, and the functions that these call; a graph of its own."""
    nodes = {node.name: node for node in whole.node}
    functions = {f.signature.name: f for f in whole.library.function}
    kept = graph_pb2.GraphDef(versions=whole.versions)
    waiting, seen = [output], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            kept.node.append(nodes[name])
            waiting.extend(given.removeprefix("^").partition(":")[0] for given in nodes[name].input)
    waiting, seen = list(_called(kept.node)), set()
    while waiting:
        name = waiting.pop()
        if name in functions and name not in seen:
            seen.add(name)
            kept.library.function.append(functions[name])
            waiting.extend(_called(functions[name].node_def))
    return kept


def _called(nodes: Any) -> Iterator[str]:
    """Functions that nodes name in any of their attributes."""
    for node in nodes:
        for value in node.attr.values():
            if value.HasField("func"):
                yield value.func.name
            yield from (function.name for function in value.list.func)


def _check_operations(graph: Any) -> None:
    bodies = [graph.node, *(function.node_def for function in graph.library.function)]
    for node in (node for body in bodies for node in body):
        if node.op not in PLAIN_OPERATIONS:
            raise ImportRefused(
                f"The SavedModel holds the operation {node.op}, which is not among the plain arithmetic that is run.",
                _RESAVE,
            )
    functions = {function.signature.name: set(_called(function.node_def)) for function in graph.library.function}
    while leaves := [name for name, calls in functions.items() if not calls & functions.keys()]:
        for name in leaves:
            del functions[name]
    if functions:
        raise ImportRefused("The functions of the SavedModel call themselves.", _RESAVE)


def _variables(folder: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Name -> array of all variables of the checkpoint, in its order."""
    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        graph.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
        keys = {a.full_name: a.checkpoint_key for node in graph.nodes for a in node.attributes if a.full_name}
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        return {
            name: np.asarray(reader.get_tensor(key), dtype=np.float32)
            for name, key in keys.items()
            if key in shapes and types[key].is_floating
        }
    except (DecodeError, tf.errors.OpError, KeyError, ValueError, RuntimeError) as error:
        raise WeightsCorrupt(
            f"The variables of the SavedModel cannot be read ({type(error).__name__}).", _FETCH
        ) from None


def _by_layer(variables: dict[str, npt.NDArray[np.float32]]) -> dict[str, Arrays]:
    """``conv1_conv/kernel`` (or ``densenet121/conv1/conv/kernel`` of old) by the names of the layers."""
    found: dict[str, dict[int, npt.NDArray[np.float32]]] = {}
    for variable, array in variables.items():
        *path, kind = variable.split("/")
        if kind not in _ORDER or not path:
            continue
        layer = "_".join(path[-2:]) if path[-1] in ("bn", "conv") and len(path) > 1 else path[-1]
        if _ORDER[kind] in found.setdefault(layer, {}):
            raise WeightsCorrupt(f"The checkpoint holds the layer {layer} twice.", _FETCH)
        found[layer][_ORDER[kind]] = array
    return {layer: [arrays[place] for place in sorted(arrays)] for layer, arrays in found.items()}
