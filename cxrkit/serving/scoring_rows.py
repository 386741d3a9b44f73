"""One row per file of a run: what a machine keeps of a reading, or why there is none."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

import cxrkit
from cxrkit.errors import CxrError
from cxrkit.evaluation.predictions import LOGIT, PROBABILITY
from cxrkit.model.runtimes import Precision
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import DISCLAIMER, Reading

FILE_NAMES = "The column file holds the names that the files came with; whoever passes it on answers for them."


def schema(preset: Preset, precision: Precision = "float32") -> pa.Schema:
    """Columns of the table.

    ``file`` (the name as given), ``sha256`` of the file, ``outcome`` (read, refused or failed), of a failed one
    ``code`` (the class of the error), ``message`` and ``remedy``; of others ``quality_refused``, ``quality_issues`` and
    ``quality_correction`` (words apart by a space), ``quality_overridden``, ``notes``, ``warnings``, ``source_format``,
    ``view``, ``sex``, ``age_band``, ``width`` and ``height`` in pixels; ``preset``, ``weights_sha256``; where
    the network did not compute in float32, ``precision``, which is empty where the outcome is failed; and per finding
    ``prob_<finding>`` (calibrated) and ``logit_<finding>`` (raw), which are empty unless the outcome is read.
    """
    text, truth, number = pa.string(), pa.bool_(), pa.int32()
    words = ("file", "sha256", "outcome", "code", "message", "remedy")
    fields = [pa.field(name, text) for name in words]
    fields += [pa.field("quality_refused", truth), pa.field("quality_overridden", truth)]
    more = ("quality_issues", "quality_correction", "notes", "warnings", "source_format", "view", "sex", "age_band")
    fields += [pa.field(name, text) for name in more]
    fields += [pa.field("width", number), pa.field("height", number)]
    fields += [pa.field("preset", text), pa.field("weights_sha256", text)]
    fields += [pa.field("precision", text)] if precision != "float32" else []
    for finding in preset.findings:
        fields += [pa.field(PROBABILITY + finding, pa.float64()), pa.field(LOGIT + finding, pa.float64())]
    said = {
        "cxrkit": cxrkit.__version__,
        "preset": preset.name,
        "weights_sha256": preset.weights_sha256,
        **({"precision": precision} if precision != "float32" else {}),
        "notice": preset.notice,
        "disclaimer": DISCLAIMER,
        "file_names": FILE_NAMES,
    }
    return pa.schema(fields, metadata={"cxrkit": json.dumps(said)})


def to_table(rows: list[dict[str, Any]], preset: Preset, precision: Precision = "float32") -> pa.Table:
    """Rows as a table; what a row does not say is empty."""
    return pa.Table.from_pylist(rows, schema(preset, precision))


def reading_row(file: str, radiograph: Radiograph, reading: Reading) -> dict[str, Any]:
    """The row of a file that was read or that is refused.

    Parameters
    ----------
    file
        Its name as given.
    radiograph
        As it was loaded.
    """
    quality = reading.quality
    row: dict[str, Any] = {
        "file": _storable(file),
        "sha256": radiograph.sha256,
        "outcome": "refused" if quality.refused else "read",
        "quality_refused": quality.refused,
        "quality_overridden": quality.overridden,
        "quality_issues": " ".join(issue.code for issue in quality.issues),
        "quality_correction": " ".join(quality.correction),
        "notes": " ".join(reading.notes),
        "warnings": " ".join(reading.warnings),
        "source_format": radiograph.source_format,
        "view": radiograph.view,
        "sex": radiograph.sex,
        "age_band": radiograph.age_band,
        "width": radiograph.width,
        "height": radiograph.height,
        "preset": reading.preset,
        "weights_sha256": reading.weights_sha256,
        "precision": reading.precision,
    }
    if not quality.refused:
        for finding, score in reading.prediction.scores.items():
            row[PROBABILITY + finding], row[LOGIT + finding] = score.probability, score.logit
    return row


def failure_row(file: str, sha256: str | None, error: CxrError, preset: Preset, code: str = "") -> dict[str, Any]:
    """The row of a file that could not be read; `code` is the error's class unless told."""
    return {
        "file": _storable(file),
        "sha256": sha256,
        "outcome": "failed",
        "code": code or type(error).__name__,
        "message": error.message,
        "remedy": error.remedy,
        "preset": preset.name,
        "weights_sha256": preset.weights_sha256,
    }


def _storable(name: str) -> str:
    """A name whose bytes are no UTF-8 with those bytes written out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
