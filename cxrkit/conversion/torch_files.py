"""The two file formats of `torch.save`: a pickle, and the blocks of numbers that it refers to."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxrkit.conversion.pickled import Builder, Named, Standin, read_pickle
from cxrkit.errors import ImportRefused, WeightsCorrupt

FETCH = "Fetch the file again and compare its size or checksum with the source's."
RESAVE = "Save the model's state_dict() with torch.save and import that."
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


@dataclass(frozen=True, eq=False)
class Storage:
    """A block of numbers, or the part of one from `start` on."""

    kind: str
    key: str
    count: int
    start: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(_TYPES[self.kind])


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor of the checkpoint before its numbers are read."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


# -- the two file formats ----------------------------------------------------------------------

Blocks = Callable[[Storage], bytes | memoryview]


def read_zip(raw: bytes) -> tuple[Any, Blocks]:
    """A checkpoint in a zip archive: its pickle's object, and how a block is read."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        names = archive.namelist()
        if any(name.endswith(("/constants.pkl", "/code/")) or "/code/" in name for name in names):
            raise ImportRefused("The file is a TorchScript program, not a checkpoint of weights.", RESAVE)
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsCorrupt("The archive is no checkpoint: it does not hold exactly one data.pkl.", FETCH)
        prefix = pickles[0].removesuffix("data.pkl")
        if prefix + "byteorder" in names and _member(archive, prefix + "byteorder") != b"little":
            raise ImportRefused("The checkpoint was written on a machine of another byte order.", RESAVE)
        root = read_pickle(io.BytesIO(_member(archive, pickles[0])), _BUILDERS, _persistent)
    except _ZIP_ERRORS as error:
        raise damaged(error) from None

    def block(storage: Storage) -> bytes:
        try:
            return _member(archive, f"{prefix}data/{storage.key}")
        except _ZIP_ERRORS as error:
            raise damaged(error) from None

    return root, block


_ZIP_ERRORS = (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member as PyTorch writes them, uncompressed: it cannot swell beyond the file that holds it."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise zipfile.BadZipFile
    return archive.read(name)


def read_stream(raw: bytes) -> tuple[Any, Blocks]:
    """A checkpoint of several pickles with the blocks behind them, as before PyTorch 1.6."""
    stream = io.BytesIO(raw)
    try:
        magic = read_pickle(stream, {})
    except WeightsCorrupt:
        magic = None
    if magic != _MAGIC or read_pickle(stream, {}) != _PROTOCOL:
        raise WeightsCorrupt("The file is no checkpoint of PyTorch.", FETCH)
    about = read_pickle(stream, {})
    if isinstance(about, dict) and about.get("little_endian", True) is not (sys.byteorder == "little"):
        raise ImportRefused("The checkpoint was written on a machine of another byte order.", RESAVE)
    kinds: dict[str, Storage] = {}

    def persistent(identifier: Any) -> Any:
        found = _persistent(identifier)
        if isinstance(found, Storage):
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
            raise damaged(None)
        length = int.from_bytes(size, "little") * storage.dtype.itemsize
        blocks[key] = view[place + 8 : place + 8 + length]
        place += 8 + length

    def block(storage: Storage) -> memoryview:
        if storage.key not in blocks:
            raise damaged(None)
        return blocks[storage.key]

    return root, block


def damaged(error: Exception | None) -> WeightsCorrupt:
    """The error of a checkpoint that contradicts itself."""
    kind = f" ({type(error).__name__})" if error is not None else ""
    return WeightsCorrupt(f"The checkpoint is damaged{kind}.", FETCH)


# -- what the pickle may build -----------------------------------------------------------------


def _persistent(identifier: Any) -> Any:
    """A storage; or of old files the class of a module, whose source text is not even looked at."""
    if isinstance(identifier, tuple) and identifier[:1] == ("module",) and len(identifier) == 4:
        return identifier[1]
    if not (isinstance(identifier, tuple) and identifier[:1] == ("storage",) and len(identifier) in (5, 6)):
        raise damaged(None)
    _, kind, key, _location, count, *rest = identifier
    name = kind.name.removesuffix("Storage") if isinstance(kind, Named) else ""
    if name not in _TYPES:
        raise ImportRefused("The checkpoint stores numbers in a format that is not read.", RESAVE)
    start = 0
    if rest and rest[0] is not None:  # part of another block: its own key, start and length
        _, start, count = rest[0]
    if not isinstance(key, str) or not all(_is_count(n) for n in (count, start)):
        raise damaged(None)
    return Storage(name, key, count, start)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48


def _tensor(arguments: tuple[Any, ...]) -> StoredTensor:
    storage, offset, shape, strides = arguments[:4]
    whole = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= 8
    if not (whole and isinstance(storage, Storage) and all(map(_is_count, (offset, *shape, *strides)))):
        raise damaged(None)
    return StoredTensor(storage, offset, shape, strides)


def _first(arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments and isinstance(arguments[0], StoredTensor) else Standin(None, arguments)


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
