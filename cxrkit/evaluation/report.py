"""From a predictions table to the content of ``evaluation.json`` and to the metrics of a card.

What a predictions table holds, `cxrkit.evaluation.predictions` says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.card import Metric, OperatingPoint
from cxrkit.evaluation.bootstrap import REPLICATES, Replicates, bootstrap, describe
from cxrkit.evaluation.metrics import (
    BINS,
    LEVEL,
    auroc,
    average_precision,
    brier,
    expected_calibration_error,
    reliability,
)
from cxrkit.evaluation.operating_points import at_threshold
from cxrkit.evaluation.predictions import label_cells, patient_keys, probability_cells
from cxrkit.evaluation.utility import likelihood_ratios

SUMMARY = ("auroc", "auprc", "brier")
WILSON = "Wilson, images treated as independent"
RATES = ("sensitivity", "specificity", "ppv", "npv")

Floats = npt.NDArray[np.float64]


def evaluate_predictions(
    table: pd.DataFrame,
    findings: Sequence[str],
    operating_points: Sequence[OperatingPoint] = (),
    *,
    split: str,
    source: str,
    source_sha256: str,
    preset: str | None = None,
    weights_sha256: str | None = None,
    stated_at: Mapping[str, float | None] | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Any]:
    """Judge a predictions table.

    Parameters
    ----------
    table
        n rows; cells may be numbers or text.
    findings
        The k findings to judge.
    operating_points
        Thresholds fixed beforehand, on other data; they are applied as they are.
    split, source, source_sha256
        What the rows are, for the record: name of the split, name and sha256 of the label table.
    preset, weights_sha256
        The model that gave the probabilities, or None for someone else's.
    stated_at
        Finding -> prevalence at which its probabilities are stated. Where it is far from the
        prevalence of the rows, Brier score and calibration error measure that distance too.
    replicates, seed
        Of the patient bootstrap.

    Returns
    -------
    dict
        Plain types for JSON. ``findings.<finding>`` holds n, positives, prevalence, auroc, auprc,
        brier, ece, reliability and operating_points; ``macro.auroc`` is the mean over the findings
        whose AUROC is defined. What is undefined is None. The intervals of the rates at an operating
        point treat the images of one patient as independent, as its ``interval`` says.

    Raises
    ------
    ManifestError
        A column is missing or a cell is not what it must be.
    """
    labels = np.stack([label_cells(table, f) for f in findings], axis=1)
    scores = np.stack([probability_cells(table, f, labels[:, k]) for k, f in enumerate(findings)], axis=1)
    patients, unit = patient_keys(table)
    draws = bootstrap(labels, scores, patients, replicates=replicates, seed=seed)
    method = describe(unit, replicates)
    stamp = {"split": split, "weights_sha256": weights_sha256}
    judged = {
        finding: _judge(labels[:, k], scores[:, k], k, draws, method, stamp)
        | {
            "probabilities_stated_at_prevalence": (stated_at or {}).get(finding),
            "operating_points": {
                point.rule: _at_point(labels[:, k], scores[:, k], point)
                for point in operating_points
                if point.finding == finding
            },
        }
        for k, finding in enumerate(findings)
    }
    return {
        "preset": preset,
        "weights_sha256": weights_sha256,
        "split": split,
        "source": {"name": source, "sha256": source_sha256},
        "images": len(table),
        "patients": len(np.unique(patients)) if unit == "patient" else None,
        "level": LEVEL,
        "bootstrap": {"unit": unit, "replicates": replicates, "seed": seed},
        "findings": judged,
        "macro": {"auroc": _macro(judged, draws, method, stamp)},
    }


def to_metrics(evaluation: Mapping[str, Any]) -> tuple[Metric, ...]:
    """The card's metrics out of an evaluation; those without a value or an interval are left out.

    Names are ``auroc``, ``auprc``, ``brier``, and ``sensitivity@<rule>`` and so on for specificity,
    ppv and npv at each operating point. The macro mean AUROC is there for several findings.
    """
    if evaluation["weights_sha256"] is None:
        raise ValueError("metrics of a card need the weights that they belong to")
    found = []
    for finding, entry in evaluation["findings"].items():
        named = {name: entry[name] for name in SUMMARY}
        for rule, point in entry["operating_points"].items():
            named |= {f"{rate}@{rule}": point[rate] for rate in RATES}
        found += [_metric(finding, name, value, entry, evaluation) for name, value in named.items()]
    if len(evaluation["findings"]) > 1:
        macro = evaluation["macro"]["auroc"]
        found.append(_metric("macro", "auroc", macro, macro, evaluation))
    return tuple(metric for metric in found if metric is not None)


def _metric(
    finding: str,
    name: str,
    value: Mapping[str, Any] | None,
    counted: Mapping[str, Any] | None,
    evaluation: Mapping[str, Any],
) -> Metric | None:
    if value is None or counted is None or value["low"] is None:
        return None
    return Metric(
        finding=finding,
        name=name,
        value=value["value"],
        low=value["low"],
        high=value["high"],
        n=counted["n"],
        positives=counted["positives"],
        split=evaluation["split"],
        weights_sha256=evaluation["weights_sha256"],
    )


def _judge(y: Floats, p: Floats, k: int, draws: Replicates, method: str, stamp: Mapping[str, Any]) -> dict[str, Any]:
    n, positives = int(np.isfinite(y).sum()), int(np.nansum(y))
    prevalence = positives / n if n else None
    delong = auroc(y, p)

    def entry(value: float | None, samples: Floats) -> dict[str, Any] | None:
        if value is None:
            return None
        low, high = draws.interval(samples, k) or (None, None)
        return {"value": value, "low": low, "high": high, "method": method, "n": n, "positives": positives, **stamp}

    area = entry(delong.value if delong else None, draws.auroc)
    precision = entry(average_precision(y, p), draws.auprc)
    square = entry(brier(y, p), draws.brier)
    error = expected_calibration_error(y, p)
    if area is not None and delong is not None:
        area["delong"] = {"low": delong.low, "high": delong.high}
    if precision is not None:
        precision["prevalence"] = prevalence
    if square is not None and prevalence is not None:
        square["of_constant_prevalence"] = prevalence * (1 - prevalence)
    return {
        "n": n,
        "positives": positives,
        "prevalence": prevalence,
        "auroc": area,
        "auprc": precision,
        "brier": square,
        "ece": None if error is None else {"value": error, "method": f"{BINS} bins of equal mass", "n": n, **stamp},
        "reliability": [dataclasses.asdict(b) for b in reliability(y, p)],
    }


def _at_point(y: Floats, p: Floats, point: OperatingPoint) -> dict[str, Any]:
    at = at_threshold(p, y, point.threshold)
    rates = {name: getattr(at, name) for name in RATES}
    plus, minus = None, None
    if at.sensitivity is not None and at.specificity is not None:
        plus, minus = likelihood_ratios(at.sensitivity.value, at.specificity.value)
    return {
        "threshold": point.threshold,
        "fitted_on": {"split": point.split, "n": point.n, "positives": point.positives},
        "supported": point.supported,
        **dataclasses.asdict(at),
        "interval": WILSON,
        **{name: None if rate is None else dataclasses.asdict(rate) for name, rate in rates.items()},
        "likelihood_ratio_positive": plus,
        "likelihood_ratio_negative": minus,
    }


def _macro(
    judged: Mapping[str, Any], draws: Replicates, method: str, stamp: Mapping[str, Any]
) -> dict[str, Any] | None:
    defined = [k for k, entry in enumerate(judged.values()) if entry["auroc"] is not None]
    names = [name for name, entry in judged.items() if entry["auroc"] is not None]
    if not defined:
        return None
    low, high = draws.macro_interval(defined) or (None, None)
    return {
        "value": float(np.mean([judged[name]["auroc"]["value"] for name in names])),
        "low": low,
        "high": high,
        "method": method,
        "n": max(judged[name]["n"] for name in names),
        "positives": sum(judged[name]["positives"] for name in names),
        "findings": names,
        **stamp,
    }
