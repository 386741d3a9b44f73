"""Galleries of an evaluation: which radiographs a model got right or wrong, with the maps of where it looked.

Pictures are named by their row in the manifest, never by file name or patient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.charts.overlay import blended, display_copy, jpeg_uri
from cxrkit.data.manifest import Manifest
from cxrkit.evaluation.predictions import label_cells, probability_cells
from cxrkit.evaluation.schema import AtPoint, Evaluation, FindingEvaluation
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Explanation
from cxrkit.serving.bulk import read_row

Kind = Literal["true positive", "false positive", "false negative"]
KINDS: tuple[Kind, ...] = ("true positive", "false positive", "false negative")
MOST = 4
PICTURE_SIDE = 320
RULE = "youden"


class Reader(Protocol):
    """What galleries need of a model; `cxrkit.model.manager.XRayModelManager` is one."""

    def explanations(self, radiograph: Radiograph) -> Mapping[str, Explanation]:
        """The maps of all findings of one radiograph as it lies."""
        ...


@dataclass(frozen=True)
class Pick:
    """One radiograph of a gallery: `place` counts the rows of the predictions table from 0."""

    kind: Kind
    place: int
    probability: float


@dataclass(frozen=True)
class Picks:
    """What a gallery of one finding will show.

    Attributes
    ----------
    rule, threshold, supported
        Operating point that tells right from wrong.
    chosen
        Radiographs, kind by kind, the most telling first.
    totals
        How many radiographs there are of each kind.
    """

    rule: str
    threshold: float
    supported: bool
    chosen: tuple[Pick, ...]
    totals: Mapping[Kind, int]


@dataclass(frozen=True)
class Picture:
    """One radiograph and its map as data URIs.

    `row` is the number in the manifest's CSV as a spreadsheet counts, the header being row 1. `overlay`
    is None where nothing in the radiograph raised the score.
    """

    kind: Kind
    row: int
    probability: float
    radiograph: str
    overlay: str | None
    width: int
    height: int


@dataclass(frozen=True)
class Gallery:
    """Pictures of one finding, with the operating point that they were chosen at."""

    rule: str
    threshold: float
    supported: bool
    pictures: tuple[Picture, ...]
    totals: Mapping[Kind, int]

    def of(self, kind: Kind) -> tuple[Picture, ...]:
        """Pictures of one kind, the most telling first."""
        return tuple(picture for picture in self.pictures if picture.kind == kind)


def choose(table: pd.DataFrame, evaluation: Evaluation) -> Mapping[str, Picks]:
    """Choose radiographs for every finding that has an operating point: Youden's, else its first.

    Up to four of each kind: true and false positives of the highest probability, false negatives of the
    lowest; among equal probabilities the earlier row. What passes the threshold counts as positive, so
    where a point was cross-fitted and folds had thresholds of their own, a few radiographs near it may
    stand on the other side here than in the confusion matrix.

    Parameters
    ----------
    table
        n rows of a predictions table, those that were judged and in their order.
    evaluation
        Of that table.

    Returns
    -------
    mapping
        Finding -> picks, in the evaluation's order; findings without a point are absent.

    Raises
    ------
    ManifestError
        The table lacks a finding or holds a cell that is not a label or a probability.
    """
    picks = {}
    for finding, entry in evaluation.findings.items():
        chosen = _point(entry)
        if chosen is None:
            continue
        rule, point = chosen
        labels = label_cells(table, finding)
        probabilities = probability_cells(table, finding, labels)
        past = probabilities >= point.threshold  # False where the probability is missing
        masks: dict[Kind, npt.NDArray[np.bool_]] = {
            "true positive": (labels == 1) & past,
            "false positive": (labels == 0) & past,
            "false negative": (labels == 1) & ~past,
        }
        found = [
            Pick(kind, int(place), float(probabilities[place]))
            for kind in KINDS
            for place in _first(masks[kind], probabilities, lowest=kind == "false negative")
        ]
        totals = {kind: int(mask.sum()) for kind, mask in masks.items()}
        picks[finding] = Picks(rule, point.threshold, point.supported, tuple(found), totals)
    return picks


def _point(entry: FindingEvaluation) -> tuple[str, AtPoint] | None:
    points = entry.operating_points
    if RULE in points:
        return RULE, points[RULE]
    return next(iter(points.items()), None)


def _first(mask: npt.NDArray[np.bool_], probabilities: npt.NDArray[np.float64], *, lowest: bool) -> list[int]:
    places = np.flatnonzero(mask)
    keys = probabilities[places] if lowest else -probabilities[places]
    return [int(place) for place in places[np.argsort(keys, kind="stable")][:MOST]]


def render(
    manager: Reader,
    manifest: Manifest,
    picks: Mapping[str, Picks],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Mapping[str, Gallery]:
    """Read the chosen radiographs again, each once, and make their pictures.

    Parameters
    ----------
    manager
        The model that gave the probabilities.
    manifest
        Its n rows are those of the table that `choose` was given.
    picks
        Of `choose`.
    progress
        Called with (radiographs read, radiographs to read).

    Returns
    -------
    mapping
        Finding -> gallery, in the order of `picks`.

    Raises
    ------
    ManifestError
        An image can no longer be read; names its row of the manifest's CSV.
    """
    wanted: dict[int, list[tuple[str, Pick]]] = {}
    for finding, chosen in picks.items():
        for pick in chosen.chosen:
            wanted.setdefault(pick.place, []).append((finding, pick))
    pictures: dict[tuple[str, Pick], Picture] = {}
    for done, place in enumerate(sorted(wanted), start=1):
        row = int(manifest.rows[place])
        radiograph = read_row(manifest.images[place], row)
        explanations = manager.explanations(radiograph)
        for finding, pick in wanted[place]:
            pictures[finding, pick] = _picture(radiograph, explanations[finding], pick, row)
        if progress is not None:
            progress(done, len(wanted))
    return {
        finding: Gallery(
            chosen.rule,
            chosen.threshold,
            chosen.supported,
            tuple(pictures[finding, pick] for pick in chosen.chosen),
            chosen.totals,
        )
        for finding, chosen in picks.items()
    }


def _picture(radiograph: Radiograph, explanation: Explanation, pick: Pick, row: int) -> Picture:
    copy = display_copy(radiograph, PICTURE_SIDE)
    height, width = copy.levels.shape
    overlay = jpeg_uri(blended(copy, explanation)) if explanation.has_positive_evidence else None
    return Picture(pick.kind, row, pick.probability, copy.uri, overlay, width, height)
