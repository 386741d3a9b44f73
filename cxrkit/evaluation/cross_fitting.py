"""Recalibrations and thresholds judged without a validation part: each fold of patients by what the others gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrkit.card import OperatingPoint, Rule
from cxrkit.evaluation.metrics import Confusion
from cxrkit.evaluation.operating_points import fit_operating_points
from cxrkit.evaluation.recalibration import Recalibrator, fit_isotonic, fit_platt, fit_temperature

FOLDS = 5
SPLIT = "other folds"

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Out-of-fold probabilities of one method.

    `probabilities` is n x k; the column of a finding is NaN throughout where some fold could not be
    fitted. `n` and `positives` (k each) are the smallest counts of known labels, and of positives,
    that any fold's fit had to go on. `fits` holds, per finding, what was fitted for each fold: empty
    where some fold could not be.
    """

    probabilities: Floats
    n: tuple[int, ...]
    positives: tuple[int, ...]
    fits: tuple[tuple[Recalibrator, ...], ...]

    def parameters(self, k: int) -> dict[str, float]:
        """Median over the folds of each parameter of the k-th finding; empty where it was not fitted."""
        fits = [fit.parameters for fit in self.fits[k]]
        return {name: float(np.median([fit[name] for fit in fits])) for name in (fits[0] if fits else ())}


@dataclass(frozen=True, eq=False)
class CrossFitPoint:
    """What thresholds that were fitted on the other folds call positive.

    `calls` (n) is 1, 0, or NaN where the label is unknown; `thresholds` are in the order of the folds;
    `n` and `positives` are the smallest counts that any of the fits had to go on.
    """

    calls: Floats
    thresholds: tuple[float, ...]
    n: int
    positives: int
    supported: bool

    def confusion(self, labels: npt.ArrayLike) -> Confusion:
        """Counts of the calls against the n labels."""
        y = np.asarray(labels, dtype=np.float64)
        cells = ((1, 1), (1, 0), (0, 0), (0, 1))  # call and label of tp, fp, tn, fn
        return Confusion(*(int(((self.calls == call) & (y == label)).sum()) for call, label in cells))


def patient_folds(labels: npt.ArrayLike, patients: npt.ArrayLike, folds: int = FOLDS, seed: int = 0) -> Rows:
    """Fold of each row (n, from 0), the rows of a patient together.

    Patients are dealt out in turn by the rarest finding that they have, and at random among those with
    the same one (the last are those without any), so that every finding's patients spread as evenly as
    can be. With fewer patients than folds there is one fold per patient. Equal arguments give equal folds.

    Parameters
    ----------
    labels
        n x k, 0, 1, or NaN where unknown.
    patients
        n keys.
    folds
        At least 2.
    seed
        Of the order in which patients are dealt.
    """
    if folds < 2:
        raise ValueError("cross-fitting needs at least two folds")
    y = np.asarray(labels, dtype=np.float64)
    _, group = np.unique(np.asarray(patients), return_inverse=True)
    if y.ndim != 2 or not len(y) or len(group) != len(y):
        raise ValueError(f"labels {y.shape} must be n x k, at least one row, with as many patients ({len(group)})")
    count = int(group.max()) + 1
    has = np.zeros((count, y.shape[1]), dtype=bool)
    np.logical_or.at(has, group, y == 1)
    rarest_first = np.argsort(has.sum(axis=0), kind="stable")
    ranked = np.column_stack([has[:, rarest_first], np.ones(count, dtype=bool)])
    rarest = ranked.argmax(axis=1)
    order = np.lexsort((np.random.default_rng(seed).random(count), rarest))
    fold = np.empty(count, dtype=np.int64)
    fold[order] = np.arange(count) % folds
    return fold[group]


def cross_fit(
    logits: npt.ArrayLike, labels: npt.ArrayLike, patients: npt.ArrayLike, folds: int = FOLDS, seed: int = 0
) -> dict[str, CrossFit]:
    """Recalibrate each fold of patients by what the other folds gave, with every method.

    Parameters
    ----------
    logits
        n x k raw outputs; NaN is allowed where the label is unknown.
    labels
        n x k, 0, 1, or NaN where unknown.
    patients
        n keys.
    folds, seed
        See `patient_folds`.

    Returns
    -------
    dict
        Method (``platt``, ``temperature``, ``isotonic``) -> what it gave. The temperature is one for all
        findings, so its counts are those of all findings together.
    """
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if z.shape != y.shape:
        raise ValueError(f"logits {z.shape} and labels {y.shape} must have one shape")
    held = _held(patient_folds(y, patients, folds, seed))
    columns = range(y.shape[1])
    n, positives = _smallest(np.isfinite(y), held), _smallest(y == 1, held)
    temperatures = [fit_temperature(z[~rows], y[~rows]) for rows in held]
    return {
        "platt": _assemble(z, held, [[fit_platt(z[~r, k], y[~r, k]) for r in held] for k in columns], n, positives),
        "temperature": _assemble(
            z,
            held,
            [temperatures for _ in columns],
            _smallest(np.isfinite(y).sum(axis=1, keepdims=True), held) * len(columns),
            _smallest((y == 1).sum(axis=1, keepdims=True), held) * len(columns),
        ),
        "isotonic": _assemble(
            z, held, [[fit_isotonic(z[~r, k], y[~r, k]) for r in held] for k in columns], n, positives
        ),
    }


def cross_fit_points(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    patients: npt.ArrayLike,
    findings: Sequence[str],
    folds: int = FOLDS,
    seed: int = 0,
) -> dict[str, dict[Rule, CrossFitPoint]]:
    """Call each fold of patients by the operating points that the other folds gave.

    Parameters
    ----------
    probabilities
        n x k; NaN is allowed where the label is unknown.
    labels
        n x k, 0, 1, or NaN where unknown.
    patients
        n keys.
    findings
        The k names.
    folds, seed
        See `patient_folds`; the folds are those of `cross_fit`.

    Returns
    -------
    dict
        Finding -> rule -> calls. A rule that could not be fitted for some fold is left out.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    held = _held(patient_folds(y, patients, folds, seed))
    fitted = [
        {
            (point.finding, point.rule): point
            for point in fit_operating_points(p[~rows], y[~rows], findings, split=SPLIT, weights_sha256="")
        }
        for rows in held
    ]
    every: dict[str, dict[Rule, CrossFitPoint]] = {finding: {} for finding in findings}
    for finding, rule in fitted[0]:
        points = [of_fold[finding, rule] for of_fold in fitted if (finding, rule) in of_fold]
        if len(points) == len(held):
            k = list(findings).index(finding)
            every[finding][rule] = _called(p[:, k], y[:, k], held, points)
    return every


def _held(fold: Rows) -> list[Mask]:
    """Rows of each fold."""
    return [fold == f for f in range(int(fold.max()) + 1)]


def _smallest(counted: npt.NDArray[Any], held: list[Mask]) -> tuple[int, ...]:
    """Smallest sum of each column over the rows outside a fold."""
    return tuple(int(c) for c in np.min([counted[~rows].sum(axis=0) for rows in held], axis=0))


def _assemble(
    z: Floats,
    held: list[Mask],
    tables: Sequence[Sequence[Recalibrator | None]],
    n: tuple[int, ...],
    positives: tuple[int, ...],
) -> CrossFit:
    """Apply the fits of each finding (k x folds) to the rows that they did not see."""
    out = np.full(z.shape, np.nan)
    complete: list[tuple[Recalibrator, ...]] = []
    for k, table in enumerate(tables):
        fits = tuple(fit for fit in table if fit is not None)
        complete.append(fits if len(fits) == len(held) else ())
        if complete[k]:
            for rows, fit in zip(held, fits, strict=True):
                out[rows, k] = fit.apply(z[rows, k])
    return CrossFit(out, n, positives, tuple(complete))


def _called(p: Floats, y: Floats, held: list[Mask], points: Sequence[OperatingPoint]) -> CrossFitPoint:
    calls = np.full(len(p), np.nan)
    for rows, point in zip(held, points, strict=True):
        calls[rows] = p[rows] >= point.threshold
    calls[np.isnan(y)] = np.nan
    return CrossFitPoint(
        calls,
        tuple(point.threshold for point in points),
        min(point.n for point in points),
        min(point.positives for point in points),
        all(point.supported for point in points),
    )
