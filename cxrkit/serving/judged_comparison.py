"""Two models on the same rows, as a page shows them: a reader's two tables, or what is kept of a preset's rows."""

from __future__ import annotations

from cxrkit.evaluation.pairing import compare_predictions
from cxrkit.evaluation.schema import Comparison
from cxrkit.serving.judged_table import JudgedTable, record_of
from cxrkit.serving.kept_comparisons import kept_comparisons


def compare(ours: JudgedTable, theirs: JudgedTable) -> Comparison:
    """Paired difference of AUROC over the images of both; raises `ManifestError` where they cannot be paired."""
    return compare_predictions(ours.table, theirs.table, ours.findings, theirs.source, ours.stamp)


def recorded_comparisons(judged: JudgedTable) -> dict[str, Comparison]:
    """What is kept of a preset's rows beside another model's, by the name of the other.

    Raises
    ------
    ManifestError
        The file is malformed.
    OperatingPointMismatch
        It was made with other weights.
    """
    if judged.preset is None or judged.role == "uploaded":
        return {}
    kept = {one.other: one.comparison for one in kept_comparisons(judged.preset) if one.split == judged.split}
    recorded = record_of(judged)
    if recorded is not None and recorded.comparison is not None:
        kept[recorded.comparison.source.name] = recorded.comparison
    return kept
