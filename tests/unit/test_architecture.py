"""The drawn architecture is the network's own: every layer exists, and every size is right."""

from __future__ import annotations

import functools
import itertools

import keras
import pytest

from cxrkit.architecture import blocks, head_steps
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.network import HEADS, build_network


@functools.cache
def built(backbone: str, size: int) -> keras.Model:
    return BACKBONES[backbone].build(size)


# 75 leaves remainders at several halvings
@pytest.mark.parametrize(("backbone", "size"), [*((name, 75) for name in BACKBONES), ("densenet121", 224)])
def test_every_block_has_the_size_of_the_network(backbone: str, size: int) -> None:
    network = built(backbone, size)
    drawn = blocks(backbone, size)
    assert drawn
    for block in drawn:
        assert tuple(network.get_layer(block.layer).output.shape[1:]) == (block.side, block.side, block.channels)
    assert drawn[-1].layer == BACKBONES[backbone].feature_layer


def test_growth_of_dense_blocks_is_what_is_said() -> None:
    drawn = blocks("densenet121", 224)
    assert (drawn[-1].side, drawn[-1].channels) == (7, 1024)
    for before, block in itertools.pairwise(drawn):
        if block.name.startswith("Dense"):
            assert block.channels == before.channels + 32 * int(block.detail.split()[0])


def test_unknown_backbone_has_no_drawing() -> None:
    assert blocks("no such network", 224) == ()


@pytest.mark.parametrize("head", HEADS)
def test_head_is_told_as_it_is_built(head: str) -> None:
    steps = head_steps("cnn", head, 3)
    names = [layer.name for layer in build_network("cnn", 3, input_size=32, head=head).layers]
    assert steps[-1] == "Dense layer: 3 logits, one per finding"
    assert any("ropout" in step for step in steps) == any(name.startswith("dropout") for name in names)
    assert any("512" in step for step in steps) == ("dense1" in names)


def test_what_follows_the_feature_layer_is_told() -> None:
    for backbone, row in BACKBONES.items():
        names = [layer.name for layer in built(backbone, 75).layers]
        after = names[names.index(row.feature_layer) + 1 :]
        assert (len(head_steps(backbone, "gap-dense", 1)) == 3) == bool(after)
