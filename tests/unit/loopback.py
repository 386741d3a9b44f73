"""A real HTTP server on this computer that can be told to misbehave."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """Files by path, and what the server does to each request in turn.

    `script` is consumed from its front, one call per request; when it is empty the server behaves.
    A call may answer by itself and return True, or change the site and return False.
    """

    files: dict[str, bytes]
    etag: str | None = '"v1"'
    modified: str | None = None
    ranges: bool = True
    kind: str = "application/octet-stream"
    script: list[Callable[[Handler], bool]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    port: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET with ranges, as a static file server does."""

    site: Site
    number: int  # of the request, from 0

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.site.asked.append(dict(self.headers.items()))
        self.number = len(self.site.sent)
        self.site.sent.append(0)
        if self.site.script and self.site.script.pop(0)(self):
            return
        self.serve()

    def serve(self, *, most: int | None = None, length: bool = True) -> None:
        """Send what is asked for, but no more than `most` bytes of the body."""
        body = self.site.files.get(self.path.lstrip("/"))
        if body is None:
            self.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        start = 0
        if asked and self.site.ranges and condition in (None, self.site.etag, self.site.modified):
            start = int(asked[1])
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", self.site.kind)
        if length:
            self.send_header("Content-Length", str(len(body) - start))
        for name, value in (("ETag", self.site.etag), ("Last-Modified", self.site.modified)):
            if value:
                self.send_header(name, value)
        self.end_headers()
        piece = body[start:] if most is None else body[start : start + most]
        # counted before they go: the client may look as soon as it has the last byte
        self.site.sent[self.number] = len(piece)
        try:
            self.wfile.write(piece)
            self.wfile.flush()
        except OSError:  # the client has hung up: who knows how much it took
            self.site.sent[self.number] = 0
            raise
        self.close_connection = True


def drop_after(count: int) -> Callable[[Handler], bool]:
    """Send `count` bytes, then hang up."""

    def act(handler: Handler) -> bool:
        handler.serve(most=count)
        handler.connection.shutdown(socket.SHUT_WR)
        return True

    return act


def stall_after(count: int) -> Callable[[Handler], bool]:
    """Send `count` bytes, then nothing, with the line open."""

    def act(handler: Handler) -> bool:
        handler.serve(most=count)
        handler.site.released.wait(20)
        return True

    return act


def answer(status: int, **headers: str) -> Callable[[Handler], bool]:
    """Answer with a status and no body."""

    def act(handler: Handler) -> bool:
        handler.send_response(status)
        for name, value in {"Content_Length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        return True

    return act


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Run the site on a free port of this computer."""
    handler = type("BoundHandler", (Handler,), {"site": site})
    with _Server(("127.0.0.1", 0), handler) as server:
        site.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.released.set()
            server.shutdown()
            thread.join()
