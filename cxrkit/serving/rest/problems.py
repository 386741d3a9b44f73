"""Every error as problem+json (RFC 9457): the message and remedy of the same tree that the page and scripts show."""

from __future__ import annotations

import logging
import re
import secrets
import traceback
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from cxrkit import errors
from cxrkit.errors import CxrError
from cxrkit.imaging.worker_process import WorkerDefect

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = {errors.Overloaded: 1, errors.TooManyRequests: 30, errors.PresetError: 60}

_STATUS: dict[type[CxrError], int] = {
    errors.BadRequest: 400,
    errors.NotSignedIn: 401,
    errors.PresetNotFound: 404,
    errors.RequestTimeout: 408,
    errors.TooLarge: 413,
    errors.UnsupportedFormat: 415,
    errors.TooManyRequests: 429,
    errors.Overloaded: 503,
    errors.PresetError: 503,
    CxrError: 422,
}
_log = logging.getLogger("cxrkit.api")

_ROUTING = {
    404: ("There is nothing at this address.", "See /docs for what there is."),
    405: ("This address does not answer to that method.", "See /docs for what it answers to."),
}


def status_of(error: CxrError) -> int:
    """The HTTP status of an error: that of its nearest ancestor that has one."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def problem(error: CxrError, request_id: str, status: int | None = None) -> JSONResponse:
    """An error of the tree as a response."""
    status = status_of(error) if status is None else status
    name = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    response = _response(name, status, error.message, error.remedy, request_id)
    for kind, seconds in RETRY_SECONDS.items():
        if isinstance(error, kind) and status in (429, 503):
            response.headers["Retry-After"] = str(seconds)
    if status == 401:
        # browsers ask for a password, which is the token, where Basic is offered; Chromium reads one offer per header
        for offer in ('Bearer realm="cxrkit"', 'Basic realm="cxrkit", charset="UTF-8"'):
            response.headers.append("WWW-Authenticate", offer)
    return response


def routing_problem(status: int, request_id: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """What the router itself answers: nothing there, or another method."""
    phrase = HTTPStatus(status).phrase
    message, remedy = _ROUTING.get(status, (f"The request cannot be answered: {phrase.lower()}.", "See /docs."))
    response = _response(phrase.replace(" ", ""), status, message, remedy, request_id)
    response.headers.update(headers or {})
    return response


def incident(error: Exception, request_id: str) -> JSONResponse:
    """A defect of cxrkit: its places in the code go to the log, its words nowhere, since they may quote the file."""
    number = log_defect("incident", error, request_id)
    remedy = f"Tell whoever runs this server the incident number {number}."
    return _response("Incident", 500, "Something unexpected went wrong while this was read.", remedy, request_id)


def log_defect(what: str, error: Exception, request_id: str = "") -> str:
    """Log where an unexpected error arose, without its own words, and return its number."""
    number = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames[-8:])]
    if isinstance(error, WorkerDefect):  # it arose in another process, whose frames are not in the traceback
        places.insert(0, str(error.places))
    said = [str(error)] if isinstance(error, CxrError) else []  # free of paths and identities by its nature
    extra = {"request_id": request_id, "incident": number, "error": type(error).__name__, "places": said + places}
    _log.error(what, extra=extra)
    return number


def request_id_of(request: Request) -> str:
    """The id that the request carries, or was given at the door."""
    return str(request.scope["state"]["request_id"])


def _response(name: str, status: int, message: str, remedy: str, request_id: str) -> JSONResponse:
    slug = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
    body: dict[str, Any] = {
        "type": f"urn:cxrkit:problem:{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "remedy": remedy,
        "request_id": request_id,
    }
    return JSONResponse(body, status, media_type=MEDIA_TYPE)
