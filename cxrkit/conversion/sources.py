"""What an imported network is before it becomes ours: its outputs, its weights by layer, its own logits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cxrkit.conversion.kinds import Kind
from cxrkit.conversion.naming import ORDER, settle_findings
from cxrkit.errors import ImportRefused, WeightsMissing
from cxrkit.model.checkpoints import Arrays

Floats = npt.NDArray[np.float32]
S4_BACKBONE = "densenet121"
Logits = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Source:
    """A network as its file holds it, without the outputs that have no name.

    Attributes
    ----------
    findings
        In the order of the outputs.
    backbone, head
        Of this project's table.
    layers
        Name -> arrays; dense layers may have names of their own.
    logits
        The source network itself: (n, S, S, 3) -> (n, findings), logits.
    thresholds
        On the probability, which the file holds itself; NaN for none, empty for no thresholds.
    rounded
        Whether `logits` are log-odds of probabilities, and so coarse where these are near 1.
    """

    findings: tuple[str, ...]
    backbone: str
    head: str
    layers: dict[str, Arrays]
    logits: Logits
    thresholds: tuple[float, ...] = ()
    rounded: bool = False


def open_torch(path: str | os.PathLike[str], kind: Kind, findings: Sequence[str] | None) -> Source:
    """A checkpoint of PyTorch; reads and checks it before PyTorch is needed.

    Raises
    ------
    WeightsMissing, WeightsCorrupt, WeightsMismatch, ImportRefused
        Of the file, or of the order of the findings.
    ExtraMissing
        PyTorch is not installed, so that the source network cannot be run.
    """
    from cxrkit.conversion.torch_checkpoint import read_checkpoint
    from cxrkit.conversion.torch_layout import read_densenet

    checkpoint = read_checkpoint(path)
    densenet = read_densenet(checkpoint)
    if kind.channels is not None and densenet.channels != kind.channels:
        raise ImportRefused(
            f"The network takes {densenet.channels} channels, one of kind {kind.name} takes {kind.channels}.",
            "Choose another --kind.",
        )
    own = None if checkpoint.outputs is None else tuple(name.replace(" ", "_") for name in checkpoint.outputs)
    names = settle_findings(densenet.outputs, kind.findings, findings, own)
    columns = [place for place, name in enumerate(names) if name]
    from cxrkit.conversion.torch_source import torch_logits

    return Source(
        findings=tuple(names[place] for place in columns),
        backbone="densenet121",
        head="gap-dense",
        layers=densenet.layers(columns),
        logits=lambda images: torch_logits(densenet, images)[:, columns],
        thresholds=_stored_thresholds(checkpoint.arrays, columns, densenet.outputs),
    )


def _stored_thresholds(
    arrays: Mapping[str, npt.NDArray[np.generic]], columns: Sequence[int], outputs: int
) -> tuple[float, ...]:
    stored = next((array for name, array in arrays.items() if name.rpartition(".")[2] == "op_threshs"), None)
    if stored is None:
        return ()
    values = np.asarray(stored, dtype=np.float64)
    if values.shape != (outputs,) or not (np.isnan(values) | ((values >= 0) & (values <= 1))).all():
        raise ImportRefused("The thresholds in the checkpoint do not fit its outputs.", "Import the state dict alone.")
    return tuple(float(values[place]) for place in columns)


def open_keras(
    path: str | os.PathLike[str],
    kind: Kind,
    findings: Sequence[str] | None,
    *,
    size: int,
    backbone: str | None = None,
    head: str | None = None,
) -> Source:
    """A file of Keras or the folder of a SavedModel; see `open_torch` for the errors."""
    from cxrkit.conversion.keras_source import (
        check_description,
        description,
        find_backbone,
        read_weights,
        read_whole,
    )
    from cxrkit.model.checkpoints import read_layers

    file = Path(path)
    if not file.exists():
        raise WeightsMissing("The file to import does not exist.", "Check the path that was given.")
    own: tuple[str, ...] | None = None
    logits: Logits | None = None
    if file.is_dir():
        from cxrkit.conversion.saved_model import SavedModelSource

        model = SavedModelSource(file)
        layers, logits = model.layers, model.logits
    elif (described := description(file)) and kind.name != "s4":
        whole = read_whole(file)
        layers, logits = whole.layers, whole.logits
    else:
        check_description(described)
        layers, stored = read_layers(file)
        own = None if stored is None else tuple(stored)
    outputs = _outputs(layers)
    names = settle_findings(outputs, kind.findings, findings, own)
    if "" in names:
        raise ImportRefused("An output without a name cannot be left out of a network of Keras.", ORDER)
    backbone = backbone or (S4_BACKBONE if kind.name == "s4" else find_backbone(layers))
    head = head or ("gap-dense" if _dense_layers(layers) == 1 else "dense-stack")
    if logits is None:
        logits = read_weights(file, backbone, head, outputs, size).logits
    return Source(names, backbone, head, layers, logits, rounded=file.is_dir())


def _dense_layers(layers: dict[str, Arrays]) -> int:
    return sum(arrays[0].ndim == 2 for arrays in layers.values())


def _outputs(layers: dict[str, Arrays]) -> int:
    """Outputs of the last dense layer: the one whose output no other dense layer takes."""
    shapes = [arrays[0].shape for arrays in layers.values() if arrays[0].ndim == 2]
    last = [columns for _, columns in shapes if columns not in {rows for rows, _ in shapes}]
    if len(last) != 1:
        raise ImportRefused("The file does not hold one chain of dense layers.", "Check which network it is of.")
    return int(last[0])
