"""CSV tables of other people: one with a column of splits, or one per split, under any column names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from cxrkit.data.layouts.files import ImageFiles, locate
from cxrkit.data.layouts.layout import FACTS, NIH_FINDINGS, Layout, make_layout, rows_text, split_name
from cxrkit.data.manifest import IMAGE, label_matrix
from cxrkit.data.table import SPLIT, read_table
from cxrkit.errors import ManifestError
from cxrkit.evaluation.predictions import ROW


def read_tables(
    tables: Sequence[tuple[str | None, str | os.PathLike[str]]],
    images: str | os.PathLike[str] | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    label_map: Mapping[str, str] | None = None,
    skip_missing: bool = False,
) -> Layout:
    """Read one CSV that has a column of splits, or several that are one split each.

    Parameters
    ----------
    tables
        Pairs of a split's name (None: the table's own column ``split`` says) and a CSV.
    images
        Folder of the images; without it that of the first table.
    columns
        Our column -> theirs, such as ``{"image": "Image", "patient_id": "PatientId"}``. Of the columns
        that are no findings only `FACTS` and those named here are kept; a fact that is not named here is
        also found under other capitals, spaces or underscores, and so is a finding.
    label_map
        Label column -> finding, such as ``{"label": "Pneumonia"}``. Columns that are named like a
        finding of ChestX-ray14 are taken without being named here.
    skip_missing
        Leave out rows whose image is not at hand.

    Raises
    ------
    ManifestError
        A table cannot be used, lacks a column or a split, or images are missing.

    Notes
    -----
    Rows keep their numbers in the table. Those of further tables go on from the last of the table before.
    """
    root = Path(images) if images is not None else Path(tables[0][1]).resolve().parent
    files = ImageFiles(root)
    notes: list[str] = []
    parts, spans, last = [], [], 1
    for split, path in tables:
        where = "the table" if len(tables) == 1 else f"the {split or 'other'} table"
        with _naming(where if len(tables) > 1 else None):
            read = read_table(path)[0]
            table, wanted, taken = _columns(read, columns or {}, label_map or {})
            label_matrix(table, wanted)  # refuses odd labels while the rows still have this table's numbers
            table[SPLIT] = _split_column(table, split)
        rows = [int(row) for row in table.index]
        paths, found, told = locate(files, table[IMAGE].tolist(), rows, where=where, skip_missing=skip_missing)
        notes += told
        if over := len(read.columns) - taken:
            notes.append(
                f"{over} column{'s' * (over > 1)} of {where} {'are' if over > 1 else 'is'} not taken: "
                "name what is wanted with --column or --label-map."
            )
        shift = last - 1
        last = rows[-1] + shift
        first = rows[0] + shift
        spans.append(f"{f'row {last}' if first == last else f'rows {first}-{last}'}: {where}")
        parts.append((table[found].assign(**{IMAGE: paths}).set_axis(table.index[found] + shift), wanted))
    if len(tables) > 1:
        notes.insert(
            0,
            f"Row numbers run on from table to table ({'; '.join(spans)}); "
            "where a sentence names a table, the rows in it are its own.",
        )
    union = list(dict.fromkeys(finding for _, wanted in parts for finding in wanted))
    whole = pd.concat([table for table, _ in parts]).fillna("").rename_axis(ROW)
    return make_layout(whole, union, root, notes)


@contextmanager
def _naming(where: str | None) -> Iterator[None]:
    """Say of which table a refusal speaks, where there are several."""
    try:
        yield
    except ManifestError as error:
        if where is None:
            raise
        raise ManifestError(f"In {where}: {error.message}", error.remedy) from None


def _columns(
    table: pd.DataFrame, renamed: Mapping[str, str], label_map: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str], int]:
    """The table under our names, without the columns that nobody asked for; its findings; how many columns it took."""
    named = {*renamed.values(), *label_map}
    free = [column for column in table.columns if column not in named]
    labels = {name: name for name in NIH_FINDINGS if name in table.columns and name not in label_map}
    labels |= _alike([f for f in NIH_FINDINGS if f not in labels and f not in label_map.values()], free)
    for column, finding in label_map.items():
        if finding in labels:
            raise ManifestError(f"Two columns hold labels of {finding}.", "Map one column only.")
        labels[finding] = column
    if not labels:
        raise ManifestError(
            "The table has no column that is named like a known finding.",
            "Name the label columns with --label-map, such as --label-map label=Pneumonia.",
        )
    facts = {name: name for name in FACTS if name in table.columns and name not in renamed} | dict(renamed)
    facts = {IMAGE: IMAGE} | facts | _alike([name for name in FACTS if name not in facts], free)
    twice = sorted(set(facts) & set(labels))
    if twice:
        raise ManifestError(f"{twice[0]} is named both as a column and as a finding.", "Name it once.")
    absent = [name for name in [*facts.values(), *labels.values()] if name not in table.columns]
    if absent:
        raise ManifestError(
            f"The table has no column named {absent[0]}.",
            "Say what its own name is, such as --column image=Image, or --label-map label=Pneumonia.",
        )
    kept = facts | labels
    ours = pd.DataFrame({name: table[theirs] for name, theirs in kept.items()}, index=table.index)
    return ours, list(labels), len(set(kept.values()))


def _alike(names: Iterable[str], columns: Sequence[str]) -> dict[str, str]:
    """Names -> the column that is the same but for capitals, spaces and underscores, where there is just one."""

    def plain(text: str) -> str:
        return text.casefold().replace(" ", "").replace("_", "")

    found = {name: [column for column in columns if plain(column) == plain(name)] for name in names}
    return {name: alike[0] for name, alike in found.items() if len(alike) == 1}


def _split_column(table: pd.DataFrame, split: str | None) -> pd.Series:
    if split is not None:
        return pd.Series(split, index=table.index, dtype=str)
    if SPLIT not in table.columns:
        raise ManifestError(
            "The table has no column named split.",
            "Say which split it is, such as --table train=FILE.csv, or name its column with --column split=NAME.",
        )
    named = table[SPLIT].map(split_name)
    odd = [int(row) for row in table.index[named.isna()]]
    if odd:
        raise ManifestError(
            f"The split is neither train, val nor test in {rows_text(odd)}.", "Correct the column of splits."
        )
    return named.astype(str)
