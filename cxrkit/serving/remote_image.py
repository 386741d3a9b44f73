"""A radiograph by its address on the web.

Whoever gives the address decides where this computer connects to. So every host is checked by its name (`AllowedHosts`)
and by all of its IP addresses (`is_public`), and the connection goes to the very address that was checked: a name
server that answers otherwise a moment later changes nothing. Redirects go through the same checks. No proxy is taken
from the environment, nothing is unpacked, and nothing of the answer is believed but its bytes.
"""

from __future__ import annotations

import http.client
import io
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cxrkit.errors import AddressRefused, RemoteUnavailable, TooLarge
from cxrkit.imaging.decode import MAX_BYTES
from cxrkit.serving.public_address import AllowedHosts, Target, is_public, parse_address

Resolver = Callable[[str, int], Sequence[str]]
"""Host name and port -> its IP addresses."""

Connect = Callable[[str, int, float], socket.socket]
"""IP address, port and timeout in seconds -> a connected socket."""

_MOST_ADDRESSES = 4  # of one host that are tried
_PIECE = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Limits:
    """How much is fetched: bytes of the file, seconds of all in all, and redirects that are followed."""

    size: int = MAX_BYTES
    seconds: float = 30.0
    redirects: int = 3


def resolve(host: str, port: int) -> tuple[str, ...]:
    """All IP addresses of a host, as the system's resolver gives them; raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect_to(address: str, port: int, timeout: float) -> socket.socket:
    """Connect to an IP address, without any look-up; raises `OSError`."""
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def fetch(
    address: str,
    *,
    allowed: AllowedHosts | None = None,
    resolver: Resolver = resolve,
    connect: Connect = connect_to,
    limits: Limits = Limits(),
    tls: ssl.SSLContext | None = None,
) -> bytes:
    """The bytes of a file on the web; what they are is for the loader to find out.

    Parameters
    ----------
    address
        An http or https address, of which nothing is kept, logged or quoted.
    allowed
        Hosts that may be asked; by default those of the environment, which are none unless it names some.
    resolver, connect
        How names become IP addresses, and these a connection.
    limits
        Size, time and redirects.
    tls
        Settings of encrypted connections; by default the system's certificates, and the name is checked.

    Raises
    ------
    AddressRefused
        The address, one that it redirects to, or an IP address of their hosts must not be asked.
    RemoteUnavailable
        The server does not answer in time, or not with a file.
    TooLarge
        The file is larger than is accepted.
    """
    allowed = AllowedHosts.from_environment() if allowed is None else allowed
    clock = _Clock(time.monotonic() + limits.seconds)
    target = parse_address(address, allowed)
    for _ in range(limits.redirects + 1):
        try:
            answer = _ask(target, _checked(target, resolver, clock), connect, tls, clock, limits.size)
        except TimeoutError:
            raise _unavailable("does not answer in time") from None
        except ssl.SSLCertVerificationError:
            raise _unavailable("cannot prove that it is the one that the address names") from None
        except (OSError, http.client.HTTPException, ValueError):
            raise _unavailable("cannot be reached, or breaks off") from None
        if isinstance(answer, bytes):
            return answer
        target = parse_address(answer.location, allowed, before=target)
    raise _unavailable("sends on to other addresses too often")


@dataclass(frozen=True)
class _Redirect:
    location: str


@dataclass(frozen=True)
class _Clock:
    """The moment by which everything must be done, of `time.monotonic`."""

    end: float

    def left(self) -> float:
        """Seconds that are left; raises `TimeoutError` when there are none."""
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


def _checked(target: Target, resolver: Resolver, clock: _Clock) -> tuple[str, ...]:
    """The IP addresses of a host, every one of which is public."""
    found = _in_time(lambda: tuple(resolver(target.host, target.port)), clock)
    if not found:
        raise _unavailable("has no address")
    if not all(map(is_public, found)):
        # all of them: a host with one foot in the own network may answer with that one next time
        raise AddressRefused(
            "The address leads to a computer that is not on the public internet.", "Upload the file itself."
        )
    return found[:_MOST_ADDRESSES]


def _in_time(work: Callable[[], tuple[str, ...]], clock: _Clock) -> tuple[str, ...]:
    """The result of what knows no time limit itself; when time runs out it goes on alone, and nobody looks."""
    results: queue.SimpleQueue[tuple[str, ...] | OSError] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(work())
        except (OSError, UnicodeError):
            results.put(OSError("no such host"))

    threading.Thread(target=run, daemon=True).start()
    try:
        result = results.get(timeout=clock.left())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, OSError):
        raise result
    return result


def _ask(
    target: Target, addresses: Sequence[str], connect: Connect, tls: ssl.SSLContext | None, clock: _Clock, size: int
) -> bytes | _Redirect:
    plain = _connected(target, addresses, connect, clock)
    try:
        plain.settimeout(clock.left())
        connection = _encrypted(plain, target.host, tls) if target.scheme == "https" else plain
    except BaseException:
        plain.close()
        raise
    with connection:
        line = (
            f"GET {target.path} HTTP/1.1\r\nHost: {target.header}\r\nUser-Agent: cxrkit\r\n"
            "Accept: application/dicom, image/*, */*;q=0.5\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        )
        connection.settimeout(clock.left())
        connection.sendall(line.encode("ascii"))
        with http.client.HTTPResponse(_Line(connection, clock), method="GET") as response:  # type: ignore[arg-type]
            response.begin()
            return _taken(response, size)


def _encrypted(plain: socket.socket, name: str, tls: ssl.SSLContext | None) -> ssl.SSLSocket:
    """The name is that of the address, whatever IP address was connected to: for SNI and for the certificate."""
    return (tls or ssl.create_default_context()).wrap_socket(plain, server_hostname=name)


def _connected(target: Target, addresses: Sequence[str], connect: Connect, clock: _Clock) -> socket.socket:
    problem: OSError = OSError("no address")
    for address in addresses:
        try:
            return connect(address, target.port, clock.left())
        except OSError as error:
            problem = error
    raise problem


def _taken(response: http.client.HTTPResponse, size: int) -> bytes | _Redirect:
    """The body of an answer, as it comes, or where it sends on to."""
    location = response.headers.get("Location")
    if response.status in _REDIRECTS and location is not None:
        return _Redirect(location)
    if response.status != 200:
        raise _unavailable(f"answers with status {response.status}")
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise _unavailable("sends the file packed, which was not asked for")
    if response.length is not None and response.length > size:
        raise _too_large(size)
    data = bytearray()
    while piece := response.read(_PIECE):
        data += piece
        if len(data) > size:
            raise _too_large(size)
    if response.length:  # fewer bytes came than were announced
        raise http.client.IncompleteRead(bytes(0), response.length)
    return bytes(data)


class _Line(io.RawIOBase):
    """What comes in over a connection, until time is up: a timeout of the socket alone begins anew with every byte."""

    def __init__(self, connection: socket.socket, clock: _Clock) -> None:
        self._connection, self._clock = connection, clock

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `http.client.HTTPResponse` reads from."""
        return io.BufferedReader(self, _PIECE)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._clock.left())
        return self._connection.recv_into(buffer)


def _unavailable(what: str) -> RemoteUnavailable:
    return RemoteUnavailable(
        f"The file cannot be fetched: the server {what}.", "Check the address in a browser, or upload the file."
    )


def _too_large(size: int) -> TooLarge:
    return TooLarge(
        f"The file is larger than the {size // 2**20} MB that are accepted.",
        "Export the radiograph alone, without the rest of the study.",
    )
