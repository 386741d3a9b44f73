"""The cells of a predictions table, checked.

A predictions table has, per finding, the columns ``<finding>`` (0, 1 or blank) and
``prob_<finding>``; ``patient_key`` or ``patient_id`` names the patient. It may come from cxrkit or
from anyone else. Errors name a row as a spreadsheet numbers it: by the table's index where that is
called ``row`` (as `cxrkit.data.table.read_table` leaves it), else by its place below a header.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.errors import ManifestError

PROBABILITY = "prob_"
LOGIT = "logit_"
IMAGE = "image"
PATIENTS = ("patient_key", "patient_id")
LARGEST_LOGIT = 1e4
ROW = "row"

Floats = npt.NDArray[np.float64]
Unit = Literal["patient", "image"]


def findings_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Findings of a predictions table, in the order of its probability columns.

    Raises
    ------
    ManifestError
        It has none, or a probability without a label column.
    """
    names = tuple(c.removeprefix(PROBABILITY) for c in table.columns if c.startswith(PROBABILITY))
    bare = [name or "a finding without a name" for name in names if not name or name not in table.columns]
    if not names or bare:
        lacking = f"no label column for {', '.join(bare)}" if bare else "no column that starts with prob_"
        raise ManifestError(
            f"The predictions table has {lacking}.",
            "Give a column of labels and a column prob_ of probabilities for every finding, such as "
            "Pneumonia and prob_Pneumonia.",
        )
    return names


def _numbers(table: pd.DataFrame, column: str) -> Floats:
    if column not in table.columns:
        raise ManifestError(f"The predictions table has no column {column}.", "Add the column.")
    cells = table[column]
    if pd.api.types.is_numeric_dtype(cells):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    texts = cells.astype(object).where(cells.notna(), "").astype(str).str.strip()
    blank = texts.str.lower().isin(["", "nan"])
    numbers = pd.to_numeric(texts.mask(blank), errors="coerce")
    odd = np.flatnonzero(numbers.isna() & ~blank)
    if len(odd):
        raise ManifestError(
            f"The column {column} holds something other than a number in row {_row(table, odd)}.", "Use numbers only."
        )
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def label_cells(table: pd.DataFrame, finding: str) -> Floats:
    """Labels of one finding (n): 0, 1 or NaN; raises `ManifestError` for anything else."""
    values = _numbers(table, finding)
    odd = np.flatnonzero(~np.isnan(values) & ~np.isin(values, (0.0, 1.0)))
    if len(odd):
        raise ManifestError(
            f"The label of {finding} in row {_row(table, odd)} is neither 0, 1 nor blank.",
            "Use 1 for present, 0 for absent and a blank for unknown.",
        )
    return values


def probability_cells(table: pd.DataFrame, finding: str, labels: Floats) -> Floats:
    """Probabilities of one finding (n); raises `ManifestError` where a known label has none in 0..1."""
    values = _numbers(table, PROBABILITY + finding)
    odd = np.flatnonzero(~np.isnan(labels) & ~((values >= 0) & (values <= 1)))
    if len(odd):
        raise ManifestError(
            f"The probability of {finding} in row {_row(table, odd)} is missing or not between 0 and 1.",
            "Give a probability for every row that has a label.",
        )
    return values


def logit_cells(table: pd.DataFrame, finding: str, labels: Floats) -> Floats | None:
    """Raw logits of one finding (n), or None where the table does not state them.

    Raises `ManifestError` where the logit of a known label is missing or beyond `LARGEST_LOGIT`.
    """
    if LOGIT + finding not in table.columns:
        return None
    values = _numbers(table, LOGIT + finding)
    odd = np.flatnonzero(~np.isnan(labels) & ~(np.abs(values) <= LARGEST_LOGIT))
    if len(odd):
        raise ManifestError(
            f"The logit of {finding} in row {_row(table, odd)} is missing or not between -10,000 and 10,000.",
            "Give a logit for every row that has a label, or leave the column out.",
        )
    return values


def patient_texts(table: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Whom each of n rows shows, by ``patient_key``, else ``patient_id``; blank if unknown.

    The fallback is made row by row, so that tables of which one has keys and the other ids are compared
    with each other. Where a row fills both, its key is right: the ids of Kermany's children restart with
    each subtype.
    """
    keys = np.full(len(table), "", dtype=object)
    for column in PATIENTS:
        if column in table.columns:
            keys = np.where(keys == "", texts(table[column]), keys)
    return keys


def patient_keys(table: pd.DataFrame) -> tuple[npt.NDArray[np.str_], Unit]:
    """Key of each row's patient, and the unit that is resampled.

    A row whose patient is unknown counts as a patient of its own, together with the other rows of the
    same image. The unit is the image where the table names no patient at all.
    """
    keys = patient_texts(table)
    images = texts(table[IMAGE]) if IMAGE in table.columns else np.full(len(table), "", dtype=object)
    alone = [f"image {image}" if image else f"row {row}" for row, image in enumerate(images)]
    return np.where(keys == "", alone, keys).astype(np.str_), "patient" if (keys != "").any() else "image"


def texts(cells: pd.Series) -> npt.NDArray[np.object_]:
    """Trimmed text of cells, blank where there is nothing."""
    return cells.astype(object).where(cells.notna(), "").astype(str).str.strip().to_numpy(dtype=object)


def _row(table: pd.DataFrame, odd: npt.NDArray[np.int64]) -> int:
    """Number of the first odd row."""
    place = int(odd[0])
    return int(table.index[place]) if table.index.name == ROW else place + 2
