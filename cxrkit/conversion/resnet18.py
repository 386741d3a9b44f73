"""torchvision's ResNet-18 as a backbone of cxrkit: the same layers under other names."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cxrkit.conversion.torch_checkpoint import read_checkpoint
from cxrkit.errors import WeightsMismatch

Floats = npt.NDArray[np.float32]
_NORM = ("weight", "bias", "running_mean", "running_var")


def read_resnet18(path: str | os.PathLike[str]) -> dict[str, list[Floats]]:
    """Read a checkpoint of torchvision's ResNet-18; its classifier is left out.

    Returns
    -------
    dict
        Layer of cxrkit's ``resnet18`` -> its arrays, convolutions as (height, width, in, out).

    Raises
    ------
    WeightsMissing, WeightsCorrupt
        The file cannot be read; see `cxrkit.conversion.torch_checkpoint.read_checkpoint`.
    WeightsMismatch
        It lacks a layer, or holds one that ResNet-18 has not.
    """
    arrays = read_checkpoint(path).arrays
    layers: dict[str, list[Floats]] = {}
    wanted = {"fc.weight", "fc.bias"}
    for ours, conv, norm in _names():
        names = [f"{conv}.weight", *(f"{norm}.{part}" for part in _NORM)]
        for name in names:
            if name not in arrays:
                raise WeightsMismatch(
                    f"The checkpoint has no {name}, which a ResNet-18 of torchvision has.",
                    "Give torchvision's own checkpoint of ResNet-18.",
                )
        kernel, *normalisation = (np.asarray(arrays[name], dtype=np.float32) for name in names)
        layers[f"{ours}_conv"] = [kernel.transpose(2, 3, 1, 0)]
        layers[f"{ours}_bn"] = normalisation
        wanted |= {*names, f"{norm}.num_batches_tracked"}
    if other := sorted(set(arrays) - wanted):
        raise WeightsMismatch(
            f"The checkpoint has {other[0]}, which a ResNet-18 of torchvision has not.",
            "Give torchvision's own checkpoint of ResNet-18.",
        )
    return layers


def _names() -> Iterator[tuple[str, str, str]]:
    """Our prefix, and torchvision's names of the convolution and of its normalisation."""
    yield "stem", "conv1", "bn1"
    for stage in (1, 2, 3, 4):
        for block in (1, 2):
            ours, theirs = f"stage{stage}_block{block}", f"layer{stage}.{block - 1}"
            for number in (1, 2):
                yield f"{ours}_{number}", f"{theirs}.conv{number}", f"{theirs}.bn{number}"
            if block == 1 and stage > 1:
                yield f"{ours}_0", f"{theirs}.downsample.0", f"{theirs}.downsample.1"
