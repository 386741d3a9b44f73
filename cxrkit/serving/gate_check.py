"""What the quality gate does with pictures that it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from cxrkit.card import GateMeasure
from cxrkit.data.manifest import read_manifest
from cxrkit.data.table import read_table
from cxrkit.errors import ManifestError, PresetInvalid, RadiographError
from cxrkit.imaging.counterexamples import DRAWN, screen
from cxrkit.imaging.drawing import SIDE
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.preprocessing import to_square
from cxrkit.model.gate import PLACEMENTS, placed
from cxrkit.model.manager import XRayModelManager
from cxrkit.quality import Correction
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Reading

Right = Callable[[Reading], bool]
NOT_CHEST = ("not-frontal-chest", "other-modality", "other-body-part", "colour-photo", "no-lungs")
"""Reasons that are right for a picture that is no chest radiograph; a colour photograph is one, too."""

SCREENS = ("screenshot", "not-frontal-chest")


@dataclass(frozen=True)
class Case:
    """A picture, the kind that it is counted under, and whether what became of it is right."""

    pictures: str
    radiograph: Radiograph
    right: Right
    name: str = ""


def passes(reading: Reading) -> bool:
    """Shown as it is."""
    return not reading.quality.refused and not reading.quality.correction


def put_right(steps: Sequence[Correction]) -> Right:
    """Brought into place by these steps."""
    return lambda reading: reading.quality.correction == tuple(steps)


def refused_for(*codes: str) -> Right:
    """Refused, and one of these reasons is among those to refuse."""
    return lambda reading: any(i.severity == "refuse" and i.code in codes for i in reading.quality.issues)


def held_out(name: str, paths: Iterable[Path], seed: int) -> Iterator[Case]:
    """Radiographs as they are, and each in one of the seven wrong positions, drawn at random."""
    random = np.random.default_rng(seed)
    for path in paths:
        radiograph = load_radiograph(path)
        yield Case(f"{name}: as they are", radiograph, passes)
        number = int(random.integers(1, len(PLACEMENTS)))
        turned = Radiograph(placed(radiograph.pixels, number), radiograph.sha256)
        steps = PLACEMENTS[number]
        kind = "inverted" if steps == ("invert",) else "turned and inverted" if "invert" in steps else "turned"
        yield Case(f"{name}: {kind}", turned, put_right(steps))


def drawn(number: int, seed: int, radiographs: Sequence[Path]) -> Iterator[Case]:
    """Counterexamples that are drawn anew, screens, and phantoms that lie wrongly; `number` of each."""
    random = np.random.default_rng(seed)
    kinds = sorted(DRAWN)
    for k in range(number):
        pixels = load_radiograph(radiographs[k % len(radiographs)]).pixels
        kind = kinds[k % len(kinds)]
        picture = Radiograph(to_square(DRAWN[kind](random, pixels), "squash", SIDE), f"{k:064x}")
        yield Case("drawn counterexamples", picture, refused_for(*NOT_CHEST), kind)
        yield Case("screens with a radiograph", Radiograph(screen(random, pixels), f"{k:064x}"), refused_for(*SCREENS))
        steps = PLACEMENTS[1 + k % (len(PLACEMENTS) - 1)]
        lying = Radiograph(placed(phantom(k).pixels, PLACEMENTS.index(steps)), f"{k:064x}")
        yield Case("phantoms that lie wrongly", lying, put_right(steps))
        yield Case("phantoms", phantom(k), passes)


def others(table: Path) -> Iterator[Case]:
    """Pictures of a table with the columns ``image`` and ``kind``, none of which is a frontal chest radiograph.

    Raises
    ------
    ManifestError
        A column is missing or an image cannot be found.
    """
    rows, _ = read_table(table)
    if missing := {"image", "kind"} - set(rows.columns):
        raise ManifestError(f"The table has no column {', '.join(sorted(missing))}.", "Add it.")
    for name in rows["image"]:
        try:
            radiograph = load_radiograph(table.parent / name)
        except RadiographError as error:
            raise ManifestError(f"A picture of the table cannot be read. {error.message}", error.remedy) from error
        yield Case("other pictures", radiograph, refused_for(*NOT_CHEST), Path(name).stem)


def measure(
    manager: XRayModelManager, cases: Iterable[Case], tell: Callable[[Case, Reading], None] = lambda case, reading: None
) -> tuple[GateMeasure, ...]:
    """Read every case and count, per kind, what became of it; `tell` is called with each."""
    counted: dict[str, list[int]] = {}
    for case in cases:
        reading = manager.read(case.radiograph)
        tell(case, reading)
        corrected, refused = bool(reading.quality.correction), reading.quality.refused
        row = counted.setdefault(case.pictures, [0, 0, 0, 0, 0])
        row[0] += 1
        row[1] += not refused and not corrected
        row[2] += corrected and not refused
        row[3] += refused
        row[4] += case.right(reading)
    return tuple(GateMeasure(name, *row) for name, row in counted.items())


def check(
    folder: Path,
    tables: Sequence[Mapping[str, Any]],
    other_table: Path | None,
    *,
    number: int,
    seed: int,
    record: bool,
    verbose: bool,
    tell: Callable[[str], None],
) -> tuple[GateMeasure, ...]:
    """Measure the gate of the preset in a folder; `record` writes the table into its card.

    Parameters
    ----------
    tables
        Options of `cxrkit.data.manifest.read_manifest`, its path as ``manifest``.
    other_table
        See `others`.
    number
        How many radiographs of each table, drawn at random, and how many drawn pictures of each kind.

    Raises
    ------
    PresetInvalid
        The preset has no gate.
    ManifestError
        A table cannot be used.
    """
    manager = XRayModelManager(folder)
    gate = manager.preset.quality_gate
    if gate is None:
        raise PresetInvalid("The preset has no quality gate.", "Fit one with scripts/fit_quality.py.")
    random = np.random.default_rng(seed)
    parts: list[Iterable[Case]] = []
    images: tuple[Path, ...] = ()
    for table in tables:
        options = {name: table[name] for name in ("images", "split", "label_map", "only") if name in table}
        manifest = read_manifest(table["manifest"], manager.findings, allow_unlabelled=True, **options)
        rows = random.permutation(len(manifest))[:number]
        images = manifest.subset(rows).images
        parts.append(held_out(Path(table["manifest"]).parent.name, images, seed))
    parts.append(drawn(number, seed, images))
    if other_table is not None:
        parts.append(others(other_table))

    def watch(case: Case, reading: Reading) -> None:
        if verbose and not case.right(reading):
            quality = reading.quality
            found = ", ".join(f"{issue.severity} {issue.code}" for issue in quality.issues) or "no issue"
            tell(f"  {case.pictures} {case.name}: {found}; distance {quality.distance or 0:.2f}, {quality.correction}")

    measures = measure(manager, chain.from_iterable(parts), watch)
    for row in measures:
        tell(
            f"{row.pictures}: n = {row.n}, passed {row.passed}, corrected {row.corrected}, refused {row.refused}, "
            f"right {row.right} ({row.right / row.n:.1%})"
        )
    if record:
        replace(manager.preset, quality_gate=replace(gate, measures=measures)).save(folder)
    return measures
