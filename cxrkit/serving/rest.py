"""What a machine may ask over HTTP: so far only whether this installation can read, and what.

``uvicorn cxrkit.serving.rest:app``, or ``scripts/serve.py``.
"""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import cxrkit.preset
from cxrkit.errors import CxrError
from cxrkit.lung_card import LUNGS, load_card
from cxrkit.preset import list_presets
from cxrkit.reading import DISCLAIMER


def health() -> dict[str, Any]:
    """Presets whose files are what their cards name, and the DICOM encodings that can be decoded, as plain types.

    ``status`` is ``"ok"`` when there is a preset and every decoder is installed, else ``"degraded"``. Nothing
    is loaded: the sums of the weights are compared, which takes some milliseconds.

    Raises
    ------
    PresetInvalid, WeightsMissing, WeightsCorrupt
        A preset or the lung network cannot be used.
    """
    # Imported here: the DICOM library is wanted by this answer alone.
    from cxrkit.imaging.dicom import transfer_syntaxes

    presets = list_presets(cxrkit.preset.WEIGHTS)
    for preset in presets:
        preset.verified_weights()
        preset.verified_gate()
    lungs = load_card(LUNGS)
    if lungs is not None:
        lungs.verified_weights(LUNGS)
    syntaxes = [{"uid": uid, "name": name, "decodable": decodable} for uid, name, decodable in transfer_syntaxes()]
    sound = bool(presets) and all(syntax["decodable"] for syntax in syntaxes)
    return {
        "status": "ok" if sound else "degraded",
        "presets": [{"name": p.name, "version": p.version, "weights_sha256": p.weights_sha256} for p in presets],
        "transfer_syntaxes": syntaxes,
        "disclaimer": DISCLAIMER,
    }


def _health(request: Request) -> JSONResponse:
    """``GET /health``: 200 with `health`, or 503 with the message and remedy of what is wrong."""
    try:
        return JSONResponse(health())
    except CxrError as error:
        body = {"status": "unusable", "message": error.message, "remedy": error.remedy, "disclaimer": DISCLAIMER}
        return JSONResponse(body, status_code=503)


app = Starlette(routes=[Route("/health", _health)])
