"""One CSV in, a table of trimmed text out, whose index counts rows as a spreadsheet does."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cxrkit.errors import ManifestError
from cxrkit.evaluation.predictions import ROW

SPLIT = "split"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_LISTED = 8  # a column split with more values than this is no split, and may hold anything


def read_table(path: str | os.PathLike[str]) -> tuple[pd.DataFrame, str]:
    """A CSV (or ``.csv.gz``) as text, and the sha256 of its bytes.

    Every cell and column name is trimmed of surrounding white space, here and nowhere else; a blank
    cell is ``""``. Blank rows are left out, and the index (named ``row``) keeps the number that a
    spreadsheet gives each row, 1 being the first row of the file.

    Raises
    ------
    ManifestError
        It cannot be read, is not separated by commas, has a row longer than its header, names a
        column twice, or has no rows.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError:
        raise ManifestError("The table cannot be opened.", "Check its name, and that you may read it.") from None
    return parse_table(raw), hashlib.sha256(raw).hexdigest()


def parse_table(raw: bytes) -> pd.DataFrame:
    """The table in the bytes of a CSV (or ``.csv.gz``); see `read_table`."""
    try:
        plain = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        lines = csv.reader(io.StringIO(plain.decode("utf-8-sig"), newline=""), strict=True)
        cells = [(number, [cell.strip() for cell in line]) for number, line in enumerate(lines, start=1)]
    except (ValueError, OSError, EOFError, zlib.error, csv.Error):
        raise ManifestError(
            "The table cannot be read as comma-separated text.", "Save it as CSV in UTF-8 with a header."
        ) from None
    filled = [(number, line) for number, line in cells if any(line)]
    if not filled:
        raise ManifestError("The table is empty.", "Give a CSV with a header and at least one image.")
    filled = _without_blank_ends(filled)
    header = _header(filled[0][1])
    for number, line in filled[1:]:
        if len(line) > len(header):
            raise ManifestError(
                f"Row {number} of the table has {len(line)} cells, its header {len(header)}.",
                "Put quotation marks around a cell that holds a comma.",
            )
    if len(filled) == 1:
        raise ManifestError("The table has no rows.", "Give a table with at least one image.")
    body = [line + [""] * (len(header) - len(line)) for _, line in filled[1:]]
    index = pd.Index([number for number, _ in filled[1:]], dtype="int64", name=ROW)
    return pd.DataFrame(body, index=index, columns=header, dtype=str)


def select_rows(table: pd.DataFrame, split: str | None, only: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Rows whose column ``split`` is `split`, and whose columns carry the values in `only`.

    Raises
    ------
    ManifestError
        A column does not exist, or no row is left. Values are named for the column split alone:
        those of any other column may identify a patient.
    """
    wanted = dict(only or {})
    if split is not None:
        wanted[SPLIT] = split
    for column, value in wanted.items():
        if column not in table.columns:
            raise ManifestError(
                f"The table has no column named {column}.", f"Add the column, or do not choose rows by {column}."
            )
        chosen = table[table[column] == value]
        if chosen.empty and column != SPLIT:
            raise ManifestError(
                f"No row has the wanted value in the column {column}.", "Check the value; capital letters count."
            )
        if chosen.empty:
            values = sorted(set(table[column]) - {""})
            few = 0 < len(values) <= _LISTED
            listed = f"Its values are: {', '.join(values)}." if few else "Check that it holds the names of splits."
            raise ManifestError(f"No row has {value!r} in the column {SPLIT}.", listed)
        table = chosen
    return table


def parse_pairs(texts: Sequence[str]) -> dict[str, str]:
    """``["label=Pneumonia"]`` as ``{"label": "Pneumonia"}``; raises `ManifestError` when one has no ``=``."""
    pairs = [text.partition("=") for text in texts]
    if not all(key and sign and value for key, sign, value in pairs):
        raise ManifestError("A column pair has no equals sign.", "Write it as COLUMN=FINDING, such as label=Pneumonia.")
    return {key: value for key, _, value in pairs}


def _without_blank_ends(filled: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Lines without the columns at the end that have neither a name nor a cell.

    Spreadsheets leave them behind, and so does NIH's ``BBox_List_2017.csv``.
    """
    used = max(len(line) - next((i for i, cell in enumerate(reversed(line)) if cell), 0) for _, line in filled)
    return [(number, line[:used]) for number, line in filled]


def _header(names: list[str]) -> list[str]:
    for mark, word in _SEPARATORS.items():
        if len(names) == 1 and mark in names[0]:
            raise ManifestError(
                f"The table seems to be separated by {word}.",
                "Save it with commas between the cells, and points in decimal numbers.",
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ManifestError(f"The table names the column {twice[0]!r} twice.", "Keep one column of each name.")
    return names
