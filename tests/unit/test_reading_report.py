"""The report says everything of a reading on one page, the same as PDF and as HTML, and nothing of the patient."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pypdfium2
import pytest
from PIL import Image

import cxrkit
from cxrkit.charts import overlay
from cxrkit.dashboard.ranking import Standing, rank
from cxrkit.findings import finding_text
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom, phantom_dicom
from cxrkit.impression import translations
from cxrkit.model.manager import XRayModelManager
from cxrkit.quality import QualityIssue, QualityReport
from cxrkit.radiograph import Radiograph
from cxrkit.reading import DISCLAIMER, Box, DropoutRecord, FindingScore, Interval, Prediction, Reading
from cxrkit.serving.reading_report import Report, compose, to_html, to_pdf
from tests.unit.test_html_report import Page

if TYPE_CHECKING:
    from cxrkit.card import Rule

DAY = date(2026, 3, 1)
MARKER = "ZQXJANE"
IDENTITY = {"PatientName": f"{MARKER}^Doe", "PatientID": MARKER, "StudyDescription": MARKER, "InstitutionName": MARKER}


@pytest.fixture(scope="module")
def manager(tiny_folder: Path) -> XRayModelManager:
    return XRayModelManager("tiny", folder=tiny_folder)


@pytest.fixture(scope="module")
def radiograph() -> Radiograph:
    return load_radiograph(phantom_dicom(size=512, attributes=IDENTITY))


@pytest.fixture(scope="module")
def reading(manager: XRayModelManager, radiograph: Radiograph) -> Reading:
    return manager.read(radiograph)


def judged(manager: XRayModelManager, reading: Reading, rule: Rule = "youden") -> tuple[Standing, ...]:
    ranked, others = rank(manager.preset, reading.prediction, rule, {})
    return ranked + others


@pytest.fixture
def report(manager: XRayModelManager, radiograph: Radiograph, reading: Reading) -> Callable[..., Report]:
    def made(like: Reading = reading, at: Sequence[Standing] | None = None, **how: object) -> Report:
        standings = judged(manager, like) if at is None else at
        how = {"rule": "Youden: balances both errors", "made": DAY, **how}
        return compose(radiograph, like, manager.preset, standings, **how)  # type: ignore[arg-type]

    return made


def text_of(pdf: bytes) -> str:
    """Text of the only page; words that are broken at a line's end stay apart, spaces are single."""
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 1
    return re.sub(r"\s+", " ", document[0].get_textpage().get_text_bounded())


def past(standings: Sequence[Standing], *findings: str) -> list[Standing]:
    """The same, with these findings past their threshold, and no other."""
    return [dataclasses.replace(at, threshold=0.0 if at.finding in findings else 1.0) for at in standings]


def test_every_finding_threshold_and_sum_is_in_both(report: Callable[..., Report], reading: Reading) -> None:
    made = report()
    for text in (text_of(to_pdf(made)), Page(to_html(made)).text):
        assert DISCLAIMER in text
        assert reading.notice in text
        assert text.index(DISCLAIMER) < text.index("Findings")
        for finding in reading.prediction:
            assert finding_text(finding).label in text
        assert len(made.lines) == 3
        for line in made.lines:
            assert line.threshold == "50.0\u00a0%"
            row = " ".join((line.finding, line.probability, line.threshold, line.verdict, line.rates, line.fitted))
            assert row.replace("\u00a0", " ") in text.replace("\u00a0", " ")
        assert "80.0 % / 70.0 % val, 200 (60)" in text.replace("\u00a0", " ")
        assert reading.weights_sha256 in text
        assert f"{reading.radiograph_sha256[:16]} ..." in text
        assert reading.radiograph_sha256 not in text
        assert "tiny, version 0" in text
        assert f"2026-03-01 with cxrkit {cxrkit.__version__}" in text
        assert "Remarks of the reader" in text


def test_nothing_of_the_patient_is_in_it(report: Callable[..., Report]) -> None:
    pdf, html = to_pdf(report()), to_html(report())
    assert MARKER not in text_of(pdf)
    assert MARKER.encode() not in pdf
    assert MARKER not in html
    assert not {"Author", "Keywords"} & {
        k for k, v in pypdfium2.PdfDocument(pdf).get_metadata_dict().items() if MARKER in v
    }


def test_the_same_report_has_the_same_bytes(report: Callable[..., Report]) -> None:
    assert to_pdf(report()) == to_pdf(report())
    assert to_html(report()) == to_html(report())
    assert to_pdf(report()) != to_pdf(report(made=date(2026, 3, 2)))


def test_fonts_are_embedded_and_hold_the_letters_of_four_languages(report: Callable[..., Report]) -> None:
    words = "Größe, año, ¿élève?, œuvre, Übergröße, naïve, ≥ 5 %, −1, 3–4"
    pdf = to_pdf(report(impression=words))
    assert words in text_of(pdf)
    assert pdf.count(b"/FontFile2") == 2
    page = pypdfium2.PdfDocument(pdf)[0].render(scale=2).to_numpy()
    assert page.shape[:2] == (1684, 1191)  # A4
    assert page.min() < 40  # something dark is on it
    for margin in (page[:30], page[-30:], page[:, :30], page[:, -30:]):
        assert (margin == 255).all()


def test_maps_are_those_past_a_supported_threshold_and_at_most_four(
    manager: XRayModelManager, reading: Reading, report: Callable[..., Report]
) -> None:
    standings = judged(manager, reading)
    with_map = [at.finding for at in standings if reading.explanations[at.finding].has_positive_evidence]
    assert len(with_map) == 2
    two = report(at=past(standings, *with_map))
    assert [figure.title.split(",")[0] for figure in two.maps] == [finding_text(f).label for f in with_map]
    assert "past their threshold" in two.maps_note
    one = report(at=past(standings, with_map[1]))
    assert [figure.title.split(",")[0] for figure in one.maps] == [finding_text(with_map[1]).label]
    none = report(at=past(standings))
    assert len(none.maps) == 1
    assert "No finding with a map is past" in none.maps_note
    unsupported = [dataclasses.replace(at, supported=False) for at in past(standings, *with_map)]
    doubtful = report(at=unsupported)
    assert "No finding with a map is past" in doubtful.maps_note
    assert not any(line.strong for line in doubtful.lines)
    assert all(line.verdict.endswith(" *") for line in doubtful.lines)
    assert any(note.startswith("* Fewer than 30") for note in doubtful.footnotes)
    dark = {f: dataclasses.replace(e, map=np.zeros_like(e.map), peak=0.0) for f, e in reading.explanations.items()}
    assert "no map to show" in report(dataclasses.replace(reading, explanations=dark)).maps_note


def fourteen(report: Callable[..., Report], manager: XRayModelManager, count: int) -> Report:
    """A report that is as full as one gets: so many findings past their thresholds, and every remark."""
    made = report()
    lines = tuple(
        dataclasses.replace(made.lines[k % 3], finding=f"Finding number {k}", strong=True) for k in range(count)
    )
    full = tuple(f"{'A sentence on the picture that is quite long. ' * 3}{k}" for k in range(9))
    return dataclasses.replace(made, lines=lines, maps=(made.maps[0],) * 4, quality=full, impression="Words. " * 120)


@pytest.mark.parametrize("count", [14, 40])
def test_it_is_one_page_however_much_there_is_to_say(
    report: Callable[..., Report], manager: XRayModelManager, count: int
) -> None:
    text = text_of(to_pdf(fourteen(report, manager, count)))
    assert all(f"Finding number {k} " in text for k in range(count))
    assert "Remarks of the reader" in text


def test_interval_and_doubt_are_said_where_there_are_any(reading: Reading, report: Callable[..., Report]) -> None:
    assert reading.dropout is None
    assert "Interval" not in text_of(to_pdf(report())) + Page(to_html(report())).text
    sure, unsure = Interval(0.0, 0.001), Interval(0.3, 0.7)
    scores = dict.fromkeys(reading.prediction, FindingScore(0.4, 0.0, sure))
    scores["Mass"] = FindingScore(0.4, 0.0, unsure)
    drawn = dataclasses.replace(
        reading, prediction=Prediction(scores), dropout=DropoutRecord(draws=50, seed=7, rates=(0.2,), trained=False)
    )
    made = report(drawn)
    assert {line.finding: line.verdict for line in made.lines}["Mass"] == "below, in doubt"
    for text in (text_of(to_pdf(made)), Page(to_html(made)).text):
        assert "30.0 % to 70.0 %" in text.replace("\u00a0", " ")
        assert "5th to 95th percentile of 50 draws" in text
        assert text.count("in doubt") == 2  # the finding and the footnote


def test_quality_says_what_was_done_and_what_the_reader_decided(
    reading: Reading, report: Callable[..., Report]
) -> None:
    refused = QualityReport((QualityIssue("not-frontal-chest", "refuse"),), ("rotate-90", "invert"), distance=1.7)
    with pytest.raises(ValueError, match="refused"):
        report(dataclasses.replace(reading, quality=refused))
    made = report(dataclasses.replace(reading, quality=refused.override(), warnings=("The view is unusual.",)))
    for text in (text_of(to_pdf(made)), Page(to_html(made)).text):
        assert "IN SPITE OF A REFUSAL" in text
        assert "Put into place before it was read: turned by 90 degrees clockwise and inverted." in text
        assert "does not look like a frontal chest radiograph" in text
        assert "1.70 of the limit (outside of it)" in text
        assert "The view is unusual." in text


def test_blanked_boxes_are_black_in_every_picture(
    radiograph: Radiograph, reading: Reading, report: Callable[..., Report]
) -> None:
    whole = overlay.display_copy(radiograph)
    box = Box(0, 0, radiograph.width, radiograph.height / 2)
    how = {"copy": overlay.blank(whole, (box,)), "captions": ("1 box blanked in this picture.",)}
    made = report(look=overlay.Look(contour=False), **how)
    assert made.maps
    for figure in (made.radiograph, *made.maps):
        levels = np.asarray(Image.open(BytesIO(figure.jpeg)).convert("L"))
        assert levels[: figure.height // 2 - 8].max() < 8
        assert levels[figure.height // 2 + 8 :].max() > 100
    assert "1 box blanked in this picture." in text_of(to_pdf(made))
    assert "1 box blanked in this picture." in Page(to_html(made)).text


def test_html_loads_nothing_and_escapes_everything(report: Callable[..., Report]) -> None:
    odd = "<script>alert('x')</script>"
    text = to_html(report(impression=odd, rule=odd))
    page = Page(text)
    assert odd not in text
    assert page.text.count(odd) == 2
    assert not page.executed
    assert page.references
    assert all(r.startswith("data:image/jpeg;base64,") for r in page.references)
    assert "default-src 'none'" in page.policy
    for reference in ("url(", "@import", "http:", "https:"):
        assert reference not in text
    assert odd in text_of(to_pdf(report(impression=odd)))


def test_what_does_not_belong_together_is_refused(
    manager: XRayModelManager, reading: Reading, report: Callable[..., Report]
) -> None:
    with pytest.raises(ValueError, match="another radiograph"):
        compose(phantom(size=128), reading, manager.preset, judged(manager, reading), rule="", made=DAY)
    with pytest.raises(ValueError, match="do not match"):
        report(at=judged(manager, reading)[:2])


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("de", "Auswertung einer Röntgenaufnahme des Thorax"),
        ("es", "Lectura de una radiografía de tórax"),
        ("fr", "Lecture d'une radiographie du thorax"),
    ],
)
def test_every_word_of_its_own_is_in_the_language_of_the_impression(
    reading: Reading, report: Callable[..., Report], language: str, title: str
) -> None:
    """What stands in English beside it is what a file, the card or the rule says."""
    refused = QualityReport((QualityIssue("no-lungs", "refuse"),), ("rotate-90", "invert"), distance=1.7).override()
    scores = dict.fromkeys(reading.prediction, FindingScore(0.4, 0.0, Interval(0.3, 0.7)))
    drawn = DropoutRecord(draws=50, seed=7, rates=(0.2,), trained=False)
    shown = dataclasses.replace(reading, quality=refused, prediction=Prediction(scores), dropout=drawn)
    english, other = report(shown), report(shown, language=language)
    words = translations(language)
    assert other.title == title
    assert other.disclaimer == words.gettext(DISCLAIMER) != DISCLAIMER
    assert other.headings.remarks == words.gettext("Remarks of the reader")
    pairs = [*zip(english.facts, other.facts, strict=True), *zip(english.origin, other.origin, strict=True)]
    assert all(one[0] != its[0] for one, its in pairs)
    same = {"Youden: balances both errors", *(line.fitted for line in english.lines), "Radiograph"}
    for one, its in zip(texts(english), texts(other), strict=True):
        assert one in same or one != its, one
    assert "50,0\u00a0%" in other.lines[0].threshold
    for text in (text_of(to_pdf(other)), Page(to_html(other)).text):
        plain = text.replace("\u00a0", " ")
        assert other.disclaimer.replace("\u00a0", " ") in plain
        assert other.headings.quality in plain
        assert "30,0 %" in plain
    assert f'<html lang="{language}">' in to_html(other)
    assert f"({language})".encode() in to_pdf(other)


def texts(report: Report) -> list[str]:
    """All sentences and words of a report but what a file, a card or the reader said."""
    lines = [(line.verdict, line.interval, line.fitted) for line in report.lines]
    figures = [(figure.title, figure.caption) for figure in (report.radiograph, *report.maps)]
    return [
        *dataclasses.astuple(report.headings)[1:],
        report.maps_note,
        *(text for group in (*lines, *figures) for text in group if text),
        *report.quality,
        *report.footnotes,
    ]
