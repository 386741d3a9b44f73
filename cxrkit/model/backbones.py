"""The table of backbones: how each is built and at which layer it is split for Grad-CAM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from cxrkit.errors import PresetInvalid
from cxrkit.model.normalisation import BatchNormalization


@dataclass(frozen=True)
class Backbone:
    """One row of the table.

    Attributes
    ----------
    build
        ``(input_size) -> keras.Model`` from (S, S, 3) to the last feature maps, without weights.
    feature_layer
        Where trunk and head meet.
    imagenet_file
        Name under which Keras publishes the ImageNet weights without the top, or None.
    """

    build: Callable[[int | None], keras.Model]
    feature_layer: str
    application: str | None


def _densenet121(size: int | None) -> keras.Model:
    return keras.applications.DenseNet121(include_top=False, weights=None, input_shape=(size, size, 3))


def _cnn(size: int | None) -> keras.Model:
    """A plain convolutional network from scratch: five blocks of 16 to 256 channels."""
    x = inputs = keras.Input((size, size, 3))
    for block, channels in enumerate((16, 32, 64, 128, 256), start=1):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"block{block}_conv")(x)
        if block == 5:
            break
        x = BatchNormalization(name=f"block{block}_bn")(x)
        x = layers.ReLU(name=f"block{block}_relu")(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
    x = BatchNormalization(name="bn")(x)
    return keras.Model(inputs, layers.ReLU(name="relu")(x), name="cnn")


BACKBONES: dict[str, Backbone] = {
    "densenet121": Backbone(_densenet121, "conv5_block16_concat", "DenseNet121"),
    "cnn": Backbone(_cnn, "block5_conv", None),
}


def backbone_row(name: str) -> Backbone:
    """A row of the table; raises `PresetInvalid` for an unknown name."""
    try:
        return BACKBONES[name]
    except KeyError:
        raise PresetInvalid(f"There is no backbone named {name!r}.", f"Choose one of {', '.join(BACKBONES)}.") from None
