"""What the card of weights from elsewhere says: what their publisher states, and what the import found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from cxrkit.card import Calibration, Population, PublishedThreshold, TrainingRecord
from cxrkit.conversion.kinds import FROM_ELSEWHERE, Kind
from cxrkit.conversion.parity import Parity
from cxrkit.conversion.sources import Source
from cxrkit.errors import ImportRefused
from cxrkit.preset import Geometry, Intensity, Preset
from cxrkit.preset_folders import file_sha256

WEIGHTS_FILE = "model.weights.h5"


@dataclass(frozen=True)
class Rule:
    """How radiographs are prepared for the network; see `cxrkit.preset.Preset`."""

    input_size: int
    geometry: Geometry
    intensity: Intensity
    border: float = 0.0


def imported_card(
    name: str,
    folder: Path,
    kind: Kind,
    title: str,
    source: Source,
    rule: Rule,
    parity: Parity,
    command: str,
) -> Preset:
    """The card of weights whose file stands in `folder`; what nobody states stays open.

    Raises
    ------
    ImportRefused
        The thresholds in the file are not those that its publisher states.
    """
    from cxrkit.model.backbones import backbone_row

    same = (
        f"converted from the source network with logits at most {parity.difference:.1e} apart on {parity.images} images"
    )
    return Preset(
        name=name,
        title=title or kind.title,
        version="imported",
        backbone=source.backbone,
        feature_layer=backbone_row(source.backbone).feature_layer,
        head=source.head,
        findings=source.findings,
        input_size=rule.input_size,
        geometry=rule.geometry,
        intensity=rule.intensity,
        border=rule.border,
        weights_file=WEIGHTS_FILE,
        weights_sha256=file_sha256(folder / WEIGHTS_FILE),
        calibration=dict.fromkeys(source.findings, Calibration(1.0, 0.0, "identity", "none", 0, 0)),
        label_counts=(),
        operating_points=(),
        published_thresholds=published_thresholds(kind, source),
        population=Population(kind.population, (), ()),
        training=TrainingRecord(f"{kind.summary}; {same}.", kind.data, None, None, None, None, command),
        intended_use=kind.intended_use,
        limits=(*kind.all_limits, f"Licence of the weights: {kind.licence}"),
        label_noise=kind.label_noise,
        notice=FROM_ELSEWHERE,
        folder=str(folder),
    )


def published_thresholds(kind: Kind, source: Source) -> tuple[PublishedThreshold, ...]:
    """Thresholds as the publisher states them; those in the file must be the same, or are taken."""
    stated = dict(zip(kind.findings or (), kind.thresholds, strict=False))
    held = dict(zip(source.findings, source.thresholds, strict=False))
    found = []
    for finding in source.findings:
        known, stored = stated.get(finding, math.nan), held.get(finding, math.nan)
        if not math.isnan(known) and not math.isnan(stored) and not math.isclose(known, stored, rel_tol=1e-5):
            raise ImportRefused(
                f"The file holds another threshold for {finding} than its publisher states.",
                "Check which weights these are: give another --kind.",
            )
        if not math.isnan(known):
            found.append(PublishedThreshold(finding, known, kind.thresholds_source))
        elif not math.isnan(stored):
            found.append(PublishedThreshold(finding, stored, "the file that was imported"))
    return tuple(found)
