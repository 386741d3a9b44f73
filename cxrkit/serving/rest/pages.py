"""What a person sees of the API: a form to send one file, its answer, and the description. Plain pages, no script."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from cxrkit.errors import CxrError, Overloaded
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.preset_folders import list_presets
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.pictures import maps_for_a_page
from cxrkit.serving.records import remarks
from cxrkit.serving.rest.problems import status_of
from cxrkit.serving.rest.readings import Read, record
from cxrkit.serving.rest.routes import Services, services
from cxrkit.serving.rest.schemas import ReadingQuery
from cxrkit.shares import percent, probability

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).with_name("templates")
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_templates = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
_templates.filters["probability"] = probability  # with the digits that matter, as everywhere: 0.04 % is not 0.0 %
_PICTURE = 900  # long side, in pixels


@router.get("/")
def form(request: Request) -> Response:
    """The form."""
    return _form_page(services(request))


@router.post("/")
async def answer(request: Request) -> Response:
    """The reading of the file that the form sent, or the form again with what is wrong."""
    served = services(request)
    try:
        with served.turns.turn() as turn:
            body = await served.body(request, turn)
            query = ReadingQuery(
                preset=body.fields.get("preset", "")[:64],
                rule="youden",
                all_the_same="all_the_same" in body.fields,
                as_it_lies="as_it_lies" in body.fields,
            )
            done = await served.read(body, query)
            return await served.readers.read(_answer_page, done, query)
    except CxrError as error:
        response = _form_page(served, error)
        if isinstance(error, Overloaded):
            response.headers["Retry-After"] = "1"
        return response


@router.get("/docs")
def description(request: Request) -> Response:
    """The OpenAPI description for a person."""
    return _page("docs.html.jinja", described=request.app.openapi(), token=bool(services(request).settings.token))


@router.get("/style.css")
def style() -> Response:
    """The style sheet of these pages."""
    return Response((_FOLDER / "style.css").read_bytes(), media_type="text/css")


def _form_page(served: Services, error: CxrError | None = None) -> Response:
    presets: tuple[Preset, ...] = ()
    try:
        presets = list_presets(served.settings.weights)
    except CxrError as unusable:
        error = error or unusable
    status = 200 if error is None else status_of(error)
    megabytes = served.settings.largest // 2**20
    return _page("form.html.jinja", status, presets=presets, error=error, megabytes=megabytes)


def _answer_page(done: Read, query: ReadingQuery) -> Response:
    told = shown(done, query)
    picture = None
    if told["rows"] and done.reading.explanations[told["rows"][0]["finding"]].has_positive_evidence:
        first = told["rows"][0]["finding"]
        picture = maps_for_a_page(done.upright, done.reading, [first], _PICTURE)[first]
    return _page("answer.html.jinja", **told, picture=picture)


def shown(done: Read, query: ReadingQuery) -> dict[str, Any]:
    """What the templates of a reading ask for: its record, its preset, its findings by rank, and the remarks."""
    found = record(done, query)
    ranked = sorted(found["findings"].items(), key=lambda item: -item[1]["probability"])
    rows = [_row(finding, entry) for finding, entry in ranked]
    said = [*found["warnings"], *remarks(found["quality"])]
    return {"reading": found, "preset": done.preset, "rows": rows, "remarks": said}


def rendered(template: str, **values: Any) -> str:
    """A template of this folder, filled in."""
    return _templates.get_template(template).render(disclaimer=DISCLAIMER, **values)


def _row(finding: str, entry: dict[str, Any]) -> dict[str, Any]:
    point = entry["operating_points"].get("youden")
    verdict, kind = "none", "none"
    if point is not None and point["in_doubt"]:
        verdict, kind = f"in doubt at {percent(point['threshold'])}", "doubt"
    elif point is not None:
        kind = "past" if point["positive"] else "below"
        verdict = f"{kind} {percent(point['threshold'])}"
    return {
        "finding": finding,
        "label": finding_text(finding).label,
        "probability": entry["probability"],
        "interval": entry["interval"],
        "verdict": verdict,
        "kind": kind,
    }


def _marked(text: str) -> Markup:
    """Text with `code` between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _page(template: str, status: int = 200, **values: Any) -> Response:
    return HTMLResponse(rendered(template, **values), status, {"Content-Security-Policy": _POLICY})


_templates.filters["marked"] = _marked
