"""Placement values: how each row stands to the other class. DeLong's variances are variances of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]


def placements(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Placement values from midranks (DeLong et al. 1988; Sun and Xu 2014), in O(N log N).

    Parameters
    ----------
    positive, negative
        Scores of the m positives and of the n negatives; neither may be empty.

    Returns
    -------
    v10 : m
        Share of the negatives below each positive, a tie counting half. Its mean is the AUROC.
    v01 : n
        Share of the positives above each negative, a tie counting half. Its mean is the AUROC as well.
    """
    m, n = len(positive), len(negative)
    every = rankdata(np.concatenate([positive, negative]))
    return (every[:m] - rankdata(positive)) / n, 1.0 - (every[m:] - rankdata(negative)) / m
