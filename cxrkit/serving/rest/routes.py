"""The addresses that machines ask."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from cxrkit.errors import CxrError
from cxrkit.preset_folders import list_presets
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.remote_image import fetch
from cxrkit.serving.rest import meters, schemas
from cxrkit.serving.rest.bodies import Body, received
from cxrkit.serving.rest.health import health
from cxrkit.serving.rest.problems import MEDIA_TYPE
from cxrkit.serving.rest.readers import Readers
from cxrkit.serving.rest.readings import Read, pneumonia_answer, read, record
from cxrkit.serving.rest.settings import Settings
from cxrkit.serving.rest.turns import Turns

PNEUMONIA = "pneumonia"
"""The preset that `POST /predict` reads with."""

router = APIRouter()

_FILE = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary", "description": "DICOM, PNG, JPEG, ..."}},
        }
    },
    "application/json": {"schema": schemas.Address.model_json_schema()},
}
_SAID = {
    400: "The body is malformed.",
    401: "No token, or a wrong one.",
    404: "No such preset.",
    408: "The body did not arrive in time.",
    413: "The file is too large.",
    415: "The request carries no form, or the file is of no format that is read.",
    422: "A parameter is wrong, the file is damaged, or it holds no usable radiograph.",
    429: "The client asks too often; see Retry-After.",
    500: "A defect of the server.",
    503: "As many radiographs are read as can be, or the models are not usable; see Retry-After.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an address, for its description."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _SAID[status], "content": content} for status in statuses}


class Services:
    """What the addresses share; it lies in the application's state.

    Attributes
    ----------
    settings, meters, readers, turns
        See their classes.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.meters = meters.Meters()
        self.readers = Readers(settings, self.meters)
        self.turns = Turns(settings.queue, settings.memory)
        self.meters.turns.set_function(lambda: self.turns.taken)

    async def body(self, request: Request, turn: Any) -> Body:
        """The file of a request: as it came in a form, or from the address that it names."""
        body = await received(request, self.settings, turn)
        if not body.url:
            return body
        data = await self.readers.fetch(fetch, body.url)
        turn.take(len(data))
        return Body(data)

    async def read(self, body: Body, query: schemas.ReadingQuery) -> Read:
        """A reading, counted."""
        done = await self.readers.read(lambda: read(body, self.readers.manager(query.preset), query))
        outcome = "refused" if done.reading.quality.refused else "read"
        self.meters.readings.labels(done.preset.name, outcome).inc()
        return done


def services(request: Request) -> Services:
    """Those of the application that a request came to."""
    return cast(Services, request.app.state.services)


@router.post(
    "/predict",
    summary="Pneumonia or not, in six fields",
    description="Reads with the preset `pneumonia`. A picture that is no usable frontal chest radiograph is answered "
    "with 422. JSON with an address works only where the server allows it (CXRKIT_ALLOW_URLS).",
    response_model=schemas.PneumoniaAnswer,
    responses=problems(400, 401, 404, 408, 413, 415, 422, 429, 500, 503),
    openapi_extra={"requestBody": {"required": True, "content": _FILE}},
    tags=["readings"],
)
async def predict(request: Request, response: Response) -> Any:
    served = services(request)
    with served.turns.turn() as turn:
        body = await served.body(request, turn)
        done = await served.read(body, schemas.ReadingQuery(preset=PNEUMONIA))
        response.headers["X-Disclaimer"] = DISCLAIMER
        return await served.readers.read(pneumonia_answer, done)


@router.post(
    "/v1/readings",
    summary="Everything about one radiograph",
    description="A picture that is no usable frontal chest radiograph is answered with 200, `quality.refused` and no "
    "findings, unless it is asked for with `all_the_same`.",
    response_model=schemas.ReadingRecord,
    response_model_exclude_unset=True,
    responses=problems(400, 401, 404, 408, 413, 415, 422, 429, 500, 503),
    openapi_extra={"requestBody": {"required": True, "content": _FILE}},
    tags=["readings"],
)
async def readings(request: Request, query: Annotated[schemas.ReadingQuery, Query()]) -> Any:
    served = services(request)
    with served.turns.turn() as turn:
        body = await served.body(request, turn)
        done = await served.read(body, query)
        return await served.readers.read(record, done, query)


@router.get(
    "/v1/presets",
    summary="The models that this server reads with",
    response_model=schemas.PresetList,
    responses=problems(401, 429, 500, 503),
    tags=["server"],
)
def presets(request: Request) -> Any:
    found = list_presets(services(request).settings.weights)
    summaries = [
        {
            "name": preset.name,
            "title": preset.title,
            "version": preset.version,
            "findings": list(preset.findings),
            "weights_sha256": preset.weights_sha256,
            "input_size": preset.input_size,
            "intended_use": preset.intended_use,
            "limits": list(preset.limits),
            "rules": list(dict.fromkeys(point.rule for point in preset.operating_points if point.supported)),
            "notice": preset.notice,
        }
        for preset in found
    ]
    return {"presets": summaries, "disclaimer": DISCLAIMER}


@router.get(
    "/health",
    summary="Whether this server can read, and what",
    description="Needs no token.",
    response_model=schemas.Health,
    responses={503: {"description": "The models cannot be used.", "model": schemas.Unusable}},
    tags=["server"],
)
def health_of(request: Request) -> Any:
    served = services(request)
    try:
        served.readers.check()
        return health(served.readers.loaded, served.settings.weights)
    except CxrError as error:
        body = {"status": "unusable", "message": error.message, "remedy": error.remedy, "disclaimer": DISCLAIMER}
        return JSONResponse(body, status_code=503)


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text format."},
        **problems(401, 429, 500),
    },
    tags=["server"],
)
def metrics(request: Request) -> Response:
    return Response(services(request).meters.text(), media_type=meters.CONTENT_TYPE)
