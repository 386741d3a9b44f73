"""What the maps show: localisation against boxes, and whether attention can be trusted."""

from __future__ import annotations

from cxrkit.evaluation.schema.estimates import Measure, Part


class LocalisationScores(Part):
    """How maps meet boxes; keys of `iou` and `iobb` are the thresholds T, such as ``0.1``.

    `pointing` is the share of image-finding pairs whose map peaks inside a box, `iou` and `iobb` the
    shares whose overlap exceeds T.
    """

    pointing: Measure
    mean_iou: Measure
    iou: dict[str, Measure]
    iobb: dict[str, Measure]


class LocalisationEntry(Part):
    """One finding (or ``all``) of one split. `headline` is False where the model was trained on the images."""

    boxes: str
    finding: str
    split: str
    headline: bool
    pairs: int
    images: int
    area_share: Measure
    model: LocalisationScores
    random: LocalisationScores
    centre: LocalisationScores


class RandomisedStage(Part):
    """Similarity of the maps after the layers from the output down to `stage` were drawn anew."""

    stage: str
    ssim: Measure


class EvidenceShare(Part):
    """Share of positive evidence that lies in a region, beside the region's share of the area."""

    region: str
    finding: str
    share: Measure
    area: Measure


class Attention(Part):
    """Whether the maps depend on the weights, and where their evidence lies."""

    randomisation: tuple[RandomisedStage, ...]
    evidence: tuple[EvidenceShare, ...]
