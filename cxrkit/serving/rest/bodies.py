"""What a request carries: a file in a form, or the address of one. Bounded while it arrives, and never on a disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from cxrkit.errors import BadRequest, CxrError, RequestTimeout, TooLarge, UnsupportedFormat
from cxrkit.serving.rest.settings import Settings
from cxrkit.serving.rest.turns import Turn

LARGEST_JSON = 16_384
MOST_FIELDS = 8
_ENVELOPE = 65_536
"""Bytes of a form beside its file."""


@dataclass(frozen=True, eq=False)
class Body:
    """A file, or the address of one.

    Attributes
    ----------
    data
        Of the file; empty where there is an address.
    name
        The file's, of which only the extension is looked at.
    url
        Empty where there is a file.
    fields
        The other fields of a form.
    """

    data: bytes = b""
    name: str = ""
    url: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


async def received(request: Request, settings: Settings, turn: Turn, part: str = "file") -> Body:
    """Receive the body of a request; ``part`` is the name that the file has in a form.

    Raises
    ------
    BadRequest
        It is malformed, or holds no file or several.
    UnsupportedFormat
        It is neither a form nor JSON.
    TooLarge
        It is, or says that it is, larger than is accepted.
    RequestTimeout
        It does not arrive in time.
    Overloaded
        The bodies of all requests take too much memory.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/json"):
        raise UnsupportedFormat(
            "The request carries neither a form with a file nor JSON with an address.",
            'Send the file as multipart/form-data in a part named "file": curl -F file=@radiograph.dcm ...',
        )
    try:
        async with asyncio.timeout(settings.seconds):
            if kind == "application/json":
                return await _address(request, turn)
            return await _form(request, settings, turn, part)
    except TimeoutError:
        raise RequestTimeout("The file did not arrive in time.", "Send it again over a better connection.") from None
    except ClientDisconnect:
        raise BadRequest("The connection broke off before the file had arrived.", "Send it again.") from None


async def _bounded(request: Request, turn: Turn, most: int, refusal: CxrError) -> AsyncGenerator[bytes, None]:
    """The pieces of a body, of at most so many bytes."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal():
        raise BadRequest("The request's length is not a number.", "Send it again.")
    if int(announced) > most:
        raise refusal
    total = 0
    async for piece in request.stream():
        total += len(piece)
        if total > most:
            raise refusal
        turn.take(len(piece))
        yield piece


async def _form(request: Request, settings: Settings, turn: Turn, part: str) -> Body:
    refusal = TooLarge(
        f"The file is larger than the {max(1, settings.largest // 2**20)} MB that are accepted.",
        "Export the single radiograph instead of a whole study or series.",
    )
    pieces = _bounded(request, turn, settings.largest + _ENVELOPE, refusal)
    parser = MultiPartParser(request.headers, pieces, max_files=1, max_fields=MOST_FIELDS, max_part_size=1024)
    parser.spool_max_size = 0  # 0 is without limit: the file stays in memory, where `Turn` counts it
    try:
        form = await parser.parse()
    except (MultiPartException, UnicodeError, ValueError, LookupError):
        raise BadRequest(
            'The form is malformed, or holds more than one file and a few fields beside the part named "file".',
            "Send one file: curl -F file=@radiograph.dcm ...",
        ) from None
    file = form.get(part)
    if not isinstance(file, UploadFile) or (not file.filename and not file.size):
        await form.close()
        raise BadRequest(
            f'The form holds no file in a part named "{part}".', "Choose a file, or: curl -F file=@radiograph.dcm ..."
        )
    data = await file.read()
    name = file.filename or ""
    await form.close()
    return Body(data, name, fields={key: value for key, value in form.items() if isinstance(value, str)})


async def _address(request: Request, turn: Turn) -> Body:
    refusal = BadRequest("The body is longer than one with an address is.", "Send the file itself in a form.")
    text = b"".join([piece async for piece in _bounded(request, turn, LARGEST_JSON, refusal)])
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.", 'Send {"url": "https://..."}, or a file in a form.') from None
    if not isinstance(body, dict) or set(body) != {"url"} or not isinstance(body["url"], str):
        raise BadRequest(
            'The body must be an object with "url", a text, alone.',
            'Send {"url": "https://..."}, or a file in a form.',
        )
    return Body(url=body["url"])
