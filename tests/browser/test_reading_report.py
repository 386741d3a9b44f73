"""The HTML report prints on one sheet of A4, however full it is, and looks like one on any screen."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pypdfium2
import pytest

from cxrkit.dashboard.ranking import rank
from cxrkit.imaging.phantom import phantom
from cxrkit.model.manager import XRayModelManager
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.reading_report import Report, compose, to_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def full(tiny_folder: Path) -> Report:
    """As full as a report gets: 18 findings past their thresholds, four maps, every remark, a long impression."""
    manager, radiograph = XRayModelManager("tiny", folder=tiny_folder), phantom(size=1024)
    reading = manager.read(radiograph)
    ranked, others = rank(manager.preset, reading.prediction, "youden", {})
    report = compose(radiograph, reading, manager.preset, (*ranked, *others), rule="Youden", made=date(2026, 3, 1))
    lines = tuple(
        dataclasses.replace(report.lines[0], finding=f"Enlarged cardiomediastinum {k}", interval="10.0 % to 20.0 %")
        for k in range(18)
    )
    remarks = tuple(f"{'A sentence on the picture, of usual length. ' * 2}{k}" for k in range(6))
    return dataclasses.replace(
        report,
        lines=lines,
        maps=(report.maps[0],) * 4,
        has_intervals=True,
        quality=remarks,
        impression="A sentence of the impression, which has some length. " * 10,
    )


def test_a_full_report_prints_on_one_sheet(browser: Browser, full: Report, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(to_html(full), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    document = pypdfium2.PdfDocument(page.pdf(prefer_css_page_size=True))
    assert len(document) == 1
    assert [round(side) for side in document[0].get_size()] == [595, 842]
    text = document[0].get_textpage().get_text_bounded()
    assert DISCLAIMER.split(".")[0] in text
    assert "Enlarged cardiomediastinum 17" in text
    assert "Remarks of the reader" in text
    page.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_it_fits_a_screen_without_sideways_scrolling(
    browser: Browser, full: Report, tmp_path: Path, width: int
) -> None:
    file = tmp_path / "report.html"
    file.write_text(to_html(full), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 844})
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text))
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert not refused
    page.close()
