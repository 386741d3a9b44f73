"""The head of a Keras network as plain arrays."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cxrkit.errors import PresetInvalid
from cxrkit.model.head import Affine, Head, Linear, MaxPool, Rectifier


def head_of(head: keras.Model) -> Head:
    """Copy the arrays of a head, the second half of `cxrkit.model.network.split_network`.

    Raises
    ------
    PresetInvalid
        It has a layer that cannot be explained here; the message names it.
    """
    steps: list[list[Any]] = [[]]  # before the global average, and behind it
    rates: dict[int, float] = {}
    for layer in head.layers:
        if isinstance(layer, keras.layers.Dropout) and len(steps) == 2:
            rates[len(steps[1])] = float(layer.rate)
        if isinstance(layer, keras.layers.GlobalAveragePooling2D) and len(steps) == 1 and not layer.keepdims:
            steps.append([])
        elif not isinstance(layer, (keras.layers.InputLayer, keras.layers.Dropout)):
            found = _steps(layer, pooled=len(steps) == 2)
            if found is None:
                raise _unknown(layer.name)
            steps[-1] += found
    if len(steps) == 1 or not steps[1] or not isinstance(steps[1][-1], Linear):
        raise _unknown(head.layers[-1].name)
    dropout = tuple(rates.get(place, 0.0) for place in range(len(steps[1])))
    return Head(tuple(steps[0]), tuple(steps[1]), dropout if any(dropout) else ())


def _steps(layer: Any, *, pooled: bool) -> list[Any] | None:
    """The steps that stand for a layer, or None for one that is not known at its place."""
    if isinstance(layer, keras.layers.BatchNormalization) and layer.scale and layer.center:
        gamma, beta, mean, variance = (np.asarray(w, dtype=np.float64) for w in layer.get_weights())
        scale = gamma / np.sqrt(variance + layer.epsilon)
        return [Affine(scale.astype(np.float32), (beta - mean * scale).astype(np.float32))]
    if isinstance(layer, keras.layers.ReLU) and not layer.negative_slope and not layer.threshold:
        return [Rectifier(np.inf if layer.max_value is None else float(layer.max_value))]
    if isinstance(layer, keras.layers.Activation):
        return _activation(layer)
    if not pooled and isinstance(layer, keras.layers.MaxPooling2D) and layer.padding == "valid":
        return [MaxPool(tuple(layer.pool_size), tuple(layer.strides))]
    if pooled and isinstance(layer, keras.layers.Dense):
        activation = _activation(layer)
        kernel, *bias = (np.asarray(w, dtype=np.float32) for w in layer.get_weights())
        linear = Linear(kernel, bias[0] if bias else np.zeros(kernel.shape[1], np.float32))
        return None if activation is None else [linear, *activation]
    return None


def _activation(layer: Any) -> list[Rectifier] | None:
    return {"linear": [], "relu": [Rectifier()], "relu6": [Rectifier(6.0)]}.get(
        keras.activations.serialize(layer.activation)
    )


def _unknown(name: str) -> PresetInvalid:
    return PresetInvalid(
        f"The layer {name!r} behind the feature layer cannot be explained: between feature maps and logits"
        " there may be batch normalisation, ReLU and max pooling, then a global average, then dense layers.",
        "Choose a later feature layer in the card, or another head.",
    )
