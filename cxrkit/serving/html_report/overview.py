"""The parts of the report that stand above single findings: summary, comparison, localisation, attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.charts.style import number, percent
from cxrkit.evaluation.schema import (
    Attention,
    Comparison,
    Evaluation,
    LocalisationEntry,
    LocalisationScores,
    MacroArea,
    Measure,
    RandomisedStage,
)
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.serving.html_report.cells import Cell, Table, dash, decimal, methods_of, share, why_undefined
from cxrkit.serving.html_report.finding import marks_of

SIMILAR = 0.5
"""Below this SSIM with the true map, maps of randomised weights count as different."""


@dataclass(frozen=True)
class SummaryRow:
    """One finding of the summary table: where its section is, its name, warnings and cells."""

    anchor: str
    label: str
    marks: tuple[str, ...]
    cells: tuple[Cell, ...]


SUMMARY_HEAD = ("Finding", "Positives", "AUROC", "AUPRC", "Prevalence (AUPRC without skill)", "Brier", "ECE")


def judged_words(evaluation: Evaluation, preset: Preset | None) -> tuple[str, ...]:
    """What was judged, in the few words of the page's head."""
    words = [evaluation.preset or "predictions made elsewhere"]
    if preset is not None:
        words.append(f"version {preset.version}")
    if evaluation.weights_sha256 is not None:
        words.append(f"weights {evaluation.weights_sha256[:12]}")
    words += [f"split: {evaluation.split}", f"{evaluation.images:,} images"]
    words.append("patients unknown" if evaluation.patients is None else f"{evaluation.patients:,} patients")
    return tuple(words)


def summary_rows(evaluation: Evaluation, anchors: Mapping[str, str]) -> tuple[SummaryRow, ...]:
    """One row per finding, in the order of the evaluation."""
    rows = []
    for finding, entry in evaluation.findings.items():
        why = why_undefined(entry.n, entry.positives)
        cells = (
            Cell(f"{entry.positives:,}", f"of {entry.n:,}"),
            decimal(entry.auroc, why),
            decimal(entry.auprc, why),
            dash(why) if entry.prevalence is None else Cell(percent(entry.prevalence.value)),
            decimal(entry.brier, why, 4),
            decimal(entry.ece, why, 4),
        )
        rows.append(SummaryRow(anchors[finding], finding_text(finding).label, marks_of(entry), cells))
    return tuple(rows)


def summary_methods(evaluation: Evaluation) -> str:
    """How the intervals of the summary came about."""
    columns = (("AUROC", "auroc"), ("AUPRC", "auprc"), ("Brier", "brier"), ("ECE", "ece"))
    return methods_of((name, getattr(e, column)) for e in evaluation.findings.values() for name, column in columns)


def macro_cards(evaluation: Evaluation) -> tuple[tuple[str, Cell, str], ...]:
    """Means over findings: name, value, and over which findings."""
    macro = evaluation.macro
    parts = (("Mean AUROC", macro.auroc, 3), ("Mean AUPRC", macro.auprc, 3), ("Mean Brier score", macro.brier, 4))
    return tuple(
        (name, decimal(found, "no finding has one", digits), _over(found, evaluation)) for name, found, digits in parts
    )


def _over(found: MacroArea | None, evaluation: Evaluation) -> str:
    if found is None:
        return ""
    left_out = [finding_text(f).label for f in evaluation.findings if f not in found.findings]
    return f"over {len(found.findings)} findings" + (f", without {', '.join(left_out)}" if left_out else "")


def comparison_table(comparison: Comparison) -> Table:
    """This model against the other, finding by finding."""
    rows = [
        (
            Cell(finding_text(finding).label),
            Cell(f"{pair.difference.positives:,}", f"of {pair.difference.n:,}"),
            decimal(pair.ours, ""),
            decimal(pair.theirs, ""),
            decimal(pair.difference, ""),
            _p(pair.p),
            _p(pair.p_holm),
        )
        for finding, pair in comparison.findings.items()
    ]
    if comparison.macro is not None:
        blank = Cell("")
        rows.append((Cell("Mean"), blank, blank, blank, decimal(comparison.macro, ""), blank, blank))
    head = ("Finding", "Positives", "This model", "The other", "Difference", "p", "p, Holm")
    measures = [*(("findings", pair.difference) for pair in comparison.findings.values()), ("mean", comparison.macro)]
    return Table(head, tuple(rows), methods_of(measures))


def _p(p: float | None) -> Cell:
    return dash("no test possible") if p is None else Cell("< 0.001" if p < 0.001 else number(p))


@dataclass(frozen=True)
class Boxes:
    """Maps against the boxes of one split: the usual table, and the one with IoBB in place of IoU."""

    name: str
    iou: Table
    iobb: Table


@dataclass(frozen=True)
class Localisation:
    """Maps against boxes of some images: evidence, or (not `headline`) of images that were trained on."""

    headline: bool
    boxes: tuple[Boxes, ...]


def localisation_parts(entries: Sequence[LocalisationEntry], split: str) -> tuple[Localisation, ...]:
    """Entries whose images the model has not seen, those of the judged split first; then those of its training."""
    parts = []
    for headline in (True, False):
        chosen = [entry for entry in entries if entry.headline is headline]
        keys = sorted(dict.fromkeys((e.boxes, e.split) for e in chosen), key=lambda key: key[1] != split)
        if chosen:
            parts.append(Localisation(headline, tuple(_boxes(boxes, part, chosen) for boxes, part in keys)))
    return tuple(parts)


def _boxes(boxes: str, split: str, entries: Sequence[LocalisationEntry]) -> Boxes:
    chosen = [entry for entry in entries if (entry.boxes, entry.split) == (boxes, split)]
    whole = ("Pointing game", "Mean IoU")
    iou, iobb = (tuple(getattr(chosen[0].model, name)) for name in ("iou", "iobb"))
    return Boxes(
        f"{boxes} boxes, split {split}",
        _overlaps(
            chosen, ("Finding", "Maps", *whole, *(f"IoU > {t}" for t in iou)), lambda s: (*_whole(s), *_all(s.iou, iou))
        ),
        _overlaps(chosen, ("Finding", "Maps", *(f"IoBB > {t}" for t in iobb)), lambda s: _all(s.iobb, iobb)),
    )


def _overlaps(
    entries: Sequence[LocalisationEntry],
    head: tuple[str, ...],
    cells: Callable[[LocalisationScores], tuple[Cell, ...]],
) -> Table:
    rows = []
    for entry in entries:
        name = "All findings" if entry.finding == "all" else finding_text(entry.finding).label
        rests_on = f"pairs: {entry.pairs:,}; images: {entry.images:,}"
        weak = f"fewer than {MINIMUM_POSITIVES}: weak evidence" if entry.pairs < MINIMUM_POSITIVES else ""
        what = Cell(name, rests_on, f"boxes cover {percent(entry.area_share.value)}", weak)
        for maps, scores in (("model", entry.model), ("random", entry.random), ("centre", entry.centre)):
            rows.append((what if maps == "model" else Cell(""), Cell(maps), *cells(scores)))
    measures = [
        pair
        for e in entries
        for scores in (e.model, e.random, e.centre)
        for pair in (
            ("pointing game", scores.pointing),
            ("mean IoU", scores.mean_iou),
            *(("shares above a threshold", found) for found in (*scores.iou.values(), *scores.iobb.values())),
        )
    ]
    return Table(head, tuple(rows), methods_of(measures))


def _whole(scores: LocalisationScores) -> tuple[Cell, ...]:
    return (share(scores.pointing, ""), decimal(scores.mean_iou, ""))


def _all(found: Mapping[str, Measure], thresholds: Sequence[str]) -> tuple[Cell, ...]:
    return tuple(share(found.get(threshold), "not judged") for threshold in thresholds)


def randomisation_table(attention: Attention) -> Table:
    """Do the maps change when the weights are drawn anew, layer by layer from the output?"""
    rows = [
        (
            Cell({"none": "nothing (the trained weights)", "whole": "the whole network"}.get(stage.stage, stage.stage)),
            decimal(stage.ssim, "", 2),
            Cell(f"{stage.ssim.n:,}"),
            Cell(_verdict(stage)),
        )
        for stage in attention.randomisation
    ]
    head = ("Drawn anew down to", "SSIM with the true map", "n", "Verdict")
    return Table(head, tuple(rows), methods_of(("SSIM", stage.ssim) for stage in attention.randomisation))


def _verdict(stage: RandomisedStage) -> str:
    changed = stage.ssim.value < SIMILAR
    if stage.stage == "none":
        return "not the same map: the measurement is at fault" if changed else "the same map, as it must be"
    return "the map has changed" if changed else f"still similar (SSIM {SIMILAR} or more)"


def evidence_table(attention: Attention) -> Table:
    """Where the positive evidence lies, beside what an even spread would give."""
    rows = [
        (
            Cell(evidence.region),
            Cell("All findings" if evidence.finding == "all" else finding_text(evidence.finding).label),
            share(evidence.share, ""),
            share(evidence.area, ""),
            Cell(f"{evidence.share.n:,}"),
        )
        for evidence in attention.evidence
    ]
    head = ("Region", "Finding", "Share of the evidence", "Share of the area", "n")
    return Table(head, tuple(rows), methods_of(("evidence", evidence.share) for evidence in attention.evidence))
