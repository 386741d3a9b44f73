"""What a threshold means for a number of patients, and what its errors cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Patients:
    """Natural frequencies (Gigerenzer and Hoffrage 1995): whole patients that add up."""

    found: int
    missed: int
    false_alarms: int
    cleared: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.found + self.missed + self.false_alarms + self.cleared

    @property
    def ill(self) -> int:
        """Those with the finding."""
        return self.found + self.missed

    @property
    def called(self) -> int:
        """Those past the threshold."""
        return self.found + self.false_alarms


def of_patients(sensitivity: float, specificity: float, prevalence: float, total: int = 1000) -> Patients:
    """How `total` patients fare, in whole patients: first rounded by the finding, then within each class.

    Raises
    ------
    ValueError
        A share lies outside 0..1.
    """
    _check(sensitivity, specificity, prevalence)
    ill = round(prevalence * total)
    found, cleared = round(sensitivity * ill), round(specificity * (total - ill))
    return Patients(found, ill - found, total - ill - cleared, cleared)


def expected_cost(
    sensitivity: npt.ArrayLike, specificity: npt.ArrayLike, prevalence: float, miss: float, total: int = 1000
) -> Floats:
    """Cost of the errors among `total` patients, in false alarms; one missed finding costs as much as `miss` of them.

    Parameters
    ----------
    sensitivity, specificity
        K each.
    prevalence, miss
        At which, and the price of a miss.

    Returns
    -------
    numpy.ndarray
        K.
    """
    missed = (1 - np.asarray(sensitivity, dtype=np.float64)) * prevalence
    alarms = (1 - np.asarray(specificity, dtype=np.float64)) * (1 - prevalence)
    return np.asarray(total * (miss * missed + alarms), dtype=np.float64)


def least_cost(cost: npt.ArrayLike) -> int:
    """Place of the lowest cost; in the middle of them where several are equally low, which favours no edge."""
    values = np.asarray(cost, dtype=np.float64)
    lowest = np.flatnonzero(values <= values.min() + 1e-9)
    return int(lowest[len(lowest) // 2])


def acting_probability(miss: float) -> float:
    """The probability from which acting pays off: 1 / (1 + miss) (Pauker and Kassirer 1975)."""
    return 1 / (1 + miss)


def _check(*shares: float) -> None:
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"shares must lie between 0 and 1: {shares}")
