"""The whole of ``evaluation.json``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from cxrkit.errors import ManifestError
from cxrkit.evaluation.schema.estimates import (
    Area,
    AtPoint,
    Brier,
    CalibrationState,
    Curve,
    DecisionCurve,
    Interval,
    Measure,
    Part,
    Precision,
    ScoreHistogram,
)
from cxrkit.evaluation.schema.maps import Attention, LocalisationEntry

EVALUATION = "evaluation.json"
_PLAIN_LIST = re.compile(r"\[\n[^\[\]{}]*\]")  # no string holds a bare line break
_BREAK = re.compile(r"\n\s*")


class Group(Part):
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


class Gap(Part):
    """Largest difference of one measure between the groups that are large enough."""

    measure: str
    lowest: str
    highest: str
    difference: Measure


class Grouping(Part):
    """The groups of one variable and the gaps between them.

    `auroc_of_variable` is how well the variable alone tells the label apart, for a numeric one.
    """

    variable: str
    groups: tuple[Group, ...]
    gaps: tuple[Gap, ...]
    auroc_of_variable: Area | None = None


class FindingEvaluation(Part):
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


class MacroArea(Measure):
    """Mean AUROC over the findings that have one."""

    findings: tuple[str, ...]


class Macro(Part):
    """Plain means over findings, each finding weighing the same."""

    auroc: MacroArea | None
    auprc: MacroArea | None
    brier: MacroArea | None


class Source(Part):
    """Name and sha256 of a table."""

    name: str
    sha256: str


class PairedDifference(Part):
    """AUROC of this model less that of the other on the same rows.

    Where patients have several images, interval and p of `difference` come from resampled patients;
    else they are DeLong's (1988), which takes images as independent and stands in `delong` anyhow.
    `p` is two-sided, `p_holm` adjusted over the findings.
    """

    ours: Area
    theirs: Area
    difference: Measure
    delong: Interval | None
    p: float | None
    p_holm: float | None
    p_method: str


class Comparison(Part):
    """Paired comparison with another table of predictions, over the rows that both hold."""

    source: Source
    rows: int
    findings: dict[str, PairedDifference]
    macro: Measure | None


class Bootstrap(Part):
    """What was resampled, how often, from which seed."""

    unit: Literal["patient", "image"]
    replicates: int
    seed: int


class Evaluation(Part):
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
        """Text of the file: indented, with each list of plain values on one line."""
        return _PLAIN_LIST.sub(lambda found: _BREAK.sub(" ", found[0]), self.model_dump_json(indent=1)) + "\n"

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
