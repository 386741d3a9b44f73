"""What a reader of an evaluation must know to read it rightly, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from cxrkit.evaluation.predictions import Unit
from cxrkit.evaluation.schema import Comparison, FindingEvaluation

TRAINING = "train"
FAR = 2.0
"""Prevalences that differ by this factor are named."""


def notes_of(
    findings: Mapping[str, FindingEvaluation], comparison: Comparison | None, unit: Unit, trained_on: int
) -> tuple[str, ...]:
    """Sentences about what was fitted where, and about what the numbers cannot say.

    `trained_on` counts the judged rows that the table itself calls training rows.
    """
    notes = []
    if trained_on:
        notes.append(
            f"{trained_on} of these rows belong to the split {TRAINING}: a model that was trained on them looks better "
            "here than it is. Judge another split."
        )
    if unit == "image":
        notes.append(
            "The table names no patients: images were resampled, and several images of one patient make every "
            "interval too narrow."
        )
    kinds = {point.fitted_on.kind for entry in findings.values() for point in entry.operating_points.values()}
    if "cross-fit" in kinds:
        notes.append(
            "No validation part was given, so operating points are cross-fitted: each fold of patients is judged at "
            "the threshold that the other folds gave. They show what fitting at this site would give, not what a "
            "threshold delivered with the model gives."
        )
    if any(
        state.fitted_on is not None and state.fitted_on.kind == "cross-fit"
        for entry in findings.values()
        for state in entry.calibration.values()
    ):
        notes.append(
            "Recalibrated probabilities are cross-fitted by patient on the judged rows: they show what recalibration "
            "at this site would give."
        )
    far = [name for name, entry in findings.items() if _far(entry)]
    if far:
        notes.append(
            f"The probabilities of {', '.join(far)} are stated at another prevalence than that of these rows: Brier "
            "score, calibration and net benefit as delivered measure that distance too."
        )
    weak = [found for name, entry in findings.items() for found in _unsupported(name, entry)]
    if weak:
        named = ", ".join(weak)
        notes.append(f"Operating points fitted on fewer than 30 positives or negatives, hence unsupported: {named}.")
    gaps = sum(len(grouping.gaps) for entry in findings.values() for grouping in entry.subgroups.values())
    if gaps:
        notes.append(
            f"{gaps} gaps between subgroups are shown without adjustment for their number: about one in twenty "
            "intervals misses its true value by chance, and the groups furthest apart were chosen on these rows."
        )
    if comparison is not None and len(comparison.findings) > 1:
        notes.append("p values of the comparison are given as they are and adjusted over the findings (Holm).")
    return tuple(notes)


def _far(entry: FindingEvaluation) -> bool:
    stated, here = entry.probabilities_stated_at_prevalence, entry.prevalence
    if stated is None or here is None or not stated or not here.value:
        return False
    return max(stated / here.value, here.value / stated) >= FAR


def _unsupported(name: str, entry: FindingEvaluation) -> list[str]:
    """A finding without any supported point by its name, else its unsupported points."""
    rules = [rule for rule, point in entry.operating_points.items() if not point.supported]
    return [name] if rules and len(rules) == len(entry.operating_points) else [f"{name} ({rule})" for rule in rules]
