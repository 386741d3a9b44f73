"""Names that somebody gives to the columns of a table, before the table is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cxrkit.data.layouts.layout import FACTS, NIH_FINDINGS
from cxrkit.errors import ManifestError

DUPLICATES = "dup_group"
"""Column of a number that all images of identical pixels share; blank for a picture without a double."""

OURS = ("row", "problem", DUPLICATES)
"""Columns that a preparation writes itself."""

_NO_FINDINGS = (*FACTS, "view", "mask", *OURS)


def check_column_names(columns: Mapping[str, str], label_map: Mapping[str, str]) -> None:
    """Refuse a finding that is named like another column of a manifest, and the reverse.

    Parameters
    ----------
    columns
        Our column -> theirs.
    label_map
        Label column -> finding.

    Raises
    ------
    ManifestError
        A name is taken.
    """
    for finding in label_map.values():
        if _among(finding, _NO_FINDINGS):
            raise ManifestError(
                f"A finding cannot be called {finding}, since a manifest has a column of that name.",
                "Name the finding, such as --label-map label=Pneumonia.",
            )
    for ours, theirs in columns.items():
        if _among(ours, OURS):
            raise ManifestError(
                f"A column cannot be called {ours}, which is written by prepare_data.py.",
                "Give it another name with --column.",
            )
        if _among(ours, NIH_FINDINGS):
            raise ManifestError(
                f"{ours} is a finding, and --column is for what is none.", f"Use --label-map {theirs}={ours}."
            )


def _among(name: str, names: Collection[str]) -> bool:
    return name.strip().casefold() in {one.casefold() for one in names}
