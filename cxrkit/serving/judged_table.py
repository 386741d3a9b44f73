"""A table of labelled predictions that a reader looks at: a preset's own rows, or someone else's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.data.table import SPLIT, parse_table, select_rows
from cxrkit.errors import ManifestError
from cxrkit.evaluation.bootstrap import patient_numbers
from cxrkit.evaluation.cell_check import check_cells
from cxrkit.evaluation.identity_free import Alias, identity_free
from cxrkit.evaluation.measures import Stamp
from cxrkit.evaluation.metrics import auroc, average_precision, brier
from cxrkit.evaluation.predictions import PROBABILITY, label_cells, patient_keys, probability_cells, texts
from cxrkit.evaluation.report import Model, evaluate_predictions
from cxrkit.evaluation.schema import EVALUATION, Evaluation, FindingEvaluation, Source
from cxrkit.evaluation.sweep import REPLICATES, Sweep
from cxrkit.evaluation.validation import Validation
from cxrkit.preset import Preset
from cxrkit.serving.kept_scores import KeptSplit, kept_splits, load_scores

LARGEST_FILE, MOST_ROWS, MOST_FINDINGS = 30_000_000, 20_000, 40
"""What a page takes on; scripts/evaluate.py knows no such limits."""

SPARK = 31
OF_CARD = "validation scores of the card"
"""Name of the source of `table_of_card`."""

Role = Literal["validation", "evaluation", "uploaded"]


@dataclass(frozen=True, eq=False)
class JudgedTable:
    """Rows of labels and probabilities, and whose they are.

    Attributes
    ----------
    key
        Sum of the rows, for caches.
    table, findings
        n rows of text without identity, and the findings that they judge.
    split, role
        Name of the rows; ``validation`` where thresholds may be chosen, ``evaluation`` where they are judged.
    source
        The table of labels.
    preset
        Whose probabilities they are, or None.
    images
        Whether rows are images that another model's rows can be paired with.
    """

    key: str
    table: pd.DataFrame
    findings: tuple[str, ...]
    split: str
    role: Role
    source: Source
    preset: Preset | None
    images: bool = True

    def cells(self, finding: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """n labels (NaN where unknown) and n probabilities."""
        labels = label_cells(self.table, finding)
        return labels, probability_cells(self.table, finding, labels)

    @cached_property
    def stamp(self) -> Stamp:
        """What the intervals of these rows belong to."""
        sha256 = None if self.preset is None else self.preset.weights_sha256
        return Stamp(self.split, sha256, patient_keys(self.table)[1], REPLICATES)

    @property
    def patients(self) -> int | None:
        """How many patients the rows show, or None where they do not say."""
        keys, unit = patient_keys(self.table)
        return len(np.unique(keys)) if unit == "patient" else None


@dataclass(frozen=True, eq=False)
class Bench:
    """One finding of a table: its evaluation, and all thresholds; no sweep where a class is absent."""

    entry: FindingEvaluation
    sweep: Sweep | None


@dataclass(frozen=True)
class Line:
    """One finding in the table of all findings; `roc` holds sensitivities at even shares of false alarms."""

    finding: str
    n: int
    positives: int
    auroc: float | None
    low: float | None
    high: float | None
    auprc: float | None
    brier: float | None
    roc: tuple[float, ...]


# -- where tables come from --------------------------------------------------------------------


def table_of_kept(preset: Preset, kept: KeptSplit) -> JudgedTable:
    """The scores that are kept beside a preset's card; raises `ManifestError` where they are not those."""
    fitted = {scores.split for scores in preset.validation_scores.values()}
    role: Role = "validation" if kept.split in fitted else "evaluation"
    source = Source(name=kept.source_name, sha256=kept.source_sha256)
    return JudgedTable(
        kept.sha256, load_scores(preset, kept), preset.findings, kept.split, role, source, preset, images=False
    )


def table_of_card(preset: Preset) -> JudgedTable | None:
    """The validation scores that a card keeps, finding by finding; None where it keeps none with both classes."""
    kept = {f: s for f, s in preset.validation_scores.items() if s.positives and s.negatives}
    findings = tuple(f for f in preset.findings if f in kept)
    if not findings:
        return None
    longest = max(len(s.positives) + len(s.negatives) for s in kept.values())
    columns: dict[str, list[str]] = {}
    for finding in findings:
        ones, zeros = kept[finding].positives, kept[finding].negatives
        blank = [""] * (longest - len(ones) - len(zeros))
        columns[finding] = ["1"] * len(ones) + ["0"] * len(zeros) + blank
        columns[PROBABILITY + finding] = [f"{p:.9g}" for p in (*ones, *zeros)] + blank
    table = pd.DataFrame(columns, dtype=str)
    digest = hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
    source = Source(name=OF_CARD, sha256=digest)
    return JudgedTable(digest, table, findings, kept[findings[0]].split, "validation", source, preset, images=False)


def splits_of(preset: Preset) -> tuple[KeptSplit, ...]:
    """What is kept of a preset, validation first; raises as `kept_splits` does."""
    fitted = {scores.split for scores in preset.validation_scores.values()}
    return tuple(sorted(kept_splits(preset), key=lambda kept: (kept.split not in fitted, kept.split)))


def parse_upload(raw: bytes) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Somebody's CSV, after every cell was checked: the table, and the splits that it names.

    Raises
    ------
    PredictionsInvalid
        Cells are wrong.
    ManifestError
        It is no such table, or more than a page takes on.
    """
    if len(raw) > LARGEST_FILE or raw.startswith(b"\x1f\x8b"):
        raise ManifestError(
            f"The table is compressed, or larger than {LARGEST_FILE // 1_000_000} MB.",
            "Upload a plain CSV, or judge the table with scripts/evaluate.py --predictions.",
        )
    table = parse_table(raw)
    findings = check_cells(table)
    if len(table) > MOST_ROWS or len(findings) > MOST_FINDINGS:
        raise ManifestError(
            f"The table has {len(table):,} rows of {len(findings):,} findings; this page takes {MOST_ROWS:,} of "
            f"{MOST_FINDINGS}.",
            "Judge it with scripts/evaluate.py --predictions, which knows no such limit.",
        )
    named = sorted(set(texts(table[SPLIT])) - {""}) if SPLIT in table.columns else []
    return table, tuple(named) if len(named) > 1 else ()


def table_of_upload(
    table: pd.DataFrame, alias: Alias, split: str | None = None, preset: Preset | None = None
) -> JudgedTable:
    """Somebody's checked table without whom it shows: all of its rows, or those of one split."""
    rows = identity_free(select_rows(table, split), check_cells(table), alias)
    digest = hashlib.sha256(rows.to_csv().encode()).hexdigest()
    source = Source(name="uploaded table", sha256=digest)
    findings = tuple(c.removeprefix(PROBABILITY) for c in rows.columns if c.startswith(PROBABILITY))
    return JudgedTable(digest, rows, findings, split or "uploaded table", "uploaded", source, preset)


def template(findings: Sequence[str]) -> str:
    """An example of a predictions table, with every column that is understood; its rows are made up."""
    head = ["image", "patient_id", "split", "sex", "age", "view_position"]
    head += [column for f in findings for column in (f, PROBABILITY + f)]
    facts = (("M", "61", "PA"), ("F", "47", "AP"), ("F", "72", "PA"))
    rows = []
    for number in range(6):
        row = [f"image-{number + 1}", f"patient-{number // 2 + 1}", "test", *facts[number // 2]]
        for place in range(len(findings)):
            positive = (number + place) % 3 == 0
            row += [str(int(positive)), f"{(0.62 if positive else 0.08) + 0.03 * number:.2f}"]
        rows.append(row)
    return "".join(",".join(row) + "\n" for row in (head, *rows))


# -- what is computed of them ------------------------------------------------------------------


def bench_of(judged: JudgedTable, finding: str) -> Bench:
    """Everything about one finding. What ``evaluation.json`` records of these very rows is taken from there."""
    labels, p = judged.cells(finding)
    group = patient_numbers(patient_keys(judged.table)[0])
    entry = _recorded(judged, finding) or _judge(judged, finding)
    among = [point.threshold for point in entry.operating_points.values()]
    sweep = Sweep.of(labels, p, group, judged.stamp, among=among)
    if sweep is not None:  # once, here, and not at the first look
        _ = sweep.rates, sweep.roc_band, sweep.precision_band
    return Bench(entry, sweep)


def _recorded(judged: JudgedTable, finding: str) -> FindingEvaluation | None:
    recorded = record_of(judged)
    return None if recorded is None else recorded.findings.get(finding)


def record_of(judged: JudgedTable) -> Evaluation | None:
    """``evaluation.json`` beside the card, where it is of these very rows."""
    preset = judged.preset
    if preset is None or judged.role != "evaluation" or not (Path(preset.folder) / EVALUATION).is_file():
        return None
    recorded = Evaluation.load(preset.folder)
    same = (recorded.weights_sha256, recorded.split, recorded.source.sha256, recorded.images) == (
        preset.weights_sha256,
        judged.split,
        judged.source.sha256,
        len(judged.table),
    )
    return recorded if same else None


def _judge(judged: JudgedTable, finding: str) -> FindingEvaluation:
    model, validation, preset = Model(), None, judged.preset
    if preset is not None and finding in preset.findings:
        points = tuple(point for point in preset.operating_points if point.finding == finding)
        stated = {finding: preset.calibration[finding].prevalence}
        model = Model(preset.name, preset.weights_sha256, points, stated)
        kept = preset.validation_scores.get(finding)
        if kept is not None:
            validation = Validation.of_card([kept], [preset.calibration[finding]])
    evaluation = evaluate_predictions(
        judged.table,
        [finding],
        model,
        split=judged.split,
        source=judged.source,
        validation=validation,
        replicates=REPLICATES,
    )
    return evaluation.findings[finding]


def overview(judged: JudgedTable) -> tuple[Line, ...]:
    """All findings at a glance, with DeLong's interval, which needs no resampling."""
    return tuple(_line(finding, *judged.cells(finding)) for finding in judged.findings)


def _line(finding: str, labels: npt.NDArray[np.float64], p: npt.NDArray[np.float64]) -> Line:
    area, known = auroc(labels, p), np.isfinite(labels)
    spark: tuple[float, ...] = ()
    if area is not None:
        alarms, hits = (np.sort(p[labels == label]) for label in (0, 1))
        # the sensitivity when at most this share of the negatives is called
        at = np.quantile(alarms, 1 - np.linspace(0, 1, SPARK), method="higher")
        spark = tuple((1 - np.searchsorted(hits, at, side="left") / len(hits)).tolist())
    return Line(
        finding,
        int(known.sum()),
        int(np.nansum(labels)),
        None if area is None else area.value,
        None if area is None else area.low,
        None if area is None else area.high,
        average_precision(labels, p),
        brier(labels, p),
        spark,
    )
