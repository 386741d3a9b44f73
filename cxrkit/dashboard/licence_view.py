"""Licences and versions, as they are installed, and the sums by which the weights are known."""

from __future__ import annotations

import platform

from cxrkit.dashboard.blocks import pairs, paragraph, prose_table, section
from cxrkit.licences import installed
from cxrkit.lung_card import LUNGS, load_card
from cxrkit.preset import Preset

OWN = (
    "cxrkit, its code and its weights: MIT licence (file LICENSE). The radiographs that the weights learned from are "
    "not part of it and keep the terms of their publishers, which the data sheet names."
)


def licences(preset: Preset) -> None:
    """Our licence, the weights' sums, and every library that cxrkit needs."""
    rows = [("Preset", f"{preset.name}, version {preset.version}"), ("Weights (sha256)", preset.weights_sha256)]
    if preset.quality_gate is not None:
        rows.append(("Quality gate (sha256)", preset.quality_gate.sha256))
    lungs = load_card(LUNGS)
    if lungs is not None:
        rows.append(("Lung network (sha256)", lungs.weights_sha256))
    section("Licence", paragraph(OWN))
    section("Weights", pairs(rows) + paragraph("A file that does not have the sum of its card is not loaded."))
    found = installed()
    table_rows = [
        [one.name, one.version or "not installed", one.licence or "not stated", one.homepage] for one in found
    ]
    section(
        "Libraries that cxrkit needs",
        paragraph(f"As installed here, with Python {platform.python_version()}; licences as the packages state them.")
        + prose_table(("Package", "Version", "Licence", "Where from"), table_rows),
    )
