"""From a predictions table to an `Evaluation`, and to the metrics of a card.

What a predictions table holds, `cxrkit.evaluation.predictions` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrkit.card import Metric, OperatingPoint
from cxrkit.evaluation.bootstrap import REPLICATES, patient_numbers, percentile_interval, resample
from cxrkit.evaluation.fitting import calls_of, forms_of
from cxrkit.evaluation.judge import FindingJudge
from cxrkit.evaluation.measures import Floats, Stamp
from cxrkit.evaluation.metrics import LEVEL
from cxrkit.evaluation.notes import SPLIT, look, notes_of
from cxrkit.evaluation.pairing import compare_predictions
from cxrkit.evaluation.predictions import patient_keys, texts
from cxrkit.evaluation.schema import Bootstrap, Evaluation, FindingEvaluation, Macro, MacroArea, Measure, Source
from cxrkit.evaluation.subgroups import variables_of
from cxrkit.evaluation.validation import Scores, Validation

SUMMARY = ("auroc", "auprc", "brier")
RATES = ("sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True, eq=False)
class Model:
    """Whose predictions are judged, and what was fixed for them beforehand.

    Attributes
    ----------
    name, weights_sha256
        Of the preset, or None for someone else's predictions.
    operating_points
        Thresholds of its card; they are applied as they are.
    stated_at
        Finding -> prevalence at which its probabilities are stated. Where it is far from the
        prevalence of the rows, Brier score and calibration error measure that distance too.
    """

    name: str | None = None
    weights_sha256: str | None = None
    operating_points: Sequence[OperatingPoint] = ()
    stated_at: Mapping[str, float | None] | None = None


UNKNOWN_MODEL = Model()


def evaluate_predictions(
    table: pd.DataFrame,
    findings: Sequence[str],
    model: Model = UNKNOWN_MODEL,
    *,
    split: str,
    source: Source,
    validation: Validation | None = None,
    threshold: float | None = None,
    against: tuple[pd.DataFrame, Source] | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Judge a predictions table.

    Nothing is fitted on a row that it is judged on. Operating points are the model's; without any they
    are fitted on `validation`; without that each fold of patients is judged by what the other folds give.
    Recalibrated forms of the probabilities come from `validation`, or are cross-fitted likewise.

    Parameters
    ----------
    table
        n rows; cells may be numbers or text.
    findings
        The k findings to judge.
    model
        Whose predictions they are.
    split, source
        What the rows are, for the record: name of the split, and the table of labels.
    validation
        Rows to fit on.
    threshold
        A threshold on the probability to judge besides, for all findings.
    against
        Another model's predictions for a paired comparison, and their table.
    replicates, seed
        Of the patient bootstrap.
    progress
        Called with (bootstrap draws done, replicates).

    Raises
    ------
    ManifestError
        A column is missing or a cell is not what it must be, or the tables cannot be compared.
    """
    scores = Scores.of_table(table, findings)
    patients, unit = patient_keys(table)
    group = patient_numbers(patients)
    stamp = Stamp(split, model.weights_sha256, unit, replicates)
    variables = variables_of(table)
    seen = _splits(table, split)
    forms = forms_of(scores, findings, group, stamp, validation, seen_splits=seen, seed=seed)
    calls = calls_of(
        scores, findings, group, stamp, model.operating_points, validation, threshold, seen_splits=seen, seed=seed
    )
    judges = {
        finding: FindingJudge(
            scores.labels[:, k], scores.probabilities[:, k], forms[finding], calls[finding], variables, group
        )
        for k, finding in enumerate(findings)
    }
    wanted = {(finding, *key): s for finding, judge in judges.items() for key, s in judge.statistics().items()}
    drawn = resample(wanted, group, replicates=replicates, seed=seed, progress=progress)
    judged = {
        finding: judge.judge(
            {key[1:]: samples for key, samples in drawn.items() if key[0] == finding},
            stamp,
            (model.stated_at or {}).get(finding),
        )
        for finding, judge in judges.items()
    }
    areas = {finding: drawn[finding, "area"] for finding in findings}

    def mean(name: str, column: int) -> MacroArea | None:
        samples = {finding: values[:, column] for finding, values in areas.items()}
        return _mean(name, judged, samples, scores.labels, stamp)

    comparison = None
    if against is not None:
        comparison = compare_predictions(table, against[0], findings, against[1], stamp, seed=seed)
    return Evaluation(
        preset=model.name,
        weights_sha256=model.weights_sha256,
        split=split,
        source=source,
        images=len(table),
        patients=len(np.unique(patients)) if unit == "patient" else None,
        level=LEVEL,
        bootstrap=Bootstrap(unit=unit, replicates=replicates, seed=seed),
        findings=judged,
        macro=Macro(auroc=mean("auroc", 0), auprc=mean("auprc", 1), brier=mean("brier", 2)),
        comparison=comparison,
        notes=notes_of(judged, comparison, look(table, split, validation)),
    )


def to_metrics(evaluation: Evaluation) -> tuple[Metric, ...]:
    """The card's metrics out of an evaluation; those without a value or an interval are left out.

    Names are ``auroc``, ``auprc``, ``brier``, and ``sensitivity@<rule>`` and so on for specificity,
    ppv and npv at each operating point. The macro mean AUROC is there for several findings.
    """
    if evaluation.weights_sha256 is None:
        raise ValueError("metrics of a card need the weights that they belong to")
    found = []
    for finding, entry in evaluation.findings.items():
        named: dict[str, Measure | None] = {name: getattr(entry, name) for name in SUMMARY}
        for rule, point in entry.operating_points.items():
            named |= {f"{rate}@{rule}": getattr(point, rate) for rate in RATES}
        found += [_metric(finding, name, value, entry) for name, value in named.items()]
    macro = evaluation.macro.auroc
    if len(evaluation.findings) > 1 and macro is not None:
        found.append(_metric("macro", "auroc", macro, macro))
    return tuple(metric for metric in found if metric is not None)


def _splits(table: pd.DataFrame, split: str) -> set[str]:
    """Names of the splits that the judged rows belong to."""
    return {split} | (set(map(str, texts(table[SPLIT]))) if SPLIT in table.columns else set())


def _metric(finding: str, name: str, value: Measure | None, counted: FindingEvaluation | MacroArea) -> Metric | None:
    if value is None or value.low is None or value.high is None or value.weights_sha256 is None:
        return None
    return Metric(
        finding=finding,
        name=name,
        value=value.value,
        low=value.low,
        high=value.high,
        n=counted.n,
        positives=counted.positives,
        split=value.split,
        weights_sha256=value.weights_sha256,
    )


def _mean(
    name: str,
    judged: Mapping[str, FindingEvaluation],
    samples: Mapping[str, Floats],
    labels: Floats,
    stamp: Stamp,
) -> MacroArea | None:
    """Plain mean over the findings that have the measure; None without any.

    Its n counts rows with a label of any of them, its positives add up over them. The interval is of
    the mean within each replicate, where every finding has an interval of its own.
    """
    found = {f: getattr(entry, name) for f, entry in judged.items() if getattr(entry, name) is not None}
    if not found:
        return None
    ends = None
    if all(measure.low is not None for measure in found.values()):
        ends = percentile_interval(np.mean([samples[finding] for finding in found], axis=0))
    plain = stamp.measure(
        float(np.mean([measure.value for measure in found.values()])),
        ends,
        int(np.isfinite(labels[:, [finding in found for finding in judged]]).any(axis=1).sum()),
        sum(measure.positives for measure in found.values()),
    )
    return MacroArea(**plain.model_dump(), findings=tuple(found))
