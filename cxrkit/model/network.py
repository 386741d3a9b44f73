"""Building the network of a preset, and splitting it into trunk and head."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from cxrkit.errors import PresetInvalid
from cxrkit.model.backbones import backbone_row
from cxrkit.model.normalisation import replace_normalisation

HeadBuilder = Callable[[keras.KerasTensor, int], keras.KerasTensor]


def _gap_dense(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    x = layers.GlobalAveragePooling2D(name="pool")(features)
    # float32 under mixed precision too: a bfloat16 logit has three significant digits
    return layers.Dense(outputs, name="logits", dtype="float32")(x)


def _dropout_dense(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    x = layers.GlobalAveragePooling2D(name="pool")(features)
    x = layers.Dropout(0.3, name="dropout", seed=0)(x)
    return layers.Dense(outputs, name="logits", dtype="float32")(x)


def _stack(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    x = layers.GlobalAveragePooling2D(name="pool")(features)
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
    base = keras.models.clone_model(stock, clone_function=lambda layer: replace_normalisation(layer, momentum))
    return keras.Model(base.input, HEADS[head](base.output, outputs), name=backbone)


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
