"""The scores that a preset was judged on and fitted on, kept beside its card without whom they show.

``scores.json`` names a CSV per split, its sha256 and the weights that gave the probabilities. Each finding's labels and
scores stand in an order of their own, by score: a line is no radiograph, so that nothing can be read off about any
patient, and no table of labels is passed on. With them the page of thresholds draws what ``evaluation.json`` only
sums up; no model runs for it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT, Count, Name
from cxrkit.data.table import parse_table, read_table
from cxrkit.errors import ManifestError
from cxrkit.evaluation.identity_free import unlinked
from cxrkit.evaluation.metrics import auroc
from cxrkit.evaluation.operating_points import at_threshold
from cxrkit.evaluation.schema import EVALUATION, Evaluation
from cxrkit.evaluation.validation import Scores
from cxrkit.preset import Preset
from cxrkit.serving.kept_file import load_kept, save_kept

SCORES = "scores.json"
_REMEDY = "Restore it from the release (git checkout weights), or keep the rows again with scripts/keep_scores.py."


@dataclass(frozen=True, config=STRICT)
class KeptSplit:
    """One split's rows: `file` beside the card, and the table of labels that they came from."""

    split: str
    file: Name
    sha256: str
    source_name: str
    source_sha256: str
    images: Count


@dataclass(frozen=True, config=STRICT)
class KeptScores:
    """The content of ``scores.json``."""

    weights_sha256: str
    splits: tuple[KeptSplit, ...]


def kept_splits(preset: Preset) -> tuple[KeptSplit, ...]:
    """What is kept beside a preset's card; nothing where there is no ``scores.json``.

    Raises
    ------
    ManifestError
        The file is malformed.
    OperatingPointMismatch
        It was made with other weights.
    """
    kept = load_kept(preset, SCORES, KeptScores, _REMEDY)
    return () if kept is None else kept.splits


def load_scores(preset: Preset, kept: KeptSplit) -> pd.DataFrame:
    """The rows of one split, as text; raises `ManifestError` where the file is not the one that was kept."""
    path = Path(preset.folder) / kept.file
    raw = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(raw).hexdigest() != kept.sha256:
        raise ManifestError(
            f"The rows of preset {preset.name!r} on split {kept.split!r} are missing, or are not those that were kept.",
            _REMEDY,
        )
    return parse_table(raw)


def keep_scores(
    preset: Preset,
    predictions: str | os.PathLike[str],
    *,
    split: str,
    source: tuple[str, str] | None = None,
) -> KeptSplit:
    """Keep the rows of a recorded run beside the preset's card, after a check that they are its rows.

    Parameters
    ----------
    preset
        Loaded from its folder.
    predictions
        The run's ``predictions.csv``.
    split
        That of the preset's ``evaluation.json``, or the one that its card keeps validation scores of.
    source
        Name and sha256 of the table of labels; needed for validation rows alone.

    Raises
    ------
    ManifestError
        They are not the rows that ``evaluation.json``, or the card's validation scores, came from.
    """
    table, _ = read_table(predictions)
    rows = unlinked(table, preset.findings)
    evaluation = check_rows(preset, rows, split)
    if evaluation is not None:
        source = evaluation.source.name, evaluation.source.sha256
    if source is None:
        raise ManifestError("The table of labels is not named.", "Give --manifest, the table that was judged.")
    text = rows.to_csv(index=False, lineterminator="\n").encode()
    name = f"scores_{split}.csv" if evaluation is not None else "scores_validation.csv"
    kept = KeptSplit(split, name, hashlib.sha256(text).hexdigest(), *source, len(rows))
    others = tuple(other for other in kept_splits(preset) if other.split != split)
    (Path(preset.folder) / name).write_bytes(text)
    whole = KeptScores(preset.weights_sha256, tuple(sorted((*others, kept), key=lambda one: one.file)))
    save_kept(preset, SCORES, whole)
    return kept


def check_rows(preset: Preset, rows: pd.DataFrame, split: str) -> Evaluation | None:
    """Whether these are the rows that the preset was judged on, or fitted on; of the former their record.

    Parameters
    ----------
    preset
        Loaded from its folder.
    rows
        From `cxrkit.evaluation.identity_free.unlinked`.
    split
        That of the preset's ``evaluation.json``, or the one that its card keeps validation scores of.

    Raises
    ------
    ManifestError
        They are not.
    """
    if split in {scores.split for scores in preset.validation_scores.values()}:
        _check_validation(preset, rows)
        return None
    evaluation = Evaluation.load(Path(preset.folder) / EVALUATION)
    _check_evaluation(preset, rows, evaluation, split)
    return evaluation


def _check_evaluation(preset: Preset, rows: pd.DataFrame, evaluation: Evaluation, split: str) -> None:
    """Every AUROC and every confusion matrix must come out again."""
    scores = Scores.of_table(rows, preset.findings)
    same = (
        evaluation.weights_sha256 == preset.weights_sha256
        and evaluation.split == split
        and evaluation.images == len(rows)
    )
    for k, finding in enumerate(preset.findings):
        labels, p = scores.labels[:, k], scores.probabilities[:, k]
        stated, found = evaluation.findings[finding].auroc, auroc(labels, p)
        same &= (stated is None) == (found is None)
        if stated is not None and found is not None:
            same &= abs(stated.value - found.value) < 1e-9
        for point in evaluation.findings[finding].operating_points.values():
            if point.fold_thresholds:
                continue
            at = at_threshold(p, labels, point.threshold)
            same &= (at.tp, at.fp, at.tn, at.fn) == (point.tp, point.fp, point.tn, point.fn)
    if not same:
        raise ManifestError(
            f"These predictions are not those that {EVALUATION} of preset {preset.name!r} was computed from.",
            "Name the predictions.csv that the recorded run wrote, and its split.",
        )


def _check_validation(preset: Preset, rows: pd.DataFrame) -> None:
    """Every score that the card keeps must be there, and no other."""
    scores = Scores.of_table(rows, preset.findings)
    for k, finding in enumerate(preset.findings):
        kept = preset.validation_scores[finding]
        for label, stated in ((1, kept.positives), (0, kept.negatives)):
            found = np.sort(scores.probabilities[scores.labels[:, k] == label, k])
            if len(found) != len(stated) or not np.allclose(found, np.sort(stated), rtol=1e-3, atol=1e-6):
                raise ManifestError(
                    f"These predictions are not the validation scores that the card of preset {preset.name!r} keeps.",
                    "Name the predictions.csv of its own validation rows.",
                )
