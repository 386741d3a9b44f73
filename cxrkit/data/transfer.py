"""One file over HTTPS, resumed where an earlier attempt stopped (RFC 9110, sections 13.1.5 and 14)."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from cxrkit.data.https import opener, require_https
from cxrkit.data.part_file import discard, length, noted, take_note, unwritable
from cxrkit.data.public_sets import PublicFile
from cxrkit.errors import ChecksumMismatch, SourceUnreachable

Progress = Callable[[str, int, int | None], None]
"""Is given a file's name, the bytes done, and the bytes in all or None."""

_CHUNK = 1 << 18
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # a busy or ailing server, not a refusal
_LONGEST_PAUSE = 60.0
_DOWN = frozenset({errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})


@dataclass(frozen=True)
class Patience:
    """How long a transfer waits and how often it tries again.

    Attributes
    ----------
    timeout
        Seconds without a byte after which a connection counts as dropped.
    retries
        Attempts in a row that bring no new byte, after which it gives up.
    pause
        Seconds before the second attempt; doubled before each further one, at most a minute.
    """

    timeout: float = 30.0
    retries: int = 5
    pause: float = 1.0


class _Dropped(Exception):
    """The connection broke off; another attempt may succeed after `wait` seconds, if it is given."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


class _StartOver(Exception):
    """What lies in the part file is not the beginning of what the server offers now."""


def transfer(file: PublicFile, part: Path, *, by_hand: str, progress: Progress | None, patience: Patience) -> None:
    """Bring `part` to the whole of the file, asking only for the bytes that it lacks.

    Parameters
    ----------
    file
        What to fetch. Its checksum is left to the caller.
    part
        Where the bytes go; what lies there from an earlier run is continued.
    by_hand
        Remedy of the error for want of a network.

    Raises
    ------
    SourceUnreachable
        There is no network, the server refuses, or the connection drops again and again.
    ChecksumMismatch
        The server offers a file of another length than the publisher's, or a longer one than it can be.
    StorageUnusable
        The part file cannot be written.
    """
    require_https(file.address)
    longest = initial = length(part)
    fruitless = fresh_starts = 0
    while True:
        wait: float | None = None
        try:
            _attempt(file, part, by_hand, progress, patience, started=longest > initial)
            return
        except _StartOver:
            discard(part)
            reason = "it offers another file on every call"
            longest = initial = 0
            fresh_starts += 1
        except _Dropped as drop:
            reason, wait = drop.reason, drop.wait
        reached = length(part)
        fruitless = 0 if reached > longest else fruitless + 1
        longest = max(longest, reached)
        if fruitless >= patience.retries or fresh_starts >= patience.retries:
            raise SourceUnreachable(
                f"{_host(file)} does not send the whole of {file.name}: {reason}.",
                f"Run the same command again later, it goes on where it stopped. {by_hand}",
            )
        time.sleep(_pause(patience, fruitless) if wait is None else wait)


def _attempt(
    file: PublicFile, part: Path, by_hand: str, progress: Progress | None, patience: Patience, started: bool
) -> None:
    """One connection: the rest of the file, or an exception that says how it ended."""
    have, validator = _resumable(file, part)
    if have and have == file.size:
        return
    headers = {"User-Agent": "cxrkit", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    try:
        response = opener(file.address).open(
            urllib.request.Request(file.address, headers=headers), timeout=patience.timeout
        )
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:
                if _total(error.headers) == have:
                    return
                raise _StartOver from None
            _refuse(file, error, by_hand)
    except (OSError, http.client.HTTPException) as error:
        raise _without_answer(file, error, by_hand, started) from None
    with response:
        total = _begin(file, response, part, have, by_hand)
        if response.status != 206:
            have = 0
        limit = file.size if total is None else total
        have = _receive(file, response, part, have, limit, progress)
    if file.most is not None and have > file.most:
        raise _too_long(file, part)
    if limit is not None and have < limit:
        raise _Dropped("the connection was dropped")


def _begin(file: PublicFile, response: Any, part: Path, have: int, by_hand: str) -> int | None:
    """Check what the server is about to send, note its validator, and return the whole length."""
    headers: Message = response.headers
    if headers.get_content_type() == "text/html":
        raise SourceUnreachable(
            f"{_host(file)} answers with a web page in place of {file.name}; it may have moved.", by_hand
        )
    if response.status == 206:
        start = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", headers.get("Content-Range", "").strip())
        if start is None or int(start[1]) != have:
            raise _StartOver
        total = _total(headers)
    else:
        declared = headers.get("Content-Length", "")
        total = int(declared) if declared.isdecimal() else None
    if total is not None and file.size is not None and total != file.size:
        discard(part)
        raise ChecksumMismatch(
            f"{_host(file)} offers {file.name} with {total} bytes in place of {file.size}.",
            "It is not the published file, so nothing was kept: look at the publisher's page for what has changed.",
        )
    if total is not None and file.most is not None and total > file.most:
        raise _too_long(file, part)
    if response.status != 206:
        discard(part)  # before the new validator is noted, lest old bytes be taken for what it describes
    # Weak validators do not promise equal bytes, so RFC 9110 forbids them here.
    tag = headers.get("ETag", "")
    validator = tag if tag.startswith('"') else headers.get("Last-Modified")
    take_note(part, file.address, validator)
    return total


def _too_long(file: PublicFile, part: Path) -> ChecksumMismatch:
    """Drop what has come of a file that is longer than it can be."""
    discard(part)
    return ChecksumMismatch(
        f"{_host(file)} offers {file.name} with more than the {file.most} bytes that it can have.",
        "It is not the published file, so nothing was kept: look at the publisher's page for what has changed.",
    )


def _receive(
    file: PublicFile, response: Any, part: Path, have: int, limit: int | None, progress: Progress | None
) -> int:
    """Append what arrives, up to `limit` bytes in all or one more than there can be; return the part's length."""
    stop = limit if limit is not None or file.most is None else file.most + 1
    try:
        with part.open("ab" if have else "wb") as sink:
            while True:
                if progress is not None:
                    progress(file.name, have, limit)
                chunk = b"" if have == stop else _read(response, _CHUNK if stop is None else stop - have)
                if not chunk:
                    return have
                sink.write(chunk)
                sink.flush()
                have += len(chunk)
    except OSError as error:
        raise unwritable(error) from None


def _read(response: Any, most: int) -> bytes:
    """What has come; an empty answer is the end."""
    try:
        # read1 hands over what is there, where read would wait for more and lose it to a time-out
        return bytes(response.read1(min(_CHUNK, most)))
    except (OSError, http.client.HTTPException) as error:
        reason = "it fell silent" if isinstance(error, TimeoutError) else "the connection was dropped"
        raise _Dropped(reason) from None


def _resumable(file: PublicFile, part: Path) -> tuple[int, str | None]:
    """Bytes that may be continued, and the validator that they were sent with."""
    have = length(part)
    if not have:
        return 0, None
    address, validator = noted(part)
    # Without a validator only the checksum at the end can tell a continued file from a mixture.
    trusted = validator or file.checksum
    if address not in (None, file.address) or not trusted or (file.size is not None and have > file.size):
        raise _StartOver
    return have, validator


def _refuse(file: PublicFile, error: urllib.error.HTTPError, by_hand: str) -> NoReturn:
    """Say what an HTTP status means: try again, or give up."""
    if error.code in _AGAIN:
        wait = error.headers.get("Retry-After", "")
        raise _Dropped(
            f"it answers HTTP {error.code}", min(float(wait), _LONGEST_PAUSE) if wait.isdecimal() else None
        ) from None
    raise SourceUnreachable(f"{_host(file)} refuses {file.name} (HTTP {error.code}).", by_hand) from None


def _without_answer(file: PublicFile, error: Exception, by_hand: str, started: bool) -> Exception:
    """What a connection that was never made means: no network, or a passing fault."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SourceUnreachable(f"{_host(file)} does not prove who it is.", by_hand)
    # Firewalls of hospitals often swallow the call, so that only the time-out tells.
    offline = isinstance(cause, (socket.gaierror, TimeoutError)) or (
        isinstance(cause, OSError) and cause.errno in _DOWN
    )
    if offline and not started:
        return SourceUnreachable(f"{_host(file)} cannot be reached from here.", by_hand)
    return _Dropped("it does not answer")


def _total(headers: Message) -> int | None:
    found = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+)", headers.get("Content-Range", "").strip())
    return int(found[1]) if found else None


def _pause(patience: Patience, fruitless: int) -> float:
    return float(min(patience.pause * 2 ** max(fruitless - 1, 0), _LONGEST_PAUSE))


def _host(file: PublicFile) -> str:
    return str(urlsplit(file.address).hostname)
