"""Refusals, corrections and warnings on the Read page, with the way past and the way back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard.services import readings
from cxrkit.imaging.phantom import phantom, phantom_dicom
from cxrkit.model.gate import PLACEMENTS, placed
from tests.app.conftest import field, page_text
from tests.app.test_read import button, rows
from tests.conftest import REPOSITORY

Upload = Callable[[AppTest, bytes, str], AppTest]


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def shipped() -> Iterator[AppTest]:
    """The app with the shipped presets, whose gates were fitted."""
    st.cache_resource.clear()
    app = AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=120)
    app.session_state["chosen_preset"] = "pneumonia"
    yield app.run()
    st.cache_resource.clear()


def test_another_modality_is_refused_and_can_be_read_all_the_same(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_dicom(size=256, attributes={"Modality": "CT"}), "a.dcm")
    assert not app.exception
    assert rows(app) == []
    assert "another kind of image" in page_text(app)
    assert {d.label for d in app.get("download_button")} == set()
    button(app, "Show the reading all the same").click().run()
    assert len(rows(app)) == 3
    assert "in spite of a refusal" in page_text(app)


def test_an_override_is_forgotten_with_the_patient(app: AppTest, upload: Upload) -> None:
    data = phantom_dicom(size=256, attributes={"Modality": "CT"})
    upload(app, data, "a.dcm")
    button(app, "Show the reading all the same").click().run()
    button(app, "Clear patient").click().run()
    upload(app, data, "a.dcm")
    assert rows(app) == []


def test_an_override_is_for_one_picture_of_one_model(app: AppTest, upload: Upload) -> None:
    refused = phantom_dicom(size=256, attributes={"Modality": "CT"})
    upload(app, refused, "a.dcm")
    button(app, "Show the reading all the same").click().run()
    assert len(rows(app)) == 3
    app.selectbox(key="chosen_preset").set_value("single").run()
    assert rows(app) == []  # nobody asked this model
    app.selectbox(key="chosen_preset").set_value("mixed").run()
    assert len(rows(app)) == 3
    upload(app, phantom_dicom(seed=1, size=256), "b.dcm")
    upload(app, refused, "a.dcm")
    assert rows(app) == []


def test_an_override_is_recorded_in_the_json(app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    read = readings.read
    monkeypatch.setattr(readings, "read", lambda *a: kept.append(read(*a)[1]) or read(*a))
    upload(app, phantom_dicom(size=256, attributes={"BodyPartExamined": "HAND"}), "a.dcm")
    assert json.loads(readings.reading_json(kept[-1]))["quality"]["refused"] is True
    button(app, "Show the reading all the same").click().run()
    quality = json.loads(readings.reading_json(kept[-1]))["quality"]
    assert quality["overridden"] is True
    assert [issue["code"] for issue in quality["issues"] if issue["severity"] == "refuse"] == ["other-body-part"]


@pytest.mark.parametrize("number", [2, 5])
def test_a_phantom_that_lies_wrongly_is_put_into_place_and_back(shipped: AppTest, upload: Upload, number: int) -> None:
    upload(shipped, png(placed(phantom(2, 512).pixels, number)), "a.png")
    assert not shipped.exception
    assert len(rows(shipped)) == 1
    said = " ".join(info.value for info in shipped.info)
    assert "before it was read" in said
    assert ("180" in said, "nverted" in said) == ("rotate-180" in PLACEMENTS[number], "invert" in PLACEMENTS[number])
    shipped.toggle(key=field(shipped, "blank_own")).set_value(True).run()  # a box on the picture as it was
    button(shipped, "Undo").click().run()
    assert shipped.toggle(key=field(shipped, "blank_own")).value is False
    assert "Read as it lies" in " ".join(info.value for info in shipped.info)
    button(shipped, "Put into place").click().run()
    assert "before it was read" in " ".join(info.value for info in shipped.info)


def test_the_phantom_itself_passes_and_noise_does_not(shipped: AppTest, upload: Upload) -> None:
    upload(shipped, phantom_dicom(seed=5, size=512), "a.dcm")
    assert len(rows(shipped)) == 1
    assert not shipped.info
    upload(shipped, png(np.random.default_rng(0).random((300, 300))), "a.png")
    assert rows(shipped) == []
    assert "does not look like a frontal chest" in page_text(shipped)
    assert "Show the reading all the same" in {b.label for b in shipped.button}
