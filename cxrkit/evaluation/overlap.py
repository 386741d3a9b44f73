"""Rows to fit on must not be rows to judge: refuse tables that share rows, patients or images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from cxrkit.errors import ManifestError
from cxrkit.evaluation.predictions import IMAGE, PROBABILITY, patient_texts, texts

FEWEST_TWINS = 5
_REMEDY = "Fit on other patients: what is fitted on the judged rows flatters."


def refuse_overlap(fit: pd.DataFrame, judged: pd.DataFrame, findings: Sequence[str], *, same_file: bool) -> None:
    """Refuse two tables of predictions that share rows.

    Patients are compared by their key, else their id, leading zeros aside;
    images by their path where patients are not known throughout, and by their name where the scores
    agree too. Where tables name neither, rows whose labels and probabilities are unique in their table
    and found in the other give copies away.

    Parameters
    ----------
    fit, judged
        Tables of predictions.
    findings
        Those to judge.
    same_file
        Whether row numbers of both can be compared.

    Raises
    ------
    ManifestError
        With a count, never with a name.
    """
    rows = len(set(fit.index) & set(judged.index)) if same_file else 0
    if rows:
        raise ManifestError(f"{rows} rows to fit on are also among the rows to judge.", _REMEDY)
    patients = len(_patients(fit) & _patients(judged))
    if patients:
        raise ManifestError(f"{patients} patients of the rows to fit on are also among the rows to judge.", _REMEDY)
    ours, theirs = _rows(fit, findings), _rows(judged, findings)
    # the same path may be another picture of another collection, where patients tell the rows apart
    paths = any((patient_texts(table) == "").any() for table in (fit, judged))
    images = len(_paths(fit) & _paths(judged)) if paths else 0
    if not images:
        images = len(_names(fit, ours) & _names(judged, theirs))
        images = images if _many(images, 20 * images > len(judged)) else 0  # rounded scores agree by chance
    if images:
        raise ManifestError(f"{images} images of the rows to fit on are also among the rows to judge.", _REMEDY)
    once, there = _unique(theirs), _unique(ours)
    twins = len(once & there)
    if _many(twins, 2 * twins > len(once)):
        raise ManifestError(
            f"{twins} rows to judge have exactly the labels and probabilities of rows to fit on, so they seem to be "
            "the same rows.",
            _REMEDY,
        )


def comparable(fit: pd.DataFrame, judged: pd.DataFrame) -> bool:
    """Whether both tables name patients, or images, in one way."""
    named = all((patient_texts(table) != "").any() for table in (fit, judged))
    return named or all(IMAGE in table.columns and (texts(table[IMAGE]) != "").all() for table in (fit, judged))


def _patients(table: pd.DataFrame) -> set[str]:
    return {str(key).lstrip("0") for key in patient_texts(table)} - {""}


def _many(twins: int, share: bool) -> bool:
    return twins >= FEWEST_TWINS and share


def _paths(table: pd.DataFrame) -> set[str]:
    return set(map(str, texts(table[IMAGE]))) - {""} if IMAGE in table.columns else set()


def _names(table: pd.DataFrame, rows: Sequence[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Names of images without their folders, together with the scores of their rows."""
    if IMAGE not in table.columns:
        return set()
    names = [PurePosixPath(str(name)).name for name in texts(table[IMAGE])]
    return {(name, *row) for name, row in zip(names, rows, strict=True) if name}


def _rows(table: pd.DataFrame, findings: Sequence[str]) -> list[tuple[str, ...]]:
    """Labels and probabilities of each row, as text that does not depend on how a number was written."""
    columns = [name for finding in findings for name in (finding, PROBABILITY + finding) if name in table.columns]
    numbers = table[columns].apply(pd.to_numeric, errors="coerce")
    return [tuple(f"{value:.9g}" for value in row) for row in numbers.itertuples(index=False)]


def _unique(rows: Sequence[tuple[str, ...]]) -> set[tuple[str, ...]]:
    return {row for row, times in Counter(rows).items() if times == 1}
