"""The data sheet of a preset: which radiographs, how many on which side, and how far their labels can be trusted."""

from __future__ import annotations

from pathlib import Path

from cxrkit.charts.style import percent
from cxrkit.dashboard import card_view
from cxrkit.dashboard.blocks import bullets, pairs, paragraph, prose_table, section, table
from cxrkit.errors import CxrError
from cxrkit.evaluation.schema import EVALUATION, Evaluation
from cxrkit.preset import Preset

NIH = "NIH ChestX-ray14"
KERMANY = "Kermany"
NOISE: dict[str, tuple[tuple[str, str, str], ...]] = {
    NIH: (
        (
            "Against their own reports",
            "Precision, recall and F1 of the text mining 0.94 each; on another hospital's reports 0.90, 0.85, 0.87, "
            "and for Pneumonia a precision of 0.44",
            "Wang et al., CVPR 2017",
        ),
        (
            "Against the images",
            "A radiologist's review of some 700 images: positive predictive value mostly 10 to 30 points lower than "
            "documented",
            "Oakden-Rayner, Academic Radiology 2020 (arXiv 2019)",
        ),
        (
            "Re-read by physicians",
            "Labels of public sets right in 65 to 80 % of cases, by three physicians and a thoracic radiologist",
            "JMIR Med Inform 2020;8:e18089",
        ),
        (
            "Hidden groups",
            "About 80 % of the pneumothoraces of the test list have a drain already, and those without one are found "
            "less well",
            "Oakden-Rayner et al., CHIL 2020",
        ),
        (
            "Another mix in the test list",
            "Findings are more frequent there than in the whole set: effusion in 18.2 % of images, in the whole 11.9 %",
            "The published lists",
        ),
    ),
    KERMANY: (
        (
            "Labelled by",
            "Two physicians; the test images checked by a third. How often they agreed is not published here",
            "Kermany et al., Cell 2018",
        ),
        (
            "One finding of two",
            "Bacterial and viral pneumonia count as one; the files name which",
            "Kermany et al., Cell 2018",
        ),
        (
            "More ill than well",
            "62.5 % of the test images show pneumonia: a predictive value measured there holds nowhere else",
            "Counts of the set",
        ),
    ),
}
"""What is known of the labels of a public set: in which respect, what, and who says so."""


def data_sheet(preset: Preset) -> None:
    """All that is known of the data behind the weights."""
    section("Where the radiographs come from", bullets(preset.training.data) or paragraph("Not stated."))
    record = preset.training
    sides = [
        ["Training, last step", _count(record.images), _count(record.patients)],
        ["Validation", _count(record.validation_images), "not stated"],
    ]
    measured = _evaluation(preset)
    if measured is not None:
        sides.append([f"Judged on ({measured.split})", _count(measured.images), _count(measured.patients)])
    words = (
        "The tools of this project refuse a table in which a patient or an identical picture stands on two sides, and "
        "they fit thresholds and calibration on validation alone. Training counts those of the last step."
        if preset.metrics
        else "What the card says of the last step of the training. No test result belongs to these weights."
    )
    section("Sides of the split", table(("Side", "Images", "Patients"), sides) + paragraph(words))
    section("Whom they show", pairs(card_view.training(preset)[:3]))
    if measured is not None:
        _groups(measured)
    section("Labels in the training split", card_view.findings_table(preset))
    section("Label noise", bullets(preset.label_noise) or paragraph("Nothing is recorded about label noise."))
    named = " ".join(preset.training.data[:1])
    for source, rows in NOISE.items():
        if source in named:
            section(
                f"What others found in the labels of {source}",
                prose_table(("Respect", "What was found", "By whom"), rows),
            )


def _groups(measured: Evaluation) -> None:
    """Who was on the judged side, by what is known of them."""
    finding = max(measured.findings.values(), key=lambda one: one.n)
    rows = [
        [f"{grouping.variable.replace('_', ' ')}: {group.name}", f"{group.n:,}", percent(group.n / finding.n)]
        for grouping in finding.subgroups.values()
        for group in grouping.groups
    ]
    if rows:
        section(f"Who was judged on ({measured.split} side)", table(("Group", "Images", "Share"), rows))


def _evaluation(preset: Preset) -> Evaluation | None:
    """The evaluation beside the card, where there is one of these weights."""
    if not (Path(preset.folder) / EVALUATION).is_file():
        return None
    try:
        found = Evaluation.load(preset.folder)
    except CxrError:
        return None
    return found if found.weights_sha256 == preset.weights_sha256 else None


def _count(number: int | None) -> str:
    return "not stated" if number is None else f"{number:,}"
