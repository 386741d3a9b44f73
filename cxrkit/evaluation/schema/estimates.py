"""Estimates, operating points, calibration and curves of one finding."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

FitKind = Literal["card", "rows", "cross-fit", "stated", "judged"]


class Part(BaseModel):
    """Frozen, typed strictly, without unknown fields, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Interval(Part):
    """A 95 % interval and how it came about."""

    low: float
    high: float
    method: str


class Measure(Part):
    """An estimate with its 95 % interval; the ends are null together where none can be had.

    `n` counts the rows that it rests on (for the specificity: the negatives) and `positives` those of
    them whose label is 1. `clustered`, on rates, is the same interval from resampled patients.
    """

    value: float
    low: float | None
    high: float | None
    method: str
    n: int
    positives: int
    split: str
    weights_sha256: str | None
    clustered: Interval | None = None

    @model_validator(mode="after")
    def _ends_stand_together(self) -> Measure:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends or none")
        return self


class Area(Measure):
    """AUROC: the interval is the patient bootstrap's, with DeLong's beside it."""

    delong: Interval | None


class Precision(Measure):
    """AUPRC beside the prevalence, which a scorer without skill reaches."""

    prevalence: float


class Brier(Measure):
    """Brier score and its parts: value = reliability - resolution + uncertainty + within_bins.

    (Murphy 1973, over the bins of the reliability diagram; the last part is what the spread of the
    probabilities inside a bin adds, Stephenson et al. 2008.) `uncertainty` is also the score of always
    stating the prevalence.
    """

    reliability: Measure
    resolution: Measure
    uncertainty: Measure
    within_bins: Measure


class FittedOn(Part):
    """Rows on which a threshold or a calibration was fitted; those that it is judged on only where that is said.

    `kind`: ``card`` (stored with the weights), ``rows`` (a validation part that was named), ``cross-fit``
    (each judged row by what the other folds of patients gave), ``stated`` (given by hand, not fitted), or
    ``judged``: the card's, but the judged rows are of the very split that it was fitted on, so that what
    it gives is no evidence.
    """

    kind: FitKind
    split: str
    n: int
    positives: int


class AtPoint(Part):
    """What one threshold gives: confusion matrix and rates with Wilson intervals.

    `threshold` is the median of `fold_thresholds` where the point was cross-fitted. F1's interval is
    Wilson's of tp / (tp + fp + fn), of which F1 is a rising function; a likelihood ratio's comes from
    the Wilson limits of the two rates (MOVER-R, Newcombe 2016).
    """

    threshold: float
    fold_thresholds: tuple[float, ...] = ()
    fitted_on: FittedOn
    supported: bool
    interval: str
    tp: int
    fp: int
    tn: int
    fn: int
    sensitivity: Measure | None
    specificity: Measure | None
    ppv: Measure | None
    npv: Measure | None
    f1: Measure | None
    balanced_accuracy: Measure | None
    likelihood_ratio_positive: Measure | None
    likelihood_ratio_negative: Measure | None


class ReliabilityBin(Part):
    """Rows of similar probability: `low` and `high` are Wilson's limits of `observed`."""

    n: int
    positives: int
    mean_probability: float
    observed: float
    low: float
    high: float


class CalibrationState(Part):
    """How well one form of the probabilities is calibrated on the judged rows.

    `slope` is 1 and `intercept` and `in_the_large` are 0 when calibration is perfect: the logistic
    regression of the label on the logit of the probability, with and without a free slope (Cox 1958).
    `parameters` are those of the recalibration: slope and intercept, or temperature.
    """

    fitted_on: FittedOn | None
    supported: bool
    parameters: dict[str, float]
    brier: Brier | None
    ece: Measure | None
    slope: Measure | None
    intercept: Measure | None
    in_the_large: Measure | None
    reliability: tuple[ReliabilityBin, ...]
    split: str
    weights_sha256: str | None


class Curve(Part):
    """A thinned curve: equally long tuples of x and y, with the rows that it rests on."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    thresholds: tuple[float, ...]
    n: int
    positives: int
    split: str
    weights_sha256: str | None


class ScoreHistogram(Part):
    """Counts of probabilities by class between `edges` (one more than the counts)."""

    edges: tuple[float, ...]
    positives: tuple[int, ...]
    negatives: tuple[int, ...]


class DecisionCurve(Part):
    """Net benefit per judged row over threshold probabilities (Vickers and Elkin 2006).

    `low` and `high` are of the model's; the net benefit of treating none is 0 everywhere.
    """

    thresholds: tuple[float, ...]
    net_benefit: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    treat_all: tuple[float, ...]
    treat_none: tuple[float, ...]
    method: str
    n: int
    positives: int
    split: str
    weights_sha256: str | None
