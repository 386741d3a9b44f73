"""Keep the metrics of an evaluation in a preset's card, where nothing better known may be lost for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from cxrkit.card import LabelCount
from cxrkit.errors import ManifestError
from cxrkit.evaluation.report import to_metrics
from cxrkit.evaluation.schema import EVALUATION, Evaluation, Source
from cxrkit.evaluation.splits import fitted_within, is_training, is_validation
from cxrkit.preset import Preset
from cxrkit.preset_folders import folder_of
from cxrkit.serving.judging import ALL_ROWS, UNWRITABLE, write_evaluation

_OTHER_SPLIT = "Evaluate a split that had no part in making the model, such as test."
_REPLACE = "Judge the recorded table again, or give --replace if the new numbers are to stand in its place."


def check_recordable(
    preset: Preset, split: str, source: Source, images: int, labels: Sequence[LabelCount], *, replace: bool = False
) -> None:
    """Refuse metrics that the preset's card must not hold, before they are measured.

    Metrics of a split that is recorded already may be measured again on the table and the labels that
    they came from, which the ``evaluation.json`` beside the card names. Where that file is missing, or of
    an earlier version, their origin is unknown and they may be replaced.

    Parameters
    ----------
    preset
        Whose card it is.
    split
        Name of the judged split, all of it.
    source, images, labels
        Table of labels, the number of its images in that split, and its labels per finding.
    replace
        Whether recorded metrics may give way to those of another table.

    Raises
    ------
    ManifestError
        The model was trained, or its thresholds fitted, on the split; or the card holds metrics of the
        split from another table, from other labels, or from a table that is no longer known.
    """
    if split == ALL_ROWS:
        raise ManifestError(
            "An evaluation of all rows cannot be stored in a card: they may hold rows of the training split.",
            "Evaluate one split.",
        )
    if is_training(split):
        raise ManifestError(f"The split {split} is one to train on, and cannot be stored in a card.", _OTHER_SPLIT)
    fitted = {*(p.split for p in preset.operating_points), *(c.split for c in preset.calibration.values())}
    if is_validation(split) or any(fitted_within(name, split) for name in fitted):
        raise ManifestError(
            f"The split {split} is one to fit thresholds on, and cannot be stored in a card.", _OTHER_SPLIT
        )
    if replace or not any(metric.split == split for metric in preset.metrics):
        return
    recorded = _recorded(preset)
    if recorded is None:
        return
    if (recorded.split, recorded.weights_sha256) != (split, preset.weights_sha256):
        raise ManifestError(
            f"The card holds metrics of the split {split}, whose table is no longer known: {EVALUATION} beside the "
            f"card is of another evaluation. Those of {_named(source, images)} would replace them.",
            _REPLACE,
        )
    if recorded.source.sha256 != source.sha256:
        raise ManifestError(
            f"The card holds metrics of the split {split} of {_named(recorded.source, recorded.images)}; those of "
            f"{_named(source, images)} would replace them.",
            _REPLACE,
        )
    other = [c.finding for c in labels if _count(recorded, c.finding) != c]
    if other:
        raise ManifestError(
            f"The card holds metrics of the split {split} of {_named(source, recorded.images)} by other labels of "
            f"{', '.join(other)}.",
            _REPLACE,
        )


def record_evaluation(preset: Preset, evaluation: Evaluation, *, replace: bool = False) -> Preset:
    """Store the metrics in the preset's card and ``evaluation.json`` beside it; returns the new card.

    Metrics of the same split are replaced, those of other splits stay: so the evaluation must be of
    the whole split that it names. Raises `ManifestError` where `check_recordable` does.
    """
    labels = [LabelCount(finding, entry.positives, entry.n) for finding, entry in evaluation.findings.items()]
    check_recordable(preset, evaluation.split, evaluation.source, evaluation.images, labels, replace=replace)
    others = tuple(metric for metric in preset.metrics if metric.split != evaluation.split)
    recorded = dataclasses.replace(preset, metrics=others + to_metrics(evaluation))
    write_evaluation(evaluation, folder_of(preset))
    try:
        recorded.save(folder_of(preset))
    except OSError:
        raise ManifestError(*UNWRITABLE) from None
    return recorded


def _recorded(preset: Preset) -> Evaluation | None:
    """The evaluation beside the card; None where there is none, or one of an earlier version."""
    try:
        return Evaluation.load(folder_of(preset) / EVALUATION)
    except ManifestError:
        return None


def _count(evaluation: Evaluation, finding: str) -> LabelCount | None:
    entry = evaluation.findings.get(finding)
    return None if entry is None else LabelCount(finding, entry.positives, entry.n)


def _named(source: Source, images: int) -> str:
    return f"{source.name} ({images} images, sha256 {source.sha256[:8]})"
