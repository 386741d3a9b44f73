"""Grad-CAM of a network whose weights are drawn anew, from the output down.

A map that hardly changes when the weights do shows the radiograph, not what the network learnt (Adebayo et
al. 2018, arXiv 1810.03292, "cascading randomisation").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.model.gradcam import grad_cam
from cxrkit.model.keras_head import head_of
from cxrkit.model.keras_runtimes import open_runtime
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import build_network, split_network

Floats = npt.NDArray[np.float32]
Layers = tuple[keras.Layer, ...]

TRAINED = "none"
HEAD = "head"
WHOLE = "whole"
_BATCH = 16
_STAGE = re.compile(r"[a-z]+_?(\d+)[a-z]?")


def cascade(network: keras.Model, feature_layer: str) -> dict[str, Layers]:
    """The layers with weights in stages from the output down, for DenseNet-121 head, conv5 to conv2, whole.

    The head is what follows the feature layer. Before it, layers whose names begin with a word of the same
    number are one stage (``conv4_block1_1_conv``, ``pool4_conv``), named after the first of them; one
    without a number goes with the stage behind it. The last stage, after which no weight is left as
    it was, is named ``"whole"``.
    """
    layers = [layer for layer in network.layers if layer.weights]
    names = [layer.name for layer in network.layers]
    behind = set(names[names.index(feature_layer) + 1 :])
    stages: list[list[keras.Layer]] = [[layer for layer in layers if layer.name in behind], []]
    titles = [HEAD, ""]
    number = None
    for layer in reversed([layer for layer in layers if layer.name not in behind]):
        match = _STAGE.match(layer.name)
        if match is not None:
            if number is not None and match[1] != number:
                stages.append([])
                titles.append("")
            number, titles[-1] = match[1], match[0]
        stages[-1].append(layer)
    return dict(zip([*titles[:-1], WHOLE], map(tuple, stages), strict=True))


def draw_anew(layer: keras.Layer, rng: np.random.Generator) -> None:
    """Give a layer the weights that it would start its training from.

    Kernels come from the layer's own initialiser, seeded by `rng`; batch normalisation and biases
    start at constants.
    """
    for variable in layer.weights:
        initialiser = getattr(layer, f"{variable.name}_initializer")
        config = initialiser.get_config()
        if "seed" in config:
            config["seed"] = int(rng.integers(2**31))
        variable.assign(type(initialiser).from_config(config)(variable.shape, dtype=variable.dtype))


def cascaded_maps(manager: XRayModelManager, tensors: Floats, *, seed: int = 0) -> Iterator[tuple[str, Floats]]:
    """Grad-CAM maps stage by stage, each stage adding to those before it.

    Works on a copy of the network: the manager, which others may be reading with, stays as it is.

    Parameters
    ----------
    manager
        With the trained weights.
    tensors
        (n, S, S, 3) preprocessed radiographs.
    seed
        Determines the weights that are drawn.

    Yields
    ------
    stage, maps
        First ``"none"`` with the trained weights, then the stages of `cascade`; maps are
        (n, C, H, W), all zero where there is no positive evidence.
    """
    preset = manager.preset
    copy = build_network(preset.backbone, len(preset.findings), input_size=preset.input_size, head=preset.head)
    copy.set_weights(manager.model.get_weights())
    trunk, head = split_network(copy, preset.feature_layer)
    runtime = open_runtime("auto", trunk)
    rng = np.random.default_rng(seed)
    for stage, layers in {TRAINED: (), **cascade(copy, preset.feature_layer)}.items():
        for layer in layers:
            draw_anew(layer, rng)
        arrays = head_of(head)  # holds copies of the weights, so it is read again
        found = []
        for start in range(0, len(tensors), _BATCH):
            for features in runtime.features(tensors[start : start + _BATCH]):
                found.append(grad_cam(features, arrays.alpha(features)))
        yield stage, np.stack(found)
