"""Weights in and out: ImageNet backbones and fine-tuned networks, never silently incomplete."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt

from cxrkit.data.public_weights import IMAGENET, keras_models, own_backbone
from cxrkit.errors import WeightsCorrupt, WeightsMismatch, WeightsMissing
from cxrkit.model.backbones import backbone_row
from cxrkit.model.hdf5 import Room, open_weights
from cxrkit.model.network import backbone_layers
from cxrkit.preset import Preset
from cxrkit.preset_folders import verified_weights

Arrays = list[npt.NDArray[np.float32]]
_FINDINGS = "cxrkit_findings"


def save_weights(
    network: keras.Model, path: str | os.PathLike[str], findings: Sequence[str], *, exact: bool = False
) -> None:
    """Write a network in Keras' ``.weights.h5`` form, with the order of its findings inside.

    Convolution and dense kernels are stored in float16 (the training's own bfloat16 is coarser), which
    halves the file; batch normalisation and biases stay in float32. `exact` keeps all of them in float32.
    Written in one step.
    """
    target = Path(path)
    temporary = target.with_name("writing-" + target.name)
    inference = keras.Model(network.inputs, network.outputs)  # leaves an optimiser's state behind
    inference.save_weights(temporary)
    compact = target.with_name("compact-" + target.name)
    with h5py.File(temporary, "r") as source, h5py.File(compact, "w") as out:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                value = item[()]
                kernel = value.dtype == np.float32 and value.ndim > 1
                halve = kernel and not exact and float(np.abs(value).max()) < 6e4
                out.create_dataset(name, data=value.astype(np.float16) if halve else value)
            else:
                out.require_group(name).attrs.update(item.attrs)

        source.visititems(copy)
        out.attrs.update(source.attrs)
        out.attrs[_FINDINGS] = json.dumps(list(findings))
    temporary.unlink()
    compact.replace(target)


def load_fine_tuned(network: keras.Model, preset: Preset) -> None:
    """Load the verified weights of a preset into its network, complete or not at all.

    Raises
    ------
    WeightsMissing, WeightsCorrupt
        The file is missing, or is not the one that the card names.
    WeightsMismatch
        The file was written for other findings, another order of findings or another network.
    """
    load_layers(network, verified_weights(preset), preset.findings)


def load_layers(network: keras.Model, path: Path, findings: Sequence[str] = ()) -> None:
    """Load a file that was verified into a network; with findings, the file must name these, in this order.

    Raises
    ------
    WeightsMismatch
        As for `load_fine_tuned`.
    """
    arrays, stored = read_layers(path)
    if findings:
        _check_findings(path.name, stored, findings)
    assign(network, arrays, file=path.name)


def _check_findings(file: str, stored: Sequence[str] | None, expected: Sequence[str]) -> None:
    remedy = "Use the card and the weights of one and the same preset."
    if stored is None:
        raise WeightsMismatch(f"The weights file {file} does not say which findings it predicts.", remedy)
    if len(stored) != len(expected):
        raise WeightsMismatch(
            f"The weights file {file} predicts {len(stored)} findings, the card lists {len(expected)}.", remedy
        )
    for place, (a, b) in enumerate(zip(stored, expected, strict=True), start=1):
        if a != b:
            raise WeightsMismatch(
                f"Output {place} of the weights file {file} is {a}, but the card says {b}: the order differs.", remedy
            )


def load_imagenet(network: keras.Model, backbone: str, path: str | os.PathLike[str] | None = None) -> None:
    """Load ImageNet weights into the backbone of a network; the head stays as it is.

    Parameters
    ----------
    network
        From `cxrkit.model.network.build_network`.
    backbone
        Its name in the table.
    path
        A local file in Keras' ``.h5``, ``.hdf5`` or ``.weights.h5`` form. None lets Keras take its own
        file, from its cache or from the network; for a backbone that Keras lacks, the file that
        ``fetch_weights.py imagenet`` has put beside them.

    Raises
    ------
    WeightsMissing, WeightsCorrupt, WeightsMismatch
        Naming the file, and the layer where one differs. The network is then unchanged.
    """
    row = backbone_row(backbone)
    names = {layer.name for layer in backbone_layers(network) if layer.weights}
    if path is None:
        arrays, file = _published(row.application, backbone), "of Keras with ImageNet weights"
    else:
        arrays, file = read_layers(path)[0], Path(path).name
        if row.application is not None and not file.endswith(".weights.h5") and not names <= set(arrays):
            arrays = _in_order(arrays, row.application)
    assign(network, arrays, file=file, only=names)


def _application(name: str, weights: str | None) -> dict[str, Arrays]:
    """The arrays of one of Keras' own networks without its top, by layer in its order."""
    model = getattr(keras.applications, name)(include_top=False, weights=weights, input_shape=(224, 224, 3))
    return {layer.name: [np.asarray(w) for w in layer.get_weights()] for layer in model.layers if layer.weights}


def _published(application: str | None, backbone: str) -> dict[str, Arrays]:
    if application is None:
        fetched = keras_models() / own_backbone(backbone)
        if fetched.is_file():
            return read_layers(fetched)[0]
        fetchable = f"Run: python scripts/fetch_weights.py imagenet --backbone {backbone}. Or give"
        raise WeightsMissing(
            f"Keras publishes no ImageNet weights for {backbone}.",
            f"{fetchable if backbone in IMAGENET else 'Give'} a file written by Keras' save_weights for cxrkit's"
            f" {backbone} with --imagenet FILE,"
            " or train with --imagenet none.",
        )
    try:
        return _application(application, "imagenet")
    except Exception as error:  # Keras raises a bare Exception when its download fails
        raise WeightsMissing(
            f"The ImageNet weights of {backbone} could not be downloaded ({type(error).__name__}).",
            f"Run: python scripts/fetch_weights.py imagenet --backbone {backbone}. Or place Keras' own file in"
            " the folder .keras/models of your home folder, or give it with --imagenet FILE, or train"
            " with --imagenet none.",
        ) from None


def _in_order(arrays: dict[str, Arrays], application: str) -> dict[str, Arrays]:
    """Name the layers of an older file after those of Keras' own network, where all their shapes agree in turn.

    Keras reads these files by position, for the one that it publishes for MobileNetV2 has other names inside.
    """
    own = _application(application, None)
    agree = [[w.shape for w in a] for a in own.values()] == [[w.shape for w in a] for a in arrays.values()]
    return dict(zip(own, arrays.values(), strict=True)) if agree else arrays


def read_layers(path: str | os.PathLike[str]) -> tuple[dict[str, Arrays], list[str] | None]:
    """Read the arrays of every layer by its name, and the findings where the file names them.

    Understands Keras 3's ``.weights.h5`` and the older ``.h5``/``.hdf5`` (weights alone, or whole model).

    Raises
    ------
    WeightsMissing, WeightsCorrupt
    """
    file = Path(path)
    if not file.is_file():
        raise WeightsMissing(f"The weights file {file.name} does not exist.", "Check the path that was given.")
    try:
        with open_weights(file) as h5:
            findings = _stored_findings(h5)
            root, room = h5.get("model_weights", h5), Room(file)
            legacy = "layer_names" in root.attrs
            arrays = dict(_legacy_layers(root, room)) if legacy else dict(_keras3_layers(h5, room))
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise WeightsCorrupt(
            f"The weights file {file.name} cannot be read: it is truncated or is not HDF5 ({type(error).__name__}).",
            "Fetch the file again and compare its size or checksum with the source's.",
        ) from None
    if not arrays:
        raise WeightsCorrupt(
            f"The weights file {file.name} holds no layers.", "Give a file written by Keras' save_weights or save."
        )
    return arrays, findings


def _stored_findings(h5: Any) -> list[str] | None:
    stored = h5.attrs.get(_FINDINGS)
    names = None if stored is None else json.loads(stored)
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError("the findings are no list of names")
    return names


def _legacy_layers(root: Any, room: Room) -> Iterator[tuple[str, Arrays]]:
    for raw in root.attrs["layer_names"]:
        name = raw.decode() if isinstance(raw, bytes) else str(raw)
        group = root[name]
        weights = [w.decode() if isinstance(w, bytes) else str(w) for w in group.attrs["weight_names"]]
        if weights:  # "conv1/bn" of old files is "conv1_bn" today
            yield name.replace("/", "_"), [room.read(group[w]) for w in weights]


def _keras3_layers(h5: Any, room: Room) -> Iterator[tuple[str, Arrays]]:
    for path, group in h5["layers"].items():
        stored = group.get("vars")
        if stored is not None and len(stored):
            name = stored.attrs.get("name", group.attrs.get("name", path))
            yield str(name), [room.read(stored[str(i)]) for i in range(len(stored))]


def assign(network: keras.Model, arrays: Mapping[str, Arrays], *, file: str, only: set[str] | None = None) -> None:
    """Set the weights of a network's layers by name, after all of them were checked.

    Raises
    ------
    WeightsMismatch
        A layer is missing in `arrays` or has other shapes; nothing was changed.
    """
    remedy = "Give the weights of this very architecture."
    layers = [layer for layer in network.layers if layer.weights and (only is None or layer.name in only)]
    for layer in layers:
        if layer.name not in arrays:
            raise WeightsMismatch(f"The weights file {file} has no layer {layer.name!r}.", remedy)
        expected = [tuple(w.shape) for w in layer.weights]
        stored = [a.shape for a in arrays[layer.name]]
        if expected != stored:
            raise WeightsMismatch(
                f"Layer {layer.name!r} of the weights file {file} has shapes {stored}, the network needs {expected}.",
                remedy,
            )
        if not all(np.isfinite(a).all() for a in arrays[layer.name]):
            raise WeightsCorrupt(f"Layer {layer.name!r} of the weights file {file} holds NaN or infinity.", remedy)
    for layer in layers:
        layer.set_weights(arrays[layer.name])
