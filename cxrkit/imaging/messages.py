"""Records as JSON and arrays, and back: by their types, so that nothing else can come of a message.

The process that decoded a hostile file may have been taken over by it. So its answer is no pickle, and whatever is not
exactly a record of the expected type is refused. Any frozen dataclass can travel whose fields are
text, numbers, truth values, literals, arrays, tuples, such records, or None.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from cxrkit.imaging.channel import Malformed

Array = npt.NDArray[Any]
Receive = Callable[[Array], None]
"""Fills an array with the next bytes of the channel."""


def plain(value: Any, arrays: list[Array]) -> Any:
    """A value as JSON knows it; its arrays are appended to `arrays`, and only their shapes stay."""
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return list(value.shape)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return [plain(item, arrays) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name), arrays) for field in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def record(words: Any, kind: Any, receive: Receive, most_items: int, most_bytes: int) -> Any:
    """A record out of what `plain` made of it.

    Parameters
    ----------
    words
        The JSON value.
    kind
        Its type: a dataclass, or a tuple of some.
    receive
        Called for each array, in the order in which they were sent, once its size has been checked.
    most_items, most_bytes
        Of any one array; of all arrays together.

    Raises
    ------
    Malformed
        `words` is no such record, or its arrays are larger.
    """
    return _reading(kind)(words, _Room(receive, most_items, most_bytes))


@dataclasses.dataclass
class _Room:
    """What arrays may still take."""

    receive: Receive
    most: int
    left: int


_Reading = Callable[[Any, _Room], Any]


@cache
def _reading(hint: Any) -> _Reading:
    """How a value of a type is made; finding that out takes longer than all the rest."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (kind,) = (argument for argument in arguments if argument is not types.NoneType)
        made = _reading(kind)
        return lambda words, room: None if words is None else made(words, room)
    if origin is Literal:
        return lambda words, _: words if isinstance(words, str) and words in arguments else _refuse()
    if origin is np.ndarray:
        dtype = np.dtype(get_args(arguments[1])[0])
        return lambda words, room: _array(words, dtype, room)
    if origin is tuple:
        return _tuple(arguments)
    if dataclasses.is_dataclass(hint):
        return _record(hint)
    if hint is float:
        return _number
    if hint in (str, bool, int):
        return lambda words, _: words if type(words) is hint else _refuse()
    return lambda *_: _refuse()


def _number(words: Any, _: _Room) -> float:
    if type(words) is int:
        words = float(words)
    return words if type(words) is float and math.isfinite(words) else _refuse()


def _array(words: Any, dtype: np.dtype[Any], room: _Room) -> Array:
    if not isinstance(words, list) or not 1 <= len(words) <= 4 or any(type(side) is not int for side in words):
        _refuse()
    items = math.prod(words)
    if min(words) < 0 or items > room.most or items * dtype.itemsize > room.left:
        _refuse()
    array = np.empty(words, dtype)
    room.left -= array.nbytes
    room.receive(array)
    array.setflags(write=False)
    return array


def _tuple(hints: tuple[Any, ...]) -> _Reading:
    of_any_length = len(hints) == 2 and hints[1] is Ellipsis
    made = tuple(_reading(hint) for hint in (hints[:1] if of_any_length else hints))

    def read(words: Any, room: _Room) -> tuple[Any, ...]:
        if not isinstance(words, list) or not (of_any_length or len(words) == len(made)):
            _refuse()
        each = made * len(words) if of_any_length else made
        return tuple(one(item, room) for one, item in zip(each, words, strict=True))

    return read


def _record(kind: Any) -> _Reading:
    hints = get_type_hints(kind)
    fields = [(field.name, _reading(hints[field.name])) for field in dataclasses.fields(kind)]
    names = {name for name, _ in fields}

    def read(words: Any, room: _Room) -> Any:
        if not isinstance(words, dict) or set(words) != names:
            _refuse()
        values = {name: made(words[name], room) for name, made in fields}
        try:
            return kind(**values)
        except (TypeError, ValueError):
            raise Malformed from None

    return read


def _refuse() -> Any:
    raise Malformed
