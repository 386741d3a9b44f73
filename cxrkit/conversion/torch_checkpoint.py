"""PyTorch's checkpoint files as data: arrays by name out of either file format, without PyTorch.

A checkpoint is a pickle that refers to blocks of numbers stored beside it: as members of a zip archive
(since PyTorch 1.6), or behind the pickle in the same stream (before). Both are read here with
`cxrkit.conversion.pickled`, so nothing in a checkpoint is ever executed. Whole pickled modules are read
through the stand-ins of their parts.
"""

from __future__ import annotations

import io
import math
import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrkit.conversion.pickled import Builder, Named, Standin, read_pickle
from cxrkit.errors import ImportRefused, WeightsCorrupt, WeightsMissing

Array = npt.NDArray[np.generic]
LARGEST = 4 * 2**30
"""Bytes of a checkpoint that are accepted; the largest DenseNet has 0.12 GB."""

_FETCH = "Fetch the file again and compare its size or checksum with the source's."
_RESAVE = "Save the model's state_dict() with torch.save and import that."
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_TYPES = {
    "Float": np.float32,
    "Double": np.float64,
    "Half": np.float16,
    "BFloat16": np.uint16,  # widened below: numpy has no such type
    "Long": np.int64,
    "Int": np.int32,
    "Short": np.int16,
    "Char": np.int8,
    "Byte": np.uint8,
    "Bool": np.bool_,
}
_NESTED = ("state_dict", "model_state_dict", "model", "net", "module")
_MOST_PARTS = 20_000


@dataclass(frozen=True, eq=False)
class _Storage:
    """A block of numbers, or the part of one from `start` on."""

    kind: str
    key: str
    count: int
    start: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(_TYPES[self.kind])


@dataclass(frozen=True, eq=False)
class _Tensor:
    """A tensor of the checkpoint before its numbers are read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


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
        raise ImportRefused("The checkpoint is larger than any that is read (4 GiB).", _RESAVE)
    raw = file.read_bytes()
    if raw[:4] == b"PK\x03\x04":
        root, blocks = _read_zip(raw)
    elif raw[257:262] == b"ustar":
        raise ImportRefused("The checkpoint is an archive of PyTorch before 0.1.10, which is not read.", _RESAVE)
    else:
        root, blocks = _read_stream(raw)
    return _Collector(blocks, 2 * len(raw)).collect(_model_within(root))


# -- the two file formats ----------------------------------------------------------------------

Blocks = Callable[[_Storage], bytes | memoryview]


def _read_zip(raw: bytes) -> tuple[Any, Blocks]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        names = archive.namelist()
        if any(name.endswith(("/constants.pkl", "/code/")) or "/code/" in name for name in names):
            raise ImportRefused("The file is a TorchScript program, not a checkpoint of weights.", _RESAVE)
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsCorrupt("The archive is no checkpoint: it does not hold exactly one data.pkl.", _FETCH)
        prefix = pickles[0].removesuffix("data.pkl")
        if prefix + "byteorder" in names and _member(archive, prefix + "byteorder") != b"little":
            raise ImportRefused("The checkpoint was written on a machine of another byte order.", _RESAVE)
        root = read_pickle(io.BytesIO(_member(archive, pickles[0])), _BUILDERS, _persistent)
    except _ZIP_ERRORS as error:
        raise _damaged(error) from None

    def block(storage: _Storage) -> bytes:
        try:
            return _member(archive, f"{prefix}data/{storage.key}")
        except _ZIP_ERRORS as error:
            raise _damaged(error) from None

    return root, block


_ZIP_ERRORS = (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member as PyTorch writes them, uncompressed: it cannot swell beyond the file that holds it."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise zipfile.BadZipFile
    return archive.read(name)


def _read_stream(raw: bytes) -> tuple[Any, Blocks]:
    stream = io.BytesIO(raw)
    try:
        magic = read_pickle(stream, {})
    except WeightsCorrupt:
        magic = None
    if magic != _MAGIC or read_pickle(stream, {}) != _PROTOCOL:
        raise WeightsCorrupt("The file is no checkpoint of PyTorch.", _FETCH)
    about = read_pickle(stream, {})
    if isinstance(about, dict) and about.get("little_endian", True) is not (sys.byteorder == "little"):
        raise ImportRefused("The checkpoint was written on a machine of another byte order.", _RESAVE)
    kinds: dict[str, _Storage] = {}

    def persistent(identifier: Any) -> Any:
        found = _persistent(identifier)
        if isinstance(found, _Storage):
            kinds.setdefault(found.key, found)
        return found

    root = read_pickle(stream, _BUILDERS, persistent)
    keys = read_pickle(stream, {})
    view, place = memoryview(raw), stream.tell()
    blocks: dict[str, memoryview] = {}
    for key in keys if isinstance(keys, list) else ():
        storage = kinds.get(key) if isinstance(key, str) else None
        size = raw[place : place + 8]
        if storage is None or len(size) != 8:
            raise _damaged(None)
        length = int.from_bytes(size, "little") * storage.dtype.itemsize
        blocks[key] = view[place + 8 : place + 8 + length]
        place += 8 + length

    def block(storage: _Storage) -> memoryview:
        if storage.key not in blocks:
            raise _damaged(None)
        return blocks[storage.key]

    return root, block


def _damaged(error: Exception | None) -> WeightsCorrupt:
    kind = f" ({type(error).__name__})" if error is not None else ""
    return WeightsCorrupt(f"The checkpoint is damaged{kind}.", _FETCH)


# -- what the pickle may build -----------------------------------------------------------------


def _persistent(identifier: Any) -> Any:
    """A storage; or of old files the class of a module, whose source text is not even looked at."""
    if isinstance(identifier, tuple) and identifier[:1] == ("module",) and len(identifier) == 4:
        return identifier[1]
    if not (isinstance(identifier, tuple) and identifier[:1] == ("storage",) and len(identifier) in (5, 6)):
        raise _damaged(None)
    _, kind, key, _location, count, *rest = identifier
    name = kind.name.removesuffix("Storage") if isinstance(kind, Named) else ""
    if name not in _TYPES:
        raise ImportRefused("The checkpoint stores numbers in a format that is not read.", _RESAVE)
    start = 0
    if rest and rest[0] is not None:  # part of another block: its own key, start and length
        _, start, count = rest[0]
    if not isinstance(key, str) or not all(_is_count(n) for n in (count, start)):
        raise _damaged(None)
    return _Storage(name, key, count, start)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48


def _tensor(arguments: tuple[Any, ...]) -> _Tensor:
    storage, offset, shape, strides = arguments[:4]
    whole = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= 8
    if not (whole and isinstance(storage, _Storage) and all(map(_is_count, (offset, *shape, *strides)))):
        raise _damaged(None)
    return _Tensor(storage, offset, shape, strides)


def _first(arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments and isinstance(arguments[0], _Tensor) else Standin(None, arguments)


def _dictionary(arguments: tuple[Any, ...]) -> Any:
    """An ordered dictionary, from nothing or from a list of pairs (as Python 2 wrote it)."""
    pairs = arguments[0] if arguments else []
    return {pair[0]: pair[1] for pair in pairs if isinstance(pair[0], str)}


_BUILDERS: dict[str, Builder] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch.autograd.variable.Variable": _first,
    "collections.OrderedDict": _dictionary,
    "torch.Size": lambda arguments: tuple(arguments[0]) if arguments else (),
}


# -- from the pickle's objects to arrays -------------------------------------------------------


def _model_within(root: Any) -> Any:
    """The state dict or the module of a checkpoint, which may lie in a dictionary with other things."""
    for _ in range(4):
        if isinstance(root, Standin) and isinstance(root.state.get("_modules"), dict):
            return root
        if not isinstance(root, dict):
            break
        if any(isinstance(value, _Tensor) for value in root.values()) and not any(
            isinstance(root.get(key), (dict, Standin)) for key in _NESTED
        ):
            return root
        root = next((root[key] for key in _NESTED if isinstance(root.get(key), (dict, Standin))), None)
    raise WeightsCorrupt("The checkpoint holds neither a state dict nor a module.", _RESAVE)


class _Collector:
    """Reads the tensors of a state dict or a module."""

    def __init__(self, blocks: Blocks, most: int) -> None:
        self._blocks = blocks
        self._left = most  # bytes: many names for one block must not fill the memory
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

    def _array(self, tensor: _Tensor) -> Array:
        storage, item = tensor.storage, tensor.storage.dtype.itemsize
        if storage.key not in self._read:
            self._read[storage.key] = self._blocks(storage)
        block = self._read[storage.key]
        last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
        count = math.prod(tensor.shape)
        if count and (last >= storage.count or (storage.start + storage.count) * item > len(block)):
            raise _damaged(None)
        self._left -= count * item
        if count > storage.count or self._left < 0:  # one number spread over a huge array: no weights are stored so
            raise _damaged(None)
        if not count:
            return np.zeros(tensor.shape, storage.dtype)
        flat = np.frombuffer(block, storage.dtype, storage.count, storage.start * item)
        strides = [s * item for s in tensor.strides]
        array = np.array(np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides, writeable=False))
        return (array.astype(np.uint32) << 16).view(np.float32) if storage.kind == "BFloat16" else array


def _tensors(values: Any) -> Iterator[tuple[str, _Tensor]]:
    for name, value in values.items() if isinstance(values, Mapping) else ():
        if isinstance(name, str) and isinstance(value, _Tensor):
            yield name, value


def _walk(model: Standin) -> Iterator[tuple[str, Standin]]:
    """All parts of a module by their dotted names, itself first; a part that holds itself is refused."""
    waiting, seen = [("", model)], 0
    while waiting:
        name, part = waiting.pop()
        seen += 1
        if seen > _MOST_PARTS or name.count(".") > 30:
            raise WeightsCorrupt("The module in the checkpoint has more parts than any network.", _FETCH)
        yield name, part
        children = part.state.get("_modules")
        for key, child in reversed(children.items()) if isinstance(children, dict) else ():
            if isinstance(key, str) and isinstance(child, Standin):
                waiting.append((f"{name}.{key}" if name else key, child))


def _outputs(model: Standin) -> tuple[str, ...] | None:
    """Names of the outputs, which TorchXRayVision keeps in its modules."""
    for key in ("pathologies", "targets"):
        names = model.state.get(key)
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return None
