"""Hold a preset's maps against the boxes that radiologists drew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cxrkit.data.boxes import Boxes
from cxrkit.data.manifest import Manifest
from cxrkit.data.table import SPLIT
from cxrkit.errors import ManifestError
from cxrkit.evaluation.localisation import Pair, localisation_entries
from cxrkit.evaluation.maps import Covered
from cxrkit.evaluation.predictions import patient_keys
from cxrkit.evaluation.schema import LocalisationEntry
from cxrkit.evaluation.splits import is_training, is_validation
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box, Explanation
from cxrkit.serving.bulk import read_row
from cxrkit.serving.judging import ALL_ROWS


class Reader(Protocol):
    """What is needed of a model; `cxrkit.model.manager.XRayModelManager` is one."""

    preset: Preset

    def explanations(self, radiograph: Radiograph) -> Mapping[str, Explanation]:
        """The maps of all findings of one radiograph as it lies, in one pass."""
        ...


def localise_preset(
    manager: Reader,
    manifest: Manifest,
    boxes: Mapping[str, Boxes],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[LocalisationEntry, ...]:
    """Read the radiographs that have boxes, each once, and judge the maps by set of boxes, split and finding.

    Parameters
    ----------
    manager
        The model. Boxes of findings that it does not predict are left out.
    manifest
        Radiographs, of which those without boxes are not read. The column ``split`` tells the splits
        apart. No headlines are entries of a split that the model has seen (its name says training or
        validation), nor of rows without a split (``"all rows"``), which may be among them.
    boxes
        Name -> boxes.
    progress
        Called with (images done, images with boxes).

    Raises
    ------
    ManifestError
        No row has a box of a finding that the model predicts, or an image cannot be read; names its row.
    """
    wanted = {name: [_known(row, manager) for row in table.join(manifest)] for name, table in boxes.items()}
    rows = [i for i in range(len(manifest)) if any(table[i] for table in wanted.values())]
    if not rows:
        raise ManifestError(
            "No image of the table has a box of a finding that the model predicts.",
            "Boxes are joined by the column nih_name, else image, without folder and ending; check both tables.",
        )
    splits, (patients, unit) = splits_of(manifest), patient_keys(manifest.table)
    pairs: dict[str, list[Pair]] = {name: [] for name in wanted}
    for done, row in enumerate(rows, start=1):
        radiograph = read_row(manifest.images[row], manifest.rows[row])
        explanations = manager.explanations(radiograph)
        for name, table in wanted.items():
            for finding, rectangles in table[row].items():
                shown = explanations[finding]
                covered = fractions(shown.box, radiograph)
                pairs[name].append(Pair(finding, splits[row], row, str(patients[row]), shown.map, rectangles, covered))
        if progress is not None:
            progress(done, len(rows))
    headline = {s for s in splits if s != ALL_ROWS and not is_training(s) and not is_validation(s)}
    sha256 = manager.preset.weights_sha256
    return tuple(
        entry
        for name, found in pairs.items()
        for entry in localisation_entries(found, boxes=name, headline=headline, weights_sha256=sha256, unit=unit)
    )


def splits_of(manifest: Manifest) -> list[str]:
    """Split of each row; ``"all rows"`` where the table does not say."""
    if SPLIT not in manifest.table.columns:
        return [ALL_ROWS] * len(manifest)
    return [text or ALL_ROWS for text in manifest.table[SPLIT]]


def fractions(box: Box, radiograph: Radiograph) -> Covered:
    """A box in pixels of a radiograph as fractions of its width and height."""
    width, height = radiograph.width, radiograph.height
    return box.left / width, box.top / height, box.right / width, box.bottom / height


def _known(row: Mapping[str, npt.NDArray[np.float64]], manager: Reader) -> dict[str, npt.NDArray[np.float64]]:
    return {finding: rectangles for finding, rectangles in row.items() if finding in manager.preset.findings}
