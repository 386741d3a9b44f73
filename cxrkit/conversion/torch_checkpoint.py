"""PyTorch's checkpoint files as data: arrays by name out of either file format, without PyTorch.

A checkpoint is a pickle that refers to blocks of numbers stored beside it: as members of a zip archive
(since PyTorch 1.6), or behind the pickle in the same stream (before). Both are read here with
`cxrkit.conversion.pickled`, so nothing in a checkpoint is ever executed. Whole pickled modules are read
through the stand-ins of their parts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrkit.conversion.pickled import Standin
from cxrkit.conversion.torch_files import FETCH, RESAVE, Blocks, StoredTensor, damaged, read_stream, read_zip
from cxrkit.errors import ImportRefused, WeightsCorrupt, WeightsMissing

Array = npt.NDArray[np.generic]
LARGEST = 4 * 2**30
"""Bytes of a checkpoint that are accepted; the largest DenseNet has 0.12 GB."""

_NESTED = ("state_dict", "model_state_dict", "model", "net", "module")
_MOST_ENTRIES, _LONGEST_NAME = 200_000, 500


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes
    ----------
    arrays
        Name -> parameter or buffer, as in a state dict.
    parts
        Of a whole pickled module: name of each part without parts of its own -> name of its class.
        Empty for a state dict.
    numbers
        Of a whole pickled module: name of a part -> its plain numeric attributes.
    outputs
        Names of the outputs that a whole pickled module carries, or None.
    """

    arrays: dict[str, Array]
    parts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, dict[str, float]] = field(default_factory=dict)
    outputs: tuple[str, ...] | None = None


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint file of PyTorch, of any version since 0.2.

    Raises
    ------
    WeightsMissing
        There is no such file.
    WeightsCorrupt
        It is damaged, contradicts itself, or is no checkpoint.
    ImportRefused
        It is of a kind that is not read: TorchScript, or the archive of PyTorch before 0.1.10.
    """
    file = Path(path)
    if not file.is_file():
        raise WeightsMissing("The checkpoint does not exist.", "Check the path that was given.")
    if file.stat().st_size > LARGEST:
        raise ImportRefused("The checkpoint is larger than any that is read (4 GiB).", RESAVE)
    raw = file.read_bytes()
    if raw[:4] == b"PK\x03\x04":
        root, blocks = read_zip(raw)
    elif raw[257:262] == b"ustar":
        raise ImportRefused("The checkpoint is an archive of PyTorch before 0.1.10, which is not read.", RESAVE)
    else:
        root, blocks = read_stream(raw)
    return _Collector(blocks, 2 * len(raw)).collect(_model_within(root))


# -- from the pickle's objects to arrays -------------------------------------------------------


def _model_within(root: Any) -> Any:
    """The state dict or the module of a checkpoint, which may lie in a dictionary with other things."""
    for _ in range(4):
        if isinstance(root, Standin) and isinstance(root.state.get("_modules"), dict):
            return root
        if not isinstance(root, dict):
            break
        if any(isinstance(value, StoredTensor) for value in root.values()) and not any(
            isinstance(root.get(key), (dict, Standin)) for key in _NESTED
        ):
            return root
        root = next((root[key] for key in _NESTED if isinstance(root.get(key), (dict, Standin))), None)
    raise WeightsCorrupt("The checkpoint holds neither a state dict nor a module.", RESAVE)


class _Collector:
    """Reads the tensors of a state dict or a module."""

    def __init__(self, blocks: Blocks, most: int) -> None:
        self._blocks = blocks
        self._left = most  # bytes: many names for one block must not fill the memory
        self._unread = most  # nor must many blocks that lie over each other in the file
        self._read: dict[str, bytes | memoryview] = {}

    def collect(self, model: dict[Any, Any] | Standin) -> Checkpoint:
        if isinstance(model, dict):
            return Checkpoint({name: self._array(t) for name, t in _tensors(model)})
        arrays: dict[str, Array] = {}
        parts: dict[str, str] = {}
        numbers: dict[str, dict[str, float]] = {}
        for name, part in _walk(model):
            prefix = name + "." if name else ""
            for kind in ("_parameters", "_buffers"):
                for own, tensor in _tensors(part.state.get(kind)):
                    arrays[prefix + own] = self._array(tensor)
            if not part.state.get("_modules"):
                parts[name] = part.path.rpartition(".")[2]
            numbers[name] = {key: value for key, value in part.state.items() if type(value) in (int, float)}
        return Checkpoint(arrays, parts, numbers, _outputs(model))

    def _array(self, tensor: StoredTensor) -> Array:
        storage, item = tensor.storage, tensor.storage.dtype.itemsize
        if storage.key not in self._read:
            self._read[storage.key] = self._blocks(storage)
            self._unread -= len(self._read[storage.key])
            if self._unread < 0:
                raise damaged(None)
        block = self._read[storage.key]
        last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
        count = math.prod(tensor.shape)
        if count and (last >= storage.count or (storage.start + storage.count) * item > len(block)):
            raise damaged(None)
        self._left -= count * item
        if count > storage.count or self._left < 0:  # one number spread over a huge array: no weights are stored so
            raise damaged(None)
        if not count:
            if math.prod(n or 1 for n in tensor.shape) > _MOST_ENTRIES:
                raise damaged(None)
            return np.zeros(tensor.shape, storage.dtype)
        flat = np.frombuffer(block, storage.dtype, storage.count, storage.start * item)
        strides = [s * item for s in tensor.strides]
        array = np.array(np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides, writeable=False))
        return (array.astype(np.uint32) << 16).view(np.float32) if storage.kind == "BFloat16" else array


def _tensors(values: Any) -> Iterator[tuple[str, StoredTensor]]:
    for name, value in values.items() if isinstance(values, Mapping) else ():
        if isinstance(name, str) and isinstance(value, StoredTensor):
            _check_name(name)
            yield name, value


def _check_name(name: str) -> None:
    if len(name) > _LONGEST_NAME:
        raise WeightsCorrupt("A name in the checkpoint is longer than any of a network.", FETCH)


def _walk(model: Standin) -> Iterator[tuple[str, Standin]]:
    """All parts of a module by their dotted names, itself first; a part that holds itself is refused."""
    waiting, seen = [("", model)], 0
    while waiting:
        name, part = waiting.pop()
        _check_name(name)
        inside = [part.state, *(part.state.get(key) for key in ("_modules", "_parameters", "_buffers"))]
        seen += 1 + sum(len(entries) for entries in inside if isinstance(entries, dict))
        if seen > _MOST_ENTRIES or name.count(".") > 30:
            raise WeightsCorrupt("The module in the checkpoint has more parts than any network.", FETCH)
        yield name, part
        children = part.state.get("_modules")
        for key, child in reversed(children.items()) if isinstance(children, dict) else ():
            if isinstance(key, str) and isinstance(child, Standin):
                _check_name(key)
                waiting.append((f"{name}.{key}" if name else key, child))


def _outputs(model: Standin) -> tuple[str, ...] | None:
    """Names of the outputs, which TorchXRayVision keeps in its modules."""
    for key in ("pathologies", "targets"):
        names = model.state.get(key)
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return None
