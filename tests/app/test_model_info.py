"""The Model info page: every section, each empty state, everything escaped; no page runs without the router."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from pydicom import uid
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard.repeatability_card import repeatability_html
from cxrkit.imaging import dicom
from cxrkit.imaging.phantom import phantom_png
from cxrkit.preset import Preset
from cxrkit.repeatability import Repeatability, RepeatabilityLimit
from cxrkit.training_log import Epoch, Run, TrainingLog, save_log
from tests.app.conftest import page_text
from tests.conftest import REPOSITORY


@pytest.fixture
def info(app: AppTest) -> AppTest:
    return app.switch_page("pages/model_info.py").run()


def section(info: AppTest, name: str) -> str:
    """The text of the page once a section was chosen."""
    info.session_state["section_model_info"] = name
    info.run()
    assert not info.exception
    return page_text(info)


def test_card_is_rendered(info: AppTest) -> None:
    assert not info.exception
    text = page_text(info)
    for part in (
        "Test preset tiny",
        "cnn, gap-dense",
        "Adults of a test",
        "none: random weights",
        "Nothing is recorded about label noise.",
        "Not a medical device",
    ):
        assert part in text, part


def test_performance_has_intervals_and_counts(info: AppTest) -> None:
    text = section(info, "performance")
    for part in (
        "0.710 (0.630 to 0.790)",
        "200 (41)",
        "Split: test.",
        "platt",
        "No operating point at all: Pleural effusion.",
        "Not a medical device",
    ):
        assert part in text, part


def test_architecture_is_drawn_with_the_layer_of_the_card(info: AppTest) -> None:
    text = section(info, "architecture")
    assert 'src="data:image/svg+xml;base64,' in text
    assert "From a picture of 64 x 64 to 3 outputs: Block 1 32 x 32 x 16" in text
    assert '4 x 4 x 256</td><td role="cell" data-column="Last layer">block5_conv (Grad-CAM)</td>' in text
    assert "Dense layer: 3 logits, one per finding" in text


def test_training_without_a_log_is_said(info: AppTest) -> None:
    text = section(info, "training")
    assert "No training log stands beside this preset" in text
    assert not info.get("plotly_chart")


def test_training_curves_of_a_log(info: AppTest, app_folder: Path) -> None:
    sha = Preset.load(app_folder / "mixed").weights_sha256
    epochs = tuple(Epoch(1, n, 64, 0.001, 1800.0, 1 / n, 1.5 / n, 0.5 + 0.1 * n) for n in (1, 2))
    run = Run("A run", 90, 80, 9, 8, 3, 20, "2026-01-02T03:04:05+00:00", "5" * 64, sha, epochs)
    path = save_log(TrainingLog(sha, (run,)), app_folder / "mixed")
    try:
        text = section(info, "training")
        assert len(info.get("plotly_chart")) == 2
        for part in ("1. A run", "90 (80)", "9 (8)", "2 at 64 px", "Last epoch: 0.500 on training images", "n = 9"):
            assert part in text, part
        assert "started from weights with the sum 555555555555" in text
        path.write_text("{}")
        text = section(info, "training")
        assert "is malformed" in text
        assert str(app_folder) not in text
    finally:
        path.unlink()


def test_data_sheet(info: AppTest) -> None:
    text = section(info, "data")
    for part in (
        "a made-up release",
        "<td>100</td><td>100</td>",
        "not stated",
        "Nothing is recorded about label noise.",
    ):
        assert part in text, part
    assert "What others found" not in text  # nothing is claimed of data that are not named


def test_errors_are_made_of_the_phantom(info: AppTest) -> None:
    text = section(info, "errors")
    assert text.count('<img src="data:image/jpeg') == 11
    assert "No patient&#x27;s radiograph is shown here" in text
    assert "Made of" not in [radio.label for radio in info.radio]
    info.selectbox(key="learn_finding").set_value("Mass").run()
    assert "Mass: " in page_text(info)


def test_errors_of_the_readers_own_picture(app: AppTest, upload: Callable[[AppTest, bytes, str], AppTest]) -> None:
    app = upload(app, phantom_png(seed=3, size=256), "private-name.png")
    info = app.switch_page("pages/model_info.py").run()
    before = section(info, "errors")
    info.radio(key="mishap_source").set_value("own").run()
    after = page_text(info)
    assert not info.exception
    assert after.count('<img src="data:image/jpeg') == 11
    assert after != before
    assert "private-name" not in after


def test_claim_has_44_items_and_a_filter(info: AppTest) -> None:
    text = section(info, "claim")
    assert text.count('<th scope="row" role="rowheader">') == 44
    assert "10.1148/ryai.240300" in text or "ryai.240300" in text
    info.session_state["claim_answers"] = ["no"]
    info.run()
    rows = [row for row in page_text(info).split("<tr ") if 'role="rowheader"' in row]
    assert len(rows) == 3
    assert all('data-column="Answer">no</td>' in row for row in rows)
    info.session_state["claim_answers"] = []
    assert "Choose at least one answer" in page_text(info.run())


def test_licences_and_sums(info: AppTest, app_folder: Path) -> None:
    text = section(info, "licences")
    assert Preset.load(app_folder / "mixed").weights_sha256 in text
    assert f'data-column="Version">{version("streamlit")}</td>' in text
    assert "MIT licence" in text


def test_a_section_stands_in_the_address(app: AppTest) -> None:
    info = app.switch_page("pages/model_info.py").run()
    assert "section" not in info.query_params
    section(info, "licences")
    assert info.query_params["section"] == "licences"
    info.query_params["section"] = "claim"  # the browser went back
    assert "CLAIM 2024: how far" in page_text(info.run())
    info.query_params["section"] = "no such section"
    assert "CLAIM 2024: how far" in page_text(info.run())


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
    section(info, "performance")
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
    assert "Not evaluated" in section(info, "performance")


@pytest.mark.parametrize("page", ["read", "model_info", "learn"])
def test_no_page_runs_without_the_router(page: str) -> None:
    alone = AppTest.from_file(str(REPOSITORY / "pages" / f"{page}.py"), default_timeout=60).run()
    assert page_text(alone) == ""
    assert not alone.selectbox
    assert alone.session_state["page_wanted_before_the_router"][0] == f"pages/{page}.py"


def test_repeatability_is_told_with_its_count_and_command(info: AppTest, app_folder: Path) -> None:
    """On the scale of the delivered probability, which is the raw logit times the slope of its calibration."""
    assert "Not measured for these weights, so Compare calls no change one" in section(info, "performance")
    mixed = Preset.load(app_folder / "mixed")
    slope = mixed.calibration["Mass"].slope
    limit = RepeatabilityLimit("Mass", 1 / slope, 0.8 / slope, 1.2 / slope, 0.943)
    record = Repeatability(
        ("rotation <up> to 2 degrees",), "val", 1185, 6, (limit,), mixed.weights_sha256, 20, "python measure.py <mixed>"
    )
    html = repeatability_html(dataclasses.replace(mixed, repeatability=record))
    for part in (
        "n = 1,185 radiographs of the split val were read 6 times each",
        "<li>rotation &lt;up&gt; to 2 degrees</li>",
        "<code>python measure.py &lt;mixed&gt;</code> (seed 20)",
        "<td>±1.00 (0.80 to 1.20)</td><td>26.9 % to 73.1 %</td><td>94.3 %</td>",
    ):
        assert part in html, part
