"""What every reader gives: one table of images, patients, splits and findings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.data.manifest import IMAGE, Manifest, label_matrix
from cxrkit.data.table import SPLIT
from cxrkit.errors import ManifestError
from cxrkit.evaluation.predictions import ROW

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

PATIENT_COLUMNS = ("patient_key", "patient_id")
FACTS = (IMAGE, SPLIT, *PATIENT_COLUMNS, "view_position", "age", "sex")
"""Columns of a manifest that are no findings, in the order in which they are written."""

NIH_FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
"""The 14 findings of ChestX-ray14 as its table spells them; their order here binds nobody."""

SPLITS = ("train", "val", "test")
_SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_LISTED = 20


@dataclass(frozen=True, eq=False)
class Layout:
    """A data set as one table, before it is checked for leaks.

    Attributes
    ----------
    table
        Text: `FACTS` (those that are known), then one column of 0, 1 or blank per finding. Its index
        counts rows as a spreadsheet would: the header is row 1.
    findings
        The k finding columns.
    root
        Folder that the column ``image`` is relative to.
    notes
        Sentences about what the reader met; they name no image and no patient.
    """

    table: pd.DataFrame
    findings: tuple[str, ...]
    root: Path
    notes: tuple[str, ...] = ()

    @property
    def patients_known(self) -> bool:
        """Whether any row names its patient."""
        return any((self.table[column] != "").any() for column in PATIENT_COLUMNS if column in self.table.columns)

    def manifest(self) -> Manifest:
        """The table as a `Manifest`; its checksum is that of the table as CSV."""
        table = self.table.reset_index(drop=True)
        return Manifest(
            "",
            hashlib.sha256(table.to_csv(index=False).encode()).hexdigest(),
            self.findings,
            tuple(self.root / name for name in table[IMAGE]),
            label_matrix(self.table, self.findings),
            table,
            self.table.index.to_numpy(dtype=np.int64),
        )

    def subset(self, keep: npt.NDArray[np.bool_]) -> Layout:
        """The rows of a mask, with their row numbers."""
        return Layout(self.table[keep], self.findings, self.root, self.notes)


def make_layout(
    table: pd.DataFrame, findings: Sequence[str], root: str | os.PathLike[str], notes: Sequence[str] = ()
) -> Layout:
    """Order the columns, number the rows, and see that every image's name comes back from a CSV.

    Rows of a table that was read as CSV keep the numbers that they have in it (an index named ``row``);
    others are numbered from 2.

    Raises
    ------
    ManifestError
        There are no rows, or the name of an image would be trimmed.
    """
    if table.empty:
        raise ManifestError("No images are left.", "Check that this is the folder or table that holds the radiographs.")
    others = [c for c in table.columns if c not in FACTS and c not in findings]
    ordered = table[[*(c for c in FACTS if c in table.columns), *others, *findings]].astype(str)
    if ordered.index.name != ROW:
        ordered.index = pd.RangeIndex(2, len(ordered) + 2, name=ROW)
    odd = ordered.index[[name != name.strip() for name in ordered[IMAGE]]]
    if len(odd):
        raise ManifestError(
            f"The image names of {rows_text(odd.tolist())} begin or end with a space.",
            "Rename these files or folders.",
        )
    return Layout(ordered, tuple(findings), Path(os.path.abspath(root)), tuple(notes))  # noqa: PTH100 - links stay


def split_name(text: str) -> str | None:
    """``"train"``, ``"val"`` or ``"test"`` for a usual spelling of it, else None."""
    return _SPELLINGS.get(text.strip().casefold())


def rows_text(rows: Sequence[int]) -> str:
    """``"row 7"`` or ``"rows 2, 5, 9"``; of more than 20 rows the first 20 and how many follow."""
    listed = ", ".join(str(row) for row in rows[:_LISTED])
    more = len(rows) - _LISTED
    return f"row{'s' if len(rows) > 1 else ''} {listed}{f' and {more} more' if more > 0 else ''}"
