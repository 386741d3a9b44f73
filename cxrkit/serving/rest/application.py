"""The application itself: what is put together, and in which order it starts and stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cxrkit.errors import BadRequest, CxrError
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.rest import logs, pages, routes
from cxrkit.serving.rest.door import Door
from cxrkit.serving.rest.health import API_VERSION
from cxrkit.serving.rest.problems import problem, request_id_of, routing_problem
from cxrkit.serving.rest.schemas import Problem
from cxrkit.serving.rest.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; nothing is loaded before it is started.

    Parameters
    ----------
    settings
        By default those of the environment.

    Raises
    ------
    ServingError
        The environment says what cannot be.
    ExtraMissing, PresetError
        The page at /demo is asked for, and Gradio is not installed or a preset cannot be used.
    """
    settings = Settings.from_environment() if settings is None else settings
    served = routes.Services(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure()
        served.readers.start()
        yield
        served.readers.close()

    app = FastAPI(
        title="cxrkit",
        version=API_VERSION,
        description=f"Readings of chest radiographs over HTTP. {DISCLAIMER}",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's page loads its scripts from elsewhere: `pages` has one of our own
        redoc_url=None,
        redirect_slashes=False,
        # no trace of a request goes anywhere
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.services = served
    # described as wanted where there is one; `Door` is what looks at it
    described = [Depends(HTTPBearer(auto_error=False))] if settings.token else []
    app.include_router(routes.router, dependencies=described)
    app.include_router(pages.router)
    if settings.demo:
        # Imported here: Gradio, which takes seconds, is wanted by this page alone.
        from cxrkit.serving.rest import demo

        demo.mount(app, served)
    app.add_middleware(Door, settings=settings, meters=served.meters)
    app.add_exception_handler(CxrError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_the_router)
    app.openapi = lambda: _description(app)  # type: ignore[method-assign]
    return app


def _description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the shape of problems, and without FastAPI's own shape of errors."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        shapes = made.setdefault("components", {}).setdefault("schemas", {})
        shapes["Problem"] = Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            shapes.pop(unused, None)
        app.openapi_schema = made
    return app.openapi_schema


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, CxrError)
    return problem(error, request_id_of(request))


async def _invalid(request: Request, error: Exception) -> Response:
    """A parameter that is not what the description says; what was given is not quoted."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = str(first["loc"][-1]) if first["type"] != "extra_forbidden" else "one of those given"
    said = first["msg"][:1].lower() + first["msg"][1:]
    wrong = BadRequest(f"A parameter is wrong ({where}): {said}.", "See /docs for the parameters.")
    return problem(wrong, request_id_of(request), status=422)


async def _of_the_router(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return routing_problem(error.status_code, request_id_of(request), dict(error.headers or {}))
