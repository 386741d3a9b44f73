"""What the supported networks are made of, block by block, as numbers: to be drawn without loading one.

Sizes are computed from the input size; a test holds every one against the network itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class _Row(NamedTuple):
    """A block of the table: how often it halves the side, whether a remainder is rounded up, and what it gives."""

    name: str
    detail: str
    layer: str
    channels: int
    halvings: int = 0
    upward: bool = True


@dataclass(frozen=True)
class Block:
    """One block of a network.

    Attributes
    ----------
    name, detail
        Words for a person.
    layer
        Name of its last layer in the network.
    side, channels
        Of the feature maps that it gives, ``side x side x channels``.
    """

    name: str
    detail: str
    layer: str
    side: int
    channels: int


_STEM = "7 x 7 convolution and 3 x 3 max pooling, each halves the side"


def _dense_block(number: int, layers: int, layer: str, channels: int) -> _Row:
    detail = f"{layers} layers; each sees all channels before it and adds 32 of its own"
    return _Row(f"Dense block {number}", detail, layer, channels)


def _transition(number: int, layer: str, channels: int) -> _Row:
    detail = "1 x 1 convolution halves the channels, 2 x 2 average pooling the side"
    return _Row(f"Transition {number}", detail, layer, channels, 1, upward=False)


def _residual(number: int, blocks: int, kind: str, layer: str, channels: int) -> _Row:
    detail = f"{blocks} {kind} blocks; each adds its result to what came in"
    return _Row(f"Stage {number}", detail, layer, channels, 0 if number == 1 else 1)


def _plain(number: int, convolutions: int, layer: str, channels: int, *, pooled: bool) -> _Row:
    many = "one 3 x 3 convolution" if convolutions == 1 else f"{convolutions} 3 x 3 convolutions"
    detail = f"{many}, then 2 x 2 max pooling" if pooled else many
    return _Row(f"Block {number}", detail, layer, channels, int(pooled), upward=False)


def _inverted(number: int, blocks: int, layer: str, channels: int, halvings: int, kind: str) -> _Row:
    many = "one block" if blocks == 1 else f"{blocks} blocks"
    return _Row(
        f"Stage {number}", f"{many} that widen, look at each channel alone{kind}, narrow", layer, channels, halvings
    )


_SE = ", weigh the channels"
_TABLE: dict[str, tuple[_Row, ...]] = {
    "densenet121": (
        _Row("Stem", _STEM, "pool1", 64, 2),
        _dense_block(1, 6, "conv2_block6_concat", 256),
        _transition(1, "pool2_pool", 128),
        _dense_block(2, 12, "conv3_block12_concat", 512),
        _transition(2, "pool3_pool", 256),
        _dense_block(3, 24, "conv4_block24_concat", 1024),
        _transition(3, "pool4_pool", 512),
        _dense_block(4, 16, "conv5_block16_concat", 1024),
    ),
    "resnet18": (
        _Row("Stem", _STEM, "stem_pool", 64, 2),
        _residual(1, 2, "two-layer", "stage1_block2_out", 64),
        _residual(2, 2, "two-layer", "stage2_block2_out", 128),
        _residual(3, 2, "two-layer", "stage3_block2_out", 256),
        _residual(4, 2, "two-layer", "stage4_block2_out", 512),
    ),
    "resnet50": (
        _Row("Stem", _STEM, "pool1_pool", 64, 2),
        _residual(1, 3, "three-layer", "conv2_block3_out", 256),
        _residual(2, 4, "three-layer", "conv3_block4_out", 512),
        _residual(3, 6, "three-layer", "conv4_block6_out", 1024),
        _residual(4, 3, "three-layer", "conv5_block3_out", 2048),
    ),
    "vgg16": (
        _plain(1, 2, "block1_pool", 64, pooled=True),
        _plain(2, 2, "block2_pool", 128, pooled=True),
        _plain(3, 3, "block3_pool", 256, pooled=True),
        _plain(4, 3, "block4_pool", 512, pooled=True),
        _plain(5, 3, "block5_conv3", 512, pooled=False),
    ),
    "mobilenetv2": (
        _Row("Stem", "3 x 3 convolution, halves the side", "Conv1_relu", 32, 1),
        _inverted(1, 1, "expanded_conv_project_BN", 16, 0, ""),
        _inverted(2, 2, "block_2_add", 24, 1, ""),
        _inverted(3, 3, "block_5_add", 32, 1, ""),
        _inverted(4, 4, "block_9_add", 64, 1, ""),
        _inverted(5, 3, "block_12_add", 96, 0, ""),
        _inverted(6, 3, "block_15_add", 160, 1, ""),
        _inverted(7, 1, "block_16_project_BN", 320, 0, ""),
        _Row("Last convolution", "1 x 1", "out_relu", 1280),
    ),
    "efficientnetb0": (
        _Row("Stem", "3 x 3 convolution, halves the side", "stem_activation", 32, 1),
        _inverted(1, 1, "block1a_project_bn", 16, 0, _SE),
        _inverted(2, 2, "block2b_add", 24, 1, _SE),
        _inverted(3, 2, "block3b_add", 40, 1, _SE),
        _inverted(4, 3, "block4c_add", 80, 1, _SE),
        _inverted(5, 3, "block5c_add", 112, 0, _SE),
        _inverted(6, 4, "block6d_add", 192, 1, _SE),
        _inverted(7, 1, "block7a_project_bn", 320, 0, _SE),
        _Row("Last convolution", "1 x 1", "top_activation", 1280),
    ),
    "cnn": (
        *(_plain(n, 1, f"block{n}_pool", 2 ** (n + 3), pooled=True) for n in range(1, 5)),
        _plain(5, 1, "block5_conv", 256, pooled=False),
    ),
}
_AFTER = {
    "densenet121": "Batch normalisation and ReLU",
    "cnn": "Batch normalisation and ReLU",
    "vgg16": "2 x 2 max pooling",
}
_HEADS = {
    "gap-dense": ("Mean of each channel over all positions",),
    "dropout-dense": ("Mean of each channel over all positions", "Dropout 0.3"),
    "dense-stack": (
        "Mean of each channel over all positions",
        "Dense layers of 512, 256 and 128 with ReLU and dropout 0.5, 0.3, 0.2",
    ),
}


def blocks(backbone: str, input_size: int) -> tuple[Block, ...]:
    """The blocks of a backbone up to its last feature maps; none for a name that is not in the table.

    Parameters
    ----------
    backbone
        A name in `cxrkit.model.backbones.BACKBONES`.
    input_size
        Side of the square network input, in pixels.
    """
    side, found = input_size, []
    for row in _TABLE.get(backbone, ()):
        for _ in range(row.halvings):
            side = (side + row.upward) // 2
        found.append(Block(row.name, row.detail, row.layer, side, row.channels))
    return tuple(found)


def head_steps(backbone: str, head: str, outputs: int) -> tuple[str, ...]:
    """What follows the backbone's last feature maps, step by step, in words."""
    last = f"Dense layer: {outputs} logit{'' if outputs == 1 else 's'}, one per finding"
    return (*filter(None, [_AFTER.get(backbone)]), *_HEADS.get(head, ()), last)
