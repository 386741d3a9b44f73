"""Messages between two processes: a short head of JSON, and whatever bytes the head announces.

Over one socket where a child can be handed one, else over a pair of pipes. A socket moves a whole picture in one
system call. Through a pipe it takes hundreds, and after each the server's thread waits anew for its turn
(the interpreter's lock), which takes up to 5 ms while another thread computes.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

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
    """

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader, self._writer = reader, writer

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
                return cls(here, here), subprocess.Popen(command, stdin=there.fileno(), stdout=there.fileno(), **apart)
            except BaseException:
                here.close()
                raise

    @classmethod
    def to_parent(cls) -> Channel:
        """The child's end: its standard input and output, which are replaced, for native code may print."""
        incoming, outgoing = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.close(nothing)
        if stat.S_ISSOCK(os.fstat(incoming).st_mode):
            os.close(outgoing)
            both = socket.socket(fileno=incoming)
            return cls(both, both)
        return cls(os.fdopen(incoming, "rb", 0), os.fdopen(outgoing, "wb", 0))

    def send(self, head: dict[str, Any], bodies: Iterable[Any] = ()) -> None:
        """Send a head and, one after the other, buffers of bytes."""
        words = json.dumps(head, allow_nan=False).encode()
        if len(words) > MOST_HEAD:
            raise Malformed
        for part in (_LENGTH.pack(len(words)) + words, *bodies):
            view = memoryview(part).cast("B")
            if isinstance(self._writer, socket.socket):
                self._writer.sendall(view)
                continue
            while view:
                view = view[self._writer.write(view) :]

    def head(self) -> dict[str, Any]:
        """Receive a head.

        Raises
        ------
        EOFError
            The other end is closed.
        Malformed
            It is too long, or no JSON object.
        """
        length = _LENGTH.unpack(self.receive(_LENGTH.size))[0]
        if length > MOST_HEAD:
            raise Malformed
        try:
            head = json.loads(self.receive(length), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise Malformed from None
        if not isinstance(head, dict):
            raise Malformed
        return head

    def receive(self, length: int) -> bytes:
        """Receive so many bytes."""
        if isinstance(self._reader, socket.socket):
            whole = self._reader.recv(length, _WHOLE) if length else b""
            if len(whole) == length:  # the usual case, in which nothing is copied
                return whole
            rest = bytearray(length - len(whole))
            if not whole:
                raise EOFError
            self.receive_into(memoryview(rest))
            return whole + rest
        buffer = bytearray(length)
        self.receive_into(memoryview(buffer))
        return bytes(buffer)

    def receive_into(self, view: memoryview) -> None:
        """Fill a buffer of bytes; raises EOFError where the other end is closed before it is full."""
        while view:
            if isinstance(self._reader, socket.socket):
                got = self._reader.recv_into(view, 0, _WHOLE)
            else:
                got = self._reader.readinto(view)
            if not got:
                raise EOFError
            view = view[got:]

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


def _refuse(_: str) -> NoReturn:
    raise Malformed
