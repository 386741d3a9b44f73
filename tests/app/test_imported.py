"""A preset of weights from elsewhere: nothing counted, calibrated or fitted, two published thresholds."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cxrkit.card import Calibration, Population, PublishedThreshold, TrainingRecord
from cxrkit.dashboard.services import models as model_services
from cxrkit.preset import Preset
from tests.app.conftest import page_text
from tests.conftest import REPOSITORY


@pytest.fixture
def imported(
    tiny_folder: Path, tmp_path: Path, models: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[AppTest]:
    shutil.copytree(tiny_folder / "tiny", tmp_path / "imported")
    tiny = Preset.load(tmp_path / "imported")
    dataclasses.replace(
        tiny,
        name="imported",
        title="Imported",
        calibration=dict.fromkeys(tiny.findings, Calibration(1.0, 0.0, "identity", "none", 0, 0)),
        label_counts=(),
        operating_points=(),
        published_thresholds=(
            PublishedThreshold("Effusion", 0.0001, "a <b>paper</b>"),
            PublishedThreshold("Mass", 0.9999, "a <b>paper</b>"),
        ),
        population=Population("Whom its publisher does not state.", (), ()),
        training=TrainingRecord("imported", (), None, None, None, None, "a command"),
        notice="Weights from elsewhere.",
    ).save(tmp_path / "imported")
    shutil.copytree(tiny_folder / "single", tmp_path / "single")
    monkeypatch.setattr("cxrkit.preset_folders.WEIGHTS", tmp_path)
    monkeypatch.setattr(model_services, "_manager", models)
    st.cache_resource.clear()
    yield AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=60).run()
    st.cache_resource.clear()


def phantom(app: AppTest) -> AppTest:
    return next(b for b in app.button if b.label == "Synthetic phantom").click().run()


def test_published_thresholds_rank_under_their_own_name(imported: AppTest) -> None:
    assert imported.radio[0].options == ["Published", "Custom"]
    app = phantom(imported)
    assert not app.exception
    text = page_text(app)
    assert "1 of 2 past the published thresholds" in text
    assert "none is published for them" in text
    assert "a &lt;b&gt;paper" in text
    assert "no predictive values" in text
    assert "Sensitivity</dt>" not in text
    assert "train your own" not in text
    app.radio[0].set_value("custom").run()
    text = page_text(app)
    assert "no operating point was fitted for these weights" in text
    assert "Nothing was fitted for these weights" in text


def test_rules_follow_the_preset(imported: AppTest) -> None:
    app = imported.selectbox(key="chosen_preset").set_value("single").run()
    assert app.radio[0].options == ["Screening", "Youden", "Rule-in", "Custom"]
    assert app.radio[0].value == "youden"
    app = app.selectbox(key="chosen_preset").set_value("imported").run()
    assert app.radio[0].value == "published"
    assert not app.exception


def test_the_card_says_what_is_not_known(imported: AppTest) -> None:
    info = imported.switch_page("pages/model_info.py").run()
    assert not info.exception
    text = page_text(info)
    for name in ("performance", "data"):
        info.session_state["section_model_info"] = name
        text += page_text(info.run())
    assert not info.exception
    for part in (
        "How often each was labelled in the training split is not stated.",
        "None was fitted: the weights were taken over as published.",
        "a &lt;b&gt;paper",
        "Not calibrated here",
        "<dt>Ages</dt><dd>not stated</dd>",
        "<dt>Images</dt><dd>not stated</dd>",
        "<dd>a command</dd>",
    ):
        assert part in text
