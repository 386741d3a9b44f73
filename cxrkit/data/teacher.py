"""Published scores of another model, from which a network may learn what a label does not say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.data.manifest import IMAGE, Manifest
from cxrkit.data.table import read_table
from cxrkit.errors import ManifestError

Floats = npt.NDArray[np.float32]
NAME = "nih_name"
"""Column of a manifest with the name that an image has at its publisher, where its file is called otherwise."""


def read_teacher(path: Path, findings: Sequence[str]) -> pd.DataFrame:
    """Probabilities of a model by image: one row per image, named without folder and extension.

    Parameters
    ----------
    path
        CSV with a column ``image`` and one column ``prob_<finding>`` per finding.
    findings
        The k findings, which become the columns.

    Raises
    ------
    ManifestError
        The table cannot be read, lacks a column, names an image twice, or holds something other than
        probabilities.
    """
    table, _ = read_table(path)
    columns = [f"prob_{finding}" for finding in findings]
    lacking = [column for column in (IMAGE, *columns) if column not in table.columns]
    if lacking:
        raise ManifestError(
            f"The teacher's table has no column {lacking[0]}.", "Give a CSV with image and prob_<finding> columns."
        )
    scores: pd.DataFrame = table[columns].apply(pd.to_numeric, errors="coerce")
    if not scores.apply(lambda column: column.between(0, 1)).all(axis=None):
        raise ManifestError("The teacher's table holds values that are no probabilities.", "Give numbers from 0 to 1.")
    scores.columns = pd.Index(findings)
    scores.index = pd.Index([stem(name) for name in table[IMAGE]])
    if scores.index.has_duplicates:
        raise ManifestError("The teacher's table names an image twice.", "Keep one row per image.")
    return scores


def taught_by(scores: pd.DataFrame, manifests: Sequence[Manifest]) -> Floats:
    """The teacher's probabilities (n, k) of the images of some manifests, NaN where it has none."""
    names = [stem(name) for manifest in manifests for name in _names(manifest)]
    return scores.reindex(names).to_numpy(dtype=np.float32)


def stem(name: str) -> str:
    """``folder/00000001_000.png`` -> ``00000001_000``."""
    return PurePosixPath(name).stem


def _names(manifest: Manifest) -> list[str]:
    own = manifest.table[IMAGE]
    if NAME not in manifest.table.columns:
        return own.tolist()
    return manifest.table[NAME].where(manifest.table[NAME] != "", own).tolist()
