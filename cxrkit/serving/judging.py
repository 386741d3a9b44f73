"""Judge a preset, or someone else's predictions, on a labelled table, and keep what came out."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cxrkit.data.manifest import Manifest
from cxrkit.data.table import read_table, select_rows
from cxrkit.errors import ManifestError
from cxrkit.evaluation.predictions import findings_of
from cxrkit.evaluation.report import evaluate_predictions, to_metrics
from cxrkit.preset import WEIGHTS, Preset
from cxrkit.serving.bulk import score_manifest

EVALUATION = "evaluation.json"
PREDICTIONS = "predictions.csv"
ALL_ROWS = "all rows"
_UNWRITABLE = (
    "The results cannot be written into the folder that was named for them.",
    "Name a folder, existing or new, that you may write to, and not a file.",
)


def judge_preset(
    preset: Preset,
    manifest: Manifest,
    out: str | os.PathLike[str],
    *,
    split: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score a manifest with a preset and judge the scores at the preset's operating points.

    Writes ``predictions.csv`` and ``evaluation.json`` into the folder `out`, which is made first, so
    that an hour of scoring is not lost to a name that cannot be written.

    Parameters
    ----------
    preset, manifest
        The manifest's findings are those of the preset.
    out
        Folder, made if need be.
    split
        Name of the manifest's rows in the record, or None for all rows.
    progress
        Called with (images done, n).

    Returns
    -------
    dict
        The content of ``evaluation.json``; see `cxrkit.evaluation.report.evaluate_predictions`.

    Raises
    ------
    CxrError
        Of the weights or an image, or `ManifestError` where `out` cannot be written.
    """
    from cxrkit.model.manager import XRayModelManager  # loads keras: only once the table is known to be good

    _make(out)
    table = score_manifest(XRayModelManager(preset), manifest, progress=progress)
    _write(Path(out) / PREDICTIONS, table.to_csv(index=False))
    evaluation = evaluate_table(preset, table, manifest, split=split or ALL_ROWS)
    write_evaluation(evaluation, out)
    return evaluation


def judge_predictions(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    split: str | None = None,
    only: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Judge a table of predictions that was made elsewhere, and write ``evaluation.json`` into `out`.

    `split` and `only` choose rows as in `cxrkit.data.table.select_rows`. Raises `ManifestError`.
    """
    table, sha256 = read_table(path)
    chosen = select_rows(table, split, only)
    evaluation = evaluate_predictions(
        chosen, findings_of(chosen), split=split or ALL_ROWS, source=Path(path).name, source_sha256=sha256
    )
    write_evaluation(evaluation, out)
    return evaluation


def evaluate_table(preset: Preset, table: pd.DataFrame, manifest: Manifest, *, split: str) -> dict[str, Any]:
    """Judge a preset's predictions table at the preset's operating points; the content of ``evaluation.json``.

    `split` names the manifest's rows in the record. See `cxrkit.evaluation.report.evaluate_predictions`.
    """
    return evaluate_predictions(
        table,
        preset.findings,
        preset.operating_points,
        split=split,
        source=manifest.source,
        source_sha256=manifest.sha256,
        preset=preset.name,
        weights_sha256=preset.weights_sha256,
        stated_at={finding: fitted.prevalence for finding, fitted in preset.calibration.items()},
    )


def write_evaluation(evaluation: Mapping[str, Any], folder: str | os.PathLike[str]) -> Path:
    """Write ``evaluation.json`` into `folder` (made if need be) and return its path; raises `ManifestError`."""
    _make(folder)
    path = Path(folder) / EVALUATION
    _write(path, json.dumps(evaluation, indent=2, allow_nan=False) + "\n")
    return path


def record_evaluation(preset: Preset, evaluation: Mapping[str, Any]) -> Preset:
    """Store the metrics in the preset's card and ``evaluation.json`` beside it; returns the new card.

    Metrics of the same split are replaced, those of other splits stay: so the evaluation must be of
    the whole split that it names. Raises `ManifestError` for one of all rows, among which there may
    be rows that the preset was trained on.
    """
    if evaluation["split"] == ALL_ROWS:
        raise ManifestError(
            "An evaluation of all rows cannot be stored in a card: they may hold rows of the training split.",
            "Evaluate one split.",
        )
    folder = preset.folder or WEIGHTS / preset.name
    others = tuple(metric for metric in preset.metrics if metric.split != evaluation["split"])
    recorded = dataclasses.replace(preset, metrics=others + to_metrics(evaluation))
    write_evaluation(evaluation, folder)
    try:
        recorded.save(folder)
    except OSError:
        raise ManifestError(*_UNWRITABLE) from None
    return recorded


def _make(folder: str | os.PathLike[str]) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError:
        raise ManifestError(*_UNWRITABLE) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        raise ManifestError(*_UNWRITABLE) from None
