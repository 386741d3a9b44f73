"""Run a model over a manifest, and judge and record what came out.

The predictions table is the one that `cxrkit.evaluation` takes from anyone: one path for our models and theirs.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from cxrkit.data.manifest import IMAGE, Manifest
from cxrkit.errors import ManifestError, RadiographError
from cxrkit.evaluation.report import PROBABILITY, evaluate_predictions, to_metrics
from cxrkit.imaging.loading import load_radiograph
from cxrkit.preset import WEIGHTS, Preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Prediction

LOGIT = "logit_"
EVALUATION = "evaluation.json"
KEPT = (IMAGE, "split", "patient_id", "patient_key", "view_position", "age", "sex")


class Predictor(Protocol):
    """What bulk scoring needs of a model; `cxrkit.model.manager.XRayModelManager` is one."""

    def predict_many(self, radiographs: Iterable[Radiograph], batch_size: int = 16) -> Iterator[Prediction]:
        """Predictions in the order of the radiographs."""
        ...


def score_manifest(
    manager: Predictor,
    manifest: Manifest,
    *,
    batch_size: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Score every image of a manifest.

    Parameters
    ----------
    manager
        The model; it must predict every finding of the manifest.
    manifest
        n images. They are read one batch at a time.
    batch_size
        Images per forward pass.
    progress
        Called with (images done, n) after each image.

    Returns
    -------
    pandas.DataFrame
        n rows: the columns `KEPT` that the manifest has, then per finding ``<finding>`` (0, 1 or
        NaN), ``prob_<finding>`` (calibrated) and ``logit_<finding>`` (raw).

    Raises
    ------
    ManifestError
        An image cannot be read as a radiograph; names its row of the manifest, counted from 1.
    FindingUnknown
        The model does not predict a finding of the manifest.
    """
    scores = np.empty((len(manifest), len(manifest.findings), 2))
    for row, prediction in enumerate(manager.predict_many(_radiographs(manifest), batch_size)):
        for k, finding in enumerate(manifest.findings):
            score = prediction.score(finding)
            scores[row, k] = score.probability, score.logit
        if progress is not None:
            progress(row + 1, len(manifest))
    columns = {name: manifest.table[name].to_numpy() for name in KEPT if name in manifest.table.columns}
    for k, finding in enumerate(manifest.findings):
        columns[finding] = manifest.labels[:, k]
        columns[PROBABILITY + finding] = scores[:, k, 0]
        columns[LOGIT + finding] = scores[:, k, 1]
    return pd.DataFrame(columns)


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
    """Write ``evaluation.json`` into `folder` (created if need be) and return its path."""
    path = Path(folder) / EVALUATION
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(evaluation, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def record_evaluation(preset: Preset, evaluation: Mapping[str, Any]) -> Preset:
    """Store the metrics in the preset's card and ``evaluation.json`` beside it; returns the new card.

    Metrics of the same split are replaced, those of other splits stay.
    """
    folder = preset.folder or WEIGHTS / preset.name
    others = tuple(metric for metric in preset.metrics if metric.split != evaluation["split"])
    recorded = dataclasses.replace(preset, metrics=others + to_metrics(evaluation))
    recorded.save(folder)
    write_evaluation(evaluation, folder)
    return recorded


def _radiographs(manifest: Manifest) -> Iterator[Radiograph]:
    for number, path in enumerate(manifest.images, start=1):
        try:
            yield load_radiograph(path)
        except RadiographError as error:
            raise ManifestError(f"Image {number} of the table cannot be read. {error.message}", error.remedy) from error
