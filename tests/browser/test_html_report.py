"""The HTML report as a browser shows it: from a file, without a network, wide, narrow and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrkit.serving.html_report import write_report
from tests.browser.driving import sync_api
from tests.factory_evaluation import make_evaluation

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    odd = "A finding <b>with a rather long & unusual name</b>, unbroken_" + "x" * 40
    judged = make_evaluation({"Effusion": 0.18, "Hernia": 0.008, "Edema": 0.0, odd: 0.1}, n=1500)
    return write_report(judged, tmp_path_factory.mktemp("report"))


def open_report(browser: sync_api.Browser, report: Path, width: int) -> sync_api.Page:
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.complaints = []  # type: ignore[attr-defined]
    page.requests = []  # type: ignore[attr-defined]
    page.on("console", lambda message: page.complaints.append(message.text))  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.complaints.append(str(error)))  # type: ignore[attr-defined]
    page.on("request", lambda request: page.requests.append(request.url))  # type: ignore[attr-defined]
    page.goto(report.as_uri())
    return page


@pytest.mark.parametrize("width", [1440, 390])
def test_every_chart_is_drawn_when_it_comes_into_view(browser: sync_api.Browser, report: Path, width: int) -> None:
    page = open_report(browser, report, width)
    total = page.locator(".plot").count()
    assert total > 30
    assert page.locator(".plot[data-drawn]").count() < total  # not all at once
    height = page.evaluate("document.documentElement.scrollHeight")
    for place in range(0, height, 1400):
        page.evaluate(f"scrollTo(0, {place})")
        page.wait_for_timeout(60)
    page.wait_for_function(
        "document.querySelectorAll('.plot .main-svg').length >= document.querySelectorAll('.plot').length"
    )
    assert page.locator(".plot[data-drawn]").count() == total
    # charts keep the room that was set aside for them, so that links into the page arrive
    assert page.evaluate("document.documentElement.scrollHeight") == height
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.complaints == []  # type: ignore[attr-defined]
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []  # type: ignore[attr-defined]
    page.close()


def test_contents_lead_to_a_finding_and_fold_on_a_narrow_screen(browser: sync_api.Browser, report: Path) -> None:
    page = open_report(browser, report, 390)
    contents = page.locator(".contents")
    sync_api.expect(contents.get_by_role("link", name="Hiatal hernia")).to_be_hidden()
    contents.get_by_text("Contents").click()
    contents.get_by_role("link", name="Hiatal hernia").click()
    sync_api.expect(page.locator("article h3", has_text="Hiatal hernia")).to_be_in_viewport()
    sync_api.expect(contents.get_by_role("link", name="Hiatal hernia")).to_be_hidden()
    sync_api.expect(page.locator(".judged")).to_be_in_viewport()
    page.close()


def test_a_script_that_is_not_the_reports_own_cannot_run(
    browser: sync_api.Browser, report: Path, tmp_path: Path
) -> None:
    tampered = tmp_path / "report.html"
    planted = "<script>document.title = 'run'</script></main>"
    tampered.write_text(report.read_text(encoding="utf-8").replace("</main>", planted, 1), encoding="utf-8")
    page = open_report(browser, tampered, 1440)
    assert page.title() != "run"
    assert any("Content Security Policy" in text for text in page.complaints)  # type: ignore[attr-defined]
    page.close()


def test_paper_shows_every_chart_and_what_was_folded(browser: sync_api.Browser, report: Path) -> None:
    page = open_report(browser, report, 1440)
    sync_api.expect(page.locator(".plot .main-svg").first).to_be_attached()  # as wide as the window
    widest = page.evaluate(
        "() => { dispatchEvent(new Event('beforeprint'));"  # a browser prints as soon as this returns
        " return Math.max(...Array.from(document.querySelectorAll('.plot svg.main-svg'), s => s.clientWidth)); }"
    )
    assert 0 < widest < 700  # an A4 page less its margins
    total = page.locator(".plot").count()
    sync_api.expect(page.locator(".plot .main-svg").nth(total - 1)).to_be_attached()
    assert page.locator(".plot[data-drawn]").count() == total
    assert page.locator("main details:not([open])").count() == 0
    assert page.evaluate("document.body.clientWidth") < 700
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("main details[open]").count() == 0
    page.close()
