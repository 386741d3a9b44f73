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
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name), arrays) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain(item, arrays) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
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
    return _Reader(receive, most_items, most_bytes).value(words, kind)


class _Reader:
    def __init__(self, receive: Receive, most_items: int, most_bytes: int) -> None:
        self._receive, self._most, self._left = receive, most_items, most_bytes

    def value(self, words: Any, hint: Any) -> Any:
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            (kind,) = (argument for argument in arguments if argument is not types.NoneType)
            return None if words is None else self.value(words, kind)
        if origin is Literal:
            return words if words in arguments and isinstance(words, str) else _refuse()
        if origin is np.ndarray:
            return self._array(words, np.dtype(get_args(arguments[1])[0]))
        if origin is tuple:
            return self._tuple(words, arguments)
        if dataclasses.is_dataclass(hint):
            return self._record(words, hint)
        if hint is float and type(words) is int:
            words = float(words)
        if hint not in (str, bool, int, float) or type(words) is not hint:
            return _refuse()
        return words if hint is not float or math.isfinite(words) else _refuse()

    def _array(self, words: Any, dtype: np.dtype[Any]) -> Array:
        if not isinstance(words, list) or not 1 <= len(words) <= 4 or any(type(side) is not int for side in words):
            _refuse()
        items = math.prod(words)
        if min(words) < 0 or items > self._most or items * dtype.itemsize > self._left:
            _refuse()
        array = np.empty(words, dtype)
        self._left -= array.nbytes
        self._receive(array)
        array.setflags(write=False)
        return array

    def _tuple(self, words: Any, hints: tuple[Any, ...]) -> tuple[Any, ...]:
        if not isinstance(words, list):
            _refuse()
        if len(hints) == 2 and hints[1] is Ellipsis:
            hints = hints[:1] * len(words)
        if len(hints) != len(words):
            _refuse()
        return tuple(self.value(item, hint) for item, hint in zip(words, hints, strict=True))

    def _record(self, words: Any, kind: Any) -> Any:
        hints = _hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        if not isinstance(words, dict) or set(words) != set(names):
            _refuse()
        values = {name: self.value(words[name], hints[name]) for name in names}
        try:
            return kind(**values)
        except (TypeError, ValueError):
            raise Malformed from None


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Types of a record's fields; looking them up takes longer than all the rest of a record."""
    return get_type_hints(kind)


def _refuse() -> Any:
    raise Malformed
