"""Which thresholds and which recalibrations an evaluation shows, and on what each was fitted.

None is ever fitted on a row that it judges: they come from the model's card, from a validation part, or
from the other folds of patients.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from cxrkit.card import MINIMUM_POSITIVES, OperatingPoint
from cxrkit.evaluation.bootstrap import Rows
from cxrkit.evaluation.cross_fitting import CrossFit, cross_fit, cross_fit_points
from cxrkit.evaluation.judge import Form
from cxrkit.evaluation.measures import Floats, Stamp
from cxrkit.evaluation.operating_points import fit_operating_points
from cxrkit.evaluation.points import Call, fixed_calls, stated_call
from cxrkit.evaluation.recalibration import Recalibrator, fit_isotonic, fit_platt, fit_temperature
from cxrkit.evaluation.schema import FitKind, FittedOn
from cxrkit.evaluation.splits import fitted_within
from cxrkit.evaluation.validation import Scores, Validation, raw_probabilities

RAW = "raw"
RECALIBRATIONS = ("platt", "temperature", "isotonic")


def forms_of(
    scores: Scores,
    findings: Sequence[str],
    group: Rows,
    stamp: Stamp,
    validation: Validation | None,
    *,
    seen_splits: Collection[str],
    seed: int,
) -> dict[str, dict[str, Form]]:
    """Finding -> name -> form of its probabilities besides the delivered one.

    ``raw`` is the sigmoid of the network's own logit, where the table states it; ``platt`` (per finding),
    ``temperature`` (one for the model) and ``isotonic`` (per finding, from 200 positives on) recalibrate
    the logit. A form that could not be fitted is left out. `seen_splits` are those of the judged rows:
    what the card fitted on one of them is marked.
    """
    forms: dict[str, dict[str, Form]] = {finding: {} for finding in findings}
    if scores.raw:
        raw = raw_probabilities(scores)
        for k, finding in enumerate(findings):
            forms[finding][RAW] = Form(raw[:, k])
    if validation is None:
        crossed = cross_fit(scores.logits, scores.labels, group, seed=seed)
        for method in RECALIBRATIONS:
            for k, finding in enumerate(findings):
                if crossed[method].fits[k]:
                    forms[finding][method] = _crossed(crossed[method], k, stamp)
        return forms
    fitted_on = validation.scores
    judged = any(fitted_within(validation.split, split) for split in seen_splits)
    kind: FitKind = "judged" if validation.kind == "card" and judged else validation.kind
    temperature = fit_temperature(fitted_on.logits, fitted_on.labels)
    for k, finding in enumerate(findings):
        z, y = fitted_on.logits[:, k], fitted_on.labels[:, k]
        fits: dict[str, Recalibrator | None] = {
            "platt": fit_platt(z, y),
            "temperature": temperature,
            "isotonic": fit_isotonic(z, y),
        }
        for method in RECALIBRATIONS:
            fit = fits[method]
            if fit is not None:
                forms[finding][method] = Form(
                    fit.apply(scores.logits[:, k]),
                    FittedOn(kind=kind, split=validation.split, n=fit.n, positives=fit.positives),
                    _enough(fit.positives, fit.n) and kind != "judged",
                    fit.parameters,
                )
    return forms


def calls_of(
    scores: Scores,
    findings: Sequence[str],
    group: Rows,
    stamp: Stamp,
    operating_points: Sequence[OperatingPoint],
    validation: Validation | None,
    threshold: float | None,
    *,
    seen_splits: Collection[str],
    seed: int,
) -> dict[str, list[Call]]:
    """Finding -> how its operating points call the rows.

    The model's own points where it has any, else those fitted on `validation`, else cross-fitted ones;
    and `threshold`, where one is stated.
    """
    columns = {finding: scores.probabilities[:, k] for k, finding in enumerate(findings)}
    if operating_points:
        calls = {f: fixed_calls(operating_points, f, column, seen_splits) for f, column in columns.items()}
    elif validation is not None:
        points = fit_operating_points(
            validation.scores.probabilities,
            validation.scores.labels,
            findings,
            split=validation.split,
            weights_sha256=stamp.weights_sha256 or "",
        )
        calls = {f: fixed_calls(points, f, column, (), validation.kind) for f, column in columns.items()}
    else:
        calls = _cross_fitted_calls(scores, findings, group, stamp, seed)
    if threshold is not None:
        calls = {f: [*calls[f], stated_call(threshold, column)] for f, column in columns.items()}
    return calls


def _cross_fitted_calls(
    scores: Scores, findings: Sequence[str], group: Rows, stamp: Stamp, seed: int
) -> dict[str, list[Call]]:
    crossed = cross_fit_points(scores.probabilities, scores.labels, group, findings, seed=seed)
    return {
        finding: [
            Call(
                rule=rule,
                called=point.calls == 1,
                threshold=float(np.median(point.thresholds)),
                fitted_on=_fold_origin(point.n, point.positives, len(point.thresholds), stamp),
                supported=point.supported,
                fold_thresholds=point.thresholds,
            )
            for rule, point in crossed[finding].items()
        ]
        for finding in findings
    }


def _crossed(fit: CrossFit, k: int, stamp: Stamp) -> Form:
    n, positives = fit.n[k], fit.positives[k]
    probabilities: Floats = fit.probabilities[:, k]
    return Form(
        probabilities, _fold_origin(n, positives, len(fit.fits[k]), stamp), _enough(positives, n), fit.parameters(k)
    )


def _fold_origin(n: int, positives: int, folds: int, stamp: Stamp) -> FittedOn:
    split = f"{stamp.split}: the other of {folds} folds of {stamp.unit}s"
    return FittedOn(kind="cross-fit", split=split, n=n, positives=positives)


def _enough(positives: int, n: int) -> bool:
    return min(positives, n - positives) >= MINIMUM_POSITIVES
