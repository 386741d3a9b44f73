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

DISCLAIMER = (
    "Not a medical device. For research and teaching only: not for diagnosis, triage or treatment. "
    "A qualified professional must read every radiograph."
)


@dataclass(frozen=True)
class FindingScore:
    """Score of one finding: calibrated `probability` and the network's raw `logit`."""

    probability: float
    logit: float


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
    """

    finding: str
    method: str
    layer: str
    map: npt.NDArray[np.float32]
    box: Box
    peak: float

    @property
    def has_positive_evidence(self) -> bool:
        """False when nothing in the radiograph raised the score; such a map is all zero."""
        return self.peak > 0.0


@dataclass(frozen=True, eq=False)
class Reading:
    """Everything that one pass over one radiograph gave."""

    prediction: Prediction
    explanations: Mapping[str, Explanation]
    quality: tuple[str, ...]
    warnings: tuple[str, ...]
    preset: str
    weights_sha256: str
    radiograph_sha256: str
    notice: str = ""
    disclaimer: str = DISCLAIMER

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; probabilities and logits at full precision, maps as nested lists."""
        findings = {
            name: {
                "probability": score.probability,
                "logit": score.logit,
                "explanation": _explanation_dict(self.explanations.get(name)),
            }
            for name, score in self.prediction.scores.items()
        }
        return {
            "preset": self.preset,
            "weights_sha256": self.weights_sha256,
            "radiograph_sha256": self.radiograph_sha256,
            "findings": findings,
            "quality": list(self.quality),
            "warnings": list(self.warnings),
            "notice": self.notice,
            "disclaimer": self.disclaimer,
        }


def _explanation_dict(explanation: Explanation | None) -> dict[str, Any] | None:
    if explanation is None:
        return None
    return {
        "method": explanation.method,
        "layer": explanation.layer,
        "has_positive_evidence": explanation.has_positive_evidence,
        "peak": explanation.peak,
        "box": dataclasses.asdict(explanation.box),
        "map": [[float(v) for v in row] for row in explanation.map],
    }
