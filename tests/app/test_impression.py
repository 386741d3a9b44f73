"""Doubt and impression on the Read page: verdicts, counts, languages, and a choice that is kept."""

from __future__ import annotations

import dataclasses
import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cxrkit.card import Doubt, DoubtMeasure
from cxrkit.dashboard.viewer_view import export_captions
from cxrkit.imaging.phantom import phantom_png
from cxrkit.preset import Preset
from cxrkit.quality import QualityReport
from cxrkit.reading import DISCLAIMER, Box, Explanation, FindingScore, Interval, Prediction, Reading
from tests.app.conftest import page_text

Upload = Callable[[AppTest, bytes, str], AppTest]


@pytest.fixture
def doubtful(
    app: AppTest, app_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upload: Upload
) -> AppTest:
    """A reading by the preset ``single`` with half of its head dropped, so that much is in doubt."""
    folder = tmp_path / "weights"
    shutil.copytree(app_folder / "single", folder / "single")
    card = Preset.load(folder / "single")
    measures = (DoubtMeasure("Pneumonia", "youden", 200, 30, 12, 40, 12),)
    doubt = Doubt(0.5, 50, 20, card.weights_sha256, "val", "none", measures)
    dataclasses.replace(card, doubt=doubt).save(folder / "single")
    monkeypatch.setattr("cxrkit.preset_folders.WEIGHTS", folder)
    return upload(app.run(), phantom_png(size=256), "a.png")


def paragraph(app: AppTest) -> tuple[str, str]:
    """Language and text of the impression."""
    found = re.findall(r'<p class="cx-impression" lang="(\w+)">(.*?)</p>', page_text(app))
    assert len(found) == 1
    language, text = found[0]
    return language, html.unescape(text)


def test_a_finding_in_doubt_is_neither_past_nor_below(doubtful: AppTest) -> None:
    probability = float(re.findall(r'cx-p">([\d.]+) %', page_text(doubtful))[0]) / 100
    doubtful.radio[0].set_value("custom").run()
    assert 0.2 < probability < 0.99  # where thresholds are offered in steps of 1 %
    doubtful.select_slider(key="threshold_single_Pneumonia").set_value(round(probability, 2)).run()
    text = page_text(doubtful)
    assert "0 past, 1 in doubt, of 1 at your own thresholds" in text
    assert "cx-row is-shown is-doubtful" in text
    assert "in doubt at" in text
    assert "1 finding is in doubt, because" in paragraph(doubtful)[1]


def test_the_help_states_what_was_measured(doubtful: AppTest) -> None:
    (said,) = [caption.proto.help for caption in doubtful.caption if "whisker" in caption.value]
    assert "50 % of the features before the last layer" in said
    assert "12 of 30 readings in doubt (40.0 %) and 40 of 170 others (23.5 %)" in said


def test_the_language_is_kept_and_is_that_of_the_copy(doubtful: AppTest) -> None:
    language, text = paragraph(doubtful)
    assert language == "en"
    assert text.startswith("At the Youden operating point")
    assert text.endswith(DISCLAIMER)
    doubtful.selectbox(key="impression_language").set_value("de").run()
    language, text = paragraph(doubtful)
    assert language == "de"
    assert text.startswith("Am Youden-Arbeitspunkt")
    assert [code.value for code in doubtful.code] == [text]
    doubtful.button(key="show_Pneumonia").click().run()
    assert paragraph(doubtful) == (language, text)


def test_a_preset_without_dropout_draws_no_whisker(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")
    assert "<s style" not in page_text(app)
    assert "whisker" not in page_text(app)
    assert "These numbers were computed by the model “mixed”" in paragraph(app)[1]


def test_pictures_and_reports_that_are_taken_away_say_it_too(
    app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, map_ = Box(0, 0, 1, 1), np.ones((7, 7), np.float32)
    score = FindingScore(0.4, 0.0, Interval(0.3, 0.5))
    made = Reading(
        Prediction({"Mass": score}), {}, QualityReport(), (), (), "tiny", "0" * 64, "1" * 64, disclaimer="Not a device."
    )
    shown = Explanation("Mass", "grad-cam", "x", map_, box, 1.0)
    assert "(Youden threshold 35.0 %, in doubt)" in export_captions(made, shown, 0.35, "youden")[0]
    assert "(Youden threshold 55.0 %)" in export_captions(made, shown, 0.55, "youden")[0]
    files: list[Callable[[], bytes]] = []
    plain = st.download_button

    def kept(label: str, *, data: object, **options: object) -> bool:
        if label == "HTML" and callable(data):
            files.append(data)
        return plain(label, data=data, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(st, "download_button", kept)
    upload(app, phantom_png(size=256), "a.png")
    app.selectbox(key="impression_language").set_value("fr").run()
    assert f"<p>{paragraph(app)[1]}</p>" in html.unescape(files[-1]().decode())
    assert '<html lang="fr">' in files[-1]().decode()
