"""A preset: model card, registry record and typed configuration in one.

A preset is a folder ``weights/<name>/`` that holds ``preset.json`` (this record),
``model.weights.h5`` (whose sha256 the record names), ``label_counts.csv`` (labels of the
training split) and ``evaluation.json``; and ``int8.json`` where it can be computed in int8.
Such folders are found by `cxrkit.preset_folders`.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cxrkit.card import (
    STRICT,
    Calibration,
    Doubt,
    LabelCount,
    Metric,
    Name,
    OperatingPoint,
    Population,
    PublishedThreshold,
    QualityGate,
    ReferencePrevalence,
    Rule,
    TrainingRecord,
    ValidationScores,
)
from cxrkit.errors import (
    FindingUnknown,
    OperatingPointMismatch,
    PresetInvalid,
    PresetNotFound,
)
from cxrkit.repeatability import Repeatability

CARD = "preset.json"
Geometry = Literal["squash", "pad", "crop"]
Intensity = Literal["sample-standard", "unit", "symmetric", "imagenet", "caffe", "xrv"]


@dataclass(frozen=True, config=STRICT)
class Preset:
    """One model as it ships: findings in the order of its outputs, and everything known about it.

    Attributes
    ----------
    name, title, version
        Folder name, words for a person, and version of the weights.
    backbone, feature_layer, head
        Names in the table of `cxrkit.model.backbones`.
    findings
        In the order of the network's outputs.
    input_size
        Side of the square network input, in pixels.
    geometry
        ``"squash"`` scales both axes to the square, ``"pad"`` adds black borders, ``"crop"`` takes
        the central square.
    intensity
        ``"sample-standard"``: zero mean and unit variance per image; ``"unit"``: 0..1 as it is;
        ``"symmetric"``: -1..1; ``"imagenet"``: less ImageNet's mean per channel and over its deviation;
        ``"caffe"``: 0..255 less ImageNet's mean, channels blue, green, red; ``"xrv"``: -1024..1024.
    border
        Share of each side that is cut off before `geometry`, against markers and collimator edges.
    weights_file, weights_sha256
        Beside the card; without a matching sha256 the model cannot read.
    calibration
        One per finding, in the order of `findings`.
    label_counts
        Labels of the training split, in the order of `findings`; empty where they are not known.
    reference_prevalence
        To which the calibrated probabilities are shifted, or None: then they hold at the prevalence
        of the split they were fitted on.
    validation_scores
        Per finding, what the operating points were fitted on; empty where the card does not keep it.
    published_thresholds
        Of weights from elsewhere: thresholds on the probability as their publisher states them.
    quality_gate
        What tells by the features of these weights that a picture is no frontal chest radiograph, or None.
    doubt
        How much of the head is dropped to give probabilities an interval, or None.
    repeatability
        How much its scores move when nothing that matters has changed, or None where it was not measured.
    notice
        Shown with every reading, such as "demonstration weights: ..."; empty for none.
    """

    name: Name
    title: str
    version: str
    backbone: str
    feature_layer: str
    head: str
    findings: tuple[Name, ...]
    input_size: Annotated[int, Field(ge=32, le=4096, strict=True)]
    geometry: Geometry
    intensity: Intensity
    weights_file: Name
    weights_sha256: str
    calibration: dict[str, Calibration]
    label_counts: tuple[LabelCount, ...]
    operating_points: tuple[OperatingPoint, ...]
    population: Population
    training: TrainingRecord
    intended_use: str
    limits: tuple[str, ...]
    label_noise: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    reference_prevalence: ReferencePrevalence | None = None
    validation_scores: dict[str, ValidationScores] = dataclasses.field(default_factory=dict)
    published_thresholds: tuple[PublishedThreshold, ...] = ()
    notice: str = ""
    border: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    quality_gate: QualityGate | None = None
    doubt: Doubt | None = None
    repeatability: Repeatability | None = None
    folder: str = dataclasses.field(default="", compare=False)

    def __post_init__(self) -> None:
        def refuse(message: str) -> None:
            raise PresetInvalid(
                f"The card of preset {self.name!r} is inconsistent: {message}.",
                "Restore preset.json from the release, or train the preset again.",
            )

        if not self.findings or len(set(self.findings)) != len(self.findings):
            refuse("its findings are empty or repeated")
        counted = tuple(c.finding for c in self.label_counts)
        if counted and counted != self.findings:
            refuse(f"label counts are for {', '.join(counted)}")
        if set(self.calibration) != set(self.findings):
            odd = sorted(set(self.calibration) ^ set(self.findings))
            refuse(f"calibration and findings differ in {', '.join(odd)}")
        if self.reference_prevalence is not None and set(self.reference_prevalence.by_finding) != set(self.findings):
            refuse("its reference prevalence is for other findings")
        rules = [(point.finding, point.rule) for point in self.operating_points]
        if len(set(rules)) != len(rules):
            refuse("an operating point stands twice")
        for point in self.operating_points:
            if point.finding not in self.findings:
                refuse(f"an operating point is for {point.finding}, which it does not predict")
            if point.weights_sha256 != self.weights_sha256:
                raise OperatingPointMismatch(
                    f"The {point.rule} operating point for {point.finding} was fitted for other weights "
                    f"than those of preset {self.name!r}.",
                    "Fit the operating points again on the validation split of these weights.",
                )
        if self.quality_gate is not None and self.quality_gate.weights_sha256 != self.weights_sha256:
            refuse("its quality gate was fitted for other weights")
        if self.doubt is not None and self.doubt.weights_sha256 != self.weights_sha256:
            refuse("its dropout was fitted for other weights")
        if self.repeatability is not None:
            if self.repeatability.weights_sha256 != self.weights_sha256:
                refuse("its repeatability was measured with other weights")
            if unknown := sorted({limit.finding for limit in self.repeatability.limits} - set(self.findings)):
                refuse(f"a repeatability limit is for {', '.join(unknown)}, which it does not predict")
        stated = [published.finding for published in self.published_thresholds]
        if len(set(stated)) != len(stated):
            refuse("a published threshold stands twice")
        if foreign := sorted(set(stated) - set(self.findings)):
            refuse(f"a published threshold is for {', '.join(foreign)}, which it does not predict")
        if unknown := sorted(set(self.validation_scores) - set(self.findings)):
            refuse(f"validation scores are for {', '.join(unknown)}, which it does not predict")
        for metric in self.metrics:
            if metric.weights_sha256 != self.weights_sha256:
                refuse(f"the {metric.name} of {metric.finding} was measured with other weights")

    # -- file ----------------------------------------------------------------------------------

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Preset:
        """Read ``preset.json`` in `folder`.

        Raises
        ------
        PresetNotFound
            There is no card.
        PresetInvalid, OperatingPointMismatch
            The card is malformed or contradicts itself.
        """
        path = Path(folder) / CARD
        try:
            raw = path.read_bytes()
        except (OSError, ValueError):  # ValueError: a name that no file can have
            raise PresetNotFound(
                f"There is no preset named {Path(folder).name!r}.",
                "Choose one of the presets in the weights folder, or train one with scripts/train.py.",
            ) from None
        try:
            preset = TypeAdapter(cls).validate_json(raw)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise PresetInvalid(
                f"The card of preset {Path(folder).name!r} is malformed at {where}: {first['msg']}.",
                "Restore preset.json from the release, or train the preset again.",
            ) from None
        return dataclasses.replace(preset, folder=str(folder))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``preset.json`` into `folder` (created if need be) in one step; return its path."""
        path = Path(folder) / CARD
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = dataclasses.replace(self, folder="")
        text = TypeAdapter(Preset).dump_json(plain, indent=2, exclude={"folder"}) + b"\n"
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(text)
        temporary.replace(path)
        return path

    # -- look-ups ------------------------------------------------------------------------------

    def require(self, finding: str) -> int:
        """Index of a finding among the network's outputs; raises `FindingUnknown`."""
        try:
            return self.findings.index(finding)
        except ValueError:
            raise FindingUnknown(
                f"Preset {self.name!r} does not predict {finding!r}.", f"It predicts: {', '.join(self.findings)}."
            ) from None

    def operating_point(self, finding: str, rule: Rule) -> OperatingPoint | None:
        """The named operating point of a finding, or None when none could be fitted."""
        self.require(finding)
        found = (p for p in self.operating_points if p.finding == finding and p.rule == rule)
        return next(found, None)

    def custom_point(self, finding: str, threshold: float) -> OperatingPoint | None:
        """What a threshold of the reader's own gave on validation, or None where that is not known."""
        self.require(finding)
        scores = self.validation_scores.get(finding)
        if scores is None or not scores.positives or not scores.negatives:
            return None
        sensitivity, specificity = scores.rates(threshold)
        return OperatingPoint(
            finding=finding,
            rule="custom",
            threshold=threshold,
            sensitivity=sensitivity,
            specificity=specificity,
            split=scores.split,
            n=len(scores.positives) + len(scores.negatives),
            positives=len(scores.positives),
            weights_sha256=self.weights_sha256,
        )

    def published_threshold(self, finding: str) -> float | None:
        """The published threshold of a finding on the calibrated probability, or None where there is none.

        It is published for the probability that the network gives itself, and moves with the calibration.
        """
        self.require(finding)
        found = next((p.threshold for p in self.published_thresholds if p.finding == finding), None)
        if found is None or not 0 < found < 1 or self.calibration[finding].method == "identity":
            return found
        return self.calibration[finding].probability(math.log(found / (1 - found)))

    def metric(self, finding: str, name: str, split: str = "test") -> Metric | None:
        """A metric of the card by finding (or ``"macro"``), name and split."""
        found = (m for m in self.metrics if (m.finding, m.name, m.split) == (finding, name, split))
        return next(found, None)

    def with_operating_points(self, points: Iterable[OperatingPoint]) -> Preset:
        """A copy with these operating points; those of other weights are refused."""
        return dataclasses.replace(self, operating_points=tuple(points))
