"""Judge a preset's predictions, or someone else's, and write what came out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxrkit.data.table import read_table, select_rows
from cxrkit.errors import ManifestError
from cxrkit.evaluation.pairing import check_comparable
from cxrkit.evaluation.predictions import findings_of
from cxrkit.evaluation.report import Model, evaluate_predictions
from cxrkit.evaluation.schema import EVALUATION, Evaluation, Source
from cxrkit.evaluation.validation import Validation
from cxrkit.preset import Preset

PREDICTIONS = "predictions.csv"
ALL_ROWS = "all rows"
RESAMPLING = "resampling"
Progress = Callable[[str, int, int], None]
Rival = tuple[pd.DataFrame, Source]
UNWRITABLE = (
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
    against = read_rival(options, chosen, findings)
    validation = None
    if options.fit_predictions is not None or options.fit_split is not None:
        rows, other = (table, sha256) if options.fit_predictions is None else read_table(options.fit_predictions)
        name = options.fit_split or "validation table"
        fit = select_rows(rows, options.fit_split)
        validation = Validation.of_table(fit, findings, split=name, judged=chosen, same_file=other == sha256)
    evaluation = evaluate_predictions(
        chosen,
        findings,
        split=split or ALL_ROWS,
        source=Source(name=Path(path).name, sha256=sha256),
        validation=validation,
        threshold=options.threshold,
        against=against,
        progress=step(progress, RESAMPLING),
    )
    return evaluation, chosen


def read_rival(options: Options, table: pd.DataFrame, findings: Sequence[str]) -> Rival | None:
    """The other model's predictions that `options` name, after a check that they can be compared.

    Read before anything is scored or written: whoever gives a file that does not fit, or one that the
    results would be written over, learns of it at once.

    Parameters
    ----------
    options
        What else to judge.
    table
        The rows to judge: a manifest's or those of a predictions table.
    findings
        Those to judge.

    Raises
    ------
    ManifestError
        The other table cannot be read; one of the two has no column ``image``, or an image twice; or
        they share no image or no finding.
    """
    if options.against is None:
        return None
    other, sha256 = read_table(options.against)
    check_comparable(table, other, findings)
    return other, Source(name=options.against.name, sha256=sha256)


def evaluate_table(
    preset: Preset,
    table: pd.DataFrame,
    source: Source,
    *,
    split: str,
    threshold: float | None = None,
    against: Rival | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a preset's predictions table at the preset's operating points, and at a threshold besides.

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
        threshold=threshold,
        against=against,
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


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder for results; raises `ManifestError` where that cannot be done."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError:
        raise ManifestError(*UNWRITABLE) from None


def write_text(path: Path, text: str) -> None:
    """Write a file of results; raises `ManifestError` where that cannot be done."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        raise ManifestError(*UNWRITABLE) from None
