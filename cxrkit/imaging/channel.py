"""Messages between two processes: a short head of JSON, and whatever bytes the head announces.

Over one socket where a child can be handed one, else over a pair of pipes. A socket moves a whole picture in one
system call. Through a pipe it takes hundreds, and after each the server's thread waits anew for its turn
(the interpreter's lock), which takes up to 5 ms while another thread computes.

Where the system has files in memory (Linux), bytes that fit go through one that both ends map, which takes less
processor time than a socket. Its size is sealed: a process whose mapping another one cuts off dies of the next access.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import socket
import stat
import struct
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

try:
    import fcntl
except ImportError:  # Windows
    SHARED = 0
else:
    SHARED = 2**26 if hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS") else 0
"""Bytes of memory that both ends map: pages are taken when they are first used, and given back with the channel."""

SOCKETS = hasattr(socket, "AF_UNIX") and os.name == "posix"
MOST_HEAD = 2**18
_LENGTH = struct.Struct("<I")
_WHOLE = getattr(socket, "MSG_WAITALL", 0)


class Malformed(ValueError):
    """What came over the channel is not what was agreed; its text is never shown."""


class Channel:
    """One end.

    Parameters
    ----------
    reader, writer
        Two unbuffered binary files; or twice the same socket.
    shared
        Memory through which goes what fits into it; the other end has the same. Whoever receives copies out
        of it, and judges the copy: the other end may write at any time.
    """

    def __init__(self, reader: Any, writer: Any, shared: mmap.mmap | None = None) -> None:
        self._reader, self._writer, self._shared = reader, writer, shared
        self._room = 0 if shared is None else len(shared)
        self._used = 0

    @classmethod
    def to_child(cls, command: Sequence[str], environment: dict[str, str]) -> tuple[Channel, subprocess.Popen[bytes]]:
        """Start a child whose standard input and output are the other end, in a process group of its own."""
        apart: dict[str, Any] = {
            "stderr": subprocess.DEVNULL,
            "start_new_session": os.name == "posix",
            "env": environment,
        }
        if not SOCKETS:
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, **apart)
            return cls(child.stdout, child.stdin), child
        here, there = socket.socketpair()
        with there:
            try:
                with _memory() as (descriptor, shared):
                    kept = () if descriptor is None else (descriptor,)
                    command = [*command, *map(str, kept)]
                    child = subprocess.Popen(
                        command, stdin=there.fileno(), stdout=there.fileno(), pass_fds=kept, **apart
                    )
                return cls(here, here, shared), child
            except BaseException:
                here.close()
                raise

    @classmethod
    def to_parent(cls, descriptor: int | None = None) -> Channel:
        """The child's end: its standard input and output, which are replaced, for native code may print.

        Parameters
        ----------
        descriptor
            Of the shared memory: the last word of the command that the child was started with, if there is one.
        """
        shared = None
        if descriptor is not None:
            shared = mmap.mmap(descriptor, 0)
            os.close(descriptor)
        incoming, outgoing = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.close(nothing)
        if stat.S_ISSOCK(os.fstat(incoming).st_mode):
            os.close(outgoing)
            both = socket.socket(fileno=incoming)
            return cls(both, both, shared)
        return cls(os.fdopen(incoming, "rb", 0), os.fdopen(outgoing, "wb", 0))

    def send(self, head: dict[str, Any], bodies: Iterable[Any] = ()) -> None:
        """Send a head and, one after the other, buffers of bytes."""
        words = json.dumps(head, allow_nan=False).encode()
        if len(words) > MOST_HEAD:
            raise Malformed
        views = [memoryview(body).cast("B") for body in bodies]
        self._used = 0
        rest = []
        for view in views:  # before the head, which says that they are there
            place = self._place(len(view))
            if place is None:
                rest.append(view)
            else:
                self._mapped(place)[:] = view
        for view in (memoryview(_LENGTH.pack(len(words)) + words), *rest):
            self._write(view)
        self._used = 0

    def head(self) -> dict[str, Any]:
        """Receive a head.

        Raises
        ------
        EOFError
            The other end is closed.
        Malformed
            It is too long, or no JSON object.
        """
        length = _LENGTH.unpack(self._read(_LENGTH.size))[0]
        if length > MOST_HEAD:
            raise Malformed
        self._used = 0
        try:
            head = json.loads(self._read(length), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise Malformed from None
        if not isinstance(head, dict):
            raise Malformed
        return head

    def receive(self, length: int) -> bytes:
        """Receive so many bytes, the next ones after a head."""
        place = self._place(length)
        return self._read(length) if place is None else bytes(self._mapped(place))

    def receive_into(self, view: memoryview) -> None:
        """Fill a buffer of bytes with the next ones; raises EOFError where the other end closes before it is full."""
        place = self._place(len(view))
        if place is None:
            self._read_into(view)
        else:
            view[:] = self._mapped(place)

    def waiting(self) -> bool:
        """Whether something has come, or the other end is closed; True over pipes, of which not every system tells."""
        return not isinstance(self._reader, socket.socket) or bool(select.select([self._reader], [], [], 0)[0])

    def interrupt(self) -> None:
        """Make calls that wait at this end return, whoever else holds the other end."""
        if isinstance(self._reader, socket.socket):
            with suppress(OSError):
                self._reader.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close this end."""
        for end in (self._reader, self._writer):
            with suppress(OSError):
                end.close()
        if self._shared is not None:
            self._room = 0
            self._shared.close()

    def _place(self, length: int) -> slice | None:
        """Where in the shared memory so many bytes lie: after those before; None where they do not fit.

        Both ends reckon alike, so that it need not be said.
        """
        if not 0 < length <= self._room - self._used:
            return None
        self._used += length
        return slice(self._used - length, self._used)

    def _mapped(self, place: slice) -> memoryview:
        assert self._shared is not None
        return memoryview(self._shared)[place]

    def _write(self, view: memoryview) -> None:
        if isinstance(self._writer, socket.socket):
            self._writer.sendall(view)
            return
        while view:
            view = view[self._writer.write(view) :]

    def _read(self, length: int) -> bytes:
        if isinstance(self._reader, socket.socket):
            whole = self._reader.recv(length, _WHOLE) if length else b""
            if len(whole) == length:  # the usual case, in which nothing is copied
                return whole
            rest = bytearray(length - len(whole))
            if not whole:
                raise EOFError
            self._read_into(memoryview(rest))
            return whole + rest
        buffer = bytearray(length)
        self._read_into(memoryview(buffer))
        return bytes(buffer)

    def _read_into(self, view: memoryview) -> None:
        while view:
            if isinstance(self._reader, socket.socket):
                got = self._reader.recv_into(view, 0, _WHOLE)
            else:
                got = self._reader.readinto(view)
            if not got:
                raise EOFError
            view = view[got:]


@contextmanager
def _memory() -> Iterator[tuple[int | None, mmap.mmap | None]]:
    """A descriptor of memory that can be shared, for as long as the context lasts, and its mapping."""
    if not SHARED:
        yield None, None
        return
    descriptor = os.memfd_create("cxrkit", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, SHARED)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        yield descriptor, mmap.mmap(descriptor, SHARED)
    finally:
        os.close(descriptor)


def _refuse(_: str) -> NoReturn:
    raise Malformed
