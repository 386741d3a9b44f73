"""The dashboard through its front door, on small presets, with nothing left over from the last test."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cxrkit.card import Metric, ReferencePrevalence, ValidationScores
from cxrkit.dashboard.services import models as model_services
from cxrkit.preset import Preset
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager


@pytest.fixture(scope="session")
def app_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Presets ``mixed`` (three findings, of which one is supported) and ``single`` (one finding, no metrics)."""
    folder = tmp_path_factory.mktemp("app-weights")
    shutil.copytree(tiny_folder / "single", folder / "single")
    scores = {"Pneumonia": ValidationScores("val", (0.2, 0.4, 0.6, 0.8), (0.1, 0.3, 0.5, 0.7))}
    dataclasses.replace(Preset.load(folder / "single"), validation_scores=scores).save(folder / "single")
    shutil.copytree(tiny_folder / "tiny", folder / "mixed")
    tiny = Preset.load(folder / "mixed")
    points = [
        dataclasses.replace(p, positives=12) if p.finding == "Mass" else p
        for p in tiny.operating_points
        if p.finding != "Effusion"
    ]
    mixed = dataclasses.replace(
        tiny,
        name="mixed",
        operating_points=tuple(points),
        reference_prevalence=ReferencePrevalence(
            "a made-up release", {"Effusion": 0.1, "Mass": 0.05, "Pneumonia": 0.1}
        ),
        metrics=(Metric("Pneumonia", "auroc", 0.71, 0.63, 0.79, 200, 41, "test", tiny.weights_sha256),),
        limits=("Limits may hold <script>alert(1)</script> signs.",),
    )
    mixed.save(folder / "mixed")
    return folder


@pytest.fixture(scope="session")
def models() -> Callable[..., XRayModelManager]:
    """What the dashboard loads a model with, but models outlive the clearing of the caches between tests."""
    load, loaded = model_services._manager, {}

    def once(folder: str, card_sha256: str, preset: Preset) -> XRayModelManager:
        key = folder, card_sha256
        if key not in loaded:
            loaded[key] = load(folder, card_sha256, preset)
        return loaded[key]

    return once


@pytest.fixture
def app(
    app_folder: Path, models: Callable[..., XRayModelManager], monkeypatch: pytest.MonkeyPatch
) -> Iterator[AppTest]:
    """The app after its first run."""
    monkeypatch.setattr("cxrkit.preset_folders.WEIGHTS", app_folder)
    monkeypatch.setattr(model_services, "_manager", models)
    st.cache_resource.clear()
    yield AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=60).run()
    st.cache_resource.clear()


@pytest.fixture
def upload() -> Callable[[AppTest, bytes, str], AppTest]:
    """Upload a file through the page's own field."""

    def put(app: AppTest, data: bytes, name: str) -> AppTest:
        return app.file_uploader[0].set_value((name, data, "application/octet-stream")).run()

    return put


@pytest.fixture
def upload_all() -> Callable[..., AppTest]:
    """Upload several files at once through the page's own field."""

    def put(app: AppTest, *files: bytes) -> AppTest:
        named = [(f"scan{number}", data, "application/octet-stream") for number, data in enumerate(files)]
        return app.file_uploader[0].set_value(named).run()

    return put


def field(app: AppTest, key: str) -> str:
    """Key of a field in a popover, which is another one after choices were forgotten."""
    number = app.session_state["choices_forgotten"] if "choices_forgotten" in app.session_state else 0  # noqa: SIM401
    return f"{key}_{number}"


def page_text(app: AppTest) -> str:
    """All HTML, Markdown and messages of the page, as one text."""
    blocks = [*app.get("html"), *app.markdown, *app.caption, *app.error, *app.warning]
    return "\n".join(str(getattr(b, "value", None) or b.proto.body) for b in blocks)
