"""Whether readings that abstain are the ones that would have been wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxrkit.evaluation.calibration_line import clipped_logit
from cxrkit.evaluation.metrics import known


@dataclass(frozen=True)
class DoubtCounts:
    """Rows of one finding at one threshold.

    Attributes
    ----------
    n, in_doubt
        Labelled rows, and those whose interval reaches across the threshold.
    wrong_in_doubt, wrong_otherwise
        Rows on the wrong side of the threshold among these, and among the others.
    wrong_nearest
        And among as many rows as are in doubt, but those nearest to the threshold in log-odds.
    """

    n: int
    in_doubt: int
    wrong_in_doubt: int
    wrong_otherwise: int
    wrong_nearest: int


def count_doubt(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    threshold: float,
) -> DoubtCounts:
    """Count rows in doubt and errors at a threshold.

    Parameters
    ----------
    labels
        n, 0, 1 or NaN; rows without a label are left out.
    probabilities, low, high
        n each: what is compared with the threshold, and the ends of its interval.
    threshold
        Past it are probabilities at or above.
    """
    y, p = known(labels, probabilities)
    rows = ~np.isnan(np.asarray(labels, dtype=np.float64))
    ends = [np.asarray(end, dtype=np.float64)[rows] for end in (low, high)]
    doubtful = (ends[0] < threshold) & (threshold <= ends[1])
    wrong = (p >= threshold) != (y == 1)
    distance = np.abs(clipped_logit(p) - clipped_logit(threshold))
    nearest = np.argsort(distance, kind="stable")[: int(doubtful.sum())]
    return DoubtCounts(
        len(y), len(nearest), int((wrong & doubtful).sum()), int((wrong & ~doubtful).sum()), int(wrong[nearest].sum())
    )
