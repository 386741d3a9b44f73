"""Which images train and which validate: tables in, parts that share no patient out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path

import numpy as np

from cxrkit.data.leaks import assert_disjoint, hold_out
from cxrkit.data.manifest import Manifest, read_manifest
from cxrkit.errors import ManifestError, TrainingError
from cxrkit.imaging.survey import keep_readable, survey, unreadable_error
from cxrkit.training.recipe import Recipe

SPLITS = ("train", "val", "test")
_NAMES = {"train": "training", "val": "validation", "test": "test"}
_REPORT_EVERY = 1000


@dataclass
class Source:
    """One manifest of the training data and how to take it; the options of `read_manifest`, and:

    hold_out
        Share of the training rows to cut out for validation, or None: then rows of the split ``val``
        are the validation part, where the table has such a split.
    group_by
        Columns that must not be cut through by `hold_out`.
    repeat
        How often an epoch shows each image.
    weight
        What its images count in the loss.
    """

    manifest: Path
    images: Path | None = None
    split: str | None = None
    label_map: dict[str, str] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    hold_out: float | None = None
    group_by: tuple[str, ...] = ("patient",)
    repeat: float = 1.0
    weight: float = 1.0


@dataclass(frozen=True)
class Parts:
    """Training and validation rows of all sources.

    Attributes
    ----------
    training, validation
        One manifest per source that has such rows.
    repeats, weights
        Of the training manifests: how often an epoch shows an image, and what it counts in the loss.
    validation_name
        How the validation part is called in records: ``"val"``, or ``"val (cut out of train)"``.
    pictures
        Checksum of what the training and the validation images show, in their order.
    """

    training: tuple[Manifest, ...]
    validation: tuple[Manifest, ...]
    repeats: tuple[float, ...]
    validation_name: str
    weights: tuple[float, ...]
    pictures: str = ""

    def checksum(self) -> str:
        """Of all that the tables contribute: which images, what they show, their labels, how often, on which side."""
        digest = hashlib.sha256(self.pictures.encode())
        for side in (self.training, self.validation):
            for manifest in side:
                digest.update(manifest.sha256.encode())
                digest.update("\n".join(path.name for path in manifest.images).encode())
                digest.update(np.nan_to_num(manifest.labels, nan=-1).tobytes())
            digest.update(b"|")
        digest.update(repr((self.repeats, self.weights)).encode())
        return digest.hexdigest()


def split_sources(
    sources: Sequence[Source],
    recipe: Recipe,
    allow_missing: bool,
    *,
    skip_unreadable: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> Parts:
    """Read all tables, split them and look at every image; nothing that validates or tests is ever trained on.

    Parameters
    ----------
    skip_unreadable
        Leave out images that cannot be read, of all splits, instead of refusing.
    progress
        Takes lines of text: how many images were looked at, and which are left out.

    Raises
    ------
    ManifestError
        A table cannot be used; images cannot be read; or a patient or a picture stands in two of the
        training, validation and test parts, of whichever tables. Patients are compared by their keys, and
        by their ids where there is no key (`Manifest.patients`), as written; pictures by what they show
        (`cxrkit.imaging.survey.pixel_digest`).
    TrainingError
        There are no training rows or no validation rows, or a split has an unknown name.
    """
    parts = [_split_source(source, recipe, allow_missing) for source in sources]
    if all(validation is None for _, validation, _ in parts):
        raise TrainingError(
            "There is no validation part to fit calibration and operating points on.",
            "Give a table with a val split, or cut one out: --manifest FILE.csv --hold-out 0.1.",
        )
    sides = [[part for part in side if part is not None] for side in zip(*parts, strict=True)]
    for a, b in combinations(sides, 2):
        for one, other in product(a, b):
            assert_disjoint(one, other)
    (training, validation, _), shown = _look_at(parts, skip_unreadable, progress)
    cut = any(source.hold_out is not None for source in sources)
    return Parts(
        tuple(training),
        tuple(validation),
        tuple(source.repeat for source in sources),
        "val (cut out of train)" if cut else "val",
        tuple(source.weight for source in sources),
        shown,
    )


def _look_at(
    parts: Sequence[tuple[Manifest, Manifest | None, Manifest | None]], skip: bool, progress: Callable[[str], None]
) -> tuple[list[list[Manifest]], str]:
    """The readable rows of the training, the validation and the test parts, which share no picture, and a
    checksum of those that train or validate."""
    total = sum(len(part) for source in parts for part in source if part is not None)
    looked, unreadable = 0, []
    kept: list[list[Manifest]] = [[], [], []]
    pictures: list[Counter[str]] = [Counter(), Counter(), Counter()]
    shown = [hashlib.sha256() for _ in SPLITS]
    for number, source in enumerate(parts, start=1):
        table = f"table {number}, " if len(parts) > 1 else ""
        for side, part in enumerate(source):
            if part is None:
                continue

            def report(done: int, _: int, before: int = looked) -> None:
                if (before + done) % _REPORT_EVERY == 0:
                    progress(f"looked at {before + done} of {total} images")

            seen = survey(part, progress=report)
            looked += len(part)
            unreadable += [f"{table}{one}" for one in seen.unreadable]
            pictures[side].update(digest for digest in seen.digests if digest is not None)
            shown[side].update("".join(digest or "-" for digest in seen.digests).encode())
            if skip:
                kept[side].append(keep_readable(part, seen, skip=True))
            else:
                kept[side].append(part)
    if unreadable and not skip:
        raise unreadable_error(unreadable, total)
    for line in unreadable:
        progress(f"left out {line}")
    for (a, one), (b, other) in combinations(zip(SPLITS, pictures, strict=True), 2):
        shared = sum(times for picture, times in other.items() if picture in one)
        if shared:
            raise ManifestError(
                f"{shared} {_NAMES[b]} images are identical to {_NAMES[a]} images.",
                "Keep copies of an image on one side, for instance with --group-by and a column of duplicate groups.",
            )
    return kept, shown[0].hexdigest() + shown[1].hexdigest()


def _split_source(
    source: Source, recipe: Recipe, allow_missing: bool
) -> tuple[Manifest, Manifest | None, Manifest | None]:
    whole = read_manifest(
        source.manifest,
        recipe.findings,
        images=source.images,
        split=source.split,
        label_map=source.label_map,
        allow_missing=allow_missing,
        only=source.only,
    )
    training, validation, test = whole, None, None
    if "split" in whole.table.columns:
        split = np.char.strip(whole.table["split"].to_numpy(dtype=np.str_))
        odd = int((~np.isin(split, SPLITS)).sum())
        if odd:
            raise TrainingError(
                f"{odd} rows of a table have a split other than {', '.join(SPLITS)}.",
                "Correct the column split, or take rows by another column with --only.",
            )
        if not (split == "train").any():
            raise TrainingError("A table has no rows to train on.", "Mark rows with the value train in column split.")
        training = whole.subset(split == "train")
        if source.hold_out is None and (split == "val").any():
            validation = whole.subset(split == "val")
        if (split == "test").any():
            test = whole.subset(split == "test")
    if source.hold_out is not None:
        rows, held = hold_out(training, source.hold_out, source.group_by, recipe.seed)
        training, validation = training.subset(rows), training.subset(held)
    return training, validation, test
