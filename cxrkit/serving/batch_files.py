"""The rows of a batch as files to take away: CSV, Parquet and JSON.

Columns ``prob_<finding>`` and ``logit_<finding>`` are those of a predictions table: with a column of labels per
finding beside them, `cxrkit.evaluation` judges it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

import cxrkit
from cxrkit.evaluation.predictions import LOGIT, PROBABILITY
from cxrkit.preset import Preset
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.batch import Row
from cxrkit.serving.records import error_record, to_record


def table(rows: Sequence[Row], preset: Preset) -> pd.DataFrame:
    """One line per file.

    Returns
    -------
    pandas.DataFrame
        n lines: ``row`` (place in the order of the files, from 1), ``sha256`` of the file, ``outcome`` (read, refused
        or failed), ``reason``, ``correction``, ``source_format``, ``view``, ``width`` and ``height`` in pixels,
        ``preset``, ``weights_sha256``, and per finding ``prob_<finding>`` (calibrated) and ``logit_<finding>`` (raw),
        which are NaN unless the outcome is read.
    """
    columns: dict[str, Any] = {
        "row": np.array([row.number for row in rows], np.int64),
        "sha256": [row.sha256 for row in rows],
        "outcome": [row.outcome for row in rows],
        "reason": [row.reason for row in rows],
        "correction": [" ".join(row.reading.quality.correction) if row.reading else "" for row in rows],
        "source_format": [row.source_format for row in rows],
        "view": [row.view or "" for row in rows],
        "width": np.array([row.width for row in rows], np.int64),
        "height": np.array([row.height for row in rows], np.int64),
        "preset": [preset.name] * len(rows),
        "weights_sha256": [preset.weights_sha256] * len(rows),
    }
    predictions = [row.prediction for row in rows]
    for finding in preset.findings:
        scores = [None if prediction is None else prediction.score(finding) for prediction in predictions]
        columns[PROBABILITY + finding] = np.array([np.nan if s is None else s.probability for s in scores], np.float64)
        columns[LOGIT + finding] = np.array([np.nan if s is None else s.logit for s in scores], np.float64)
    return pd.DataFrame(columns)


def to_csv(rows: Sequence[Row], preset: Preset) -> bytes:
    """The table in UTF-8; numbers at full precision, what is not known is left blank."""
    return table(rows, preset).to_csv(index=False).encode()


def to_parquet(rows: Sequence[Row], preset: Preset) -> bytes:
    """The table as a Parquet file."""
    out = BytesIO()
    table(rows, preset).to_parquet(out, index=False)
    return out.getvalue()


def to_json(rows: Sequence[Row], preset: Preset) -> bytes:
    """Every row as `cxrkit.serving.records.to_record` gives it, with the verdict at each supported operating point."""
    document = {
        "cxrkit": cxrkit.__version__,
        "preset": preset.name,
        "weights_sha256": preset.weights_sha256,
        "notice": preset.notice,
        "disclaimer": DISCLAIMER,
        "rows": [_record(row, preset) for row in rows],
    }
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def _record(row: Row, preset: Preset) -> dict[str, Any]:
    head = {"row": row.number, "sha256": row.sha256, "outcome": row.outcome}
    if row.reading is None:
        return head | error_record(row.error) if row.error is not None else head
    record = to_record(row.reading, preset)
    # the same for all rows, or not kept of them
    for name in ("preset", "weights_sha256", "radiograph_sha256", "lung_share", "notice", "disclaimer"):
        del record[name]
    picture = {"source_format": row.source_format, "view": row.view, "width": row.width, "height": row.height}
    return head | picture | record
