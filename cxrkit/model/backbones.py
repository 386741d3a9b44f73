"""The table of backbones: how each is built, at which layer it is split for Grad-CAM, and what it was trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from cxrkit.errors import PresetInvalid
from cxrkit.model.normalisation import BatchNormalization
from cxrkit.preset import Intensity


@dataclass(frozen=True)
class Backbone:
    """One row of the table.

    Attributes
    ----------
    build
        ``(input_size) -> keras.Model`` from (S, S, 3) to the last feature maps, without weights.
    feature_layer
        Where trunk and head meet.
    application
        Name in `keras.applications` under which Keras publishes ImageNet weights for these very layers, or
        None.
    top
        First layer of the last block: it and what follows it, in the network's order, are trained in a
        stage that trains the top.
    intensity
        The intensity rule that the ImageNet weights were trained with, or None where there are none.
    """

    build: Callable[[int | None], keras.Model]
    feature_layer: str
    application: str | None
    top: str
    intensity: Intensity | None = None


def _application(name: str) -> Callable[[int | None], keras.Model]:
    def build(size: int | None) -> keras.Model:
        return getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(size, size, 3))

    return build


def _efficientnetb0(size: int | None) -> keras.Model:
    """Keras' EfficientNet-B0 from its stem on: what it does to pixels before is our intensity rule."""
    stock = _application("EfficientNetB0")(size)
    return keras.Model(stock.get_layer("stem_conv_pad").input, stock.output, name="efficientnetb0")


def _resnet18(size: int | None) -> keras.Model:
    """ResNet-18 (He et al. 2015, arXiv 1512.03385, table 1), with the same padding on all sides as in PyTorch.

    Keras' own ``"same"`` padding of a convolution with stride 2 begins one pixel later, so that weights
    from elsewhere would see every image shifted.
    """

    def convolution(x: keras.KerasTensor, channels: int, side: int, strides: int, name: str) -> keras.KerasTensor:
        if side > 1:
            x = layers.ZeroPadding2D(side // 2, name=f"{name}_pad")(x)
        conv = layers.Conv2D(
            channels, side, strides=strides, use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
        )
        return BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(conv(x))

    x = inputs = keras.Input((size, size, 3))
    x = layers.ReLU(name="stem_relu")(convolution(x, 64, 7, 2, "stem"))
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # nothing is below the zeros after a ReLU
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        for block in (1, 2):
            name = f"stage{stage}_block{block}"
            strides = 2 if block == 1 and stage > 1 else 1
            y = layers.ReLU(name=f"{name}_1_relu")(convolution(x, channels, 3, strides, f"{name}_1"))
            y = convolution(y, channels, 3, 1, f"{name}_2")
            shortcut = x if strides == 1 else convolution(x, channels, 1, strides, f"{name}_0")
            x = layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, y]))
    return keras.Model(inputs, x, name="resnet18")


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
    "densenet121": Backbone(
        _application("DenseNet121"), "conv5_block16_concat", "DenseNet121", "conv5_block1_0_bn", "imagenet"
    ),
    "resnet18": Backbone(_resnet18, "stage4_block2_out", None, "stage4_block1_1_pad", "imagenet"),
    "resnet50": Backbone(_application("ResNet50"), "conv5_block3_out", "ResNet50", "conv5_block1_1_conv", "caffe"),
    "vgg16": Backbone(_application("VGG16"), "block5_conv3", "VGG16", "block5_conv1", "caffe"),
    "mobilenetv2": Backbone(_application("MobileNetV2"), "out_relu", "MobileNetV2", "block_16_expand", "symmetric"),
    "efficientnetb0": Backbone(_efficientnetb0, "top_activation", "EfficientNetB0", "block7a_expand_conv", "imagenet"),
    "cnn": Backbone(_cnn, "block5_conv", None, "block5_conv"),
}


def backbone_row(name: str) -> Backbone:
    """A row of the table; raises `PresetInvalid` for an unknown name."""
    try:
        return BACKBONES[name]
    except KeyError:
        raise PresetInvalid(f"There is no backbone named {name!r}.", f"Choose one of {', '.join(BACKBONES)}.") from None
