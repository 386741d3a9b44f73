"""The report is one file without outside references, escapes what it is given, and explains what is missing."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cxrkit.errors import ManifestError
from cxrkit.evaluation.schema import Evaluation
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.gallery import Gallery, Picture
from cxrkit.serving.html_report import write_report
from cxrkit.serving.html_report.cells import methods_of, rate_cell
from cxrkit.serving.html_report.document import report_html
from cxrkit.serving.html_report.overview import localisation_parts, randomisation_table
from tests.factory_evaluation import make_evaluation

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.policy = ""
        self.executed: list[str] = []
        self.data: list[str] = []
        self.anchors: list[str] = []
        self.targets: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self._into: list[str] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.references += [got[k] or "" for k in ("src", "srcset", "data", "poster", "action") if k in got]
        if tag == "link":
            self.references.append(got.get("href") or "")
        if tag == "a":
            self.targets.append(got["href"] or "")
        if "id" in got:
            self.anchors.append(got["id"] or "")
        if got.get("http-equiv") == "Content-Security-Policy":
            self.policy = got["content"] or ""
        if tag == "script":
            self._into = self.data if got.get("type") == "application/json" else self.executed
            self._into.append("")
        assert not any(name.startswith("on") for name in got)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "script":
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data
        elif "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def judged() -> Evaluation:
    return make_evaluation()


@pytest.fixture(scope="module")
def page(judged: Evaluation) -> Page:
    return Page(report_html(judged))


def gallery(overlay: str | None = PIXEL) -> Gallery:
    pictures = (
        Picture("true positive", 17, 0.831, PIXEL, overlay, 320, 300),
        Picture("false negative", 23, 0.012, PIXEL, overlay, 320, 300),
    )
    totals = {"true positive": 9, "false positive": 0, "false negative": 1}
    return Gallery("youden", 0.116, False, pictures, totals)  # type: ignore[arg-type]


def test_nothing_is_loaded_from_anywhere(judged: Evaluation) -> None:
    text = report_html(judged, gallery={"Mass": gallery()})
    page = Page(text)
    assert page.references == [PIXEL] * 4
    assert "default-src 'none'" in page.policy
    assert "http" not in page.policy
    assert all(target.startswith("#") for target in page.targets)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_contents_lead_to_sections_that_exist(page: Page, judged: Evaluation) -> None:
    assert {t.removeprefix("#") for t in page.targets} <= set(page.anchors)
    assert len(page.anchors) == len(set(page.anchors))
    assert {"summary", "how", "comparison", "findings", "localisation", "attention", "source"} <= set(page.anchors)
    assert sum(anchor.startswith("finding-") for anchor in page.anchors) == len(judged.findings)


def test_plotly_stands_in_the_file_once_and_every_figure_is_json(page: Page) -> None:
    assert len(page.executed) == 2
    assert len(page.executed[0]) > 1_000_000
    figures = [json.loads(text) for text in page.data]
    assert sum("data" in figure for figure in figures) == len(figures) - 1  # the last is the configuration
    assert len(figures) > 50


def test_it_opens_and_closes_with_the_disclaimer(page: Page) -> None:
    assert page.text.count(DISCLAIMER) == 2
    assert page.text.index(DISCLAIMER) < page.text.index("Summary")


def test_head_names_what_was_judged(page: Page) -> None:
    head = page.text[: page.text.index(DISCLAIMER)]
    for words in ("chestxray14", "weights 3fa9c1d20000", "split: test", "2,000 images", "1,000 patients"):
        assert words in head


def test_predictions_of_others_name_no_weights_and_no_patients() -> None:
    text = Page(report_html(make_evaluation({"Mass": 0.2}, n=300, alone=True))).text
    assert "predictions made elsewhere" in text
    assert "patients unknown" in text
    assert "unknown: only predictions were given" in text
    assert "the table names no patients" in text
    assert "Maps against boxes" not in text
    assert "Against the other model" not in text
    assert "Gallery" not in text


def test_undefined_numbers_are_dashes_with_reasons(page: Page) -> None:
    assert not re.search(r"\b(nan|None|inf)\b", page.text)
    assert "– no row is positive" in page.text
    assert "Some charts are absent: no row is positive." in page.text
    assert "No operating point" in page.text


def test_weak_evidence_is_marked_wherever_it_stands(page: Page) -> None:
    assert page.text.count("only 19 positive") >= 2  # summary and section
    assert page.text.count("unsupported: Youden, Screening, Rule-in") >= 2
    assert "unsupported: fitted on 7 positives and 893 negatives; 30 of each are needed" in page.text


def test_small_groups_give_their_reason(page: Page) -> None:
    assert "not judged: fewer than 10 positives or negatives" in page.text
    assert "Gaps, each adjusted for the choice of its two groups" in page.text


def test_another_prevalence_is_explained_and_the_same_one_is_not() -> None:
    judged = make_evaluation({"Mass": 0.2}, n=500)
    assert "are stated at a prevalence of 10.0" in Page(report_html(judged)).text
    entry = judged.findings["Mass"]
    assert entry.prevalence
    same = entry.model_copy(update={"probabilities_stated_at_prevalence": entry.prevalence.value})
    text = Page(report_html(judged.model_copy(update={"findings": {"Mass": same}}))).text
    assert "are stated at a prevalence" not in text


def test_cross_fitted_points_say_how_they_came_about() -> None:
    text = Page(report_html(make_evaluation({"Mass": 0.2}, n=500, cross_fitted=True))).text
    assert "cross-fitted: each fold of patients is judged by what the others gave" in text
    assert "5 folds, thresholds 19.8 % to 20.2 %" in text


def test_boxes_of_training_images_stand_under_a_heading_of_their_own(page: Page) -> None:
    heading = "Images that the model was trained on: not evidence"
    assert (
        page.text.index("nih boxes, split test") < page.text.index(heading) < page.text.index("nih boxes, split train")
    )
    seen = make_evaluation({"Mass": 0.2}, n=300)
    first, *others = seen.localisation
    validation = first.model_copy(update={"split": "val"})
    parts = localisation_parts((validation, first, *others), "test")
    assert [(part.headline, [boxes.name for boxes in part.boxes]) for part in parts] == [
        (True, ["nih boxes, split test", "nih boxes, split val"]),  # the judged split comes first
        (False, ["nih boxes, split train"]),
    ]
    assert parts[0].boxes[0].iou.rows[0][0].remark == "fewer than 30: weak evidence"
    assert parts[1].boxes[0].iou.rows[0][0].remark == ""
    only = seen.model_copy(update={"localisation": tuple(e for e in seen.localisation if e.headline)})
    assert heading not in Page(report_html(only)).text


def test_names_are_escaped_everywhere() -> None:
    odd = "<script>alert('x')</script>"
    judged = make_evaluation({odd: 0.3, "Mass": 0.2}, n=300)
    named = judged.model_copy(
        update={
            "split": odd,
            "preset": odd,
            "notes": (odd,),
            "source": judged.source.model_copy(update={"name": odd}),
        }
    )
    text = report_html(named, gallery={odd: gallery()})
    assert odd not in text
    page = Page(text)
    assert len(page.executed) == 2
    assert html.escape(odd, quote=False).replace("'", "&#39;") in text
    assert page.text.count(odd) > 5  # shown as text


def test_gallery_captions_name_rows_and_say_where_there_is_no_evidence(judged: Evaluation) -> None:
    text = Page(report_html(judged, gallery={"Mass": gallery(overlay=None)})).text
    assert "83.1 % against 11.6 %; label present; row 17" in text
    assert "No positive evidence" in text
    assert "1 of 9 shown, highest probability first" in text
    assert "1 of 1 shown, lowest probability first" in text
    assert "There is none." in text


def test_intervals_say_which_way_is_for_which_number(judged: Evaluation) -> None:
    rate, area = judged.findings["Mass"].prevalence, judged.findings["Mass"].auroc
    assert rate
    bootstrapped = "percentile of 2000 patient bootstrap replicates"
    assert methods_of([("AUROC", area), ("AUROC", area), ("PPV", None)]) == bootstrapped
    both = f"{bootstrapped} (AUROC); Wilson (PPV, NPV); by patient: {bootstrapped}"
    assert methods_of([("AUROC", area), ("PPV", rate), ("NPV", rate)]) == both


def test_maps_of_the_trained_weights_are_not_called_similar() -> None:
    judged = make_evaluation({"Mass": 0.2}, n=300)
    assert judged.attention
    first = judged.attention.randomisation[0]
    one = first.model_copy(update={"stage": "none", "ssim": first.ssim.model_copy(update={"value": 1.0})})
    still = one.model_copy(update={"stage": "conv5"})
    table = randomisation_table(judged.attention.model_copy(update={"randomisation": (one, still, first)}))
    assert [row[0].text for row in table.rows] == ["nothing (the trained weights)", "conv5", "logits"]
    verdicts = [row[-1].text for row in table.rows]
    assert verdicts == ["the same map, as it must be", "still similar (SSIM 0.5 or more)", "the map has changed"]


def test_ratios_without_a_value_say_why(judged: Evaluation) -> None:
    point = judged.findings["Mass"].operating_points["youden"]
    perfect = point.model_copy(update={"fp": 0, "likelihood_ratio_positive": None})
    assert "no false positive" in rate_cell("likelihood_ratio_positive", perfect).remark
    nothing = point.model_copy(update={"tp": 0, "fp": 0, "ppv": None})
    assert rate_cell("ppv", nothing).remark == "no row passes the threshold"
    everything = point.model_copy(update={"tn": 0, "fn": 0, "npv": None, "likelihood_ratio_negative": None})
    assert rate_cell("npv", everything).remark == "no row stays below the threshold"
    assert "specificity is 0" in rate_cell("likelihood_ratio_negative", everything).remark
    one_class = point.model_copy(update={"tp": 0, "fn": 0, "sensitivity": None})
    assert rate_cell("sensitivity", one_class).remark == "no row is positive"


def test_it_is_written_into_a_new_folder_and_refuses_a_file(tmp_path: Path) -> None:
    judged = make_evaluation({"Mass": 0.2}, n=300, alone=True)
    path = write_report(judged, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(ManifestError, match="cannot be written"):
        write_report(judged, blocked)
