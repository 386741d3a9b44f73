"""Networks in Keras' files as data: old and new ``.h5``, ``.weights.h5`` and ``.keras``.

The description of a network in such a file can name layers that run code of their own (Lambda, custom
classes). It is therefore checked against a list of plain layers before Keras sees it.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.errors import ImportRefused, WeightsCorrupt, WeightsMismatch, WeightsMissing
from cxrkit.model.backbones import backbone_row
from cxrkit.model.checkpoints import Arrays, read_layers
from cxrkit.model.hdf5 import open_weights
from cxrkit.model.network import HEADS

Floats = npt.NDArray[np.float32]

LARGEST, LARGEST_DESCRIPTION = 4 * 2**30, 32 * 2**20
"""Bytes of a ``.keras`` file when unpacked, and of the description in it."""

_RESAVE = "Save the model's weights alone (model.save_weights) and import those."
_FETCH = "Fetch the file again and compare its size or checksum with the source's."
_OUTPUTS = ("sigmoid", "linear")
_LAYERS = frozenset(
    {"Functional", "Model", "Sequential", "InputLayer", "KerasTensor", "DTypePolicy", "__keras_tensor__"}
    | {"Activation", "Add", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D", "Cropping2D"}
    | {"Dense", "DepthwiseConv2D", "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "LeakyReLU"}
    | {"MaxPooling2D", "Multiply", "Normalization", "ReLU", "Rescaling", "Reshape", "SeparableConv2D", "Softmax"}
    | {"SpatialDropout2D", "ZeroPadding2D"}
    # augmentation within the network, which does nothing where it is not trained
    | {"GaussianNoise", "RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation"}
    | {"RandomZoom"}
)
_BESIDES = frozenset(
    {"Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "L1", "L1L2", "L2", "LecunNormal"}
    | {"LecunUniform", "Ones", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros"}
)
_MODULES: dict[str | None, frozenset[str]] = {
    None: _LAYERS | _BESIDES,  # files of Keras 2 name no modules
    **dict.fromkeys(("keras", "keras.layers", "keras.models"), _LAYERS),
    **dict.fromkeys(("keras.src.models.functional", "keras.src.models.sequential"), _LAYERS),
    **dict.fromkeys(("keras.initializers", "keras.regularizers"), _BESIDES),
    "cxrkit.model.normalisation": frozenset({"BatchNormalization"}),
}
"""What a description may name: module -> classes."""


_WIDEST = {"units": 8192, "filters": 8192, "depth_multiplier": 64, "kernel_size": 64}
"""Settings of a layer by which a short description claims a huge one, which Keras would fill with numbers at once."""


@dataclass(frozen=True, eq=False)
class KerasSource:
    """A network out of a file of Keras.

    Attributes
    ----------
    network
        (n, S, S, 3) -> (n, outputs) logits.
    layers
        Name -> arrays, in the order of the network.
    findings
        In the order of the outputs, where the file names them.
    """

    network: Any
    layers: dict[str, Arrays]
    findings: tuple[str, ...] | None = None

    def logits(self, images: Floats) -> Floats:
        """(n, S, S, 3) -> (n, outputs) float32."""
        return np.asarray(keras.ops.convert_to_numpy(self.network(images, training=False)), dtype=np.float32)


def read_whole(path: str | os.PathLike[str]) -> KerasSource:
    """A whole network: ``.keras``, or a ``.h5`` with a description of the model.

    Raises
    ------
    WeightsMissing, WeightsCorrupt
        The file is missing or damaged.
    ImportRefused
        The network holds something else than plain layers of Keras, or ends in something else than a
        sigmoid or nothing; or this version of Keras cannot rebuild it.
    """
    file = Path(path)
    check_description(description(file))
    try:
        # this project's own normalisation is written under its own name, and computes the same
        stock = {"BatchNormalization": keras.layers.BatchNormalization}
        network = keras.models.load_model(file, custom_objects=stock, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers do
        raise ImportRefused(
            f"Keras cannot rebuild the network of {file.name} ({type(error).__name__}).", _RESAVE
        ) from None
    layers = {layer.name: [np.asarray(w) for w in layer.get_weights()] for layer in _flat(network) if layer.weights}
    return KerasSource(_before_sigmoid(network), layers)


def read_weights(path: str | os.PathLike[str], backbone: str, head: str, outputs: int, size: int) -> KerasSource:
    """Weights alone, of a stock backbone and one of our heads.

    Keras loads them into its own network by their order; the layers that are converted go by name.
    """
    file = Path(path)
    layers, findings = read_layers(file)
    stock = backbone_row(backbone).build(size)
    network = keras.Model(stock.input, HEADS[head](stock.output, outputs))
    try:
        network.load_weights(file)
    except Exception as error:
        raise WeightsMismatch(
            f"The weights in {file.name} do not fit {backbone} with the head {head} and {outputs} outputs "
            f"({type(error).__name__}).",
            "Give the weights of this very architecture, or the whole model.",
        ) from None
    return KerasSource(network, layers, None if findings is None else tuple(findings))


def holds_description(path: str | os.PathLike[str]) -> bool:
    """Whether the file describes its network, rather than holding weights alone."""
    return bool(description(Path(path)))


def description(file: Path) -> dict[str, Any]:
    """The description of the network in a file; empty where it holds weights alone."""
    if not file.is_file():
        raise WeightsMissing(f"The file {file.name} does not exist.", "Check the path that was given.")
    zipped = file.name.endswith(".keras")  # as Keras decides it: a file may be a zip archive and HDF5 at once
    try:
        if zipped:
            with zipfile.ZipFile(file) as archive:
                sizes = {info.filename: info.file_size for info in archive.infolist()}
                if sizes["config.json"] > LARGEST_DESCRIPTION or sum(sizes.values()) > LARGEST:
                    raise ImportRefused(f"What {file.name} unpacks to is too large.", _RESAVE)
                text: Any = archive.read("config.json")
        else:
            with open_weights(file) as h5:
                text = h5.attrs.get("model_config")
        found = {} if text is None else json.loads(text)
    except WeightsCorrupt:
        raise
    except (
        *(OSError, KeyError, ValueError, TypeError, RuntimeError, RecursionError),
        *(NotImplementedError, EOFError, zlib.error, zipfile.BadZipFile),
    ) as error:
        raise WeightsCorrupt(f"The file {file.name} cannot be read ({type(error).__name__}).", _FETCH) from None
    if not isinstance(found, dict):
        raise WeightsCorrupt(f"The description in {file.name} is malformed.", _FETCH)
    if zipped:  # how it was trained (optimiser, loss, metrics); Keras drops this one unread where it does not compile
        found.pop("compile_config", None)
    return found


def check_description(found: dict[str, Any]) -> None:
    """Refuse, by name, every class that is not a plain layer of Keras, and layers of a size that none has.

    Raises
    ------
    ImportRefused
    """
    waiting: list[Any] = [found]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            _check_node(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _check_node(node: dict[str, Any]) -> None:
    for setting, most in _WIDEST.items():
        given = node.get(setting)
        if any(isinstance(n, (int, float)) and n > most for n in (given if isinstance(given, list) else [given])):
            raise ImportRefused(f"A layer of the network has {setting} of more than {most}.", _RESAVE)
    if "class_name" not in node:
        return
    name, module, registered = node["class_name"], node.get("module"), node.get("registered_name")
    plain = isinstance(name, str) and (module is None or isinstance(module, str)) and name in _MODULES.get(module, ())
    if not plain or registered not in (None, name, f"{module}>{name}"):
        shown = name if isinstance(name, str) else "nameless class"
        raise ImportRefused(
            f"The network holds a {shown}, which is not among the plain layers of Keras that are read.", _RESAVE
        )


def _flat(network: Any) -> Iterator[Any]:
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _flat(layer)
        else:
            yield layer


def _before_sigmoid(network: Any) -> Any:
    """The network up to its logits: a sigmoid at its end is left out, anything else there is refused."""
    last = network.layers[-1]
    if isinstance(last, keras.Model):
        raise ImportRefused("The network ends in another network.", _RESAVE)
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise ImportRefused("The network has more than one input or output.", _RESAVE)
    if isinstance(last, keras.layers.Activation) and keras.activations.serialize(last.activation) in _OUTPUTS:
        last, end = network.layers[-2], network.layers[-2].output
    else:
        end = network.outputs[0]
    activation = keras.activations.serialize(last.activation) if isinstance(last, keras.layers.Dense) else "no dense"
    if activation not in _OUTPUTS:
        raise ImportRefused(f"The network ends in a {activation} layer, not in a sigmoid or logits.", _RESAVE)
    last.activation = keras.activations.linear
    return keras.Model(network.inputs[0], end)


def match_head(network: keras.Model, layers: dict[str, Arrays]) -> dict[str, Arrays]:
    """The layers under the names of `network`: its dense layers by their shapes, all others by name.

    Raises
    ------
    WeightsMismatch
        Naming the layer that fits none, or more than one.
    """
    found = dict(layers)
    own = [layer for layer in network.layers if layer.weights]
    theirs = [name for name in found if name not in {layer.name for layer in own}]
    for layer in own:
        if not isinstance(layer, keras.layers.Dense) or layer.name in found:
            continue
        shapes = [tuple(w.shape) for w in layer.weights]
        fitting = [name for name in theirs if [a.shape for a in found[name]] == shapes]
        if len(fitting) != 1:
            raise WeightsMismatch(
                f"{'No' if not fitting else 'More than one'} layer of the file fits {layer.name!r}, which needs "
                f"{' and '.join(map(str, shapes))}.",
                "Check the number of findings, and name the architecture with --backbone and --head.",
            )
        found[layer.name] = found.pop(fitting[0])
        theirs.remove(fitting[0])
    if theirs:
        raise WeightsMismatch(
            f"The file holds a layer {theirs[0]!r}, which the network lacks.",
            "Name the architecture with --backbone and --head.",
        )
    return found


SIGNATURES = {
    "densenet121": "conv5_block16_2_conv",
    "resnet50": "conv5_block3_3_conv",
    "resnet18": "stage4_block2_2_conv",
    "vgg16": "block5_conv3",
    "mobilenetv2": "Conv_1",
    "efficientnetb0": "top_conv",
    "cnn": "block5_conv",
}
"""Backbone -> a layer that it alone has, by which it is recognised without building every one."""


def find_backbone(layers: dict[str, Arrays]) -> str:
    """Name of the backbone that the layers are of; whether all of them are there shows later.

    Raises
    ------
    WeightsMismatch
        They are of none, or of more than one.
    """
    found = [name for name, layer in SIGNATURES.items() if layer in layers]
    if len(found) != 1:
        raise WeightsMismatch(
            "The layers of the file are those of no known backbone.",
            f"The known ones are {', '.join(SIGNATURES)}; their layers must have Keras' own names.",
        )
    return found[0]
