"""Building the network of a preset, splitting it, and choosing what of it is trained."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Literal

import keras
from keras import layers

from cxrkit.errors import PresetInvalid
from cxrkit.model.backbones import backbone_row
from cxrkit.model.normalisation import replace_normalisation

HeadBuilder = Callable[[keras.KerasTensor, int], keras.KerasTensor]
Part = Literal["all", "top", "head"]
POOL = "pool"
"""First layer of every head: the global average."""


def _gap_dense(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    x = layers.GlobalAveragePooling2D(name=POOL)(features)
    # float32 under mixed precision too: a bfloat16 logit has three significant digits
    return layers.Dense(outputs, name="logits", dtype="float32")(x)


def _dropout_dense(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    x = layers.GlobalAveragePooling2D(name=POOL)(features)
    x = layers.Dropout(0.3, name="dropout", seed=0)(x)
    return layers.Dense(outputs, name="logits", dtype="float32")(x)


def _stack(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    x = layers.GlobalAveragePooling2D(name=POOL)(features)
    for number, (width, rate) in enumerate(((512, 0.5), (256, 0.3), (128, 0.2)), start=1):
        x = layers.Dense(width, activation="relu", name=f"dense{number}")(x)
        x = layers.Dropout(rate, name=f"dropout{number}", seed=number)(x)
    return layers.Dense(outputs, name="logits", dtype="float32")(x)


HEADS: dict[str, HeadBuilder] = {"gap-dense": _gap_dense, "dropout-dense": _dropout_dense, "dense-stack": _stack}


def build_network(
    backbone: str,
    outputs: int,
    *,
    input_size: int | None = 224,
    head: str = "gap-dense",
    momentum: float = 0.99,
) -> keras.Model:
    """Build a network from image to logits, with random weights.

    Parameters
    ----------
    backbone, head
        Names in `cxrkit.model.backbones.BACKBONES` and `HEADS`.
    outputs
        Number of findings.
    input_size
        Side S of the input (S, S, 3); None leaves it open.
    momentum
        Of the moving averages of batch normalisation.

    Returns
    -------
    keras.Model
        (batch, S, S, 3) float32 -> (batch, outputs) float32 logits.

    Raises
    ------
    PresetInvalid
        Unknown backbone or head.
    """
    if head not in HEADS:
        raise PresetInvalid(f"There is no head named {head!r}.", f"Choose one of {', '.join(HEADS)}.")
    stock = backbone_row(backbone).build(input_size)
    base = keras.models.clone_model(stock, clone_function=lambda layer: _copied(layer, momentum))
    return keras.Model(base.input, HEADS[head](base.output, outputs), name=backbone)


def _copied(layer: keras.Layer, momentum: float) -> keras.Layer:
    """A layer anew, with our batch normalisation; dropout within a backbone gets a seed, its own."""
    if isinstance(layer, layers.Dropout):
        return type(layer).from_config({**layer.get_config(), "seed": zlib.crc32(layer.name.encode())})
    return replace_normalisation(layer, momentum)


def backbone_layers(network: keras.Model) -> tuple[keras.Layer, ...]:
    """The layers of a network from `build_network` before its head, in the network's order."""
    names = [layer.name for layer in network.layers]
    return tuple(network.layers[: names.index(POOL)])


def set_trainable(network: keras.Model, backbone: str, part: Part) -> None:
    """Freeze a network from `build_network` but for a part of it.

    Frozen batch normalisation runs as in inference, and its moving averages stay. An optimiser that was
    built before must be built anew.

    Parameters
    ----------
    network, backbone
        The network, and the name of its backbone in the table.
    part
        ``"all"``; ``"top"``, the head and the backbone from `Backbone.top` on; ``"head"``, what follows the
        backbone.
    """
    names = [layer.name for layer in network.layers]
    first = {"all": 0, "top": names.index(backbone_row(backbone).top), "head": names.index(POOL)}[part]
    for number, layer in enumerate(network.layers):
        layer.trainable = number >= first


def split_frozen(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Split a network from `build_network` behind its global average.

    Returns
    -------
    backbone, head
        (batch, S, S, 3) -> (batch, K) pooled features, and (batch, K) -> (batch, outputs) logits. Both
        share the layers, and so the weights, of `network`.
    """
    return split_network(network, POOL)


def split_network(network: keras.Model, feature_layer: str) -> tuple[keras.Model, keras.Model]:
    """Split a network at a layer into trunk (image -> feature maps) and head (feature maps -> logits).

    Both share the layers, and so the weights, of `network`. The layers behind the feature layer must
    form a chain.

    Raises
    ------
    PresetInvalid
        There is no such layer, or what follows it is not a chain.
    """
    names = [layer.name for layer in network.layers]
    if feature_layer not in names:
        raise PresetInvalid(
            f"The network has no layer {feature_layer!r} to split at.", "Correct the feature layer in the card."
        )
    position = names.index(feature_layer)
    features = network.layers[position].output
    x = start = keras.Input(features.shape[1:], name="feature_maps")
    previous = features
    for layer in network.layers[position + 1 :]:
        if layer.input is not previous:
            raise PresetInvalid(
                f"The layers behind {feature_layer!r} are not a chain.", "Choose a later feature layer in the card."
            )
        previous, x = layer.output, layer(x)
    return keras.Model(network.input, features, name="trunk"), keras.Model(start, x, name="head")
