"""Everything that is wrong with a predictions table, cell by cell, so that its owner mends it in one go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.errors import PredictionsInvalid
from cxrkit.evaluation.predictions import LARGEST_LOGIT, LOGIT, PROBABILITY, ROW, texts

SHOWN = 12
"""How many problems an error names; more are counted."""

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def check_cells(table: pd.DataFrame) -> tuple[str, ...]:
    """The findings of a predictions table, after every cell of them was checked.

    A label is 1, 0 or blank; a probability lies in 0..1 and stands wherever a label does; a logit, where the
    table has the column, lies within +-10,000 and stands wherever a label does.

    Parameters
    ----------
    table
        n rows of text, as `cxrkit.data.table.read_table` gives them: problems name rows by its index.

    Raises
    ------
    PredictionsInvalid
        With up to `SHOWN` problems by row and column, rows in order; what stands in a cell is not quoted.
    """
    names = tuple(c.removeprefix(PROBABILITY) for c in table.columns if c.startswith(PROBABILITY))
    missing = [f"Column {_name(name)}: missing, though there is {PROBABILITY + _name(name)}." for name in names
               if not name or name not in table.columns]  # fmt: skip
    if not names:
        missing = [f"No column starts with {PROBABILITY}."]
    if missing:
        raise PredictionsInvalid(
            f"The predictions table lacks {len(missing)} column{'s' if len(missing) > 1 else ''}.",
            "Give a column of labels and a column prob_ of probabilities for every finding, such as Pneumonia and "
            "prob_Pneumonia.",
            tuple(missing[:SHOWN]),
        )
    found = sorted(problem for name in names for problem in _of_finding(table, name))
    if found:
        rows = len({row for row, _, _ in found})
        raise PredictionsInvalid(
            f"{len(found):,} cell{'s' if len(found) > 1 else ''} in {rows:,} row{'s' if rows > 1 else ''} of the "
            "predictions table cannot be used.",
            "Correct the cells that are listed and upload the table again; rows are counted as in a spreadsheet, the "
            "header being row 1.",
            tuple(f"Row {row:,}, column {column}: {what}." for row, column, what in found[:SHOWN]),
        )
    return names


def _of_finding(table: pd.DataFrame, finding: str) -> list[tuple[int, str, str]]:
    """Row, column and what is wrong."""
    labels, blank, odd = _numbers(table, finding)
    wrong = odd | (~blank & ~np.isin(labels, (0.0, 1.0)))
    found = _named(table, finding, wrong, "the label is neither 1, 0 nor blank")
    known = ~blank & ~wrong
    column = PROBABILITY + finding
    values, blank, odd = _numbers(table, column)
    found += _named(table, column, odd, "the probability is not a number")
    found += _named(table, column, known & blank, "the probability is missing, though the row has a label")
    beyond = ~blank & ~odd & ~((values >= 0) & (values <= 1))
    found += _named(table, column, beyond, "the probability is not between 0 and 1")
    column = LOGIT + finding
    if column in table.columns:
        values, blank, odd = _numbers(table, column)
        found += _named(table, column, odd, "the logit is not a number")
        found += _named(table, column, known & blank, "the logit is missing, though the row has a label")
        beyond = ~blank & ~odd & ~(np.abs(values) <= LARGEST_LOGIT)
        found += _named(table, column, beyond, "the logit is not between -10,000 and 10,000")
    return found


def _numbers(table: pd.DataFrame, column: str) -> tuple[Floats, Mask, Mask]:
    """Numbers (NaN where there are none), which cells are blank, and which hold something else."""
    cells = pd.Series(texts(table[column]), dtype=object)
    blank = cells.str.lower().isin(["", "nan"]).to_numpy(dtype=bool)
    numbers = pd.to_numeric(cells.mask(blank), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers, blank, np.isnan(numbers) & ~blank


def _named(table: pd.DataFrame, column: str, wrong: Mask, what: str) -> list[tuple[int, str, str]]:
    places: Sequence[int] = np.flatnonzero(wrong).tolist()
    numbered = table.index.name == ROW
    return [(int(table.index[place]) if numbered else place + 2, column, what) for place in places]


def _name(finding: str) -> str:
    return finding or "(a finding without a name)"
