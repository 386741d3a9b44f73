"""One finding over all thresholds: counts, rates and their intervals, computed once and looked up often."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cxrkit.evaluation.bootstrap import Counts, Rows, percentile_interval, resample
from cxrkit.evaluation.measures import Floats, Stamp
from cxrkit.evaluation.metrics import known
from cxrkit.evaluation.operating_points import separating_thresholds
from cxrkit.evaluation.points import Call, at_call, rate_samples
from cxrkit.evaluation.schema import AtPoint, FittedOn

MOST = 161
"""Thresholds of a sweep, besides those that must be among them."""

GRID = 101
"""Places along the horizontal axis of a curve's band."""

REPLICATES = 1000

Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Band:
    """A 95 % interval along a curve: three equally long tuples, over the `x` where one can be had."""

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class RateCurve:
    """One rate at every threshold of a sweep, with its interval; None where it is undefined."""

    values: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, eq=False)
class Sweep:
    """What every threshold gives on the rows of one finding that have a label.

    Attributes
    ----------
    thresholds
        K, ascending; p >= threshold is positive.
    labels, probabilities
        n known labels (0 or 1) and their probabilities.
    stamp
        What the intervals belong to.
    called
        K x 2: true and false positives.
    drawn
        r x (K + 1) x 2: the same in every replicate of the patient bootstrap; the first is all positives and all
        negatives.
    """

    thresholds: Floats
    labels: Floats
    probabilities: Floats
    stamp: Stamp
    called: Numbers
    drawn: Numbers = field(repr=False)

    @classmethod
    def of(
        cls,
        labels: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        group: Rows,
        stamp: Stamp,
        *,
        among: Collection[float] = (),
        seed: int = 0,
    ) -> Sweep | None:
        """Sweep one finding; None where a class is absent.

        Parameters
        ----------
        labels, probabilities
            n, labels 0, 1 or NaN.
        group
            n patient numbers.
        stamp, seed
            Of the bootstrap.
        among
            Thresholds that must be among those of the sweep, such as a card's operating points.
        """
        everyone = np.asarray(labels, dtype=np.float64)
        y, p = known(everyone, probabilities)
        if not len(y) or y.min() == y.max():
            return None
        patients = group[~np.isnan(everyone)]
        t = _thresholds(y, p, among)
        count = int(patients.max()) + 1
        per_patient = np.stack([_reached(p, y == label, patients, count, t) for label in (1, 0)], axis=2)
        columns = per_patient.reshape(count, -1)
        drawn = resample({"all": Counts(columns)}, patients, replicates=stamp.replicates, seed=seed)["all"]
        shaped = drawn.reshape(len(drawn), len(t) + 1, 2)
        called = columns.sum(axis=0).reshape(len(t) + 1, 2)[1:]
        return cls(t, y, p, stamp, np.round(called).astype(np.int32), np.round(shaped).astype(np.int32))

    @property
    def positives(self) -> int:
        """Rows whose label is 1."""
        return int(self.labels.sum())

    @property
    def negatives(self) -> int:
        """Rows whose label is 0."""
        return len(self.labels) - self.positives

    @property
    def sensitivities(self) -> Floats:
        """K, falling as the threshold rises."""
        return np.asarray(self.called[:, 0] / self.positives, dtype=np.float64)

    @property
    def specificities(self) -> Floats:
        """K, rising with the threshold."""
        return np.asarray(1 - self.called[:, 1] / self.negatives, dtype=np.float64)

    def nearest(self, threshold: float) -> int:
        """Place of the threshold that lies closest."""
        return int(np.argmin(np.abs(self.thresholds - threshold)))

    def place_on_roc(self, false_alarms: float, sensitivity: float) -> int:
        """Place of the threshold whose mark lies closest in the ROC plane."""
        return int(np.argmin((1 - self.specificities - false_alarms) ** 2 + (self.sensitivities - sensitivity) ** 2))

    def place_on_precision(self, sensitivity: float, precision: float) -> int:
        """Place of the threshold whose mark lies closest in the plane of sensitivity and PPV."""
        ppv = np.array([np.inf if value is None else value for value in self.rates["ppv"].values])
        return int(np.argmin((self.sensitivities - sensitivity) ** 2 + (ppv - precision) ** 2))

    def point(self, place: int, fitted_on: FittedOn, *, rule: str = "custom") -> AtPoint:
        """Confusion matrix and every rate at one of the thresholds, with Wilson's and the resampled intervals."""
        threshold = float(self.thresholds[place])
        tp, fp = self.drawn[:, place + 1].T.astype(np.float64)
        ones, zeros = self.drawn[:, 0].T.astype(np.float64)
        counts = np.stack([tp, fp, zeros - fp, ones - tp], axis=1)
        call = Call(rule, self.probabilities >= threshold, threshold, fitted_on, supported=True)
        return at_call(self.labels, call, counts, self.stamp)

    @cached_property
    def rates(self) -> dict[str, RateCurve]:
        """Every rate that has a name in `cxrkit.evaluation.points.rate_samples`, over all thresholds."""
        ones, zeros = self.drawn[:, :1, 0], self.drawn[:, :1, 1]
        tp, fp = self.drawn[:, 1:, 0], self.drawn[:, 1:, 1]
        flat = np.stack([tp, fp, zeros - fp, ones - tp], axis=2).reshape(-1, 4).astype(np.float64)
        spread = {name: values.reshape(tp.shape) for name, values in rate_samples(flat).items()}
        tp, fp = self.called.T
        cells = np.stack([tp, fp, self.negatives - fp, self.positives - tp], axis=1).astype(np.float64)
        return {name: _rate_curve(values, spread[name]) for name, values in rate_samples(cells).items()}

    @cached_property
    def roc_band(self) -> Band:
        """Interval of the sensitivity at each share of false alarms: curves of the replicates, read across."""
        grid = np.linspace(0, 1, GRID)
        ones, zeros = self.drawn[:, :1, 0], self.drawn[:, :1, 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            hits, alarms = self.drawn[:, :, 0] / ones, self.drawn[:, :, 1] / zeros
        edge = np.zeros((len(hits), 1))
        hits, alarms = np.hstack([hits, edge])[:, ::-1], np.hstack([alarms, edge])[:, ::-1]
        whole = np.isfinite(hits[:, -1]) & np.isfinite(alarms[:, -1])
        drawn = [np.interp(grid, x, y) for x, y in zip(alarms[whole], hits[whole], strict=True)]
        return _band(grid, np.array(drawn).reshape(-1, GRID), len(hits))

    @cached_property
    def precision_band(self) -> Band:
        """Interval of the PPV at each sensitivity: in every replicate at the highest threshold that reaches it."""
        grid = np.linspace(0, 1, GRID)[1:]
        tp, fp = (self.drawn[:, ::-1, k].astype(np.float64) for k in (0, 1))  # thresholds falling
        ones = tp[:, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            recall, precision = tp / ones, tp / (tp + fp)
        drawn = []
        for across, height, whole in zip(recall, precision, ones[:, 0] > 0, strict=True):
            if whole:
                drawn.append(height[np.searchsorted(across, grid - 1e-12).clip(max=len(height) - 1)])
        return _band(grid, np.array(drawn).reshape(-1, len(grid)), len(tp))


def _thresholds(y: Floats, p: Floats, among: Collection[float]) -> Floats:
    """All thresholds that tell scores apart, or of very many those evenly spaced among the scores of each class."""
    candidates = separating_thresholds(p)
    if len(candidates) > MOST:
        places = [np.linspace(0, len(candidates) - 1, MOST // 2)]
        for label in (1, 0):
            ranks = np.searchsorted(candidates, np.sort(p[y == label]), side="left").clip(max=len(candidates) - 1)
            places.append(ranks[np.linspace(0, len(ranks) - 1, MOST // 4).round().astype(int)])
        candidates = candidates[np.unique(np.concatenate(places).round().astype(int))]
    return np.unique(np.concatenate([candidates, np.array(sorted(among), dtype=np.float64)]))


def _reached(p: Floats, rows: npt.NDArray[np.bool_], patients: Rows, count: int, t: Floats) -> Floats:
    """patients x (K + 1): all of a patient's `rows`, then those that reach each threshold."""
    steps = len(t) + 1
    met = np.searchsorted(t, p[rows], side="right")
    cells = np.bincount(patients[rows] * steps + met, minlength=count * steps)
    return np.asarray(cells.reshape(count, steps)[:, ::-1].cumsum(axis=1)[:, ::-1], dtype=np.float64)


def _rate_curve(values: Floats, drawn: Floats) -> RateCurve:
    ends = [percentile_interval(column) for column in drawn.T]
    return RateCurve(
        tuple(float(value) if np.isfinite(value) else None for value in values),
        tuple(None if pair is None else pair[0] for pair in ends),
        tuple(None if pair is None else pair[1] for pair in ends),
    )


def _band(grid: Floats, drawn: Floats, replicates: int) -> Band:
    """Percentiles over the replicates (r x x); nothing where fewer than half of them are defined."""
    rows = []
    for x, column in zip(grid.tolist(), drawn.T, strict=True):
        padded = np.concatenate([column, np.full(replicates - len(column), np.nan)])
        ends = percentile_interval(padded)
        if ends is not None:
            rows.append((x, *ends))
    return Band(*map(tuple, zip(*rows, strict=True))) if rows else Band((), (), ())
