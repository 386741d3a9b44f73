"""What somebody should know of a table before training on it, in sentences that name no image and no patient."""

from __future__ import annotations

import re

import pandas as pd

from cxrkit.data.column_names import DUPLICATES
from cxrkit.data.layouts.layout import SPLITS, Layout
from cxrkit.data.manifest import patient_keys
from cxrkit.data.table import SPLIT

_FEW = 100  # images; a smaller validation part chooses nothing reliably
_KEY, _ID = "patient_key", "patient_id"
_PLACEHOLDERS = frozenset(
    ["0", "-", "?", "na", "n/a", "nan", "none", "null", "unk", "unknown", "anon", "anonymous", "missing"]
)


def table_notes(layout: Layout, *, cut: bool) -> list[str]:
    """Everything below that holds for a layout with its final splits; `cut` says that its val was just cut out."""
    return [
        *_small_validation(layout.table, cut),
        *_ids_under_several_keys(layout.table),
        *_ids_of_two_spellings(layout.table),
        *_contradictions(layout),
    ]


def placeholders_shared(table: pd.DataFrame) -> bool:
    """Whether an id that reads like "unknown" stands in several splits, as if it were one patient."""
    keys = pd.Series(patient_keys(table))
    splits = table[SPLIT].reset_index(drop=True)[keys.str.casefold().isin(_PLACEHOLDERS)]
    return bool((splits.groupby(keys[splits.index]).nunique() > 1).any())


def _small_validation(table: pd.DataFrame, cut: bool) -> list[str]:
    sizes = table[SPLIT].value_counts()
    validation = int(sizes.get("val", 0))
    if validation >= _FEW or not sizes.get("train", 0):
        return []
    advice = "." if cut else ": cut one out of train with --hold-out 0.1."
    return [f"The validation part has {validation or 'no'} images, too few to choose anything by{advice}"]


def _ids_under_several_keys(table: pd.DataFrame) -> list[str]:
    """An id that several keys have may be a number that restarts, or one patient under two keys."""
    if _ID not in table.columns or _KEY not in table.columns:
        return []
    held = table.groupby(_ID)[[_KEY, SPLIT]].nunique()
    held["blank"] = (table[_KEY] == "").groupby(table[_ID]).any()
    held = held.drop(index="", errors="ignore")
    spread = held[(held[_KEY] > 1) & (held[SPLIT] > 1)]
    notes = []
    if count := int((~spread["blank"]).sum()):
        which = _number(count, "patient_id", "stand")
        notes.append(f"{which} in several splits under different patient_keys; the keys are taken as right.")
    if count := int(spread["blank"].sum()):
        which = _number(count, "patient_id", "stand")
        notes.append(
            f"{which} in several splits, in some rows with a patient_key and in some without: whether these are "
            "the same patients cannot be told. Fill in the keys, or leave the column patient_key out."
        )
    return notes


def _ids_of_two_spellings(table: pd.DataFrame) -> list[str]:
    rows = pd.DataFrame({"key": patient_keys(table), "split": table[SPLIT].to_numpy()})
    rows = rows[rows["key"] != ""]
    held = rows.groupby(rows["key"].map(_plain))[["key", "split"]].nunique()
    count = int((held > 1).all(axis=1).sum())
    if not count:
        return []
    return [
        f"{_number(count, 'patient id', 'stand')} in several splits in spellings that differ in capital letters, "
        "leading zeros or a trailing .0; each spelling is taken as a patient of its own."
    ]


def _plain(key: str) -> str:
    """``"12"`` for ``"00000012"``, ``"12"`` and ``"12.0"``; ``"p7"`` for ``"P7"``."""
    return re.sub(r"\.0+$", "", key.casefold()).lstrip("0") or "0"


def _contradictions(layout: Layout) -> list[str]:
    """Copies inside a split of which one has a finding and another has not; those across splits are leaks."""
    table = layout.table
    labels = pd.DataFrame(layout.manifest().labels, index=table.index, columns=list(layout.findings))
    notes = []
    for split in SPLITS:
        chosen = (table[SPLIT] == split) & (table[DUPLICATES] != "")
        groups = labels[chosen].groupby(table[DUPLICATES][chosen]).nunique()  # unknown labels contradict nothing
        counts = (groups > 1).sum()
        if told := ", ".join(f"{finding} in {count}" for finding, count in counts.items() if count):
            notes.append(f"Groups of identical pictures in {split} have contradicting labels: {told}.")
    return notes


def _number(count: int, noun: str, verb: str) -> str:
    return f"{count} {noun}s {verb}" if count > 1 else f"1 {noun} {verb}s"
