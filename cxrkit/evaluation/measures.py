"""Estimates as they stand in ``evaluation.json``: each with the rows, split and weights that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxrkit.evaluation.bootstrap import Discrimination, describe, percentile_interval
from cxrkit.evaluation.metrics import Estimate, auroc
from cxrkit.evaluation.predictions import Unit
from cxrkit.evaluation.schema import Area, Interval, Measure

Floats = npt.NDArray[np.float64]
Ends = tuple[float, float] | None


@dataclass(frozen=True)
class Stamp:
    """What every number of one evaluation shares.

    Attributes
    ----------
    split, weights_sha256
        What was judged; the weights of someone else's predictions are None.
    unit, replicates
        What the bootstrap resampled, and how often.
    """

    split: str
    weights_sha256: str | None
    unit: Unit
    replicates: int

    @property
    def method(self) -> str:
        """How bootstrap intervals came about."""
        return describe(self.unit, self.replicates)

    def measure(self, value: float, ends: Ends, n: int, positives: int, method: str | None = None) -> Measure:
        """A value with the ends of its interval; of the bootstrap unless `method` says otherwise."""
        if ends is not None and ends[0] == ends[1]:
            ends = None  # no draw differed, as where nothing is wrong: a width of 0 would claim certainty
        low, high = ends or (None, None)
        return Measure(
            value=float(value),
            low=low,
            high=high,
            method=self.method if method is None else method,
            n=n,
            positives=positives,
            split=self.split,
            weights_sha256=self.weights_sha256,
        )

    def estimate(self, estimate: Estimate | None) -> Measure | None:
        """An estimate with the interval that it brings."""
        if estimate is None:
            return None
        return self.measure(estimate.value, _ends(estimate), estimate.n, estimate.positives, estimate.method)

    def rate(self, estimate: Estimate | None, n: int, positives: int, samples: Floats) -> Measure | None:
        """A rate with its own interval, and beside it that of `samples` (r) where patients were resampled."""
        if estimate is None:
            return None
        measure = self.measure(estimate.value, _ends(estimate), n, positives, estimate.method)
        clustered = percentile_interval(samples) if self.unit == "patient" else None
        if clustered is None or clustered[0] == clustered[1]:
            return measure  # an error that no row made is in no replicate: a width of 0 would claim too much
        low, high = clustered
        return measure.model_copy(update={"clustered": Interval(low=low, high=high, method=self.method)})


def area_measure(
    labels: npt.ArrayLike, scores: npt.ArrayLike, statistic: Discrimination, drawn: Floats, stamp: Stamp
) -> Area | None:
    """AUROC with the interval of its replicates (r) and DeLong's; None when a class is absent."""
    delong = auroc(labels, scores)
    if delong is None:
        return None
    plain = stamp.measure(delong.value, statistic.interval(drawn), delong.n, delong.positives)
    ends = _ends(delong)
    flat = ends is None or ends[0] == ends[1]
    wald = None if ends is None or flat else Interval(low=ends[0], high=ends[1], method=delong.method)
    return Area(**plain.model_dump(), delong=wald)


def _ends(estimate: Estimate) -> Ends:
    return None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)
