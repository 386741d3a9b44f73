"""What comes out: prediction, explanations and the reading that holds both."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrkit.errors import FindingUnknown
from cxrkit.quality import QualityReport

DISCLAIMER = (
    "Not a medical device. For research and teaching only: not for diagnosis, triage or treatment. "
    "A qualified professional must read every radiograph."
)


PERCENTILES = (5, 95)
"""Of the draws: ends of an interval."""


@dataclass(frozen=True)
class Interval:
    """Ends of a probability's interval: the 5th and the 95th percentile of draws with dropout in the head."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ValueError("the ends of an interval are not in order within 0 to 1")


@dataclass(frozen=True)
class FindingScore:
    """Score of one finding: calibrated `probability` and the network's raw `logit`; where known, its `interval`."""

    probability: float
    logit: float
    interval: Interval | None = None


def in_doubt(interval: Interval | None, threshold: float | None) -> bool:
    """Whether an interval reaches across a threshold, so that the reading abstains; False without either.

    A probability that equals the threshold is past it, so an interval that begins there is past it, too.
    """
    return interval is not None and threshold is not None and interval.low < threshold <= interval.high


@dataclass(frozen=True)
class DropoutRecord:
    """How the intervals of a reading were drawn, so that anyone can draw them again.

    Attributes
    ----------
    draws, seed
        Number of draws, and the seed of their masks.
    rates
        Share of the units dropped before each layer of the head, those without dropout left out.
    trained
        Whether the network was trained with this dropout. If not, the rate was chosen afterwards on validation.
    """

    draws: int
    seed: int
    rates: tuple[float, ...]
    trained: bool


@dataclass(frozen=True)
class Prediction(Mapping[str, float]):
    """Calibrated probability per finding, in the preset's order.

    A finding that the model lacks is absent: looking it up raises `FindingUnknown`.
    """

    scores: Mapping[str, FindingScore]

    def __post_init__(self) -> None:
        if not all(math.isfinite(s.logit) and 0 <= s.probability <= 1 for s in self.scores.values()):
            raise ValueError("a score is not finite")

    def __getitem__(self, finding: str) -> float:
        return self.score(finding).probability

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def __contains__(self, finding: object) -> bool:
        return finding in self.scores

    def get(self, finding: str, default: Any = None) -> Any:
        """Probability of a finding, or `default` where the model lacks it."""
        return self.scores[finding].probability if finding in self.scores else default

    def score(self, finding: str) -> FindingScore:
        """Probability and logit of a finding."""
        try:
            return self.scores[finding]
        except KeyError:
            raise FindingUnknown(
                f"The model does not predict {finding!r}.", f"It predicts: {', '.join(self.scores)}."
            ) from None


@dataclass(frozen=True)
class Box:
    """A rectangle of the radiograph in pixels, edges included as continuous coordinates.

    It may reach beyond the radiograph where the preset pads.
    """

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where the network found evidence for one finding.

    Attributes
    ----------
    finding, method, layer
        What was explained, how, and at which layer.
    map
        h x w float32 (7 x 7 for DenseNet-121 at 224 px), >= 0, in units of the logit's gradient times
        activation. All zero when there is no positive evidence. Not scaled: maps of one network can
        be compared.
    box
        The part of the radiograph that the grid covers.
    peak
        Largest value of `map`.
    outside_lungs
        Share of the map's evidence that lies outside of the lungs, or None: no evidence, or lungs not found.
    outside_limit
        What that share stays below in 95 % of the validation radiographs that the model scores highest, or None
        where that is not known.
    """

    finding: str
    method: str
    layer: str
    map: npt.NDArray[np.float32]
    box: Box
    peak: float
    outside_lungs: float | None = None
    outside_limit: float | None = None

    @property
    def unusual_place(self) -> bool:
        """Whether more of the evidence lies outside of the lungs than is usual for this finding."""
        known = self.outside_lungs is not None and self.outside_limit is not None
        return known and self.outside_lungs > self.outside_limit  # type: ignore[operator]

    @property
    def has_positive_evidence(self) -> bool:
        """False when nothing in the radiograph raised the score; such a map is all zero."""
        return self.peak > 0.0


@dataclass(frozen=True, eq=False)
class Reading:
    """Everything that one pass over one radiograph gave.

    Attributes
    ----------
    prediction, explanations
        Per finding.
    quality
        Whether the picture is a usable frontal chest radiograph. Where it says `refused`, the numbers are withheld
        from people: see `override`.
    notes
        What was done to the picture, one sentence each.
    warnings
        How the patient lies outside of the training population.
    lungs
        Mask of the lungs over the whole radiograph (128 x 128), or None where they were not looked for.
    dropout
        Of the intervals of the scores, or None where there are none.
    precision
        In which the network computed; `to_dict` names any but float32.
    """

    prediction: Prediction
    explanations: Mapping[str, Explanation]
    quality: QualityReport
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    preset: str
    weights_sha256: str
    radiograph_sha256: str
    notice: str = ""
    disclaimer: str = DISCLAIMER
    lungs: npt.NDArray[np.bool_] | None = None
    dropout: DropoutRecord | None = None
    precision: str = "float32"

    def override(self) -> Reading:
        """The reading that a reader asked for in spite of a refusal; it says so wherever it goes."""
        return dataclasses.replace(self, quality=self.quality.override())

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; probabilities and logits at full precision, maps as nested lists."""
        findings = {
            name: {
                "probability": score.probability,
                "logit": score.logit,
                "interval": None if score.interval is None else dataclasses.asdict(score.interval),
                "explanation": _explanation_dict(self.explanations.get(name)),
            }
            for name, score in self.prediction.scores.items()
        }
        return {
            "preset": self.preset,
            "weights_sha256": self.weights_sha256,
            **({} if self.precision == "float32" else {"precision": self.precision}),
            "radiograph_sha256": self.radiograph_sha256,
            "findings": findings,
            "quality": self.quality.to_dict(),
            "notes": list(self.notes),
            "lung_share": None if self.lungs is None else float(self.lungs.mean()),
            "warnings": list(self.warnings),
            "dropout": None if self.dropout is None else _dropout_dict(self.dropout),
            "notice": self.notice,
            "disclaimer": self.disclaimer,
        }


def _dropout_dict(dropout: DropoutRecord) -> dict[str, Any]:
    return {**dataclasses.asdict(dropout), "rates": list(dropout.rates), "percentiles": list(PERCENTILES)}


def _explanation_dict(explanation: Explanation | None) -> dict[str, Any] | None:
    if explanation is None:
        return None
    return {
        "method": explanation.method,
        "layer": explanation.layer,
        "has_positive_evidence": explanation.has_positive_evidence,
        "peak": explanation.peak,
        "share_outside_lungs": explanation.outside_lungs,
        "usual_share_outside_lungs_below": explanation.outside_limit,
        "box": dataclasses.asdict(explanation.box),
        "map": [[float(v) for v in row] for row in explanation.map],
    }
