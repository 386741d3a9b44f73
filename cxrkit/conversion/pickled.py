"""Pickles as data: instructions from a closed list, interpreted without calling or importing anything.

Python's own unpickler finds classes by name and calls them, which is how a pickle runs programs. Here
the standard library only takes the bytes apart into instructions (`pickletools.genops`); they are then
carried out on plain containers. A class or function that the pickle names becomes a `Named` word, a call of
it an inert `Standin` that remembers what it was given. There is no step at which a name could turn
into something that acts.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, Any

from cxrkit.errors import WeightsCorrupt

MOST_INSTRUCTIONS = 2_000_000
"""A checkpoint of a few hundred layers has about a hundred thousand. As many entries may be copied by calls."""

_REMEDY = "Fetch the file again and compare its size or checksum with the source's."


@dataclass(frozen=True)
class Named:
    """A class or function that the pickle names; nothing of that name is looked up."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """Module and name with a dot between them."""
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Standin:
    """In the place of an object of some class: what made it, from what, and its state."""

    made_by: object
    arguments: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Path of its class, or empty where that is itself a stand-in."""
        return self.made_by.path if isinstance(self.made_by, Named) else ""


Builder = Callable[[tuple[Any, ...]], Any]
"""From the arguments of a call to its result; must check them, they are the pickle's own."""


def read_pickle(stream: IO[bytes], builders: dict[str, Builder], persistent: Callable[[Any], Any] | None = None) -> Any:
    """Carry out one pickle from the place of `stream` to its end, which is where the stream then stands.

    Parameters
    ----------
    stream
        Over bytes in memory: a length that the pickle states is then never allocated unread.
    builders
        Calls that give something: path of the function or class -> builder. All others give a `Standin`.
    persistent
        From a persistent identifier to what it means; without it such identifiers are refused.

    Raises
    ------
    WeightsCorrupt
        The bytes are no pickle, or use instructions that no checkpoint needs.
    """
    machine = _Machine(builders, persistent)
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if number > MOST_INSTRUCTIONS:
                raise _refused("it is longer than any checkpoint")
            machine.step(opcode.name, argument)
        return machine.result()
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise _refused(f"it is damaged ({type(error).__name__})") from None


def _refused(why: str) -> WeightsCorrupt:
    return WeightsCorrupt(f"The pickle of the checkpoint cannot be read: {why}.", _REMEDY)


_MARK = object()
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": list,  # a set is kept as a list, so that nothing in it needs a hash
}
_LITERALS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
    ]
)
_SCALARS = (str, int, float, bool, bytes, type(None))


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self, builders: dict[str, Builder], persistent: Callable[[Any], Any] | None) -> None:
        self._builders = builders
        self._persistent = persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._ended = False
        self._copied = 0

    def result(self) -> Any:
        if not self._ended or len(self._stack) != 1:
            raise ValueError("no result")
        return self._stack[0]

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        stack = self._stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in ("PROTO", "FRAME"):
            pass
        elif name == "STOP":
            self._ended = True
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[int(argument)] = self._top()
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo[int(argument)])
        else:
            self._compose(name, argument)

    def _compose(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._marked()
        elif name == "DUP":
            stack.append(self._top())
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(self._popped(int(name[-1]))))
        elif name in ("TUPLE", "FROZENSET"):
            stack.append(tuple(self._marked()))
        elif name == "LIST":
            stack.append(self._marked())
        elif name == "DICT":
            stack.append(_with_items({}, self._marked()))
        elif name == "APPEND":
            _extend(stack[-2], [self._pop()])
        elif name in ("APPENDS", "ADDITEMS"):
            items = self._marked()
            _extend(self._top(), items)
        elif name == "SETITEM":
            _with_items(stack[-3], self._popped(2))
        elif name == "SETITEMS":
            items = self._marked()
            _with_items(self._top(), items)
        elif name == "BUILD":
            state = self._pop()
            self._count(state if isinstance(state, tuple) else (state,))
            _build(self._top(), state)
        else:
            stack.append(self._made(name, argument))

    def _made(self, name: str, argument: Any) -> Any:
        """What an instruction that names or calls something gives."""
        if name == "GLOBAL":
            return Named(*argument.split(" ", 1))
        if name == "STACK_GLOBAL":
            module, attribute = self._popped(2)
            if not (isinstance(module, str) and isinstance(attribute, str)):
                raise TypeError("a name that is no text")
            return Named(module, attribute)
        if name == "INST":
            return self._called(Named(*argument.split(" ", 1)), self._marked())
        if name == "OBJ":
            maker, *arguments = self._marked()
            return self._called(maker, arguments)
        if name in ("REDUCE", "NEWOBJ"):
            maker, arguments = self._popped(2)
            return self._called(maker, arguments)
        if name == "NEWOBJ_EX":
            maker, arguments, _ = self._popped(3)
            return self._called(maker, arguments)
        if name == "BINPERSID" and self._persistent is not None:
            return self._persistent(self._pop())
        raise _refused("it uses an instruction that no checkpoint needs")

    def _called(self, maker: Any, arguments: Iterable[Any]) -> Any:
        given = tuple(arguments) if isinstance(arguments, (tuple, list)) else ()
        self._count(given)
        if isinstance(maker, Named) and maker.path in self._builders:
            return self._builders[maker.path](given)
        return Standin(maker, given)

    def _count(self, given: tuple[Any, ...]) -> None:
        """Bound what calls and states copy: a long container can be given to many at two bytes each."""
        self._copied += len(given) + sum(len(part) for part in given if isinstance(part, (list, tuple, dict)))
        if self._copied > MOST_INSTRUCTIONS:
            raise _refused("it is longer than any checkpoint")

    def _top(self) -> Any:
        if self._stack[-1] is _MARK:
            raise ValueError("a mark where a value should stand")
        return self._stack[-1]

    def _pop(self) -> Any:
        value = self._top()
        self._stack.pop()
        return value

    def _popped(self, count: int) -> list[Any]:
        return [self._pop() for _ in range(count)][::-1]

    def _marked(self) -> list[Any]:
        place = len(self._stack) - 1
        while self._stack[place] is not _MARK:  # from the top, lest many marks on a long stack take for ever
            place -= 1
        items = self._stack[place + 1 :]
        del self._stack[place:]
        return items


def _extend(target: Any, items: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif not isinstance(target, Standin):
        raise TypeError("no list")


def _with_items(target: Any, items: list[Any]) -> Any:
    if isinstance(target, dict):
        for key, value in zip(items[::2], items[1::2], strict=True):
            # other keys than scalars could be nested without end, and their hash overflow the stack
            target[key if isinstance(key, _SCALARS) else object()] = value
    elif not isinstance(target, Standin):
        raise TypeError("no dictionary")
    return target


def _build(target: Any, state: Any) -> None:
    """Give a stand-in its state; the state of plain containers and tensors is of no use here."""
    if isinstance(target, Standin):
        parts = state if isinstance(state, tuple) else (state,)  # a second part is that of slots
        for part in parts:
            if isinstance(part, dict):
                target.state.update({key: value for key, value in part.items() if isinstance(key, str)})
