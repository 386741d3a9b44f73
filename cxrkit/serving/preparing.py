"""From a layout to a manifest that may be trained and judged on, or to the reasons why it may not."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxrkit.data.column_names import DUPLICATES
from cxrkit.data.layouts.layout import SPLITS, Layout
from cxrkit.data.leaks import Leak, hold_out, leaks_between
from cxrkit.data.manifest import IMAGE, patient_keys
from cxrkit.data.table import SPLIT
from cxrkit.errors import ManifestError
from cxrkit.imaging.survey import Survey, Unreadable, survey
from cxrkit.serving.preparation_notes import placeholders_shared, table_notes
from cxrkit.serving.targets import Targets, targets, writing


@dataclass(frozen=True, eq=False)
class Preparation:
    """What became of a layout. Row numbers are those of the table as read (the header is row 1).

    Attributes
    ----------
    layout
        The rows that can be read, with duplicates marked and the final splits.
    leaks
        What splits share; a manifest is written only where this is empty.
    unreadable, skipped
        Images that cannot be read, and whether they were left out.
    duplicates
        Split -> how many of its images are further copies of one in the same split.
    notes
        Sentences of the reader and of this step.
    placeholders
        Whether an id such as NA or unknown is among the patients that splits share.
    written
        The manifest, or None where it was refused.
    aside
        Table of the rows that were refused or skipped, with a column ``problem``; None without such rows.
    images
        Folder that ``--images`` must name, or None where the manifest stands above its images.
    """

    layout: Layout
    leaks: tuple[Leak, ...]
    unreadable: tuple[Unreadable, ...]
    skipped: bool
    duplicates: dict[str, int]
    notes: tuple[str, ...]
    placeholders: bool
    written: Path | None
    aside: Path | None
    images: Path | None


def prepare(
    layout: Layout,
    out: str | os.PathLike[str],
    *,
    hold_out_share: float | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
    leaks_out: str | os.PathLike[str] | None = None,
    reads: Sequence[str | os.PathLike[str]] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Preparation:
    """Check a layout and write its manifest.

    Every image is decoded once. Every pair of splits is checked for shared patients and for pictures
    of identical pixels; where there are any, or unreadable images that may not be skipped, no
    manifest is written, but ``<out>.refused.csv``, which names the rows and what is wrong with them.

    Parameters
    ----------
    out
        The CSV to write.
    hold_out_share
        Cut this share of the rows of train and val, taken together, out as the new val, by patient
        and by picture.
    seed
        Of that cut.
    skip_unreadable
        Leave out images that cannot be read; they are named in ``<out>.skipped.csv``.
    leaks_out
        A CSV to write of the pairs of splits that leak, with row numbers.
    reads
        Tables and lists that the layout was read from; no file is written over them, nor over any other
        that an earlier preparation did not write.
    progress
        Called with (images done, n).

    Raises
    ------
    ManifestError
        No image can be read, the cut is impossible, or a file cannot be written.
    """
    files = targets(out, leaks_out, reads)
    whole = layout
    seen = survey(layout.manifest(), progress=progress)
    kept = np.array([digest is not None for digest in seen.digests])
    if not kept.any():
        raise ManifestError(
            f"None of the {len(kept)} images can be read. {seen.unreadable[0].message}", seen.unreadable[0].remedy
        )
    layout = layout.subset(kept)
    digests = [digest for digest in seen.digests if digest is not None]
    layout = _mark_duplicates(layout, digests)
    notes = list(layout.notes)
    if not layout.patients_known:
        notes.append("Patients are unknown: shared patients cannot be ruled out.")
    if hold_out_share is not None:
        layout = _cut(layout, hold_out_share, seed)
        by = "patient" if layout.patients_known else "image"
        notes.append(f"{hold_out_share:g} of train and val together was cut out as val by {by}, seed {seed}.")
    notes += table_notes(layout, cut=hold_out_share is not None)
    leaks = find_leaks(layout, digests)
    refused = bool(leaks) or (bool(seen.unreadable) and not skip_unreadable)
    images = _home(layout.root, files.manifest)
    if files.leaks is not None:
        with writing("--leaks-out"):
            files.leaks.parent.mkdir(parents=True, exist_ok=True)
            _leak_table(leaks).to_csv(files.leaks, index=False)
    with writing("--out"):
        files.manifest.parent.mkdir(parents=True, exist_ok=True)
        if not refused:
            _write_manifest(layout, files, images)
        aside = _write_aside(whole, layout, seen, leaks, files, refused)
    return Preparation(
        layout,
        leaks,
        seen.unreadable,
        skip_unreadable,
        _copies(layout, digests),
        tuple(notes),
        placeholders_shared(layout.table),
        None if refused else files.manifest,
        aside,
        images,
    )


def find_leaks(layout: Layout, digests: Sequence[str | None]) -> tuple[Leak, ...]:
    """Shared patients, then shared pictures, of every pair of splits; n digests as `pixel_digest` gives them."""
    table = layout.table
    patients = patient_keys(table)
    splits = table[SPLIT].to_numpy(dtype=np.str_)
    order = [split for split in SPLITS if (splits == split).any()]
    places = {split: np.flatnonzero(splits == split) for split in order}
    rows = table.index.to_numpy(dtype=np.int64)
    of_patients = {split: (patients[there].tolist(), rows[there]) for split, there in places.items()}
    of_pictures = {split: ([digests[int(i)] for i in there], rows[there]) for split, there in places.items()}
    return leaks_between("patients", of_patients) + leaks_between("pictures", of_pictures)


def _mark_duplicates(layout: Layout, digests: Sequence[str]) -> Layout:
    times = Counter(digests)
    number = {digest: str(i) for i, digest in enumerate((d for d, n in times.items() if n > 1), start=1)}
    table = layout.table.drop(columns=DUPLICATES, errors="ignore")
    table.insert(len(table.columns) - len(layout.findings), DUPLICATES, [number.get(d, "") for d in digests])
    return dataclasses.replace(layout, table=table)


def _cut(layout: Layout, share: float, seed: int) -> Layout:
    table = layout.table.copy()
    pool = np.flatnonzero(table[SPLIT].isin(["train", "val"]))
    if not len(pool):
        raise ManifestError("There are no training rows to cut a validation part out of.", "Leave out --hold-out.")
    _, held = hold_out(layout.manifest().subset(pool), share, ("patient", DUPLICATES), seed)
    splits = table[SPLIT].to_numpy(dtype=object)
    splits[pool] = "train"
    splits[pool[held]] = "val"
    return dataclasses.replace(layout, table=table.assign(**{SPLIT: splits}))


def _copies(layout: Layout, digests: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for split, rows in pd.Series(digests).groupby(layout.table[SPLIT].to_numpy()):
        if extra := len(rows) - rows.nunique():
            counts[str(split)] = extra
    return counts


def _home(root: Path, target: Path) -> Path | None:
    return None if root.is_relative_to(target.parent) else root


def _write_manifest(layout: Layout, files: Targets, images: Path | None) -> None:
    table = layout.table
    if images is None:
        inner = layout.root.relative_to(files.manifest.parent)
        table = table.assign(**{IMAGE: [(inner / name).as_posix() for name in table[IMAGE]]})
    table.to_csv(files.making, index=False)
    files.making.replace(files.manifest)


def _write_aside(
    whole: Layout, layout: Layout, seen: Survey, leaks: Sequence[Leak], files: Targets, refused: bool
) -> Path | None:
    problems: dict[int, list[str]] = {one.row: [f"cannot be read: {one.message}"] for one in seen.unreadable}
    for leak in leaks:
        for here, there in ((0, 1), (1, 0)):
            what = "patient" if leak.kind == "patients" else "identical picture"
            for row in leak.rows[here]:
                problems.setdefault(row, []).append(f"{what} also in {leak.splits[there]}")
    # what was skipped belongs to the manifest that stands: a refusal leaves both as they are
    for stale in [files.refused] if refused else [files.refused, files.skipped]:
        stale.unlink(missing_ok=True)
    if not problems:
        return None
    table = whole.table.copy()
    table.loc[layout.table.index, SPLIT] = layout.table[SPLIT]
    table = table.loc[sorted(problems)]
    table.insert(0, "row", table.index)
    table.insert(1, "problem", ["; ".join(problems[row]) for row in table.index])
    aside = files.refused if refused else files.skipped
    table.to_csv(aside, index=False)
    return aside


def _leak_table(leaks: Sequence[Leak]) -> pd.DataFrame:
    rows = [
        (leak.kind, *leak.splits, leak.splits[side], row)
        for leak in leaks
        for side in (0, 1)
        for row in leak.rows[side]
    ]
    return pd.DataFrame(rows, columns=["shared", "split_a", "split_b", "split", "row"])
