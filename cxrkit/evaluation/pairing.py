"""Two models on the same rows: paired differences of AUROC, with DeLong's test and the patient bootstrap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from cxrkit.errors import ManifestError
from cxrkit.evaluation.bootstrap import Discrimination, Statistic, patient_numbers, percentile_interval, resample
from cxrkit.evaluation.comparison import PairedAreas, holm, paired_delong
from cxrkit.evaluation.measures import Ends, Floats, Stamp, area_measure
from cxrkit.evaluation.predictions import IMAGE, PROBABILITY, label_cells, patient_keys, probability_cells
from cxrkit.evaluation.schema import Area, Comparison, Interval, PairedDifference, Source


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
    check_comparable(table, other, findings)
    ours, theirs = _paired(table, other)
    common = [f for f in findings if PROBABILITY + f in other.columns]
    group = patient_numbers(patient_keys(ours)[0])
    clustered = stamp.unit == "patient" and len(np.unique(group)) < len(group)
    pairs: dict[str, PairedAreas] = {}
    cells: dict[str, tuple[Floats, Floats, Floats]] = {}
    for finding in common:
        labels = label_cells(ours, finding)
        _check_labels(theirs, finding, labels)
        scores = probability_cells(ours, finding, labels), probability_cells(theirs, finding, labels)
        found = paired_delong(labels, *scores)
        if found is not None:
            pairs[finding], cells[finding] = found, (labels, *scores)
    areas = {
        (finding, side): Discrimination.of(labels, values, group)
        for finding, (labels, *both) in cells.items()
        for side, values in enumerate(both)
    }
    statistics: dict[tuple[str, int], Statistic] = dict(areas)
    drawn = resample(statistics, group, replicates=stamp.replicates, seed=seed) if pairs else {}
    differences = {f: drawn[f, 0][:, 0] - drawn[f, 1][:, 0] for f in pairs}
    p_values = [_p(pair, differences[f], clustered) for f, pair in pairs.items()]
    entries = {}
    for (finding, pair), p, adjusted in zip(pairs.items(), p_values, holm(p_values), strict=True):
        labels, *both = cells[finding]
        both_areas = [
            area_measure(labels, values, areas[finding, side], drawn[finding, side][:, 0], stamp)
            for side, values in enumerate(both)
        ]
        ends = areas[finding, 0].interval(differences[finding])
        entries[finding] = _entry(pair, both_areas, ends if clustered else None, p, adjusted, clustered, stamp)
    macro = None
    if entries:
        spread = percentile_interval(np.mean(list(differences.values()), axis=0))
        value = float(np.mean([entry.difference.value for entry in entries.values()]))
        positives = sum(entry.difference.positives for entry in entries.values())
        macro = stamp.measure(value, spread, len(ours), positives)
    return Comparison(source=source, rows=len(ours), findings=entries, macro=macro)


def _p(pair: PairedAreas, drawn: Floats, clustered: bool) -> float | None:
    """Two-sided p: DeLong's, or from the spread of the resampled patients where patients have several images."""
    if not clustered or pair.p == 1.0:
        return pair.p
    spread = float(np.nanstd(drawn, ddof=1))
    return float(2 * norm.sf(abs(pair.difference.value) / spread)) if spread > 0 else None


def _entry(
    pair: PairedAreas,
    areas: Sequence[Area | None],
    ends: Ends,
    p: float | None,
    adjusted: float | None,
    clustered: bool,
    stamp: Stamp,
) -> PairedDifference:
    plain = stamp.estimate(pair.difference)
    ours, theirs = areas
    if plain is None or ours is None or theirs is None:
        raise ValueError("a pair needs both classes")
    delong = None
    if plain.low is not None and plain.high is not None:
        delong = Interval(low=plain.low, high=plain.high, method=plain.method)
    difference = stamp.measure(plain.value, ends, plain.n, plain.positives) if clustered else plain
    method = f"normal approximation over {stamp.method.removeprefix('percentile of ')}" if clustered else plain.method
    return PairedDifference(
        ours=ours, theirs=theirs, difference=difference, delong=delong, p=p, p_holm=adjusted, p_method=method
    )


def check_comparable(table: pd.DataFrame, other: pd.DataFrame, findings: Sequence[str]) -> None:
    """Refuse two tables that cannot be paired, before anything is computed from them.

    Raises
    ------
    ManifestError
        One has no column ``image``, or an image twice, or they share no image or none of `findings`.
    """
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
    if not any(PROBABILITY + finding in other.columns for finding in findings):
        raise ManifestError("The two tables of predictions share no finding.", "Compare models of the same findings.")
    if not table[IMAGE].isin(other[IMAGE]).any():
        raise ManifestError("The two tables of predictions share no image.", "Compare predictions of the same images.")


def _paired(table: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    place = pd.Series(np.arange(len(other)), index=other[IMAGE])
    shared = table[IMAGE].isin(place.index).to_numpy()
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
