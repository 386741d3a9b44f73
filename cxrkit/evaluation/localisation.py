"""How maps meet the boxes that radiologists drew: pointing game, IoU and IoBB, beside two controls.

The rules:

- A pair is one image and one finding that has boxes there; several boxes are taken together. They are
  compared on a grid of 256 x 256 points over the radiograph, of which boxes hold those whose centre they
  contain.
- Pointing game (Zhang et al. 2018): a hit when the centre of the cell where the map peaks lies in a box;
  where several cells share the peak, all of them must. The peak is sought before the map is enlarged: a
  cubic overshoots at the edges, and would draw there half of the peaks of random maps.
- The predicted region is, as in Wang et al. 2017 (arXiv 1705.02315), made of boxes: the bounding box of each
  connected component (edges, not corners, connect) of the points at half the peak or more, once the map
  is enlarged as the viewer does it (`cxrkit.evaluation.maps`): of the viewer's contours. IoU is
  intersection over union of the predicted and the true boxes, IoBB intersection over the area of the
  predicted boxes. A share counts the pairs whose overlap exceeds T.
- A map without positive evidence stays in every denominator: it misses, and overlaps nothing.
- Controls go through the very same code, on the same native grid: maps of uniform random values (the
  means over many) and a Gaussian at the centre of what the grid covers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects, label

from cxrkit.evaluation.bootstrap import REPLICATES, Counts, patient_numbers, percentile_interval, resample
from cxrkit.evaluation.maps import SIDE, WHOLE, Covered, enlarge
from cxrkit.evaluation.measures import Stamp
from cxrkit.evaluation.metrics import proportion
from cxrkit.evaluation.predictions import Unit
from cxrkit.evaluation.schema import LocalisationEntry, LocalisationScores, Measure

IOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
IOBB = (0.1, 0.25, 0.5)
HALF_PEAK = 0.5
RANDOM_MAPS = 500
CENTRE_SIGMA = 0.25  # of the side of what the grid covers
ALL = "all"

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_KEPT = 8  # places of the grid whose random maps are kept, at 32 MB each
_MEAN_IOU = 1
_WIDTH = 2 + len(IOU) + len(IOBB)  # columns of a score: pointing, IoU, one per T of IOU and of IOBB
_PARTS = (slice(0, _WIDTH), slice(_WIDTH, 2 * _WIDTH), slice(2 * _WIDTH, 3 * _WIDTH))


@dataclass(frozen=True, eq=False)
class Pair:
    """The map and the boxes of one finding in one image.

    Attributes
    ----------
    finding, split, image, patient
        `image` is any number that tells images apart, `patient` the key that is resampled.
    grid
        h x w, >= 0, as the network gave it.
    covered
        Left, top, right and bottom of what the grid covers, as fractions of the radiograph.
    boxes
        b x 4, left, top, right and bottom as fractions of the radiograph.
    """

    finding: str
    split: str
    image: int
    patient: str
    grid: npt.NDArray[np.floating]
    boxes: Floats
    covered: Covered = WHOLE


@dataclass(frozen=True, eq=False)
class Aim:
    """What a map points at: its peaks (indices into the flattened grid) and the predicted region (side x side)."""

    peaks: npt.NDArray[np.int64]
    region: Mask


def inside(boxes: npt.ArrayLike, side: int = SIDE) -> Mask:
    """side x side, True at the points inside any of b x 4 boxes; a box between the points holds the nearest one."""
    mask = np.zeros((side, side), dtype=np.bool_)
    for left, top, right, bottom in np.asarray(boxes, dtype=np.float64):
        mask[_span(top, bottom, side), _span(left, right, side)] = True
    return mask


def aim(grid: npt.ArrayLike, covered: Covered = WHOLE, side: int = SIDE) -> Aim:
    """Peaks and predicted region of a map on its native grid (h x w, >= 0).

    A map that peaks where the preset pads, outside the radiograph, has no peaks.
    """
    cells = np.asarray(grid, dtype=np.float64)
    peak = cells.max()
    region = np.zeros((side, side), dtype=np.bool_)
    if not peak > 0:
        return Aim(np.empty(0, dtype=np.int64), region)
    components, _ = label(enlarge(cells, covered, side) >= HALF_PEAK * peak)
    for window in find_objects(components):
        region[window] = True
    left, top, right, bottom = covered
    rows, columns = np.nonzero(cells == peak)
    y = np.floor((top + (rows + 0.5) / cells.shape[0] * (bottom - top)) * side).astype(np.int64)
    x = np.floor((left + (columns + 0.5) / cells.shape[1] * (right - left)) * side).astype(np.int64)
    if min(y.min(), x.min()) < 0 or max(y.max(), x.max()) >= side:
        return Aim(np.empty(0, dtype=np.int64), region)
    return Aim(y * side + x, region)


def score(aimed: Aim, truth: Mask) -> Floats:
    """Pointing (0 or 1), IoU, then 0 or 1 per T of `IOU` and per T of `IOBB`."""
    hit = float(aimed.peaks.size > 0 and truth.ravel()[aimed.peaks].all())
    common = np.array([np.count_nonzero(aimed.region & truth)])
    return _columns(np.array([hit]), common, np.array([np.count_nonzero(aimed.region)]), int(truth.sum()))[0]


def centre_map(rows: int, columns: int) -> Floats:
    """rows x columns Gaussian around the middle, of `CENTRE_SIGMA` of each side."""
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in (rows, columns))
    return np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * CENTRE_SIGMA**2))


class RandomMaps:
    """Maps of uniform random values, drawn once per shape and place of the native grid.

    Parameters
    ----------
    draws, seed
        How many, and the seed that determines them.
    """

    def __init__(self, draws: int = RANDOM_MAPS, seed: int = 0, side: int = SIDE) -> None:
        self.draws, self.seed, self.side = draws, seed, side
        self._drawn: dict[tuple[int, int, Covered], tuple[npt.NDArray[np.int64], Mask]] = {}

    def score(self, shape: tuple[int, int], covered: Covered, truth: Mask) -> Floats:
        """Means over the draws of what `score` gives each."""
        key = (*shape, covered)
        if key not in self._drawn:
            rng = np.random.default_rng(self.seed)
            aims = [aim(rng.random(shape), covered, self.side) for _ in range(self.draws)]
            if len(self._drawn) == _KEPT:
                del self._drawn[next(iter(self._drawn))]
            peaks = np.array([a.peaks[0] if a.peaks.size else -1 for a in aims], dtype=np.int64)
            self._drawn[key] = peaks, np.stack([a.region.ravel() for a in aims])
        peaks, regions = self._drawn[key]
        flat = truth.ravel()
        hits = ((peaks >= 0) & flat[peaks]).astype(np.float64)
        common = regions[:, flat].sum(axis=1)
        return _columns(hits, common, regions.sum(axis=1), int(flat.sum())).mean(axis=0)


def localisation_entries(
    pairs: Sequence[Pair],
    *,
    boxes: str,
    headline: Collection[str],
    weights_sha256: str | None,
    unit: Unit,
    draws: int = RANDOM_MAPS,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> tuple[LocalisationEntry, ...]:
    """Judge pairs by split, and within a split all together and by finding.

    Every pair weighs the same. Shares of the model and of the centre carry Wilson's interval over the
    pairs, and the bootstrap's beside it where patients are known; means carry the bootstrap's.

    Parameters
    ----------
    pairs
        Of any splits and findings; entries come in the order of their first appearance.
    boxes
        Name of the set of boxes.
    headline
        Splits whose numbers may be headlined: those on which the model was not trained.
    weights_sha256, unit
        Of the model; and what the pairs' patients are keys of.
    draws
        Random maps behind each value of that control.
    replicates, seed
        Of the bootstrap; the seed also determines the random maps.
    """
    control = RandomMaps(draws, seed)
    scores = np.array([_scores(pair, control) for pair in pairs])
    entries = []
    for split in dict.fromkeys(pair.split for pair in pairs):
        own = [i for i, pair in enumerate(pairs) if pair.split == split]
        stamp = Stamp(split, weights_sha256, unit, replicates)
        for finding in (ALL, *dict.fromkeys(pairs[i].finding for i in own)):
            rows = [i for i in own if finding in (ALL, pairs[i].finding)]
            patients = [pairs[i].patient for i in rows]
            samples = bootstrap_means(scores[rows], patients, replicates=replicates, seed=seed)
            parts = [(scores[rows][:, part], samples[:, part]) for part in _PARTS]
            how = f"{stamp.method}, of means over {draws} random maps"
            entries.append(
                LocalisationEntry(
                    boxes=boxes,
                    finding=finding,
                    split=split,
                    headline=split in headline,
                    pairs=len(rows),
                    images=len({pairs[i].image for i in rows}),
                    area_share=_mean(scores[rows, -1], samples[:, -1], stamp),
                    model=_summary(*parts[0], stamp),
                    random=_summary(*parts[1], stamp, how),
                    centre=_summary(*parts[2], stamp),
                )
            )
    return tuple(entries)


def bootstrap_means(
    values: npt.ArrayLike, patients: npt.ArrayLike, *, replicates: int = REPLICATES, seed: int = 0
) -> Floats:
    """Means of n x m values in every replicate (replicates x m), resampling patients (n keys).

    All NaN where there are fewer than two patients, as nothing can then be said about others.
    """
    cells, group = np.asarray(values, dtype=np.float64), patient_numbers(patients)
    if group.max() == 0:
        return np.full((replicates, cells.shape[1]), np.nan)
    counts = Counts.of(np.column_stack([cells, np.ones(len(cells))]), group)
    sums = resample({ALL: counts}, group, replicates=replicates, seed=seed)[ALL]
    return sums[:, :-1] / sums[:, -1:]


def _scores(pair: Pair, control: RandomMaps) -> Floats:
    """Scores of the model, the random maps and the centre, then the share of the area in the boxes."""
    truth = inside(pair.boxes, control.side)
    shape = (pair.grid.shape[0], pair.grid.shape[1])
    model, centre = (aim(grid, pair.covered, control.side) for grid in (pair.grid, centre_map(*shape)))
    random = control.score(shape, pair.covered, truth)
    return np.concatenate([score(model, truth), random, score(centre, truth), [truth.mean()]])


def _columns(hits: Floats, common: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], true: int) -> Floats:
    """d x _WIDTH scores from d hits, counts of common and of predicted points, and the count of true ones."""
    # quotients of whole numbers: perfect overlap is exactly 1, and 1/10 does not exceed .1
    iou, iobb = common / (predicted + true - common), common / np.maximum(predicted, 1)
    over = [iou > t for t in IOU] + [iobb > t for t in IOBB]
    return np.column_stack([hits, iou, *over]).astype(np.float64)


def _span(low: float, high: float, side: int) -> slice:
    first, end = (int(np.ceil(edge * side - 0.5)) for edge in (low, high))
    if first < end:
        return slice(first, end)
    nearest = min(int((low + high) / 2 * side), side - 1)
    return slice(nearest, nearest + 1)


def _summary(values: Floats, samples: Floats, stamp: Stamp, how: str | None = None) -> LocalisationScores:
    """Scores of n pairs (n x _WIDTH); `how` names the method where the columns are means, not 0 or 1."""

    def share(column: int) -> Measure:
        drawn = samples[:, column]
        if how is not None:
            return _mean(values[:, column], drawn, stamp, how)
        n = len(values)
        rate = stamp.rate(proportion(int(values[:, column].sum()), n), n, n, drawn)
        assert rate is not None
        return rate

    first = _MEAN_IOU + 1
    return LocalisationScores(
        pointing=share(0),
        mean_iou=_mean(values[:, _MEAN_IOU], samples[:, _MEAN_IOU], stamp, how),
        iou={f"{t:g}": share(first + i) for i, t in enumerate(IOU)},
        iobb={f"{t:g}": share(first + len(IOU) + i) for i, t in enumerate(IOBB)},
    )


def _mean(values: Floats, samples: Floats, stamp: Stamp, how: str | None = None) -> Measure:
    return stamp.measure(values.mean(), percentile_interval(samples), len(values), len(values), how)
