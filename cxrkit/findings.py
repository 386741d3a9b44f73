"""What each finding is called and what it means, in plain language.

The order of findings is never taken from here: it belongs to a preset and its weights.
"""

from __future__ import annotations

from typing import NamedTuple


class FindingText(NamedTuple):
    """Words for one finding: a display label and a plain-language explanation."""

    label: str
    meaning: str


_TEXTS: dict[str, FindingText] = {
    "Atelectasis": FindingText("Atelectasis", "Part of a lung has lost volume and holds less air than it should."),
    "Cardiomegaly": FindingText("Cardiomegaly", "The heart shadow is enlarged relative to the chest."),
    "Effusion": FindingText("Pleural effusion", "Fluid between lung and chest wall, often blunting the angle."),
    "Infiltration": FindingText("Infiltration", "An ill-defined denser area in the lung; a loose term in reports."),
    "Mass": FindingText("Mass", "A rounded opacity of more than 3 cm."),
    "Nodule": FindingText("Nodule", "A rounded opacity of up to 3 cm; on a 7 x 7 map about one cell or less."),
    "Pneumonia": FindingText("Pneumonia", "Opacity that the reader or the report attributed to infection."),
    "Pneumothorax": FindingText("Pneumothorax", "Air between lung and chest wall; small ones are easily missed."),
    "Consolidation": FindingText("Consolidation", "Air spaces filled with fluid, pus or cells; a dense opacity."),
    "Edema": FindingText("Pulmonary oedema", "Fluid in the lung tissue, often from heart failure."),
    "Emphysema": FindingText("Emphysema", "Destroyed air spaces: over-inflated, dark lungs with few vessels."),
    "Fibrosis": FindingText("Fibrosis", "Scarring of lung tissue: fine or coarse lines, lost volume."),
    "Pleural_Thickening": FindingText("Pleural thickening", "The lining of the lung is thicker than normal."),
    "Hernia": FindingText("Hiatal hernia", "Stomach or bowel above the diaphragm, often behind the heart."),
    "Lung_Lesion": FindingText("Lung lesion", "A nodule, a mass or another circumscribed change of the lung."),
    "Lung_Opacity": FindingText("Lung opacity", "Any denser area in the lung, whatever its cause."),
    "Fracture": FindingText("Fracture", "A broken bone, mostly of a rib; on such a small picture easily missed."),
    "Enlarged_Cardiomediastinum": FindingText(
        "Enlarged cardiomediastinum", "The shadow of heart and great vessels is wider than it should be."
    ),
}


def finding_text(finding: str) -> FindingText:
    """Return label and meaning of a finding; an unknown name is its own label, without a meaning."""
    return _TEXTS.get(finding, FindingText(finding.replace("_", " "), ""))


def every_text() -> tuple[FindingText, ...]:
    """Label and meaning of every finding that is described here, for those who translate them."""
    return tuple(_TEXTS.values())
