"""What a reader of an evaluation must know to read it rightly, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.evaluation.predictions import IMAGE, Unit, patient_texts, texts
from cxrkit.evaluation.schema import AtPoint, CalibrationState, Comparison, FindingEvaluation
from cxrkit.evaluation.splits import is_training
from cxrkit.evaluation.subgroups import MINIMUM_GROUP, NOT_STATED
from cxrkit.evaluation.validation import Validation

SPLIT = "split"
FAR = 2.0
"""Prevalences whose odds differ by this factor are named."""


@dataclass(frozen=True)
class Look:
    """What the table itself tells about the rows: counts of them.

    `trained_on` belong to a training split, `nameless` have no patient where others have one, `repeated`
    show an image that another row shows, too. `checked` says whether the rows to fit on could be told
    from these.
    """

    rows: int
    unit: Unit
    trained_on: int
    nameless: int
    repeated: int
    checked: bool


def look(table: pd.DataFrame, split: str, validation: Validation | None) -> Look:
    """Count what `notes_of` speaks of in a predictions table, whose rows are called `split`."""
    patients = patient_texts(table)
    unit: Unit = "patient" if (patients != "").any() else "image"
    stated = texts(table[SPLIT]) if SPLIT in table.columns else np.full(len(table), split, dtype=object)
    images = pd.Series(texts(table[IMAGE])) if IMAGE in table.columns else pd.Series(dtype=object)
    return Look(
        rows=len(table),
        unit=unit,
        trained_on=sum(is_training(str(name)) for name in stated),
        nameless=0 if unit == "image" else int((patients == "").sum()),
        repeated=int(images[images != ""].duplicated().sum()),
        checked=validation is None or validation.checked,
    )


def notes_of(findings: Mapping[str, FindingEvaluation], comparison: Comparison | None, seen: Look) -> tuple[str, ...]:
    """Sentences about what was fitted where, and about what the numbers cannot say; the gravest first."""
    return tuple(
        note
        for note in (
            *_rows(seen),
            *_origins(findings),
            *_weak(findings),
            *_prevalence(findings),
            *_subgroups(findings),
            *_compared(findings, comparison),
        )
        if note
    )


def _rows(seen: Look) -> Iterable[str]:
    if seen.trained_on:
        yield (
            f"{seen.trained_on} of these rows belong to a training split: a model that was trained on them looks "
            "better here than it is. Judge another split."
        )
    if seen.unit == "image":
        yield (
            "The table names no patients: images were resampled, and several images of one patient make every "
            "interval too narrow."
        )
    if seen.nameless:
        yield f"{seen.nameless} of {seen.rows} rows name no patient: each of their images counts as one of its own."
    if seen.repeated:
        yield f"{seen.repeated} rows show an image that another row shows too; they count in every number."
    if not seen.checked:
        yield (
            "Whether rows to fit on are also among these rows could not be told: the tables name neither patients nor "
            "images in one way. If they are, everything that was fitted flatters."
        )


def _origins(findings: Mapping[str, FindingEvaluation]) -> Iterable[str]:
    points = [point for entry in findings.values() for point in entry.operating_points.values()]
    states = [state for entry in findings.values() for state in entry.calibration.values()]
    if _kind("judged", points) or _kind("judged", states):
        yield (
            "Operating points and calibration were fitted on the split that these rows belong to: what they give here "
            "is no evidence, and they are marked unsupported."
        )
    if _kind("cross-fit", points):
        yield (
            "No validation part was given, so operating points are cross-fitted: each fold of patients is judged at "
            "the threshold that the other folds gave. They show what fitting at this site would give, not what a "
            "threshold delivered with the model gives."
        )
    if _kind("cross-fit", states):
        yield (
            "Recalibrated probabilities are cross-fitted by patient on the judged rows: they show what recalibration "
            "at this site would give."
        )


def _kind(kind: str, fitted: Iterable[AtPoint | CalibrationState]) -> bool:
    return any(one.fitted_on is not None and one.fitted_on.kind == kind for one in fitted)


def _weak(findings: Mapping[str, FindingEvaluation]) -> Iterable[str]:
    silent = [name for name, entry in findings.items() if entry.auroc is None]
    if silent:
        yield (
            f"Without positives or without negatives, hence without AUROC and in no mean of it: {', '.join(silent)}."
        )
    few = [name for name, entry in findings.items() if entry.auroc is not None and _fewest(entry) < MINIMUM_POSITIVES]
    if few:
        yield (
            f"Fewer than {MINIMUM_POSITIVES} positives or negatives: {', '.join(few)}. Their intervals are somewhat "
            "too narrow (in simulation 95 % intervals of so few held the truth in about 90 %), and in a mean they "
            "weigh as much as the others."
        )
    bare = [name for name, entry in findings.items() if entry.auroc is not None and not entry.operating_points]
    if bare:
        yield f"No operating point could be fitted for {', '.join(bare)}."
    weak = [found for name, entry in findings.items() for found in _unsupported(name, entry)]
    if weak:
        yield (
            f"Operating points fitted on fewer than {MINIMUM_POSITIVES} positives or negatives, hence unsupported: "
            f"{', '.join(weak)}."
        )


def _fewest(entry: FindingEvaluation) -> int:
    return min(entry.positives, entry.n - entry.positives)


def _unsupported(name: str, entry: FindingEvaluation) -> list[str]:
    """A finding without any supported point by its name, else its unsupported points."""
    points = entry.operating_points
    rules = [rule for rule, at in points.items() if not at.supported and at.fitted_on.kind != "judged"]
    return [name] if rules and len(rules) == len(points) else [f"{name} ({rule})" for rule in rules]


def _prevalence(findings: Mapping[str, FindingEvaluation]) -> Iterable[str]:
    far = [name for name, entry in findings.items() if _far(entry)]
    if far:
        yield (
            f"The probabilities of {', '.join(far)} are stated at another prevalence than that of these rows: Brier "
            "score, calibration and net benefit as delivered measure that distance too."
        )


def _far(entry: FindingEvaluation) -> bool:
    stated, here = entry.probabilities_stated_at_prevalence, entry.prevalence
    if stated is None or here is None or not 0 < stated < 1 or not 0 < here.value < 1:
        return False
    ratio = stated / (1 - stated) / (here.value / (1 - here.value))
    return max(ratio, 1 / ratio) >= FAR


def _subgroups(findings: Mapping[str, FindingEvaluation]) -> Iterable[str]:
    groupings = [grouping for entry in findings.values() for grouping in entry.subgroups.values()]
    dumb = {g.variable for g in groupings if {group.name for group in g.groups} <= {NOT_STATED}}
    if dumb:
        yield f"No cell could be understood of: {', '.join(sorted(dumb))}. There are no subgroups by it."
    gaps = sum(len(grouping.gaps) for grouping in groupings)
    if gaps:
        yield (
            f"{gaps} gaps between subgroups (of at least {MINIMUM_GROUP} positives and negatives each) are shown. Each "
            "interval is adjusted for the choice of the two groups that lie furthest apart, none for the number of "
            "gaps: a few leave out 0 by chance."
        )


def _compared(findings: Mapping[str, FindingEvaluation], comparison: Comparison | None) -> Iterable[str]:
    if comparison is None:
        return
    left_out = [name for name in findings if name not in comparison.findings]
    if left_out:
        yield f"Not compared, for want of the other model's probabilities or of a class: {', '.join(left_out)}."
    if len(comparison.findings) > 1:
        yield "p values of the comparison are given as they are and adjusted over the findings (Holm)."
