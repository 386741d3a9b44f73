"""NIH ChestX-ray14: its table of entries, its image folders and its two official lists (Wang et al. 2017)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd

from cxrkit.data.layouts.files import ImageFiles, locate
from cxrkit.data.layouts.layout import NIH_FINDINGS, Layout, make_layout, rows_text
from cxrkit.data.manifest import IMAGE
from cxrkit.data.table import SPLIT, read_table
from cxrkit.errors import ManifestError

ENTRIES = "Data_Entry_2017*.csv"
LISTS = {"train": "train_val_list.txt", "test": "test_list.txt"}
OLDEST = 120
"""Completed years; the table of 2017 has ages up to 414, which are slips of the keyboard."""

_NOTHING = "No Finding"
_AGE = re.compile(r"(\d{1,4})([YMWD]?)", re.IGNORECASE)
_PER_YEAR = {"": 1, "Y": 1, "M": 12, "W": 52, "D": 365}
_COLUMNS = {
    IMAGE: ("Image Index",),
    "labels": ("Finding Labels",),
    "patient_id": ("Patient ID",),
    "age": ("Patient Age",),
    "sex": ("Patient Gender", "Patient Sex"),
    "view_position": ("View Position",),
}


def read_nih(
    folder: str | os.PathLike[str],
    *,
    table: str | os.PathLike[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    skip_missing: bool = False,
) -> Layout:
    """Read ChestX-ray14 as it is downloaded.

    The official lists give the splits train and test; there is no official validation part. An image
    may also be a DICOM file of the same stem.

    Parameters
    ----------
    folder
        Holds the table, the two lists and, in any sub-folders, the images.
    table
        The table of entries (2017 or v2020), where it is not in the folder or not the only one.
    images
        Folder of the images, where it is another one.
    skip_missing
        Leave out the images that are not at hand.

    Raises
    ------
    ManifestError
        The table or a list is missing or malformed, an image is on neither list, or images are missing.
    """
    home = Path(folder)
    entries = _entries(read_table(_table(home) if table is None else table)[0])
    entries[SPLIT] = _splits(entries, home)
    labels, root = _labels(entries["labels"]), Path(images) if images is not None else home
    rows = [int(row) for row in entries.index]
    paths, found, notes = locate(
        ImageFiles(root), entries[IMAGE].tolist(), rows, where="the table", skip_missing=skip_missing
    )
    ages = entries["age"].map(age_in_years)
    blanked = int(((entries["age"] != "") & (ages == "")).sum())
    if blanked:
        notes.insert(0, f"{blanked} ages are impossible (over {OLDEST} years) or malformed and were left blank.")
    whole = pd.concat([entries.drop(columns="labels").assign(age=ages), labels], axis=1)[found]
    return make_layout(whole.assign(**{IMAGE: paths}), NIH_FINDINGS, root, notes)


def age_in_years(text: str) -> str:
    """Completed years of ``"58"``, ``"058Y"`` or ``"011M"``; blank where that is no possible age."""
    found = _AGE.fullmatch(text)
    if found is None:
        return ""
    years = int(found[1]) // _PER_YEAR[found[2].upper()]
    return str(years) if years <= OLDEST else ""


def _table(home: Path) -> Path:
    found = sorted(path for path in home.glob(ENTRIES) if path.is_file())
    if len(found) != 1:
        raise ManifestError(
            f"The folder has {len(found) or 'no'} table{'s' if len(found) > 1 else ''} named {ENTRIES}.",
            "Put Data_Entry_2017_v2020.csv there, or name the table with --table.",
        )
    return found[0]


def _entries(table: pd.DataFrame) -> pd.DataFrame:
    columns = {}
    for ours, names in _COLUMNS.items():
        theirs = next((name for name in names if name in table.columns), None)
        if theirs is None:
            raise ManifestError(
                f"The table of entries has no column named {names[0]}.", "Take the table as NIH publishes it."
            )
        columns[ours] = table[theirs]
    return pd.DataFrame(columns, index=table.index)


def _labels(texts: pd.Series) -> pd.DataFrame:
    """n x 14 columns of 0 and 1; a finding that the text does not name is absent."""
    named = texts.str.split("|").map(lambda parts: {part.strip() for part in parts})
    known = {*NIH_FINDINGS, _NOTHING}
    sound = named.map(lambda names: names <= known and (_NOTHING not in names or len(names) == 1)).to_numpy(dtype=bool)
    odd = [int(row) for row in texts.index[~sound]]
    if odd:
        raise ManifestError(
            f"The finding labels are not those of ChestX-ray14 in {rows_text(odd)}.",
            "Take the table as NIH publishes it: findings separated by |, or No Finding.",
        )
    return pd.DataFrame({f: named.map(lambda names, f=f: str(int(f in names))) for f in NIH_FINDINGS}, dtype=str)


def _splits(entries: pd.DataFrame, home: Path) -> pd.Series:
    splits = pd.Series("", index=entries.index, dtype=str)
    listed = {split: _names(home / name) for split, name in LISTS.items()}
    both = len(listed["train"] & listed["test"])
    if both:
        raise ManifestError(f"{both} images stand on both official lists.", "Take the lists as NIH publishes them.")
    for split, names in listed.items():
        splits[entries[IMAGE].isin(names)] = split
    neither = [int(row) for row in splits.index[splits == ""]]
    if neither:
        raise ManifestError(
            f"{len(neither)} images stand on neither official list: {rows_text(neither)}.",
            "Take the lists as NIH publishes them, or remove these rows from the table.",
        )
    return splits


def _names(path: Path) -> set[str]:
    try:
        return set(path.read_text("utf-8-sig").split())
    except (OSError, UnicodeDecodeError):
        raise ManifestError(
            f"The official list {path.name} is missing or cannot be read.",
            "Put train_val_list.txt and test_list.txt beside the table of entries.",
        ) from None
