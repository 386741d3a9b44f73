"""Tables of images and labels: one CSV in, checked rows with their images and labels out.

A manifest is a CSV with a column ``image`` and one column of 0, 1 or blank (unknown) per finding.
Other columns are kept and ignored, except ``split`` and the patient's key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.card import LabelCount
from cxrkit.data.access import reading
from cxrkit.data.table import read_table, select_rows
from cxrkit.errors import ManifestError
from cxrkit.evaluation.predictions import patient_texts

IMAGE = "image"
_VALUES = {"": np.nan, "nan": np.nan, "0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0}


@dataclass(frozen=True, eq=False)
class Manifest:
    """Rows of a label table whose images were found.

    Attributes
    ----------
    source
        File name of the CSV, without its folder.
    sha256
        Of the CSV's bytes, in hexadecimal.
    findings
        The k findings in the order of the columns of `labels`.
    images
        n paths, each a file on disk.
    labels
        n x k float32: 0, 1, or NaN where unknown.
    table
        Every column as read (trimmed text), n rows.
    rows
        n numbers of these rows in the CSV as a spreadsheet counts them: the header is row 1.
    """

    source: str
    sha256: str
    findings: tuple[str, ...]
    images: tuple[Path, ...]
    labels: npt.NDArray[np.float32]
    table: pd.DataFrame
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, rows: npt.ArrayLike) -> Manifest:
        """The rows that a boolean mask (n) or integer indices name, in that order."""
        chosen = np.asarray(rows)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise ValueError(f"a mask needs the shape ({len(self)},), not {chosen.shape}")
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.int64)
        return Manifest(
            self.source,
            self.sha256,
            self.findings,
            tuple(self.images[i] for i in chosen),
            self.labels[chosen],
            self.table.iloc[chosen].reset_index(drop=True),
            self.rows[chosen],
        )

    def patients(self) -> npt.NDArray[np.str_]:
        """Key of each row's patient as `patient_keys` gives it, else the image's name.

        A row without a key is of an unknown patient, so it counts as a patient of its own.
        """
        keys = patient_keys(self.table)
        return np.where(keys == "", self.table[IMAGE].to_numpy(dtype=np.str_), keys)

    def counts(self) -> tuple[LabelCount, ...]:
        """Positives and known labels per finding."""
        return count_labels(self.labels, self.findings)


def read_manifest(
    path: str | os.PathLike[str],
    findings: Sequence[str],
    *,
    images: str | os.PathLike[str] | None = None,
    split: str | None = None,
    label_map: Mapping[str, str] | None = None,
    allow_missing: bool = False,
    allow_unlabelled: bool = False,
    only: Mapping[str, str] | None = None,
) -> Manifest:
    """Read a table of images and labels and find its images.

    Parameters
    ----------
    path
        The CSV (or ``.csv.gz``), UTF-8, with a header.
    findings
        The k findings wanted, in the order wanted.
    images
        Folder in which each image is sought first, before the CSV's folder and its ``images``.
    split
        Keep only the rows of this value of the column ``split``.
    label_map
        Label column -> finding, such as ``{"label": "Pneumonia"}``.
    allow_missing
        A finding without a column becomes unknown in every row instead of being refused. The table must
        still have a column of one of the findings.
    allow_unlabelled
        As `allow_missing`, and the table may do without any such column: radiographs without labels.
    only
        Column -> value: keep only the rows that carry these values.

    Raises
    ------
    ManifestError
        The table cannot be read, lacks a column or rows, holds a label other than 0, 1 or blank,
        or images are missing or in folders that may not be entered.
    """
    table, sha256 = read_table(path)
    if IMAGE not in table.columns:
        raise ManifestError("The table has no column named image.", "Add one with the file name of each image.")
    table = select_rows(table, split, only)
    labels = label_matrix(
        table, findings, label_map=label_map, allow_missing=allow_missing, allow_unlabelled=allow_unlabelled
    )
    home = Path(path).resolve().parent
    folders = ([Path(images)] if images is not None else []) + [home, home / "images"]
    found = _find(table[IMAGE].tolist(), folders)
    rows = table.index.to_numpy(dtype=np.int64)
    return Manifest(Path(path).name, sha256, tuple(findings), found, labels, table.reset_index(drop=True), rows)


def patient_keys(table: pd.DataFrame) -> npt.NDArray[np.str_]:
    """Whom each of n rows shows, blank if unknown; see `cxrkit.evaluation.predictions.patient_texts`."""
    return patient_texts(table).astype(np.str_)


def label_matrix(
    table: pd.DataFrame,
    findings: Sequence[str],
    *,
    label_map: Mapping[str, str] | None = None,
    allow_missing: bool = False,
    allow_unlabelled: bool = False,
) -> npt.NDArray[np.float32]:
    """n x k labels of a table: 0, 1, or NaN where unknown. The table is one of `read_table`.

    The other parameters, and what is raised, are those of `read_manifest`.
    """
    columns = _columns(table, findings, label_map or {})
    absent = [finding for finding in findings if finding not in columns]
    if absent and not allow_unlabelled and not (allow_missing and columns):
        raise ManifestError(
            f"The table has no column for {', '.join(absent)}.",
            "Add the column (blank where nothing is known), or name the label column with --label-map COLUMN=FINDING.",
        )
    labels = np.full((len(table), len(findings)), np.nan, np.float32)
    for k, finding in enumerate(findings):
        if finding in columns:
            labels[:, k] = _parse(table[columns[finding]], finding)
    return labels


def _columns(table: pd.DataFrame, findings: Sequence[str], label_map: Mapping[str, str]) -> dict[str, str]:
    """Finding -> its column in the table, for those that have one."""
    columns = {finding: finding for finding in findings if finding in table.columns and finding not in label_map}
    for column, finding in label_map.items():
        if finding not in findings:
            raise ManifestError(
                f"The label map names {finding!r}, which is not among the findings.",
                f"Map to one of: {', '.join(findings)}.",
            )
        if column not in table.columns:
            raise ManifestError(
                f"The label map names the column {column!r}, which the table lacks.", "Check the name of the column."
            )
        if finding in columns:
            raise ManifestError(f"Two columns hold labels of {finding}.", "Map one column only.")
        columns[finding] = column
    return columns


def _parse(cells: pd.Series, finding: str) -> npt.NDArray[np.float32]:
    texts = cells.str.lower()
    odd = texts[~texts.isin(list(_VALUES))]
    if len(odd):
        raise ManifestError(
            f"The label of {finding} in row {int(odd.index[0])} is neither 0, 1 nor blank.",
            "Use 1 for present, 0 for absent and a blank for unknown.",
        )
    return texts.map(_VALUES).to_numpy(dtype=np.float32)


def _find(names: Sequence[str], folders: Sequence[Path]) -> tuple[Path, ...]:
    if not all(names):
        blank = sum(not name for name in names)
        raise ManifestError(f"{blank} rows name no image.", "Fill in the column image, or remove these rows.")
    with reading():
        found = [next((path for folder in folders if (path := folder / name).is_file()), None) for name in names]
    missing = sum(path is None for path in found)
    if missing:
        raise ManifestError(
            f"{missing} of {len(names)} images were not found.",
            "Name their folder with --images, or put them beside the table or into its images folder.",
        )
    return tuple(path for path in found if path is not None)


def count_labels(labels: npt.NDArray[np.float32], findings: Sequence[str]) -> tuple[LabelCount, ...]:
    """Positives and known labels of each column of n x k labels."""
    positives = np.nansum(labels, axis=0).astype(int)
    known = np.isfinite(labels).sum(axis=0)
    return tuple(LabelCount(f, int(p), int(t)) for f, p, t in zip(findings, positives, known, strict=True))
