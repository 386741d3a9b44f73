"""Doubt and impression on the Read page: verdicts, counts, languages, and a choice that is kept."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxrkit.card import Doubt, DoubtMeasure
from cxrkit.imaging.phantom import phantom_png
from cxrkit.preset import Preset
from cxrkit.reading import DISCLAIMER
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
    monkeypatch.setattr("cxrkit.preset.WEIGHTS", folder)
    return upload(app.run(), phantom_png(size=256), "a.png")


def paragraph(app: AppTest) -> tuple[str, str]:
    """Language and text of the impression."""
    found = re.findall(r'<p class="cx-impression" lang="(\w+)">(.*?)</p>', page_text(app))
    assert len(found) == 1
    return found[0]


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
