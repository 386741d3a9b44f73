"""What a preset is worth beside another model on the same radiographs, kept beside its card.

The rows that ship name no image (see `cxrkit.serving.kept_scores`), so that nobody can pair them with another model's
later. So the paired comparison is computed where the rows still have names, with patients resampled, and its result
is kept: ``comparisons.json``. No model runs for it.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT
from cxrkit.data.table import read_table
from cxrkit.errors import ManifestError
from cxrkit.evaluation.bootstrap import REPLICATES
from cxrkit.evaluation.identity_free import unlinked
from cxrkit.evaluation.measures import Stamp
from cxrkit.evaluation.pairing import compare_predictions
from cxrkit.evaluation.predictions import patient_keys
from cxrkit.evaluation.schema import Comparison, Evaluation, Source
from cxrkit.preset import Preset
from cxrkit.serving.judging import PREDICTIONS
from cxrkit.serving.kept_file import load_kept, save_kept
from cxrkit.serving.kept_scores import check_rows, kept_splits

COMPARISONS = "comparisons.json"
_REMEDY = "Restore it from the release (git checkout weights), or keep it again with scripts/keep_scores.py --against."


@dataclass(frozen=True, config=STRICT)
class KeptComparison:
    """One split of a preset: `comparison` with the model `other`, and the weights that scored for it."""

    split: str
    other: str
    other_sha256: str
    comparison: Comparison


@dataclass(frozen=True, config=STRICT)
class KeptComparisons:
    """The content of ``comparisons.json``."""

    weights_sha256: str
    comparisons: tuple[KeptComparison, ...]


def kept_comparisons(preset: Preset) -> tuple[KeptComparison, ...]:
    """What is kept beside a preset's card; nothing where there is no ``comparisons.json``.

    Raises
    ------
    ManifestError
        The file is malformed.
    OperatingPointMismatch
        It was made with other weights.
    """
    kept = load_kept(preset, COMPARISONS, KeptComparisons, _REMEDY)
    return () if kept is None else kept.comparisons


def keep_comparison(
    preset: Preset, predictions: str | os.PathLike[str], against: str | os.PathLike[str], *, split: str
) -> KeptComparison:
    """Compare a preset with another model on rows that it keeps, patients resampled, and keep the result.

    Parameters
    ----------
    preset
        Loaded from its folder; its rows of `split` are kept (`cxrkit.serving.kept_scores.keep_scores`).
    predictions
        ``predictions.csv`` of its own run.
    against
        Folder of the other model's run over the same table of labels, as scripts/evaluate.py wrote it.
    split
        As ``scores.json`` names it.

    Raises
    ------
    ManifestError
        They are not the preset's rows, the other run is not of a preset or of another table of labels, or the two
        share no finding.
    """
    kept = next((one for one in kept_splits(preset) if one.split == split), None)
    if kept is None:
        raise ManifestError(
            f"Preset {preset.name!r} keeps no rows of split {split!r} that could be compared.",
            "Keep them first: the same command without --against.",
        )
    table, _ = read_table(predictions)
    check_rows(preset, unlinked(table, preset.findings), split)
    theirs = Evaluation.load(against)
    if theirs.preset is None or theirs.weights_sha256 is None:
        raise ManifestError(
            "The run to compare with does not say which model it is of.", "Name the folder of a preset's run."
        )
    if theirs.source.sha256 != kept.source_sha256:
        raise ManifestError(
            "The run to compare with was judged by another table of labels.", "Judge both with the same --manifest."
        )
    if theirs.weights_sha256 == preset.weights_sha256:
        raise ManifestError(
            "The run to compare with is of the same weights.", "Name the folder of another model's run."
        )
    rival, sha256 = read_table(Path(against) / PREDICTIONS)
    stamp = Stamp(split, preset.weights_sha256, patient_keys(table)[1], REPLICATES)
    source = Source(name=PREDICTIONS, sha256=sha256)
    comparison = compare_predictions(table, rival, preset.findings, source, stamp)
    found = KeptComparison(split, theirs.preset, theirs.weights_sha256, comparison)
    others = tuple(one for one in kept_comparisons(preset) if (one.split, one.other) != (split, found.other))
    whole = KeptComparisons(
        preset.weights_sha256, tuple(sorted((*others, found), key=lambda one: (one.split, one.other)))
    )
    save_kept(preset, COMPARISONS, whole)
    return found
