"""Run a model over a manifest.

The predictions table is the one that `cxrkit.evaluation` takes from anyone: one path for our models and theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from cxrkit.data.manifest import IMAGE, Manifest
from cxrkit.errors import ManifestError, RadiographError
from cxrkit.evaluation.predictions import LOGIT, PROBABILITY
from cxrkit.imaging.degradation import degrade
from cxrkit.imaging.loading import load_radiograph
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Prediction

KEPT = (IMAGE, "split", "patient_id", "patient_key", "view_position", "view", "age", "sex")
FACTS = {"sex": ("sex",), "age_band": ("age", "age_band"), "view_position": ("view_position", "view")}
"""What a DICOM file may state -> the manifest's columns that come before it."""


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
    degradation: Mapping[str, float] | None = None,
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
    degradation
        How every image is made worse before it is scored; see `cxrkit.imaging.degradation.degrade`.
    progress
        Called with (images done, n) after each image.

    Returns
    -------
    pandas.DataFrame
        n rows: the columns `KEPT` that the manifest has, ``aspect_ratio`` (width by height), sex, age
        band and view from the files where the manifest has no such column and a file states them, then
        per finding ``<finding>`` (0, 1 or NaN), ``prob_<finding>`` (calibrated) and ``logit_<finding>``
        (raw).

    Raises
    ------
    ManifestError
        An image cannot be read as a radiograph; names its row of the manifest's CSV, of which the header is 1.
    FindingUnknown
        The model does not predict a finding of the manifest.
    """
    scores = np.empty((len(manifest), len(manifest.findings), 2))
    seen: list[_Facts] = []
    radiographs = _radiographs(manifest, seen)
    if degradation:
        radiographs = (degrade(radiograph, degradation) for radiograph in radiographs)
    for row, prediction in enumerate(manager.predict_many(radiographs, batch_size)):
        for k, finding in enumerate(manifest.findings):
            score = prediction.score(finding)
            scores[row, k] = score.probability, score.logit
        if progress is not None:
            progress(row + 1, len(manifest))
    columns = {name: manifest.table[name].to_numpy() for name in KEPT if name in manifest.table.columns}
    columns["aspect_ratio"] = np.array([round(facts.aspect_ratio, 4) for facts in seen])
    for fact, columns_before in FACTS.items():
        stated = [getattr(facts, fact) for facts in seen]
        if any(stated) and not any(name in manifest.table.columns for name in columns_before):
            columns[fact] = np.array([text or "" for text in stated])
    for k, finding in enumerate(manifest.findings):
        columns[finding] = manifest.labels[:, k]
        columns[PROBABILITY + finding] = scores[:, k, 0]
        columns[LOGIT + finding] = scores[:, k, 1]
    return pd.DataFrame(columns)


def read_row(path: Path, row: int, what: str = "image") -> Radiograph:
    """Read a file that a table names.

    Parameters
    ----------
    path
        The file.
    row
        Number of its row in the CSV, of which the header is 1.
    what
        What the file is to the row, for the error.

    Raises
    ------
    ManifestError
        It cannot be read as a radiograph. The error names the row, never the file.
    """
    try:
        return load_radiograph(path)
    except RadiographError as error:
        message = f"The {what} in row {row} of the table cannot be read. {error.message}"
        raise ManifestError(message, error.remedy) from error


@dataclass(frozen=True)
class _Facts:
    """What is kept of a radiograph after it was scored."""

    aspect_ratio: float
    sex: str | None
    age_band: str | None
    view_position: str | None


def _radiographs(manifest: Manifest, seen: list[_Facts]) -> Iterator[Radiograph]:
    for row, path in zip(manifest.rows.tolist(), manifest.images, strict=True):
        radiograph = read_row(path, row)
        aspect = radiograph.width / radiograph.height
        seen.append(_Facts(aspect, radiograph.sex, radiograph.age_band, radiograph.view))
        yield radiograph
