"""Judge a preset, or someone else's predictions, on a labelled table, and keep what came out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxrkit.data.table import read_table, select_rows
from cxrkit.errors import ManifestError
from cxrkit.evaluation.predictions import findings_of
from cxrkit.evaluation.report import Model, evaluate_predictions, to_metrics
from cxrkit.evaluation.schema import EVALUATION, Evaluation, Source
from cxrkit.evaluation.validation import Validation
from cxrkit.preset import WEIGHTS, Preset

PREDICTIONS = "predictions.csv"
ALL_ROWS = "all rows"
RESAMPLING = "resampling"
Progress = Callable[[str, int, int], None]
_UNWRITABLE = (
    "The results cannot be written into the folder that was named for them.",
    "Name a folder, existing or new, that you may write to, and not a file.",
)


@dataclass(frozen=True)
class Options:
    """What else to judge, and on what to fit.

    Attributes
    ----------
    threshold
        A threshold on the probability to judge besides the operating points.
    against
        Another model's predictions of the same images, for a paired comparison.
    fit_predictions, fit_split
        Validation rows of someone else's predictions: a table of their own, or the rows of that split.
    """

    threshold: float | None = None
    against: Path | None = None
    fit_predictions: Path | None = None
    fit_split: str | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ManifestError(
                f"The threshold {self.threshold:g} is not between 0 and 1.", "Name a probability such as 0.5."
            )


NOTHING_ELSE = Options()


def judge_predictions(
    path: str | os.PathLike[str],
    *,
    split: str | None = None,
    only: Mapping[str, str] | None = None,
    options: Options = NOTHING_ELSE,
    progress: Progress | None = None,
) -> tuple[Evaluation, pd.DataFrame]:
    """Judge a table of predictions that was made elsewhere; the evaluation and the judged rows.

    `split` and `only` choose rows as in `cxrkit.data.table.select_rows`; `progress` is called with what
    is being done, how much of it is done, and of how much. Raises `ManifestError`.
    """
    table, sha256 = read_table(path)
    chosen = select_rows(table, split, only)
    findings = findings_of(chosen)
    validation = None
    if options.fit_predictions is not None or options.fit_split is not None:
        rows = table if options.fit_predictions is None else read_table(options.fit_predictions)[0]
        name = options.fit_split or "validation table"
        validation = Validation.of_table(select_rows(rows, options.fit_split), findings, split=name, judged=chosen)
    evaluation = evaluate_predictions(
        chosen,
        findings,
        split=split or ALL_ROWS,
        source=Source(name=Path(path).name, sha256=sha256),
        validation=validation,
        threshold=options.threshold,
        against=_other(options),
        progress=step(progress, RESAMPLING),
    )
    return evaluation, chosen


def evaluate_table(
    preset: Preset,
    table: pd.DataFrame,
    source: Source,
    *,
    split: str,
    options: Options = NOTHING_ELSE,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a preset's predictions table at the preset's operating points.

    Recalibrations are fitted on the validation scores that the card keeps, where it keeps them.
    """
    kept = [preset.validation_scores.get(finding) for finding in preset.findings]
    scores = [found for found in kept if found is not None]
    validation = None
    if len(scores) == len(kept):
        validation = Validation.of_card(scores, [preset.calibration[finding] for finding in preset.findings])
    model = Model(
        name=preset.name,
        weights_sha256=preset.weights_sha256,
        operating_points=preset.operating_points,
        stated_at={finding: fitted.prevalence for finding, fitted in preset.calibration.items()},
    )
    return evaluate_predictions(
        table,
        preset.findings,
        model,
        split=split,
        source=source,
        validation=validation,
        threshold=options.threshold,
        against=_other(options),
        progress=step(progress, RESAMPLING),
    )


def step(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    """The progress of one step of several."""
    return None if progress is None else lambda done, total: progress(what, done, total)


def write_evaluation(evaluation: Evaluation, folder: str | os.PathLike[str]) -> Path:
    """Write ``evaluation.json`` into `folder` (made if need be) and return its path; raises `ManifestError`."""
    make_folder(folder)
    path = Path(folder) / EVALUATION
    write_text(path, evaluation.to_json())
    return path


def write_predictions(table: pd.DataFrame, folder: str | os.PathLike[str]) -> Path:
    """Write ``predictions.csv``, a row per image, into `folder`; raises `ManifestError`."""
    make_folder(folder)
    path = Path(folder) / PREDICTIONS
    write_text(path, table.to_csv(index=False))
    return path


def record_evaluation(preset: Preset, evaluation: Evaluation) -> Preset:
    """Store the metrics in the preset's card and ``evaluation.json`` beside it; returns the new card.

    Metrics of the same split are replaced, those of other splits stay: so the evaluation must be of
    the whole split that it names. Raises `ManifestError` for one of all rows, among which there may
    be rows that the preset was trained on.
    """
    if evaluation.split == ALL_ROWS:
        raise ManifestError(
            "An evaluation of all rows cannot be stored in a card: they may hold rows of the training split.",
            "Evaluate one split.",
        )
    folder = preset.folder or WEIGHTS / preset.name
    others = tuple(metric for metric in preset.metrics if metric.split != evaluation.split)
    recorded = dataclasses.replace(preset, metrics=others + to_metrics(evaluation))
    write_evaluation(evaluation, folder)
    try:
        recorded.save(folder)
    except OSError:
        raise ManifestError(*_UNWRITABLE) from None
    return recorded


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder for results; raises `ManifestError` where that cannot be done."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError:
        raise ManifestError(*_UNWRITABLE) from None


def write_text(path: Path, text: str) -> None:
    """Write a file of results; raises `ManifestError` where that cannot be done."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        raise ManifestError(*_UNWRITABLE) from None


def _other(options: Options) -> tuple[pd.DataFrame, Source] | None:
    if options.against is None:
        return None
    table, sha256 = read_table(options.against)
    return table, Source(name=options.against.name, sha256=sha256)
