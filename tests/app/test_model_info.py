"""The Model info page renders the whole card, escaped; no page runs without the router."""

from __future__ import annotations

import pytest
from pydicom import uid
from streamlit.testing.v1 import AppTest

from cxrkit.imaging import dicom
from tests.app.conftest import page_text
from tests.conftest import REPOSITORY


@pytest.fixture
def info(app: AppTest) -> AppTest:
    return app.switch_page("pages/model_info.py").run()


def test_card_is_rendered(info: AppTest) -> None:
    assert not info.exception
    text = page_text(info)
    for part in (
        "Test preset tiny",
        "cnn, gap-dense",
        "Adults of a test",
        "none: random weights",
        "0.710 (0.630 to 0.790)",
        "200 (41)",
        "Split: test.",
        "platt",
        "a made-up release",
        "Nothing is recorded about label noise.",
        "No operating point at all: Pleural effusion.",
        "Not a medical device",
    ):
        assert part in text, part


def test_what_can_be_decoded_is_listed(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = uid.JPEGLSLossless
    monkeypatch.setattr("cxrkit.imaging.dicom.DECODERS", dicom.DECODERS | {missing: "none such"})
    monkeypatch.setattr("cxrkit.imaging.dicom.find_spec", lambda name: None)
    info = app.switch_page("pages/model_info.py").run()
    table = next(h.proto.body for h in info.get("html") if "<h3>Files that can be read here</h3>" in h.proto.body)
    rows = {row.split("<td>")[1].split("<")[0]: "not installed" in row for row in table.split("<tr>")[2:]}
    assert len(rows) == 16
    by_gdcm = {uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1}
    assert {syntax for syntax, absent in rows.items() if absent} == {missing} | by_gdcm


def test_support_of_every_operating_point_is_said(info: AppTest) -> None:
    table = next(h.proto.body for h in info.get("html") if "<h3>Operating points</h3>" in h.proto.body)
    rows = [row for row in table.split("<tr>") if "Mass" in row or "Pneumonia" in row]
    assert len(rows) == 6
    for row in rows:
        assert ("<td>no</td>" in row) == ("Mass" in row)
        assert ("<td>yes</td>" in row) == ("Pneumonia" in row)


def test_texts_of_a_card_are_escaped(info: AppTest) -> None:
    text = page_text(info)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_not_evaluated_is_said(info: AppTest) -> None:
    info.selectbox(key="chosen_preset").set_value("single").run()
    assert "Not evaluated" in page_text(info)


@pytest.mark.parametrize("page", ["read", "model_info"])
def test_no_page_runs_without_the_router(page: str) -> None:
    alone = AppTest.from_file(str(REPOSITORY / "pages" / f"{page}.py"), default_timeout=60).run()
    assert page_text(alone) == ""
    assert not alone.selectbox
    assert alone.session_state["page_wanted_before_the_router"][0] == f"pages/{page}.py"
