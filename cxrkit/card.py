"""The records that a preset's card is made of: calibration, operating points, metrics, population."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

MINIMUM_POSITIVES = 30
"""Below this number of positives an operating point is marked unsupported."""

Rule = Literal["youden", "screening", "rule-in", "custom"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, strict=True)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""Of presets, findings and files within a preset's folder: no separators, no leading dot."""
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


def _check_positives(positives: int, n: int) -> None:
    if positives > n:
        raise ValueError(f"{positives} positives among {n}")


@dataclass(frozen=True, config=STRICT)
class Calibration:
    """From the raw logit z of one finding to its calibrated probability.

    ``p = sigmoid(slope * z + intercept)``. The intercept already contains the shift from the
    prevalence of the fitting set to the reference prevalence, where the preset names one.

    Attributes
    ----------
    slope, intercept
        Of the logistic model (Platt 1999).
    method
        ``"platt"`` (own slope), ``"shared-slope"`` (one slope for all findings) or ``"identity"``.
    split, n, positives
        What it was fitted on.
    prevalence
        The prevalence at which the probability is stated, or None when it was never fitted.
    """

    slope: Annotated[float, Field(gt=0)]
    intercept: float
    method: Literal["platt", "shared-slope", "identity"]
    split: str
    n: Count
    positives: Count
    prevalence: Share | None = None

    def __post_init__(self) -> None:
        _check_positives(self.positives, self.n)

    def probability(self, logit: float) -> float:
        """Calibrated probability of a raw logit, in (0, 1)."""
        z = self.slope * logit + self.intercept
        return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))


@dataclass(frozen=True, config=STRICT)
class OperatingPoint:
    """A threshold on the calibrated probability, and what it gave on the split it was fitted on.

    It belongs to the weights of one sha256; see `cxrkit.preset.Preset.operating_point`.
    """

    finding: str
    rule: Rule
    threshold: Share
    sensitivity: Share
    specificity: Share
    split: str
    n: Count
    positives: Count
    weights_sha256: str

    def __post_init__(self) -> None:
        _check_positives(self.positives, self.n)

    @property
    def supported(self) -> bool:
        """False when it was fitted on too few positives, or negatives, to be relied on."""
        return min(self.positives, self.n - self.positives) >= MINIMUM_POSITIVES


@dataclass(frozen=True, config=STRICT)
class PublishedThreshold:
    """A threshold on the probability as the publisher of the weights states it; not fitted or checked here.

    Attributes
    ----------
    source
        Who states it, and where.
    """

    finding: str
    threshold: Share
    source: str


@dataclass(frozen=True, config=STRICT)
class ValidationScores:
    """Calibrated probabilities of one finding on the split that its operating points were fitted on.

    They tell what any other threshold gave there; see `cxrkit.preset.Preset.custom_point`.

    Attributes
    ----------
    split
        Name of the split.
    positives, negatives
        Ascending probabilities of the images with and without the finding.
    """

    split: str
    positives: tuple[Share, ...]
    negatives: tuple[Share, ...]

    def rates(self, threshold: float) -> tuple[float, float]:
        """Sensitivity and specificity of "positive from `threshold` on"; needs both classes."""
        above = len(self.positives) - bisect_left(self.positives, threshold)
        return above / len(self.positives), bisect_left(self.negatives, threshold) / len(self.negatives)


@dataclass(frozen=True, config=STRICT)
class Metric:
    """One number of an evaluation with its 95 % interval; `finding` is ``"macro"`` for the mean."""

    finding: str
    name: str
    value: float
    low: float
    high: float
    n: Count
    positives: Count
    split: str
    weights_sha256: str


@dataclass(frozen=True, config=STRICT)
class LabelCount:
    """Labels of one finding in the training split: known positives and known labels."""

    finding: str
    positives: Count
    total: Count

    def __post_init__(self) -> None:
        _check_positives(self.positives, self.total)


@dataclass(frozen=True, config=STRICT)
class Population:
    """Whom the training radiographs show; readings outside of it carry a warning.

    No age bands, or no views, means that they are not known.
    """

    description: str
    age_bands: tuple[str, ...]
    views: tuple[str, ...]

    def mismatches(self, age_band: str | None, view: str | None) -> tuple[str, ...]:
        """Sentences that say how a radiograph lies outside the population; unknown facts are silent."""
        found = []
        if self.age_bands and age_band is not None and age_band not in self.age_bands:
            found.append(f"The patient's age band ({age_band}) was not in the training population.")
        if self.views and view is not None and view not in self.views:
            found.append(f"The {view} view was not in the training population.")
        return tuple(found)


@dataclass(frozen=True, config=STRICT)
class GateMeasure:
    """What the quality gate did with `n` pictures of one kind, none of which it was fitted on.

    `right` of them met the fate that is right for their kind, with a right reason where there is one.
    """

    pictures: str
    n: Count
    passed: Count
    corrected: Count
    refused: Count
    right: Count


@dataclass(frozen=True, config=STRICT)
class QualityGate:
    """The fitted part of the quality gate; see `cxrkit.model.gate`.

    Attributes
    ----------
    file, sha256
        Of the arrays, beside the card.
    weights_sha256
        Of the weights whose features they were fitted on.
    data
        The sets whose training rows it learned from.
    images, validation_images
        How many radiographs it was fitted on, and how many fixed its limits.
    evidence_limits
        Finding -> share of a map's evidence outside of the lungs that 95 % of the validation radiographs stay below
        that the model scores highest.
    seed, command
        Of the random draws, and the line that made it.
    measures
        What it did with pictures that it was not fitted on.
    distances
        Of those that fixed the limits, from the training radiographs and over the limit: evenly spaced quantiles from
        the smallest to the largest. Empty in cards of before.
    """

    file: Name
    sha256: str
    weights_sha256: str
    data: tuple[str, ...]
    images: Count
    validation_images: Count
    evidence_limits: dict[str, Share]
    seed: int
    command: str
    measures: tuple[GateMeasure, ...] = ()
    distances: tuple[Annotated[float, Field(ge=0)], ...] = ()

    def __post_init__(self) -> None:
        if len(self.distances) == 1 or list(self.distances) != sorted(self.distances):
            raise ValueError("the quantiles of the distances are not in order")

    def share_nearer(self, distance: float) -> float | None:
        """The share of the validation radiographs that are nearer to the training radiographs; None if not known."""
        if not self.distances or not math.isfinite(distance):
            return None
        above = bisect_left(self.distances, distance)
        if above in (0, len(self.distances)):
            return float(above > 0)
        low, high = self.distances[above - 1 : above + 1]
        return (above - 1 + (distance - low) / (high - low)) / (len(self.distances) - 1)


@dataclass(frozen=True, config=STRICT)
class DoubtMeasure:
    """How often readings of a finding were in doubt at an operating point, and how often they were wrong.

    Attributes
    ----------
    n, in_doubt
        Labelled rows, and those whose interval reaches across the threshold.
    wrong_in_doubt, wrong_otherwise
        Rows on the wrong side of it among these, and among the others.
    wrong_nearest
        And among as many rows as are in doubt, but those nearest to the threshold: what distance alone would tell.
    """

    finding: str
    rule: Rule
    n: Count
    in_doubt: Count
    wrong_in_doubt: Count
    wrong_otherwise: Count
    wrong_nearest: Count

    def __post_init__(self) -> None:
        if max(self.wrong_in_doubt, self.wrong_nearest) > self.in_doubt or self.in_doubt > self.n:
            raise ValueError(f"{self.in_doubt} of {self.n} rows in doubt cannot hold so many wrong ones")


@dataclass(frozen=True, config=STRICT)
class Doubt:
    """Dropout in the head while reading, from which the intervals come; see `cxrkit.model.dropout`.

    Attributes
    ----------
    rate
        Share of the averages that is dropped before the last layer, or None where the head has dropout of its own.
    draws, seed
        Number of draws, and the seed of their masks.
    weights_sha256
        Of the weights that it was fitted on.
    split
        On which it was fitted and measured.
    command
        The line that made it.
    measures
        Per finding and operating point.
    """

    rate: Annotated[float, Field(gt=0, lt=1)] | None
    draws: Annotated[int, Field(ge=20, strict=True)]
    seed: Count
    weights_sha256: str
    split: str
    command: str
    measures: tuple[DoubtMeasure, ...] = ()


@dataclass(frozen=True, config=STRICT)
class ReferencePrevalence:
    """The prevalence per finding to which calibrated probabilities are shifted, and its source."""

    source: str
    by_finding: dict[str, Annotated[float, Field(gt=0, lt=1)]]


@dataclass(frozen=True, config=STRICT)
class TrainingRecord:
    """What the weights were trained on, and how; None where their publisher does not state it."""

    summary: str
    data: tuple[str, ...]
    images: Count | None
    patients: Count | None
    validation_images: Count | None
    seed: int | None
    command: str
