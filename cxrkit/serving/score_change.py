"""How the scores of two radiographs differ, and whether by more than the same radiograph would when read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cxrkit.errors import PresetInvalid
from cxrkit.preset import Preset
from cxrkit.reading import Reading

Verdict = Literal["within", "changed", "unknown"]


@dataclass(frozen=True)
class ScoreChange:
    """One finding in two readings by one preset.

    Attributes
    ----------
    before, after
        Calibrated probabilities.
    change
        Log-odds of the calibrated probability after, less those before.
    band
        The repeatability coefficient on the same scale, or None where it was not measured.
    """

    finding: str
    before: float
    after: float
    change: float
    band: float | None

    @property
    def verdict(self) -> Verdict:
        """``"changed"`` beyond the band; that is no statement about the patient."""
        if self.band is None:
            return "unknown"
        return "within" if abs(self.change) <= self.band else "changed"

    @property
    def size(self) -> float:
        """The change in units of the band, else as it is: what findings are ordered by."""
        return abs(self.change) / self.band if self.band else abs(self.change)


def score_changes(preset: Preset, prior: Reading, current: Reading) -> tuple[ScoreChange, ...]:
    """The changes of all findings, in the preset's order.

    The calibration's slope turns a difference of raw logits, and the coefficient that was measured on them, into one of
    log-odds of the calibrated probability.

    Raises
    ------
    PresetInvalid
        A reading is not by the weights of this preset.
    """
    if {prior.weights_sha256, current.weights_sha256} != {preset.weights_sha256}:
        raise PresetInvalid("The two radiographs were read by different weights.", "Read both with one model.")
    changes = []
    for finding in preset.findings:
        one, other = prior.prediction.score(finding), current.prediction.score(finding)
        slope = preset.calibration[finding].slope
        limit = None if preset.repeatability is None else preset.repeatability.limit(finding)
        band = None if limit is None else slope * limit.coefficient
        changes.append(
            ScoreChange(finding, one.probability, other.probability, slope * (other.logit - one.logit), band)
        )
    return tuple(changes)
