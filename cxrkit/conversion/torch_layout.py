"""From a DenseNet-121 in torchvision's layout to the layers of this project's network, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxrkit.conversion.torch_checkpoint import Checkpoint
from cxrkit.errors import ImportRefused, WeightsCorrupt, WeightsMismatch

Floats = npt.NDArray[np.float32]

_EPSILON, _KERAS_EPSILON = 1e-5, 1.001e-5
_LEAVES = frozenset(
    [
        "Conv2d",
        "BatchNorm2d",
        "ReLU",
        "MaxPool2d",
        "AvgPool2d",
        "AdaptiveAvgPool2d",
        "Linear",
        "Sigmoid",
        "Dropout",
        "Identity",
    ]
)
_ARCHITECTURE = "Give a checkpoint of a DenseNet-121 in torchvision's layout."
_KNOWN_BEFORE = re.compile(r"^(?P<before>(?:\w+\.)*?)(?P<name>(?:features|classifier)\..+)$")
_DOTTED = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.")
_WIDTHS = (64, 128, 256, 512)  # channels at the start of each block
_BLOCKS = (6, 12, 24, 16)


@dataclass(frozen=True)
class TorchDenseNet:
    """The weights of a DenseNet-121 in both layouts.

    Attributes
    ----------
    state
        Name as torchvision's today -> array as stored; a state dict for
        `cxrkit.conversion.torch_network.densenet121`.
    channels
        Of the input: 1 or 3.
    outputs
        Number of logits.
    """

    state: dict[str, Floats]
    channels: int
    outputs: int

    def layers(self, columns: Sequence[int]) -> dict[str, list[Floats]]:
        """Arrays for `cxrkit.model.checkpoints.assign`, with these outputs in this order."""
        found: dict[str, list[Floats]] = {}
        for source, target, _ in _parts():
            weight = self.state[f"{source}.weight"]
            if weight.ndim == 4:
                found[target] = [np.ascontiguousarray(weight.transpose(2, 3, 1, 0))]
            elif weight.ndim == 2:
                kept = list(columns)
                found[target] = [np.ascontiguousarray(weight[kept].T), self.state[f"{source}.bias"][kept]]
            else:
                # PyTorch divides by sqrt(var + 1e-5), this project's network by sqrt(var + 1.001e-5): the
                # difference goes into the stored variance, so that both give the same.
                variance = self.state[f"{source}.running_var"].astype(np.float64) + _EPSILON - _KERAS_EPSILON
                found[target] = [
                    weight,
                    self.state[f"{source}.bias"],
                    self.state[f"{source}.running_mean"],
                    np.maximum(variance, 0.0).astype(np.float32),
                ]
        if self.channels == 1:
            # three equal channels, a third of the kernel for each: their sum is the one-channel convolution
            stem = found["conv1_conv"][0].astype(np.float64) / 3
            found["conv1_conv"] = [np.repeat(stem, 3, axis=2).astype(np.float32)]
        return found


def read_densenet(checkpoint: Checkpoint) -> TorchDenseNet:
    """Check a checkpoint against the architecture, name by name, and take its weights.

    Takes any prefix before ``features`` and ``classifier`` (``module.``, ``densenet121.`` ...), the dotted
    names of older versions (``norm.1``), and a classifier that is a linear layer with or without a
    sigmoid behind it.

    Raises
    ------
    WeightsMismatch
        Naming the array that is missing, has another shape, or belongs to no DenseNet-121.
    WeightsCorrupt
        Naming the array that holds NaN or infinity.
    ImportRefused
        A whole module has parts or settings that this architecture does not have.
    """
    _check_parts(checkpoint)
    named = _canonical(checkpoint)
    stem, classifier = named.get("features.conv0.weight"), named.get("classifier.weight")
    channels = stem.shape[1] if stem is not None and stem.ndim == 4 else 3
    outputs = classifier.shape[0] if classifier is not None and classifier.ndim == 2 else 0
    if channels not in (1, 3):
        raise WeightsMismatch(f"The first layer takes {channels} channels; only 1 and 3 are known.", _ARCHITECTURE)
    state: dict[str, Floats] = {}
    for source, _, shape in _parts(channels, outputs):
        for name, expected in _arrays(source, shape):
            if name not in named:
                raise WeightsMismatch(f"The checkpoint lacks {name}.", _ARCHITECTURE)
            array = named.pop(name)
            if array.shape != expected:
                raise WeightsMismatch(
                    f"{name} of the checkpoint has the shape {array.shape}, a DenseNet-121 needs {expected}.",
                    _ARCHITECTURE,
                )
            if array.dtype.kind != "f":
                raise WeightsMismatch(f"{name} of the checkpoint holds no floating-point numbers.", _ARCHITECTURE)
            state[name] = array.astype(np.float32)
            if not np.isfinite(state[name]).all():
                raise WeightsCorrupt(f"{name} of the checkpoint holds NaN or infinity.", "Fetch the file again.")
    if named:
        raise WeightsMismatch(f"The checkpoint holds {sorted(named)[0]}, which no DenseNet-121 has.", _ARCHITECTURE)
    return TorchDenseNet(state, channels, outputs)


def _canonical(checkpoint: Checkpoint) -> dict[str, npt.NDArray[np.generic]]:
    named: dict[str, npt.NDArray[np.generic]] = {}
    prefixes = set()
    for stored, array in checkpoint.arrays.items():
        last = stored.rpartition(".")[2]
        if last in ("num_batches_tracked", "op_threshs"):  # counters, and thresholds, which are no weights
            continue
        match = _KNOWN_BEFORE.match(stored)
        name = match["name"] if match else stored
        prefixes.add(match["before"] if match else "")
        name = _DOTTED.sub(r"\1\2.", name)
        name = re.sub(r"^classifier\.0\.", "classifier.", name)
        if name in named:
            raise WeightsMismatch(f"The checkpoint holds {name} twice.", _ARCHITECTURE)
        named[name] = array
    if len(prefixes) > 1:
        raise WeightsMismatch("The checkpoint holds more than one network.", _ARCHITECTURE)
    return named


def _check_parts(checkpoint: Checkpoint) -> None:
    """Of a whole module: that what carries no weights is what the architecture has in its place."""
    for name, kind in checkpoint.parts.items():
        if kind not in _LEAVES:
            raise ImportRefused(f"The part {name} of the module is a {kind}, which no DenseNet-121 has.", _ARCHITECTURE)
        epsilon = checkpoint.numbers[name].get("eps")
        if kind == "BatchNorm2d" and not (epsilon is not None and 0.99999e-5 < epsilon < 1.00001e-5):
            shown = f"{epsilon:g}" if isinstance(epsilon, float) else "another epsilon"
            raise ImportRefused(f"The part {name} of the module normalises with {shown}, not 1e-5.", _ARCHITECTURE)


def _parts(channels: int = 3, outputs: int = 1) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Layers with weights: name in torchvision, name here, and shape of the array ``weight``."""
    yield "features.conv0", "conv1_conv", (64, channels, 7, 7)
    yield "features.norm0", "conv1_bn", (64,)
    for block, (width, layers) in enumerate(zip(_WIDTHS, _BLOCKS, strict=True), start=1):
        for layer in range(1, layers + 1):
            there = f"features.denseblock{block}.denselayer{layer}."
            here = f"conv{block + 1}_block{layer}_"
            yield there + "norm1", here + "0_bn", (width,)
            yield there + "conv1", here + "1_conv", (128, width, 1, 1)
            yield there + "norm2", here + "1_bn", (128,)
            yield there + "conv2", here + "2_conv", (32, 128, 3, 3)
            width += 32
        if block < len(_BLOCKS):
            there, here = f"features.transition{block}.", f"pool{block + 1}_"
            yield there + "norm", here + "bn", (width,)
            yield there + "conv", here + "conv", (width // 2, width, 1, 1)
    yield "features.norm5", "bn", (1024,)
    yield "classifier", "logits", (outputs, 1024)


def _arrays(source: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The arrays of a layer, by the shape of its ``weight``."""
    yield f"{source}.weight", shape
    if len(shape) == 2:
        yield f"{source}.bias", shape[:1]
    elif len(shape) == 1:
        for name in ("bias", "running_mean", "running_var"):
            yield f"{source}.{name}", shape
