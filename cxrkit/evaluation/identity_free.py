"""A predictions table without whom it shows: what is left tells groups and pairs apart, and nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from cxrkit.evaluation.predictions import (
    IMAGE,
    LOGIT,
    PROBABILITY,
    ROW,
    label_cells,
    patient_texts,
    probability_cells,
    texts,
)
from cxrkit.evaluation.subgroups import NOT_STATED, variables_of

GROUPS = {"sex": "sex", "age": "age_band", "view": "view_position"}
"""A variable of `variables_of` -> the column that it is kept in."""

Alias = Callable[[Sequence[str]], list[str]]


def identity_free(table: pd.DataFrame, findings: Sequence[str], alias: Alias) -> pd.DataFrame:
    """The table's labels, scores and groups, with other names for images and patients.

    An age becomes its band; columns that the statistics do not use are left out.

    Parameters
    ----------
    table
        n rows of text or numbers.
    findings
        Those to keep.
    alias
        Turns the distinct names of images, or of patients, into as many others. A blank stays blank.

    Returns
    -------
    pandas.DataFrame
        n rows of text with the same index: ``image``, ``patient_id``, ``sex``, ``age_band``, ``view_position``,
        ``aspect_ratio``, as far as there is something in them, then labels, probabilities and logits.
    """
    patients = patient_texts(table)
    kept: dict[str, object] = {}
    if IMAGE in table.columns:
        kept[IMAGE] = _renamed(list(texts(table[IMAGE])), alias)
    if (patients != "").any():
        kept["patient_id"] = _renamed(list(patients), alias)
    for variable in variables_of(table):
        column = GROUPS.get(variable.name)
        if column is not None:
            cells = np.full(len(table), "", dtype=object)
            for group, mask in variable.groups.items():
                cells[mask] = "" if group == NOT_STATED else group
            kept[column] = cells
        elif variable.values is not None:
            kept[variable.name] = [f"{value:.4f}" if np.isfinite(value) else "" for value in variable.values]
    for finding in findings:
        kept[finding] = ["" if np.isnan(label) else f"{label:.0f}" for label in label_cells(table, finding)]
        for column in (PROBABILITY + finding, LOGIT + finding):
            if column in table.columns:
                kept[column] = texts(table[column])
    return pd.DataFrame(kept, index=table.index, dtype=object).rename_axis(index=ROW)


def unlinked(table: pd.DataFrame, findings: Sequence[str]) -> pd.DataFrame:
    """Labels and scores alone, each finding's in an order of its own: by label, then score.

    A line of the result is no row of the table, so that it tells of no radiograph; what is computed finding by finding
    stays the same.

    Parameters
    ----------
    table
        n rows of text or numbers, with labels and probabilities, and with logits where there are some.
    findings
        Those to keep.

    Returns
    -------
    pandas.DataFrame
        n rows of text, numbers with seven significant digits.
    """
    kept: dict[str, list[str]] = {}
    for finding in findings:
        labels = label_cells(table, finding)
        scores = probability_cells(table, finding, labels)
        order = np.lexsort((scores, labels))
        kept[finding] = ["" if np.isnan(label) else f"{label:.0f}" for label in labels[order]]
        for column in (PROBABILITY + finding, LOGIT + finding):
            if column in table.columns:
                cells = np.asarray(texts(table[column]))[order]
                kept[column] = [f"{float(cell):.7g}" if cell else "" for cell in cells]
    return pd.DataFrame(kept, dtype=str).rename_axis(index=ROW)


def _renamed(names: list[str], alias: Alias) -> list[str]:
    distinct = sorted(set(names) - {""})
    other = dict(zip(distinct, alias(distinct), strict=True)) | {"": ""}
    return [other[name] for name in names]
