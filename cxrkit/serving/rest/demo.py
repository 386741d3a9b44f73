"""The page at /demo: Gradio draws it in the browser, `demo_door` answers it as the API answers. No logic of its own.

Gradio's server side is asked for the page and its files alone: left to itself it would write each upload to the disk
under its name, and keep each visitor's last reading in memory.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware

from cxrkit.errors import ExtraMissing
from cxrkit.preset_folders import list_presets
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.rest.demo_door import PATH, Held, StaticOnly, router
from cxrkit.serving.rest.pages import rendered
from cxrkit.serving.rest.routes import Services

_FOLDER = Path(__file__).with_name("templates")


def mount(app: FastAPI, served: Services) -> None:
    """Add the page to an application.

    Raises
    ------
    ExtraMissing
        Gradio is not installed.
    PresetError
        A preset cannot be used.
    """
    if find_spec("gradio") is None:
        raise ExtraMissing(
            "The page at /demo needs Gradio.",
            "Run: pip install --no-deps -r requirements-gradio.txt, or start the server without it.",
        )
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before it is imported: it would tell its makers of itself
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import gradio

    presets = list_presets(served.settings.weights)
    first = "chestxray14" if "chestxray14" in [preset.name for preset in presets] else None
    with gradio.Blocks(title="Read a radiograph · cxrkit", analytics_enabled=False) as page:
        gradio.HTML(rendered("demo.html.jinja"))
        with gradio.Row():
            with gradio.Column(min_width=300):
                preset = gradio.Dropdown(
                    [(preset.title, preset.name) for preset in presets], value=first, label="Model", filterable=False
                )
                same = gradio.Checkbox(label="Read it even if it is refused as no usable frontal chest radiograph")
                lies = gradio.Checkbox(label="Read it as it lies, even if it seems turned or inverted")
                file = gradio.File(label="Radiograph (DICOM, PNG, JPEG, ...): read at once, and not kept", height=180)
                told = gradio.HTML()
            with gradio.Column(min_width=300):
                finding = gradio.Dropdown([], label="Map of", visible=False, filterable=False)
                picture = gradio.HTML()
        gradio.HTML(f"<footer>{DISCLAIMER}</footer>")
        file.upload(None, [file, preset, same, lies], [file, told, finding, picture], js="readRadiograph")
        finding.change(None, finding, picture, js="showMap")
    app.state.held = Held()
    app.include_router(router)  # before the page: its address for uploads takes the place of Gradio's
    lifespan = app.router.lifespan_context
    gradio.mount_gradio_app(
        app,
        page,
        PATH,
        app_kwargs={"middleware": [Middleware(StaticOnly)]},
        max_file_size=served.settings.largest,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        css=(_FOLDER / "demo.css").read_text(),
        head=f"<script>{(_FOLDER / 'demo.js').read_text()}</script>",
    )
    app.router.lifespan_context = lifespan  # without the start of Gradio's queue, which nothing here uses
