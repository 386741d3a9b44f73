"""Asking an API server much at the same time, and what that gave."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from cxrkit.errors import SourceUnreachable

_BOUNDARY = "cxrkit-load-test"
_SECONDS = 60.0  # for one answer


@dataclass
class Load:
    """What came of a load test.

    Attributes
    ----------
    clients, seconds
        How many asked, each the next thing as soon as it had its answer, and for how long in all.
    milliseconds
        Of each answer with status 200.
    statuses
        How often each other status came; ``"broken"`` for connections that broke off.
    memory
        Resident megabytes of the server, every second.
    processor
        Seconds of processor time that the server took, without the processes that decode.
    """

    clients: int
    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    processor: float = 0.0

    @property
    def per_second(self) -> float:
        """Readings per second."""
        return len(self.milliseconds) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds that so many per cent of the readings stayed within."""
        return float(np.percentile(self.milliseconds, share)) if self.milliseconds else float("nan")

    def lines(self) -> list[str]:
        """The result for a person."""
        others = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items())) or "none"
        said = [
            f"{len(self.milliseconds)} readings by {self.clients} clients in {self.seconds:.1f} s: "
            f"{self.per_second:.1f} per second",
            "p50 {:.0f} ms, p95 {:.0f} ms, p99 {:.0f} ms".format(*(self.percentile(share) for share in (50, 95, 99))),
            f"Other answers: {others}",
        ]
        if self.milliseconds and self.processor:
            said.append(f"Server's processor time per reading: {1000 * self.processor / len(self.milliseconds):.0f} ms")
        if self.memory:
            quarter = max(1, len(self.memory) // 4)
            first, last = np.median(self.memory[:quarter]), np.median(self.memory[-quarter:])
            said.append(
                f"Server's memory: {first:.0f} MB in the first quarter, {last:.0f} MB in the last, "
                f"{max(self.memory):.0f} MB at most"
            )
        return said


def run_load(
    address: str, files: Sequence[bytes], *, clients: int, seconds: float, path: str = "/v1/readings", token: str = ""
) -> Load:
    """Let so many clients ask for readings of these files, in turn, for so long.

    Parameters
    ----------
    address
        Of the server, such as ``http://127.0.0.1:8600``.
    files
        Bytes of radiographs.
    clients
        Each sends the next file when it has its answer.
    seconds
        After which no further file is sent.
    path
        What is asked, with the query.
    token
        Sent where it is not empty.

    Raises
    ------
    SourceUnreachable
        No server answers there, or its models are not loaded within a minute.
    """
    parts = urlsplit(address)
    place = (parts.hostname or "127.0.0.1", parts.port or 80)
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    bodies = [_form(data) for data in files]
    load, lock, over = Load(clients), threading.Lock(), threading.Event()
    before_all = _measured(place, headers)
    if before_all is None:
        raise SourceUnreachable(
            "No server answers at this address, or not without its token.", "Start it with: python scripts/serve.py."
        )
    _await_models(place, headers)

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(*place, timeout=_SECONDS)
        for body in itertools.islice(itertools.cycle(bodies), number, None):
            if over.is_set():
                break
            before = time.perf_counter()
            try:
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                status = str(answer.status)
                pause = float(answer.headers.get("Retry-After", 0))
            except (OSError, http.client.HTTPException):
                connection.close()
                status, pause = "broken", 0.1
            taken = 1000 * (time.perf_counter() - before)
            with lock:
                if status == "200":
                    load.milliseconds.append(taken)
                else:
                    load.statuses[status] += 1
            if status != "200":
                over.wait(pause)
        connection.close()

    started = time.perf_counter()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    while (left := seconds - (time.perf_counter() - started)) > 0:
        over.wait(min(1.0, left))
        if (measured := _measured(place, headers)) is not None and measured.megabytes:
            load.memory.append(measured.megabytes)
    over.set()
    for thread in threads:
        thread.join()
    load.seconds = time.perf_counter() - started
    after_all = _measured(place, headers)
    load.processor = 0.0 if after_all is None else after_all.processor - before_all.processor
    return load


def _await_models(place: tuple[str, int], headers: dict[str, str]) -> None:
    """Wait until the models are loaded, as whoever sends requests to a new server does."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if json.loads(_asked(place, "/health", headers) or "{}").get("model_loaded"):
            return
        time.sleep(0.2)
    raise SourceUnreachable("The server's models were not loaded in time.", "Look into its log, and at its /health.")


class _Measured(NamedTuple):
    """Resident megabytes and seconds of processor time; 0 where the server's system counts neither."""

    megabytes: float
    processor: float


def _form(data: bytes) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'
    return head.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _measured(place: tuple[str, int], headers: dict[str, str]) -> _Measured | None:
    """What the server says of itself; None where it does not answer."""
    text = _asked(place, "/metrics", headers)
    if text is None:
        return None
    found = dict(re.findall(r"^(process_(?:resident_memory_bytes|cpu_seconds_total)) (\S+)$", text, re.MULTILINE))
    memory, processor = found.get("process_resident_memory_bytes", 0), found.get("process_cpu_seconds_total", 0)
    return _Measured(float(memory) / 1e6, float(processor))


def _asked(place: tuple[str, int], path: str, headers: dict[str, str]) -> str | None:
    """The answer to a GET, or None where there is none or it is an error."""
    connection = http.client.HTTPConnection(*place, timeout=_SECONDS)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        return text if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
