"""An evaluation as plain-text tables for a terminal."""

from __future__ import annotations

import textwrap

from cxrkit.evaluation.schema import Evaluation, LocalisationEntry, Measure

_FINDINGS = ("finding", "n", "positive", "AUROC (95 % interval)", "AUPRC (prevalence)", "Brier", "ECE", "slope")
_POINTS = ("operating point", "threshold", "sensitivity", "specificity", "PPV", "NPV", "")
_GROUPS = ("group", "", "n", "positive", "AUROC (95 % interval)", "")
_GAPS = ("subgroups", "finding", "measure", "lowest", "highest", "gap (95 % interval)")
_PAIRS = ("compared", "this", "other", "difference (95 % interval)", "p", "p (Holm)")
_BOXES = ("boxes", "finding", "split", "pairs", "pointing game", "random", "centre", "IoU > .1", "mean IoU")
_WIDTH = 110


def format_evaluation(evaluation: Evaluation) -> str:
    """Discrimination and calibration per finding, operating points, and whatever else was judged.

    What is undefined shows as a dash, and a point fitted on too few cases is marked unsupported.
    """
    parts = [_columns(_finding_rows(evaluation))]
    points = _point_rows(evaluation)
    if len(points) > 1:
        parts.append(_columns(points))
        ways = {p.interval for entry in evaluation.findings.values() for p in entry.operating_points.values()}
        parts.append([f"Intervals of sensitivity, specificity, PPV and NPV: {way}." for way in sorted(ways)])
    for rows in (_group_rows(evaluation), _gap_rows(evaluation), _pair_rows(evaluation), _box_rows(evaluation)):
        if len(rows) > 1:
            parts.append(_columns(rows))
    if evaluation.attention is not None:
        parts.append(_attention_lines(evaluation))
    if evaluation.notes:
        parts.append([line for note in evaluation.notes for line in _wrapped(note)])
    lines = [_title(evaluation)]
    for part in parts:
        lines += ["", *part]
    return "\n".join(lines)


def _finding_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [_FINDINGS]
    for finding, entry in evaluation.findings.items():
        precision = entry.auprc
        rows.append(
            (
                finding,
                str(entry.n),
                str(entry.positives),
                _interval(entry.auroc),
                f"{precision.value:.3f} ({precision.prevalence:.3f})" if precision else "-",
                _plain(entry.brier, 4),
                _plain(entry.ece, 4),
                _plain(entry.calibration["delivered"].slope, 2),
            )
        )
    macro = evaluation.macro.auroc
    if len(evaluation.findings) > 1 and macro is not None:
        rows.append((f"mean of {len(macro.findings)}", str(macro.n), "", _interval(macro), "", "", "", ""))
    return rows


def _point_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    return [_POINTS] + [
        (
            f"{finding}, {rule}",
            f"{point.threshold:.4f}",
            *(_interval(rate) for rate in (point.sensitivity, point.specificity, point.ppv, point.npv)),
            "" if point.supported else "unsupported: fitted on too few cases",
        )
        for finding, entry in evaluation.findings.items()
        for rule, point in entry.operating_points.items()
    ]


def _group_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """The groups of a single finding; for several they would fill the screen."""
    rows: list[tuple[str, ...]] = [_GROUPS]
    entries = list(evaluation.findings.values())
    for variable, grouping in entries[0].subgroups.items() if len(entries) == 1 else ():
        for group in grouping.groups:
            counts = str(group.n), str(group.positives)
            rows.append((variable, group.name, *counts, _interval(group.auroc), group.reason or ""))
        if grouping.auroc_of_variable is not None:
            alone = grouping.auroc_of_variable
            rows.append((variable, "by itself", str(alone.n), str(alone.positives), _interval(alone), ""))
    return rows


def _gap_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (variable, finding, gap.measure, gap.lowest, gap.highest, _interval(gap.difference))
        for finding, entry in evaluation.findings.items()
        for variable, grouping in entry.subgroups.items()
        for gap in grouping.gaps
        if gap.measure == "auroc"
    ]
    return [_GAPS, *rows]


def _pair_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    comparison = evaluation.comparison
    if comparison is None:
        return [_PAIRS]
    rows: list[tuple[str, ...]] = [
        (finding, _plain(pair.ours, 3), _plain(pair.theirs, 3), _interval(pair.difference), _p(pair.p), _p(pair.p_holm))
        for finding, pair in comparison.findings.items()
    ]
    rows.append((f"mean, {comparison.rows} images", "", "", _interval(comparison.macro), "", ""))
    return [_PAIRS, *rows]


def _box_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Images that the model was trained on are left to the file: they are no evidence."""
    return [_BOXES] + [_box_row(entry) for entry in evaluation.localisation if entry.headline]


def _box_row(entry: LocalisationEntry) -> tuple[str, ...]:
    return (
        entry.boxes,
        entry.finding,
        entry.split,
        str(entry.pairs),
        _interval(entry.model.pointing),
        f"{entry.random.pointing.value:.3f}",
        f"{entry.centre.pointing.value:.3f}",
        f"{entry.model.iou['0.1'].value:.3f}",
        f"{entry.model.mean_iou.value:.3f}",
    )


def _attention_lines(evaluation: Evaluation) -> list[str]:
    attention = evaluation.attention
    assert attention is not None
    stages = [(stage.stage, _interval(stage.ssim)) for stage in attention.randomisation]
    shares = [(e.region, e.finding, _interval(e.share), f"{e.area.value:.3f}") for e in attention.evidence]
    lines = _columns([("weights drawn anew down to", "similarity of the maps (SSIM)"), *stages])
    if shares:
        lines += ["", *_columns([("evidence", "finding", "share", "share of the area"), *shares])]
    return lines


def _title(evaluation: Evaluation) -> str:
    model = evaluation.preset or "predictions"
    patients = "" if evaluation.patients is None else f" of {evaluation.patients} patients"
    return f"{model} on {evaluation.source.name}, {evaluation.split}: {evaluation.images} images{patients}"


def _interval(estimate: Measure | None) -> str:
    if estimate is None:
        return "-"
    value = f"{estimate.value:.3f}"
    return value if estimate.low is None else f"{value} ({estimate.low:.3f}-{estimate.high:.3f})"


def _plain(estimate: Measure | None, digits: int) -> str:
    return "-" if estimate is None else f"{estimate.value:.{digits}f}"


def _p(value: float | None) -> str:
    return "-" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(note, _WIDTH, initial_indent="* ", subsequent_indent="  ")


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
