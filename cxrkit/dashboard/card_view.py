"""A preset's card as the Model info page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st

from cxrkit.card import MINIMUM_POSITIVES, Metric, TrainingRecord
from cxrkit.dashboard import keeping_view
from cxrkit.dashboard.blocks import bullets, pairs, paragraph, section, table
from cxrkit.dashboard.doubt_card import doubt_html
from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.ranking import RULES
from cxrkit.dashboard.repeatability_card import repeatability_html
from cxrkit.findings import finding_text
from cxrkit.lung_card import LUNGS, load_card
from cxrkit.model.runtimes import SPELT, chosen
from cxrkit.preset import Preset

# How the names of metrics in a card are spelt for a reader, in the order of the columns.
DISCRIMINATION = {"auroc": "AUROC", "auprc": "AUPRC", "brier": "Brier score"}
RATES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV", "npv": "NPV"}


def card(preset: Preset) -> None:
    """What the model is, what it was trained on, and where it ends."""
    st.html(f'<div class="cx-card"><h2>{escape(preset.title)}</h2>{paragraph(preset.intended_use)}</div>')
    left, right = st.columns(2, gap="large")
    with left:
        sha256 = f"<p><code>sha256 of the weights: {escape(preset.weights_sha256)}</code></p>"
        section("Architecture", pairs(architecture(preset)) + sha256)
        section("Limits", bullets(preset.limits))
    with right:
        section("Training data", pairs(training(preset)) + bullets(preset.training.data))
        section("Label noise", bullets(preset.label_noise) or paragraph("Nothing is recorded about label noise."))
    section("Quality gate", _quality_gate(preset))
    section("Lungs", _lungs())
    section("Files that can be read here", _formats())


def performance(preset: Preset) -> None:
    """How well it was measured, at which points, and what its probabilities rest on."""
    section("Measured performance", _metrics(preset))
    section("Operating points", _operating_points(preset))
    section("Calibration", _calibration(preset))
    section("Doubt", doubt_html(preset))
    section("Repeatability", repeatability_html(preset))


def architecture(preset: Preset) -> list[tuple[str, str]]:
    """What the network is."""
    border = f", {preset.border:.1%} of each side cut off" if preset.border else ""
    return [
        ("Preset", f"{preset.name}, version {preset.version}"),
        ("Backbone and head", f"{preset.backbone}, {preset.head}"),
        ("Grad-CAM layer", preset.feature_layer),
        ("Input", f"{preset.input_size} x {preset.input_size}, {preset.geometry}, {preset.intensity}{border}"),
        ("Outputs", f"{len(preset.findings)}"),
        ("Read with", f"{SPELT[chosen('auto')]}, in float32"),
        *keeping_view.on_card(preset),
    ]


def training(preset: Preset) -> list[tuple[str, str]]:
    """Whom the training radiographs show, how many, and how the training can be repeated."""
    record, population = preset.training, preset.population
    return [
        ("Population", population.description),
        ("Ages", ", ".join(population.age_bands) or "not stated"),
        ("Views", ", ".join(population.views) or "not stated"),
        ("Images", _amounts(record)),
        ("How", record.summary),
        ("Command", record.command + ("" if record.seed is None else f" (seed {record.seed})")),
    ]


def _amounts(record: TrainingRecord) -> str:
    if record.images is None:
        return "not stated"
    of = "" if record.patients is None else f" of {record.patients:,} patients"
    rest = "" if record.validation_images is None else f"; {record.validation_images:,} for validation"
    return f"{record.images:,}{of}{rest}"


def findings_table(preset: Preset) -> str:
    """How often each finding was labelled in the training split."""
    reference = preset.reference_prevalence
    if not preset.label_counts:
        names = ", ".join(finding_text(finding).label for finding in preset.findings)
        return paragraph(f"{names}. How often each was labelled in the training split is not stated.")
    head = ["Finding", "Positive", "Labelled", "Prevalence"] + (["Reference prevalence"] if reference else [])
    rows = []
    for count in preset.label_counts:
        share = percent(count.positives / count.total) if count.total else "not labelled"
        row = [finding_text(count.finding).label, f"{count.positives:,}", f"{count.total:,}", share]
        if reference is not None:
            stated = reference.by_finding.get(count.finding)
            row.append("none" if stated is None else percent(stated))
        rows.append(row)
    source = paragraph(f"Probabilities are stated at the prevalence of {reference.source}.") if reference else ""
    return table(head, rows) + source


def _metrics(preset: Preset) -> str:
    if not preset.metrics:
        return paragraph(
            "Not evaluated: no test result belongs to these weights. Measure them with scripts/evaluate.py."
        )
    parts = []
    for split in dict.fromkeys(m.split for m in preset.metrics):
        macro = preset.metric("macro", "auroc", split)
        if macro is not None:
            parts.append(paragraph(f"Mean AUROC over the findings, {split} split: {interval(macro)}, n = {macro.n:,}."))
        head = ["Finding", "n (positive)", *DISCRIMINATION.values()]
        parts.append(paragraph(f"Split: {split}. In brackets: 95 % interval."))
        parts.append(table(head, list(_metric_rows(preset, split, list(DISCRIMINATION)))))
        rules = [rule for rule in RULES if preset.metric(preset.findings[0], f"sensitivity@{rule}", split)]
        for rule in rules:
            names = [f"{rate}@{rule}" for rate in RATES]
            head = ["Finding", "n (positive)", *RATES.values()]
            rates = table(head, list(_metric_rows(preset, split, names)))
            parts.append(
                f"<details><summary>At the {RULES[rule][0]} point, {escape(split)} split</summary>{rates}</details>"
            )
    return "".join(parts)


def _metric_rows(preset: Preset, split: str, names: Sequence[str]) -> Iterable[list[str]]:
    for finding in preset.findings:
        found = [preset.metric(finding, name, split) for name in names]
        first = next((m for m in found if m is not None), None)
        if first is None:
            yield [finding_text(finding).label, "not evaluated", *("" for _ in names)]
            continue
        cells = ["not defined" if m is None else interval(m) for m in found]
        yield [finding_text(finding).label, f"{first.n:,} ({first.positives:,})", *cells]


def interval(metric: Metric) -> str:
    """A value with its 95 % interval."""
    return f"{metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f})"


def _operating_points(preset: Preset) -> str:
    published = _published(preset)
    if not preset.operating_points and published:
        return paragraph("None was fitted: the weights were taken over as published.") + published
    if not preset.operating_points:
        return paragraph("None: no split with both positives and negatives was there to fit them on.")
    head = ["Finding", "Rule", "Threshold", "Sensitivity", "Specificity", "Fitted on", "n (positive)", "Supported"]
    rows = [
        [
            finding_text(p.finding).label,
            RULES[p.rule][0],
            percent(p.threshold),
            percent(p.sensitivity),
            percent(p.specificity),
            p.split,
            f"{p.n:,} ({p.positives:,})",
            "yes" if p.supported else "no",
        ]
        for p in preset.operating_points
    ]
    absent = [
        finding_text(f).label for f in preset.findings if not any(p.finding == f for p in preset.operating_points)
    ]
    note = f"Not supported means: fewer than {MINIMUM_POSITIVES} positives or negatives to fit on."
    note += f" No operating point at all: {', '.join(absent)}." if absent else ""
    return paragraph(note) + table(head, rows) + published


def _published(preset: Preset) -> str:
    """Thresholds of the weights' publisher, apart from what was fitted here."""
    if not preset.published_thresholds:
        return ""
    sources = ", ".join(dict.fromkeys(p.source for p in preset.published_thresholds))
    note = f"Published with the weights ({sources}), on the probability that the network gives itself. "
    note += "Not fitted and not checked here."
    rows = [[finding_text(p.finding).label, percent(p.threshold)] for p in preset.published_thresholds]
    return paragraph(note) + table(["Finding", "Published threshold"], rows)


def _calibration(preset: Preset) -> str:
    if all(c.method == "identity" and not c.n for c in preset.calibration.values()):
        return paragraph("Not calibrated here: probabilities are those of the network, at no known prevalence.")
    head = ["Finding", "Method", "Slope", "Intercept", "Fitted on", "n (positive)", "Stated at prevalence"]
    rows = []
    for finding in preset.findings:
        c = preset.calibration[finding]
        stated = "unknown" if c.prevalence is None else percent(c.prevalence)
        row = [finding_text(finding).label, c.method, f"{c.slope:.3f}", f"{c.intercept:.3f}", c.split]
        rows.append([*row, f"{c.n:,} ({c.positives:,})", stated])
    return table(head, rows)


def _quality_gate(preset: Preset) -> str:
    """What is refused or put into place before a reading is shown, and how well that was seen to work."""
    gate = preset.quality_gate
    if gate is None:
        return paragraph(
            "These weights have no gate of their own: only the file's header and simple properties of the picture are "
            "checked, not whether it shows a chest."
        )
    text = (
        f"Fitted on {gate.images:,} training radiographs beside drawn counterexamples, limits fixed on "
        f"{gate.validation_images:,} validation radiographs. The table counts pictures that were used for neither: "
        "radiographs must pass as they are and be put into place when they lie wrongly, all else must be refused."
    )
    rows = [
        [
            m.pictures,
            f"{m.n:,}",
            f"{m.passed:,}",
            f"{m.corrected:,}",
            f"{m.refused:,}",
            f"{m.right:,} ({percent(m.right / m.n)})",
        ]
        for m in gate.measures
        if m.n
    ]
    head = ["Pictures", "n", "Passed", "Put into place", "Refused", "Rightly, and for the right reason"]
    return paragraph(text) + (table(head, rows) if rows else paragraph("It was not measured."))


def _lungs() -> str:
    """How well the lungs are found, by which evidence outside of them is told."""
    found = load_card(LUNGS)
    if found is None:
        return paragraph("The lung network is not installed: lungs are not looked for.")
    text = (
        f"A small network of its own, trained on {found.images:,} radiographs, finds the lungs, so that a map can say "
        "how much of its evidence lies outside of them. Overlap with drawn masks (Dice coefficient, 1 is perfect):"
    )
    rows = [[o.dataset, o.split, f"{o.n:,}", f"{o.dice:.3f}", f"{o.dice_p10:.3f}"] for o in found.overlaps]
    return paragraph(text) + table(["Set", "Part", "n", "Mean", "Tenth percentile"], rows) + bullets(found.limits)


def _formats() -> str:
    """Encodings of DICOM with their decoders, whichever preset is chosen."""
    # Imported here: the page need not wait for the DICOM library before anything is shown.
    from cxrkit.imaging.dicom import transfer_syntaxes
    from cxrkit.imaging.loading import READABLE

    rows = [
        [name, identifier, "yes" if installed else "no: its decoder is not installed"]
        for identifier, name, installed in transfer_syntaxes()
    ]
    text = f"{READABLE}, also within a ZIP archive. DICOM in these transfer syntaxes:"
    return paragraph(text) + table(["Transfer syntax", "UID", "Decoded"], rows)
