"""Which images train and which validate: tables in, parts that share no patient out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cxrkit.data.leaks import assert_disjoint, hold_out
from cxrkit.data.manifest import Manifest, read_manifest
from cxrkit.errors import ManifestError, TrainingError
from cxrkit.preset import file_sha256
from cxrkit.training.recipe import Recipe

SPLITS = ("train", "val", "test")


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
    """

    manifest: Path
    images: Path | None = None
    split: str | None = None
    label_map: dict[str, str] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    hold_out: float | None = None
    group_by: tuple[str, ...] = ("patient",)
    repeat: float = 1.0


@dataclass(frozen=True)
class Parts:
    """Training and validation rows of all sources.

    Attributes
    ----------
    training, validation
        One manifest per source that has such rows.
    repeats
        Of the training manifests.
    validation_name
        How the validation part is called in records: ``"val"``, or ``"val (cut out of train)"``.
    """

    training: tuple[Manifest, ...]
    validation: tuple[Manifest, ...]
    repeats: tuple[float, ...]
    validation_name: str

    def checksum(self) -> str:
        """Of all that the tables contribute: which images, their labels, how often, on which side."""
        digest = hashlib.sha256()
        for side in (self.training, self.validation):
            for manifest in side:
                digest.update(manifest.sha256.encode())
                digest.update("\\n".join(path.name for path in manifest.images).encode())
                digest.update(np.nan_to_num(manifest.labels, nan=-1).tobytes())
            digest.update(b"|")
        digest.update(repr(self.repeats).encode())
        return digest.hexdigest()


def split_sources(sources: Sequence[Source], recipe: Recipe, allow_missing: bool) -> Parts:
    """Read all tables and split them; nothing that validates or tests is ever trained on.

    Raises
    ------
    ManifestError
        A table cannot be used, or a patient or an image of a validation or test part is also in a
        training part, of whichever table. Patients are compared by their keys as written.
    TrainingError
        There are no training rows or no validation rows, or a split has an unknown name.
    """
    training: list[Manifest] = []
    validation: list[Manifest] = []
    tests: list[Manifest] = []
    for source in sources:
        train, val, test = _split_source(source, recipe, allow_missing)
        training.append(train)
        validation += [val] if val is not None else []
        tests += [test] if test is not None else []
    if not validation:
        raise TrainingError(
            "There is no validation part to fit calibration and operating points on.",
            "Give a table with a val split, or cut one out with --hold-out 0.1.",
        )
    for train in training:
        for other in (*validation, *tests):
            assert_disjoint(train, other)
    _assert_no_shared_image(training, [*validation, *tests])
    cut = any(source.hold_out is not None for source in sources)
    return Parts(
        tuple(training),
        tuple(validation),
        tuple(source.repeat for source in sources),
        "val (cut out of train)" if cut else "val",
    )


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


def _assert_no_shared_image(training: Sequence[Manifest], others: Sequence[Manifest]) -> None:
    trained = {file_sha256(path) for manifest in training for path in manifest.images}
    shared = sum(file_sha256(path) in trained for manifest in others for path in manifest.images)
    if shared:
        raise ManifestError(
            f"{shared} validation or test images are identical to training images.",
            "Keep copies of an image on one side, for instance with --group-by and a column of duplicate groups.",
        )
