"""Splits that do not leak: rows of one patient, or of one duplicate group, never stand on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from cxrkit.data.manifest import Manifest
from cxrkit.errors import ManifestError

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Leak:
    """What two splits share, without saying whose it is.

    Attributes
    ----------
    kind
        ``"patients"``, or ``"pictures"`` of identical pixels.
    splits
        The two splits.
    count
        How many patients or pictures stand in both.
    rows
        Row numbers involved in the first and in the second split, ascending.
    """

    kind: Literal["patients", "pictures"]
    splits: tuple[str, str]
    count: int
    rows: tuple[tuple[int, ...], tuple[int, ...]]


def groups(manifest: Manifest, group_by: Sequence[str]) -> Rows:
    """Group number of each row (n): rows that share a value of any column belong together.

    Sharing is transitive (union-find), blanks do not group. ``"patient"`` stands for
    `Manifest.patients`.

    Raises
    ------
    ManifestError
        A column does not exist.
    """
    parent = list(range(len(manifest)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]  # path halving keeps the trees flat
            row = parent[row]
        return row

    for column in group_by:
        first: dict[str, int] = {}
        for row, value in enumerate(_values(manifest, column)):
            if value:
                a, b = root(first.setdefault(value, row)), root(row)
                parent[max(a, b)] = min(a, b)
    return np.unique([root(row) for row in range(len(manifest))], return_inverse=True)[1].astype(np.int64)


def hold_out(manifest: Manifest, fraction: float, group_by: Sequence[str], seed: int) -> tuple[Rows, Rows]:
    """Cut a part out of a manifest without splitting a group.

    Groups are drawn at random within strata of the first finding that has any label in the table
    (any positive, else any negative, else unknown) until each stratum has given about `fraction` of
    its rows. The cut therefore stays the same when further, unlabelled findings are asked for.

    Parameters
    ----------
    fraction
        Share of the rows to hold out, between 0 and 1.
    group_by
        Columns whose equal values must stay together; see `groups`.
    seed
        The same seed gives the same cut.

    Returns
    -------
    rows_train, rows_held
        Ascending row numbers, disjoint, together all rows.

    Raises
    ------
    ManifestError
        The fraction is not between 0 and 1, a column does not exist, or one side would be empty.
    """
    if not 0 < fraction < 1:  # also true for NaN
        raise ManifestError(
            f"The share to hold out is {fraction:g}, which is not between 0 and 1.", "Name a share such as 0.1."
        )
    group = groups(manifest, group_by)
    sizes = np.bincount(group)
    stratum = np.full(len(sizes), 2)
    labelled = ~np.isnan(manifest.labels).all(axis=0)
    first = manifest.labels[:, int(np.argmax(labelled))]
    stratum[group[first == 0]] = 0
    stratum[group[first == 1]] = 1
    draw = np.random.default_rng(seed)
    held: list[int] = []
    for value in np.unique(stratum):
        order = draw.permutation(np.flatnonzero(stratum == value))
        before = np.cumsum(sizes[order]) - sizes[order]
        # A group is taken while its middle lies below the goal, so the error is half a group at most.
        held.extend(order[before + sizes[order] / 2 <= fraction * sizes[order].sum()])
    out = np.isin(group, held)
    if out.all() or not out.any():
        raise ManifestError(
            "The table has too few separate patients to hold a part of it out.",
            "Give more patients, or another share to hold out.",
        )
    return np.flatnonzero(~out).astype(np.int64), np.flatnonzero(out).astype(np.int64)


def shared_patients(a: Manifest, b: Manifest) -> tuple[str, ...]:
    """Keys of the patients that stand in both manifests, sorted."""
    return tuple(sorted({str(p) for p in a.patients()} & {str(p) for p in b.patients()}))


def leaks_between(
    kind: Literal["patients", "pictures"], sides: Mapping[str, tuple[Sequence[str | None], npt.ArrayLike]]
) -> tuple[Leak, ...]:
    """What every pair of splits shares.

    Parameters
    ----------
    sides
        Split -> its n keys (of patients or pictures; None or blank is shared with nobody) and n row numbers.
    """
    held: dict[str, dict[str, list[int]]] = {}
    for split, (keys, rows) in sides.items():
        held[split] = {}
        for key, row in zip(keys, np.asarray(rows).tolist(), strict=True):
            if key:
                held[split].setdefault(str(key), []).append(row)
    leaks = []
    for a, b in combinations(held, 2):
        shared = held[a].keys() & held[b].keys()
        if shared:
            rows_a, rows_b = (tuple(sorted(row for key in shared for row in held[side][key])) for side in (a, b))
            leaks.append(Leak(kind, (a, b), len(shared), (rows_a, rows_b)))
    return tuple(leaks)


def assert_disjoint(a: Manifest, b: Manifest) -> None:
    """Refuse two manifests that share a patient.

    Raises
    ------
    ManifestError
        With the number of shared patients, not their keys.
    """
    shared = len(shared_patients(a, b))
    if shared:
        raise ManifestError(
            f"{shared} patients stand in both tables.",
            "Split by patient: a model must not be judged on patients that it was trained on.",
        )


def _values(manifest: Manifest, column: str) -> list[str]:
    if column == "patient":
        return [str(key) for key in manifest.patients()]
    if column not in manifest.table.columns:
        raise ManifestError(f"The table has no column named {column}.", "Group by a column that the table has.")
    return [str(value) for value in manifest.table[column]]
