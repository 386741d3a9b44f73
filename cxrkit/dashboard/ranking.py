"""Where each finding stands: how far past its operating point, and whether that point can be relied on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cxrkit.card import OperatingPoint
from cxrkit.card import Rule as FittedRule
from cxrkit.preset import Preset
from cxrkit.reading import Interval, Prediction, in_doubt

Rule = FittedRule | Literal["published"]
"""What a reader can choose: a rule that was fitted here, or the thresholds of the weights' publisher."""

RULES: Mapping[Rule, tuple[str, str]] = {
    "published": ("Published", "as the weights' publisher states; not checked here"),
    "screening": ("Screening", "misses few (sensitivity ≥ 95 %)"),
    "youden": ("Youden", "balances both errors"),
    "rule-in": ("Rule-in", "few false alarms (specificity ≥ 95 %)"),
    "custom": ("Custom", "your own, finding by finding"),
}
"""Title and meaning of each rule, in the order in which they are offered."""


@dataclass(frozen=True)
class Standing:
    """One finding of a reading against one operating point.

    Attributes
    ----------
    threshold
        On the calibrated probability, or None where no operating point could be fitted.
    point
        The fitted operating point, or what a custom threshold gave on validation; None where the card
        does not tell.
    supported
        Whether the finding had enough positives for any operating point of it to be relied on. A published
        threshold counts as supported: the reader chose to take its publisher's word.
    interval
        Of the probability, or None where the model gives none.
    margin
        ``logit(probability) - logit(threshold)``, or None without a threshold.
    """

    finding: str
    probability: float
    threshold: float | None
    point: OperatingPoint | None
    supported: bool
    interval: Interval | None = None

    @property
    def margin(self) -> float | None:
        return None if self.threshold is None else _logit(self.probability) - _logit(self.threshold)

    @property
    def past(self) -> bool:
        """Probability at or above the threshold, in doubt or not."""
        return self.threshold is not None and self.probability >= self.threshold

    @property
    def in_doubt(self) -> bool:
        """The interval reaches across the threshold, so the reading abstains."""
        return in_doubt(self.interval, self.threshold)

    @property
    def doubt_zone(self) -> tuple[float, float] | None:
        """Around the threshold, where a probability with as wide an interval (in log-odds) would be in doubt."""
        if self.interval is None or self.threshold is None:
            return None
        here, at = _logit(self.probability), _logit(self.threshold)
        low, high = _logit(self.interval.low), _logit(self.interval.high)
        return _share(at - (high - here)), _share(at + (here - low))

    @property
    def positive(self) -> bool:
        """Past an operating point that can be relied on, and not in doubt; nothing else is coloured as positive."""
        return self.supported and self.past and not self.in_doubt


def offered_rules(preset: Preset) -> list[Rule]:
    """The rules that a reader can choose for a preset: what was fitted or published for it, and their own."""
    fitted: list[Rule] = ["screening", "youden", "rule-in"] if preset.operating_points else []
    published: list[Rule] = ["published"] if preset.published_thresholds else []
    return [*published, *fitted, "custom"]


def default_rule(preset: Preset) -> Rule:
    """Youden's where it was fitted, else the published thresholds, else the reader's own."""
    return "youden" if preset.operating_points else offered_rules(preset)[0]


def default_threshold(preset: Preset, finding: str) -> float:
    """Where a custom threshold starts: Youden's, else as published, else at the calibration's prevalence, else 0.5."""
    point = preset.operating_point(finding, "youden")
    if point is not None:
        return point.threshold
    published = preset.published_threshold(finding)
    if published is not None:
        return published
    return preset.calibration[finding].prevalence or 0.5


def standing(
    preset: Preset,
    finding: str,
    probability: float,
    rule: Rule,
    custom: Mapping[str, float],
    interval: Interval | None = None,
) -> Standing:
    """Where one finding stands under a rule; `custom` holds the reader's own thresholds so far."""
    if rule == "published":
        published = preset.published_threshold(finding)
        return Standing(finding, probability, published, None, published is not None, interval)
    fitted = preset.operating_point(finding, "youden" if rule == "custom" else rule)
    supported = fitted is not None and fitted.supported
    if rule == "custom":
        own = custom.get(finding, default_threshold(preset, finding))
        return Standing(finding, probability, own, preset.custom_point(finding, own), supported, interval)
    threshold = None if fitted is None else fitted.threshold
    return Standing(finding, probability, threshold, fitted, supported, interval)


def rank(
    preset: Preset, prediction: Prediction, rule: Rule, custom: Mapping[str, float]
) -> tuple[tuple[Standing, ...], tuple[Standing, ...]]:
    """Supported findings, furthest past their operating point first, and the others in the preset's order."""
    scores = prediction.scores.items()
    all_of_them = [standing(preset, f, s.probability, rule, custom, s.interval) for f, s in scores]
    ranked = sorted((s for s in all_of_them if s.supported), key=lambda s: -(s.margin or 0.0))
    return tuple(ranked), tuple(s for s in all_of_them if not s.supported)


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
