"""The network that finds the lungs: a U-Net (Ronneberger et al. 2015, arXiv 1505.04597) of 128 x 128 pixels."""

from __future__ import annotations

import keras
from keras import layers

from cxrkit.model.lungs import SIDE

WIDTHS = (16, 24, 48, 80)
"""Channels of the four levels, the first at half the resolution of the input."""

OUTPUT = "lung"


def build_lung_network() -> keras.Model:
    """(n, 128, 128, 1) standardised pixels -> (n, 128, 128, 1) logits, with random weights."""

    def block(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
        for k in "ab":
            x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_conv_{k}")(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm_{k}")(x)
            x = layers.ReLU()(x)
        return x

    start = keras.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(WIDTHS[0], 5, strides=2, padding="same", name="stem")(start)
    passed = []
    for level, width in enumerate(WIDTHS[:-1]):
        x = block(x, width, f"down{level}")
        passed.append(x)
        x = layers.MaxPooling2D()(x)
    x = block(x, WIDTHS[-1], "bottom")
    for level in range(len(WIDTHS) - 2, -1, -1):
        x = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(x), passed[level]])
        x = block(x, WIDTHS[level], f"up{level}")
    x = layers.Conv2D(1, 1, name=OUTPUT, dtype="float32")(x)
    return keras.Model(start, layers.UpSampling2D(interpolation="bilinear")(x), name="lungs")


def without_enlargement(network: keras.Model) -> keras.Model:
    """The same network up to its (n, 64, 64, 1) logits; enlarging them is left to who needs it."""
    return keras.Model(network.input, network.get_layer(OUTPUT).output, name="coarse_lungs")
