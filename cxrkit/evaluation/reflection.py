"""Bootstrap intervals of measures that noise can only raise: ECE, and the reliability and resolution of Brier's score.

A calibrated model of 300 rows has an ECE of about .03 by chance, and a resample of those rows has more
again, as it adds its own noise. The percentile interval then lies above the truth, often above the
estimate itself: in simulation it never held the truth of a calibrated model.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from cxrkit.evaluation.bootstrap import percentile_interval

Floats = npt.NDArray[np.float64]


def reflected_interval(samples: Floats, value: float, *, squared: bool = False) -> tuple[float, float] | None:
    """The basic bootstrap interval, ``2 value - q`` for the outer quantiles q (Davison and Hinkley 1997, sec. 5.2).

    It is kept from 0 on and extended to hold the value.

    Parameters
    ----------
    samples
        The measure in each replicate, not negative; NaN where undefined.
    value
        The measure on the rows as they are.
    squared
        Reflect on the scale of the squares: for the ECE, whose square, like the reliability, is raised
        by about the same amount in a replicate as in the rows themselves.

    Returns
    -------
    tuple of float or None
        None when fewer than half of the samples are defined.
    """
    power = 2 if squared else 1
    outer = percentile_interval(samples**power)
    if outer is None:
        return None
    low, high = (max(0.0, 2 * value**power - q) for q in reversed(outer))
    if squared:
        low, high = sqrt(low), sqrt(high)
    return min(low, value), max(high, value)
