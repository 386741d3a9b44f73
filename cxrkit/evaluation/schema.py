"""What ``evaluation.json`` holds, checked when it is written and when it is read.

Every estimate is a `Measure`: value, interval, how the interval came about, the rows that it rests on,
split and weights. What is undefined (a class is absent, a group is too small) is null, never a guess.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from cxrkit.errors import ManifestError

EVALUATION = "evaluation.json"
FitKind = Literal["card", "rows", "cross-fit", "stated"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Interval(_Part):
    """A 95 % interval and how it came about."""

    low: float
    high: float
    method: str


class Measure(_Part):
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
    probabilities inside a bin adds, Stephenson et al. 2008.) `of_constant_prevalence` is the score of
    always stating the prevalence.
    """

    of_constant_prevalence: float
    reliability: Measure
    resolution: Measure
    uncertainty: Measure
    within_bins: Measure


class FittedOn(_Part):
    """Rows on which a threshold or a calibration was fitted, never those that it is judged on.

    `kind`: ``card`` (stored with the weights), ``rows`` (a validation part that was named), ``cross-fit``
    (each judged row by what the other folds of patients gave), ``stated`` (given by hand, not fitted).
    """

    kind: FitKind
    split: str
    n: int
    positives: int


class AtPoint(_Part):
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


class ReliabilityBin(_Part):
    """Rows of similar probability: `low` and `high` are Wilson's limits of `observed`."""

    n: int
    positives: int
    mean_probability: float
    observed: float
    low: float
    high: float


class CalibrationState(_Part):
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


class Curve(_Part):
    """A thinned curve: equally long tuples of x and y, with the rows that it rests on."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    thresholds: tuple[float, ...]
    n: int
    positives: int
    split: str
    weights_sha256: str | None


class DecisionCurve(_Part):
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


class Group(_Part):
    """One group of rows, such as women. Too small a group has a `reason` and no measures.

    `rates` is keyed by ``sensitivity@<rule>`` and ``specificity@<rule>``.
    """

    name: str
    n: int
    positives: int
    patients: int | None
    reason: str | None
    auroc: Area | None
    rates: dict[str, Measure]


class Gap(_Part):
    """Largest difference of one measure between the groups that are large enough."""

    measure: str
    lowest: str
    highest: str
    difference: Measure


class Grouping(_Part):
    """The groups of one variable and the gaps between them.

    `auroc_of_variable` is how well the variable alone tells the label apart, for a numeric one.
    """

    variable: str
    groups: tuple[Group, ...]
    gaps: tuple[Gap, ...]
    auroc_of_variable: Area | None = None


class FindingEvaluation(_Part):
    """Everything about one finding."""

    n: int
    positives: int
    prevalence: Measure | None
    probabilities_stated_at_prevalence: float | None
    auroc: Area | None
    auprc: Precision | None
    brier: Brier | None
    ece: Measure | None
    calibration: dict[str, CalibrationState]
    operating_points: dict[str, AtPoint]
    roc: Curve | None
    precision_recall: Curve | None
    score_histogram: ScoreHistogram
    decision_curve: DecisionCurve | None
    subgroups: dict[str, Grouping]


class ScoreHistogram(_Part):
    """Counts of probabilities by class between `edges` (one more than the counts)."""

    edges: tuple[float, ...]
    positives: tuple[int, ...]
    negatives: tuple[int, ...]


class MacroArea(Measure):
    """Mean AUROC over the findings that have one."""

    findings: tuple[str, ...]


class Macro(_Part):
    """Plain means over findings, each finding weighing the same."""

    auroc: MacroArea | None
    auprc: MacroArea | None
    brier: MacroArea | None


class PairedDifference(_Part):
    """AUROC of this model less that of the other on the same rows (DeLong et al. 1988).

    `difference.clustered` resamples patients; `p` is two-sided, `p_holm` adjusted over the findings.
    """

    ours: float
    theirs: float
    difference: Measure
    p: float | None
    p_holm: float | None


class Comparison(_Part):
    """Paired comparison with another table of predictions, over the rows that both hold."""

    source: Source
    rows: int
    findings: dict[str, PairedDifference]
    macro: Measure | None


class LocalisationScores(_Part):
    """How maps meet boxes; keys of `iou` and `iobb` are the thresholds T, such as ``0.1``.

    `pointing` is the share of image-finding pairs whose map peaks inside a box, `iou` and `iobb` the
    shares whose overlap exceeds T.
    """

    pointing: Measure
    mean_iou: Measure
    iou: dict[str, Measure]
    iobb: dict[str, Measure]


class LocalisationEntry(_Part):
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


class RandomisedStage(_Part):
    """Similarity of the maps after the layers from the output down to `stage` were drawn anew."""

    stage: str
    ssim: Measure


class EvidenceShare(_Part):
    """Share of positive evidence that lies in a region, beside the region's share of the area."""

    region: str
    finding: str
    share: Measure
    area: Measure


class Attention(_Part):
    """Whether the maps depend on the weights, and where their evidence lies."""

    randomisation: tuple[RandomisedStage, ...]
    evidence: tuple[EvidenceShare, ...]


class Source(_Part):
    """Name and sha256 of a table."""

    name: str
    sha256: str


class Bootstrap(_Part):
    """What was resampled, how often, from which seed."""

    unit: Literal["patient", "image"]
    replicates: int
    seed: int


class Evaluation(_Part):
    """The content of ``evaluation.json``."""

    version: Literal[2] = 2
    preset: str | None
    weights_sha256: str | None
    split: str
    source: Source
    images: int
    patients: int | None
    level: float
    bootstrap: Bootstrap
    findings: dict[str, FindingEvaluation]
    macro: Macro
    comparison: Comparison | None = None
    localisation: tuple[LocalisationEntry, ...] = ()
    attention: Attention | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Text of the file."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Evaluation:
        """Read a file, or the ``evaluation.json`` in a folder; raises `ManifestError`."""
        place = Path(path) / EVALUATION if Path(path).is_dir() else Path(path)
        try:
            return cls.model_validate_json(place.read_bytes())
        except OSError:
            raise ManifestError("There is no evaluation there.", "Make one with scripts/evaluate.py.") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ManifestError(
                f"The evaluation is malformed at {where}: {first['msg']}.", "Make it again with scripts/evaluate.py."
            ) from None


for _model in (FindingEvaluation, Comparison, Evaluation):
    _model.model_rebuild()
