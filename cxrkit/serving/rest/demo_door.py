"""What the page at /demo may ask: Gradio for its files alone, and this server for a reading, as the API gives it."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxrkit.errors import BadRequest, CxrError
from cxrkit.serving.pictures import maps_for_a_page
from cxrkit.serving.rest.bodies import Body, received
from cxrkit.serving.rest.pages import rendered, shown
from cxrkit.serving.rest.problems import routing_problem, status_of
from cxrkit.serving.rest.readings import LONG_SIDE, Read
from cxrkit.serving.rest.routes import services
from cxrkit.serving.rest.schemas import ReadingQuery

PATH = "/demo"

SECONDS_HELD = 30.0
"""That a file waits in memory for its reading, which the page asks for as soon as the file is here."""

_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'self'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_FILES = ("/assets/", "/static/")
_PAGES = ("/", "/theme.css", "/config")

router = APIRouter(prefix=PATH, include_in_schema=False)


class StaticOnly:
    """Middleware within Gradio's application: nothing but the page and its files can be asked for.

    Parameters
    ----------
    app
        What is inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
        known = path in _PAGES or path.startswith(_FILES)
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not known:
            await routing_problem(404, scope["state"]["request_id"])(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = _POLICY
            await send(message)

        await self._app(scope, receive, answer)


class Held:
    """Files between their upload and their reading, each with the turn that counts its bytes; in memory alone."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[Body, ExitStack]] = {}

    def hold(self, body: Body, turn: ExitStack) -> str:
        """Keep a file for `SECONDS_HELD`, under a name that cannot be guessed."""
        name = secrets.token_urlsafe(32)
        self._files[name] = (body, turn)
        asyncio.get_running_loop().call_later(SECONDS_HELD, self._forget, name)
        return name

    def take(self, name: str) -> tuple[Body, ExitStack]:
        """A file and its turn, which are no longer held here.

        Raises
        ------
        BadRequest
            There is none of that name.
        """
        if name not in self._files:
            raise BadRequest("The file is no longer held here.", "Drop it onto the page again.")
        return self._files.pop(name)

    def _forget(self, name: str) -> None:
        if name in self._files:
            self._files.pop(name)[1].close()


class DemoQuery(ReadingQuery):
    """How to read, and which of the files that are held."""

    held: str = Field(max_length=64)


@router.get("")
def page() -> Response:
    return RedirectResponse(f".{PATH}/")  # relative: a proxy may have the server below another path


@router.post("/gradio_api/upload")
async def upload(request: Request) -> Response:
    """In place of Gradio's own, which writes to the disk; answers what its page expects, a list of names."""
    served = services(request)
    try:
        with ExitStack() as stack:
            turn = stack.enter_context(served.turns.turn())
            body = await received(request, served.settings, turn, part="files")
            return JSONResponse([request.app.state.held.hold(body, stack.pop_all())])
    except CxrError as error:  # the page shows the text as it is
        return PlainTextResponse(str(error), status_of(error))


@router.get("/gradio_api/upload_progress")
def progress() -> Response:
    """Gradio's page asks for it with each upload; it is told of the end alone."""
    return Response('data: {"msg": "done"}\n\n', media_type="text/event-stream")


@router.post("/read")
async def read(request: Request, query: Annotated[DemoQuery, Query()]) -> Any:
    """The reading of a file that is held: its verdict and probabilities as HTML, and its maps."""
    served = services(request)
    body, turn = request.app.state.held.take(query.held)
    with turn:
        done = await served.read(body, query)
        return JSONResponse(await served.readers.read(_answer, done, query))


def _answer(done: Read, query: ReadingQuery) -> dict[str, Any]:
    told = shown(done, query)
    explanations, label = done.reading.explanations, {row["finding"]: row["label"] for row in told["rows"]}
    seen = [finding for finding in label if explanations[finding].has_positive_evidence]
    pictures = maps_for_a_page(done.upright, done.reading, seen, LONG_SIDE) if seen else {}
    maps = [
        {
            "label": label[finding],
            "html": rendered("map.html.jinja", label=label[finding], picture=pictures.get(finding)),
        }
        for finding in label
    ]
    return {"told": rendered("demo_reading.html.jinja", **told), "maps": maps}
