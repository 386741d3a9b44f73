"""What operating points give on the judged rows, whoever fitted them and wherever."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxrkit.card import OperatingPoint
from cxrkit.evaluation.measures import Floats, Stamp
from cxrkit.evaluation.metrics import Confusion, Estimate
from cxrkit.evaluation.rates import balanced_accuracy, f1, likelihood_ratio_negative, likelihood_ratio_positive
from cxrkit.evaluation.schema import AtPoint, FitKind, FittedOn, Measure
from cxrkit.evaluation.splits import fitted_within

INTERVAL = "Wilson, images treated as independent"
RATES = ("sensitivity", "specificity", "ppv", "npv")

Calls = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Call:
    """How an operating point of one finding calls n rows.

    Attributes
    ----------
    rule
        Its name.
    called
        n; what stands in a row without a label is not used.
    threshold, fold_thresholds
        One threshold, or the median of those of the folds.
    fitted_on, supported
        Where it comes from, and whether that was enough.
    """

    rule: str
    called: Calls
    threshold: float
    fitted_on: FittedOn
    supported: bool
    fold_thresholds: tuple[float, ...] = ()


def fixed_calls(
    points: Sequence[OperatingPoint],
    finding: str,
    probabilities: Floats,
    seen_splits: Collection[str] = (),
    kind: FitKind = "card",
) -> list[Call]:
    """Operating points that were fitted beforehand, applied as they are.

    One that was fitted on a split of the judged rows themselves (`seen_splits`) is marked, and unsupported.
    """
    judged = {point.split for point in points if any(fitted_within(point.split, split) for split in seen_splits)}
    return [
        Call(
            rule=point.rule,
            called=probabilities >= point.threshold,
            threshold=point.threshold,
            fitted_on=FittedOn(
                kind="judged" if point.split in judged else kind,
                split=point.split,
                n=point.n,
                positives=point.positives,
            ),
            supported=point.supported and point.split not in judged,
        )
        for point in points
        if point.finding == finding
    ]


def stated_call(threshold: float, probabilities: Floats) -> Call:
    """A threshold that somebody names: nothing was fitted, so nothing can be flattered by it."""
    origin = FittedOn(kind="stated", split="none", n=0, positives=0)
    return Call("custom", probabilities >= threshold, threshold, origin, True)


def confusion_cells(labels: Floats, called: Calls) -> Floats:
    """n x 4 zeros and ones: true positive, false positive, true negative, false negative."""
    one, zero = labels == 1, labels == 0  # both False where unknown
    return np.stack([one & called, zero & called, zero & ~called, one & ~called], axis=1).astype(np.float64)


def rate_samples(counts: Floats) -> dict[str, Floats]:
    """Rates (r) of r x 4 resampled confusion matrices; NaN over an empty class."""
    tp, fp, tn, fn = counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        return {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "ppv": tp / (tp + fp),
            "npv": tn / (tn + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "likelihood_ratio_positive": sensitivity / (1 - specificity),
            "likelihood_ratio_negative": (1 - sensitivity) / specificity,
        }


def at_call(labels: Floats, call: Call, counts: Floats, stamp: Stamp) -> AtPoint:
    """Confusion matrix and rates of one operating point; `counts` are its r x 4 resampled matrices."""
    tp, fp, tn, fn = (int(c) for c in confusion_cells(labels, call.called).sum(axis=0))
    at = Confusion(tp, fp, tn, fn)
    everyone = (at.positives + at.negatives, at.positives)
    rows: dict[str, tuple[Estimate | None, int, int]] = {
        "sensitivity": (at.sensitivity, at.positives, at.positives),
        "specificity": (at.specificity, at.negatives, 0),
        "ppv": (at.ppv, tp + fp, tp),
        "npv": (at.npv, tn + fn, fn),
        "f1": (f1(at), tp + fp + fn, at.positives),
        "balanced_accuracy": (balanced_accuracy(at), *everyone),
        "likelihood_ratio_positive": (likelihood_ratio_positive(at), *everyone),
        "likelihood_ratio_negative": (likelihood_ratio_negative(at), *everyone),
    }
    samples = rate_samples(counts)
    rates: dict[str, Measure | None] = {
        name: stamp.rate(estimate, n, positives, samples[name]) for name, (estimate, n, positives) in rows.items()
    }
    return AtPoint(
        threshold=call.threshold,
        fold_thresholds=call.fold_thresholds,
        fitted_on=call.fitted_on,
        supported=call.supported,
        interval=INTERVAL,
        tp=tp,
        fp=fp,
        tn=tn,
        fn=fn,
        **rates,
    )
