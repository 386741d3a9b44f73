"""The Model info page: the card first, then what stands behind it, a section at a time."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from cxrkit.architecture import blocks, head_steps
from cxrkit.charts import training
from cxrkit.charts.drawings import network
from cxrkit.dashboard import card_view, claim_view, data_view, lesson, licence_view, mishap_view
from cxrkit.dashboard.blocks import pairs, paragraph, prose_table, section
from cxrkit.dashboard.sections import choose_section
from cxrkit.dashboard.theme import ink
from cxrkit.preset import Preset
from cxrkit.training_log import Run, TrainingLog, load_log

PAGE = "model_info"


def information(preset: Preset) -> None:
    """The row of sections, and the one that was chosen."""
    chosen = choose_section(PAGE, {name: title for name, (title, _) in SECTIONS.items()})
    SECTIONS[chosen][1](preset)


# -- architecture ------------------------------------------------------------------------------


def _architecture(preset: Preset) -> None:
    section("Architecture", pairs(card_view.architecture(preset)))
    drawn = blocks(preset.backbone, preset.input_size)
    if not drawn:
        section("Drawing", paragraph(f"There is no drawing of a {preset.backbone}."))
        return
    lesson.drawing(
        network(drawn, preset.input_size, preset.feature_layer, len(preset.findings)),
        "Feature maps from left to right: the height stands for their side, the width for the number of channels, both "
        "on a logarithmic scale. Grad-CAM takes the marked ones.",
    )
    rows = [
        [
            f"{number}. {block.name}",
            f"{block.side} x {block.side} x {block.channels:,}",
            block.layer + (" (Grad-CAM)" if block.layer == preset.feature_layer else ""),
            block.detail,
        ]
        for number, block in enumerate(drawn, start=1)
    ]
    rows.insert(0, ["in", f"{preset.input_size} x {preset.input_size} x 3", "", "The radiograph, three times the same"])
    steps = head_steps(preset.backbone, preset.head, len(preset.findings))
    rows += [[f"head, {number}", "", "", step] for number, step in enumerate(steps, start=1)]
    section("Block by block", prose_table(("Block", "Gives", "Last layer", "What it does"), rows))
    if all(block.layer != preset.feature_layer for block in drawn):
        section("Grad-CAM", paragraph(f"Grad-CAM takes the layer {preset.feature_layer}, which ends no block."))


# -- training ----------------------------------------------------------------------------------


def _training(preset: Preset) -> None:
    section("How it was trained", pairs(card_view.training(preset)))
    log = load_log(preset)
    if log is None:
        section(
            "Training curves",
            paragraph(
                "No training log stands beside this preset, so there is no curve to show. After a training of your "
                "own, scripts/write_training_log.py writes one from the folder of the run."
            ),
        )
        return
    words = (
        "Every line is one run; each run started from the weights that the one before it ended with, which is "
        "checked by their sums. Runs have labels and outputs of their own, so that losses of two runs are not to be "
        "compared."
    )
    section("Training curves", paragraph(words) + (paragraph(log.after) if log.after else ""))
    left, right = st.columns(2, gap="large")
    with left:
        lesson.chart(training.losses(log, ink()), "info_losses")
    ranked = training.ranking(log, ink())
    if ranked is not None:
        with right:
            lesson.chart(ranked, "info_ranking")
    section("Runs", prose_table(_RUN_HEAD, [_run_row(number, run) for number, run in enumerate(log.runs, start=1)]))
    if log.runs and log.runs[0].start_sha256:
        section("Before them", paragraph(_before(log)))


_RUN_HEAD = ("Run", "Images (patients)", "Validation", "Outputs", "Epochs", "Hours", "Seed", "Ended with (sha256)")


def _run_row(number: int, run: Run) -> list[str]:
    sizes = " and ".join(dict.fromkeys(f"{epoch.size} px" for epoch in run.epochs))
    return [
        f"{number}. {run.title}",
        f"{run.images:,} ({run.patients:,})",
        f"{run.validation_images:,} ({run.validation_patients:,})",
        f"{run.outputs}",
        f"{len(run.epochs)} at {sizes}",
        f"{sum(epoch.seconds for epoch in run.epochs) / 3600:.1f}",
        f"{run.seed}",
        run.weights_sha256[:12],
    ]


def _before(log: TrainingLog) -> str:
    return (
        f"The first run started from weights with the sum {str(log.runs[0].start_sha256)[:12]}, whose own training is "
        "not in this log."
    )


SECTIONS: dict[str, tuple[str, Callable[[Preset], None]]] = {
    "card": ("Card", card_view.card),
    "performance": ("Performance", card_view.performance),
    "architecture": ("Architecture", _architecture),
    "training": ("Training", _training),
    "data": ("Data", data_view.data_sheet),
    "errors": ("Errors", mishap_view.gallery),
    "claim": ("CLAIM 2024", claim_view.claim),
    "licences": ("Licences and versions", licence_view.licences),
}
"""Name in the address -> title and section."""
