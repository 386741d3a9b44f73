"""How far two readings of one radiograph lie apart: Bland and Altman's repeatability coefficient.

Bland JM, Altman DG: Measuring agreement in method comparison studies. Statistical Methods in Medical Research 1999;
8:135-160, doi:10.1177/096228029900800204, section 6.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from cxrkit.evaluation.bootstrap import REPLICATES, Counts, patient_numbers, percentile_interval, resample
from cxrkit.repeatability import RepeatabilityLimit

Floats = npt.NDArray[np.float64]
FACTOR = 1.96 * math.sqrt(2)
"""From the standard deviation of one reading to the limit for the difference of two."""


def repeatability(
    logits: Mapping[str, npt.ArrayLike], patients: npt.ArrayLike, *, replicates: int = REPLICATES, seed: int = 0
) -> tuple[RepeatabilityLimit, ...]:
    """Repeatability coefficients of all findings.

    Parameters
    ----------
    logits
        Finding -> n x m logits of n radiographs, each read m >= 2 times.
    patients
        n keys: radiographs of one patient are resampled together.
    replicates, seed
        Of the bootstrap.

    Returns
    -------
    tuple of RepeatabilityLimit
        One per finding, in their order.
    """
    group = patient_numbers(patients)
    read = {finding: np.asarray(values, dtype=np.float64) for finding, values in logits.items()}
    if any(values.ndim != 2 or values.shape[1] < 2 or len(values) != len(group) for values in read.values()):
        raise ValueError("each finding needs n x m logits with m >= 2, of as many radiographs as there are patients")
    # within-radiograph variances: their mean is the one-way analysis of variance's residual mean square
    variances = {finding: values.var(axis=1, ddof=1) for finding, values in read.items()}
    cells = np.stack([*variances.values(), np.ones(len(group))], axis=1)
    drawn = resample({"sums": Counts.of(cells, group)}, group, replicates=replicates, seed=seed)["sums"]
    samples = FACTOR * np.sqrt(drawn[:, :-1] / drawn[:, -1:])
    limits = []
    for place, (finding, variance) in enumerate(variances.items()):
        coefficient = FACTOR * math.sqrt(float(variance.mean()))
        low, high = percentile_interval(samples[:, place]) or (coefficient, coefficient)
        limits.append(RepeatabilityLimit(finding, coefficient, low, high, _within(read[finding], coefficient)))
    return tuple(limits)


def _within(logits: Floats, coefficient: float) -> float:
    """Share of all pairs of readings of one radiograph that differ by at most the coefficient."""
    one, other = np.triu_indices(logits.shape[1], k=1)
    return float((np.abs(logits[:, one] - logits[:, other]) <= coefficient).mean())
