"""Operating points that a reader chose and named: a file of them belongs to the weights of one sha256."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT, Count, Share
from cxrkit.errors import FindingUnknown, ManifestError, OperatingPointMismatch
from cxrkit.preset import Preset

LARGEST_FILE = 1_000_000
"""Bytes of a file of points that is accepted."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PointName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f<>]{1,40}$")]


@dataclass(frozen=True, config=STRICT)
class NamedPoint:
    """A threshold on the calibrated probability of one finding, and where it was chosen.

    Attributes
    ----------
    name
        The reader's, up to 40 characters; points of several findings may share one.
    chosen_on
        The rows that the reader looked at: the split's name, or ``"uploaded table"``.
    tuned_on_evaluation
        Whether those rows were meant for judging: what the threshold gives on them flatters it.
    sensitivity, specificity, n, positives
        What it gave on those rows.
    """

    name: PointName
    finding: str
    threshold: Share
    chosen_on: str
    tuned_on_evaluation: bool
    sensitivity: Share
    specificity: Share
    n: Count
    positives: Count


@dataclass(frozen=True, config=STRICT)
class PointFile:
    """The content of a file of points."""

    format: Literal["cxrkit named operating points"]
    version: Literal[1]
    preset: str
    weights_sha256: Sha256
    points: Annotated[tuple[NamedPoint, ...], Field(max_length=500)]


def to_json(preset: Preset, points: Iterable[NamedPoint]) -> bytes:
    """A file of points for the weights of `preset`."""
    file = PointFile("cxrkit named operating points", 1, preset.name, preset.weights_sha256, tuple(points))
    return TypeAdapter(PointFile).dump_json(file, indent=2) + b"\n"


def from_json(data: bytes, preset: Preset) -> tuple[NamedPoint, ...]:
    """The points of a file that was made for the weights of `preset`.

    Raises
    ------
    ManifestError
        It is no file of points.
    OperatingPointMismatch
        It belongs to other weights.
    FindingUnknown
        A point is for a finding that the preset does not predict.
    """
    try:
        if len(data) > LARGEST_FILE:
            raise ValueError("too large")
        file = TypeAdapter(PointFile).validate_json(data)
    except (ValidationError, ValueError):
        raise ManifestError(
            "This is not a file of named operating points.",
            "Choose a JSON file that was saved from the page ROC and thresholds.",
        ) from None
    if file.weights_sha256 != preset.weights_sha256:
        raise OperatingPointMismatch(
            f"These points belong to other weights ({file.weights_sha256[:8]}) than those of preset {preset.name!r} "
            f"({preset.weights_sha256[:8]}).",
            "Choose the model that they were saved for, or choose the thresholds anew for this one.",
        )
    for point in file.points:
        if point.finding not in preset.findings:
            raise FindingUnknown(
                f"Preset {preset.name!r} does not predict one of the findings in this file.",
                f"It predicts: {', '.join(preset.findings)}.",
            )
    return file.points


def with_point(points: Iterable[NamedPoint], new: NamedPoint) -> tuple[NamedPoint, ...]:
    """The points with a new one, in place of that of the same name and finding."""
    others = (p for p in points if (p.name, p.finding) != (new.name, new.finding))
    return (*others, dataclasses.replace(new))


def thresholds(points: Iterable[NamedPoint], name: str) -> dict[str, float]:
    """Finding -> threshold of the points of one name."""
    return {point.finding: point.threshold for point in points if point.name == name}
