"""Whom the training rows show, read off their tables where a recipe does not say."""

from __future__ import annotations

from collections.abc import Sequence

from cxrkit.card import Population
from cxrkit.data.manifest import Manifest
from cxrkit.evaluation.subgroups import NOT_STATED, variables_of
from cxrkit.radiograph import AGE_BANDS

_BANDS = tuple(name for name, _, _ in AGE_BANDS)


def population_of(training: Sequence[Manifest]) -> Population:
    """Age bands and views that stand in the training rows.

    They are given only where every row states a usable one: of a table that leaves some blank, nobody
    knows whom it does not show. Otherwise they are empty, which means "not stated".
    """
    ages, views = _all_stated(training, "age"), _all_stated(training, "view")
    images = sum(map(len, training))
    whom = "whose ages and views are those of its tables" if ages or views else "of ages and views that are not stated"
    return Population(
        f"The user's own {images:,} training radiographs, {whom}.",
        tuple(band for band in _BANDS if band in ages),
        tuple(sorted(views)),
    )


def data_lines(training: Sequence[Manifest]) -> tuple[str, ...]:
    """One line per training table: its name, its images and patients, the start of its checksum."""
    return tuple(
        f"{manifest.source}: {len(manifest):,} training images of {len(set(manifest.patients().tolist())):,} patients "
        f"(sha256 of the table {manifest.sha256[:12]} ...)"
        for manifest in training
    )


def _all_stated(training: Sequence[Manifest], name: str) -> set[str]:
    found: set[str] = set()
    for manifest in training:
        variable = next((v for v in variables_of(manifest.table) if v.name == name), None)
        if variable is None or NOT_STATED in variable.groups:
            return set()
        found |= set(variable.groups)
    return found
