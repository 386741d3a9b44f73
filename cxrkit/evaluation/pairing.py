"""Two models on the same rows: paired differences of AUROC, with DeLong's test and the patient bootstrap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxrkit.errors import ManifestError
from cxrkit.evaluation.bootstrap import Discrimination, Statistic, patient_numbers, percentile_interval, resample
from cxrkit.evaluation.comparison import PairedAreas, holm, paired_delong
from cxrkit.evaluation.measures import Floats, Stamp
from cxrkit.evaluation.predictions import PROBABILITY, label_cells, patient_keys, probability_cells
from cxrkit.evaluation.schema import Comparison, Interval, PairedDifference, Source

IMAGE = "image"


def compare_predictions(
    table: pd.DataFrame,
    other: pd.DataFrame,
    findings: Sequence[str],
    source: Source,
    stamp: Stamp,
    *,
    seed: int = 0,
) -> Comparison:
    """Compare a predictions table with another model's, image by image.

    Parameters
    ----------
    table, other
        Both with a column ``image`` that names each row once. Labels and patients are those of `table`;
        `other` needs no labels, and where it has some they must agree.
    findings
        Those of `table`; the ones that `other` lacks are left out.
    source
        Of `other`, for the record.
    stamp, seed
        As of the evaluation.

    Returns
    -------
    Comparison
        Differences are AUROC of `table` less that of `other`.

    Raises
    ------
    ManifestError
        The tables cannot be paired, share no row or finding, or contradict each other's labels.
    """
    ours, theirs = _paired(table, other)
    common = [f for f in findings if PROBABILITY + f in other.columns]
    if not common:
        raise ManifestError("The two tables of predictions share no finding.", "Compare models of the same findings.")
    group = patient_numbers(patient_keys(ours)[0])
    pairs: dict[str, PairedAreas] = {}
    areas: dict[tuple[str, str], Discrimination] = {}
    for finding in common:
        labels = label_cells(ours, finding)
        _check_labels(theirs, finding, labels)
        scores = probability_cells(ours, finding, labels), probability_cells(theirs, finding, labels)
        found = paired_delong(labels, *scores)
        if found is None:
            continue
        pairs[finding] = found
        for side, values in zip(("ours", "theirs"), scores, strict=True):
            areas[finding, side] = Discrimination.of(labels, values, group)
    statistics: dict[tuple[str, str], Statistic] = dict(areas)
    drawn = resample(statistics, group, replicates=stamp.replicates, seed=seed) if pairs else {}
    differences = {f: drawn[f, "ours"][:, 0] - drawn[f, "theirs"][:, 0] for f in pairs}
    adjusted = holm([pair.p for pair in pairs.values()])
    entries = {
        finding: _entry(pair, p, differences[finding], areas[finding, "ours"], stamp)
        for (finding, pair), p in zip(pairs.items(), adjusted, strict=True)
    }
    macro = None
    if entries:
        spread = percentile_interval(np.mean(list(differences.values()), axis=0))
        value = float(np.mean([entry.difference.value for entry in entries.values()]))
        positives = sum(entry.difference.positives for entry in entries.values())
        macro = stamp.measure(value, spread, len(ours), positives)
    return Comparison(source=source, rows=len(ours), findings=entries, macro=macro)


def _entry(
    pair: PairedAreas, adjusted: float | None, drawn: Floats, area: Discrimination, stamp: Stamp
) -> PairedDifference:
    difference = stamp.estimate(pair.difference)
    assert difference is not None
    clustered = area.interval(drawn)
    if clustered is not None:
        low, high = clustered
        difference = difference.model_copy(update={"clustered": Interval(low=low, high=high, method=stamp.method)})
    return PairedDifference(ours=pair.ours, theirs=pair.theirs, difference=difference, p=pair.p, p_holm=adjusted)


def _paired(table: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    for side in (table, other):
        if IMAGE not in side.columns:
            raise ManifestError(
                "Two tables of predictions can only be compared by their column image, which one of them lacks.",
                "Add the column image to both.",
            )
        twice = int(side[IMAGE].duplicated().sum())
        if twice:
            raise ManifestError(
                f"A table of predictions names {twice} images twice.", "Keep one row of predictions per image."
            )
    place = pd.Series(np.arange(len(other)), index=other[IMAGE])
    shared = table[IMAGE].isin(place.index).to_numpy()
    if not shared.any():
        raise ManifestError("The two tables of predictions share no image.", "Compare predictions of the same images.")
    return table[shared], other.iloc[place.loc[table.loc[shared, IMAGE]].to_numpy()]


def _check_labels(theirs: pd.DataFrame, finding: str, labels: Floats) -> None:
    if finding not in theirs.columns:
        return
    stated = label_cells(theirs, finding)
    odd = int((np.isfinite(stated) & np.isfinite(labels) & (stated != labels)).sum())
    if odd:
        raise ManifestError(
            f"The two tables of predictions contradict each other in {odd} labels of {finding}.",
            "Judge both by the same reference standard.",
        )
