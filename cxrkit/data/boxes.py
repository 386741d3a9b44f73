"""Tables of boxes that radiologists drew: one CSV in, fractions of the image per image and finding out.

A box refers to the whole image, so it holds for any copy that was merely made smaller, and for none
that was cropped or padded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.data.manifest import IMAGE, Manifest
from cxrkit.data.table import read_table
from cxrkit.errors import ManifestError

NIH_NAME = "nih_name"
FRAME = 1024.0
USUAL_LABELS: Mapping[str, str] = MappingProxyType(
    {"Infiltrate": "Infiltration", "Lung_Opacity": "Pneumonia", "Lung Opacity": "Pneumonia"}
)
"""NIH's other name of a finding; and RSNA's opacities, which were drawn as signs of pneumonia."""

_FORMS: tuple[tuple[str, ...], ...] = (
    (IMAGE, "label", "x", "y", "w", "h"),
    # the header of BBox_List_2017.csv has commas inside its brackets
    ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"),
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes by image and finding.

    Attributes
    ----------
    source, sha256
        File name of the CSV without its folder, and the hash of its bytes.
    by_image
        Image name without folder and ending -> finding -> b x 4 boxes: left, top, right and bottom as
        fractions of the image's width and height.
    """

    source: str
    sha256: str
    by_image: Mapping[str, Mapping[str, Floats]]

    def __len__(self) -> int:
        return sum(len(boxes) for found in self.by_image.values() for boxes in found.values())

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings that have a box, in alphabetical order."""
        return tuple(sorted({finding for found in self.by_image.values() for finding in found}))

    def join(self, manifest: Manifest) -> tuple[Mapping[str, Floats], ...]:
        """Per row of a manifest its boxes by finding, empty where it has none.

        A row is known by its column ``nih_name``, else by ``image``; folders and endings do not count.
        """
        columns = [manifest.table[c] for c in (NIH_NAME, IMAGE) if c in manifest.table.columns]
        names = zip(*([_stem(name) for name in column] for column in columns), strict=True)
        return tuple(
            next((self.by_image[stem] for stem in stems if stem in self.by_image), MappingProxyType({}))
            for stems in names
        )


def read_boxes(
    path: str | os.PathLike[str],
    *,
    frame: float | tuple[float, float] = FRAME,
    label_map: Mapping[str, str] = USUAL_LABELS,
) -> Boxes:
    """Read a table of boxes.

    Parameters
    ----------
    path
        CSV (or ``.csv.gz``) with the columns ``image,label,x,y,w,h``, or NIH's own
        ``BBox_List_2017.csv``; x and y are the left and the top edge.
    frame
        Width and height in pixels of the image in which the boxes were drawn, or one number for both.
    label_map
        Label in the table -> finding; other labels are findings as they are.

    Returns
    -------
    Boxes
        Clipped to the image.

    Raises
    ------
    ManifestError
        The table cannot be read or lacks a column, or a row has no image, no label, something other
        than a number, or a box without area inside the image.
    """
    table, sha256 = read_table(path)
    columns = next((form for form in _FORMS if set(form) <= set(table.columns)), None)
    if columns is None:
        raise ManifestError(
            "The table of boxes lacks a column.", "Give the columns image, label, x, y, w and h, or NIH's own table."
        )
    image, label, *edges = columns
    for column, what in ((image, "image"), (label, "label")):
        _refuse(table, (table[column] == "").to_numpy(), f"names no {what}")
    numbers = table[edges].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    _refuse(table, ~np.isfinite(numbers).all(axis=1), "holds something other than four numbers")
    width, height = frame if isinstance(frame, tuple) else (frame, frame)
    x, y, w, h = numbers.T
    boxes = np.clip(np.stack([x / width, y / height, (x + w) / width, (y + h) / height], axis=1), 0.0, 1.0)
    _refuse(table, ((boxes[:, 2:] <= boxes[:, :2]).any(axis=1)), "is a box without area inside the image")
    found: dict[str, dict[str, list[Floats]]] = {}
    for name, text, box in zip(table[image], table[label], boxes, strict=True):
        found.setdefault(_stem(name), {}).setdefault(label_map.get(text, text), []).append(box)
    by_image = {name: {k: np.stack(v) for k, v in parts.items()} for name, parts in found.items()}
    return Boxes(Path(path).name, sha256, by_image)


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem


def _refuse(table: pd.DataFrame, odd: npt.NDArray[np.bool_], what: str) -> None:
    if odd.any():
        raise ManifestError(
            f"Row {int(table.index[int(np.argmax(odd))])} of the table of boxes {what}.",
            "Correct or remove the row; boxes are left edge, top edge, width and height in pixels of the frame.",
        )
