"""What every request passes: its id, who may ask, how often, the log line and the counters.

Outermost but for Starlette's own error page, so that whatever goes wrong inside is answered, logged and counted here.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxrkit.errors import CxrError, NotSignedIn, TooManyRequests
from cxrkit.serving.rest.meters import Meters
from cxrkit.serving.rest.problems import incident, problem
from cxrkit.serving.rest.settings import TOKEN, Settings
from cxrkit.serving.rest.turns import Rate

OPEN = frozenset({"/health"})
"""Answered without a token: health checks carry none."""

WRONG_TOKENS = 20
"""Per minute and address; then the address must wait, also with the right one."""

_ID = re.compile(r"[0-9a-fA-F-]{8,64}")  # a UUID or a trace id, which no name of a patient looks like
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
}
_log = logging.getLogger("cxrkit.api")


class Door:
    """Middleware around the whole application.

    Parameters
    ----------
    app
        What is inside.
    settings
        With the token and the rate.
    meters
        What is counted.
    """

    def __init__(self, app: ASGIApp, settings: Settings, meters: Meters) -> None:
        self._app = app
        self._settings = settings
        self._meters = meters
        self._rate = Rate(settings.rate)
        self._wrong = Rate(WRONG_TOKENS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = MutableHeaders(scope=message)
                sent["X-Request-ID"] = request_id
                for name, value in _HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        try:
            self._admit(scope, headers)
            await self._app(scope, receive, answer)
        except CxrError as error:
            await problem(error, request_id)(scope, receive, answer)
        except Exception as error:
            response = incident(error, request_id)
            if status:  # an answer was begun and cannot be taken back: the connection breaks off
                raise RuntimeError("an answer broke off") from None
            await response(scope, receive, answer)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _admit(self, scope: Scope, headers: Headers) -> None:
        """Refuse who may not ask, before a byte of the body is read."""
        client = str((scope.get("client") or ("local",))[0])
        if scope["path"] not in OPEN:
            self._check_token(scope, headers, client)
            if self._rate.exhausted(client):
                raise TooManyRequests("You have asked more than this server answers in a minute.", "Wait a minute.")
            self._rate.spend(client)

    def _check_token(self, scope: Scope, headers: Headers, client: str) -> None:
        if not self._settings.token:
            if not _within_this_computer(scope):
                raise NotSignedIn(
                    "This server has no token, and so answers this computer alone.",
                    f"Have it started with a token in {TOKEN}.",
                )
            return
        if self._wrong.exhausted(client):
            raise TooManyRequests("Too many wrong tokens came from your address.", "Wait a minute.")
        given = _token(headers.get("authorization", ""))
        if given is None or not hmac.compare_digest(given, self._settings.token.encode()):
            if given is not None:
                self._wrong.spend(client)
            raise NotSignedIn(
                "This server answers with the right token only.",
                'Send it as "Authorization: Bearer ..."; a browser asks for it as password, with any user name.',
            )

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        self._meters.requests.labels(method, route, str(status)).inc()
        self._meters.seconds.labels(route).observe(seconds)
        # the route, never the path or the query, which a client may have filled with anything
        extra = {"request_id": scope["state"]["request_id"], "method": method, "route": route, "status": status}
        _log.info("answered", extra={**extra, "milliseconds": round(1000 * seconds, 1)})


def _token(header: str) -> bytes | None:
    """What a client gives as token: behind Bearer, or as the password behind Basic (RFC 7617)."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return None


def _within_this_computer(scope: Scope) -> bool:
    """Whether the connection came in at a loopback address, or through a socket file."""
    host = str((scope.get("server") or ("",))[0] or "")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "" or host.startswith("/")
