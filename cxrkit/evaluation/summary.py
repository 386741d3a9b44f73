"""An evaluation as a plain-text table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEADER = ("finding", "n", "positive", "AUROC (95 % interval)", "AUPRC (prevalence)", "Brier", "ECE")


def format_evaluation(evaluation: Mapping[str, Any]) -> str:
    """Lines of AUROC, AUPRC, Brier and calibration error per finding, then the operating points.

    `evaluation` is what `cxrkit.evaluation.report.evaluate_predictions` returns. What is undefined
    shows as a dash, and a point fitted on too few cases is marked unsupported.
    """
    rows: list[tuple[str, ...]] = [_HEADER]
    for finding, entry in evaluation["findings"].items():
        area, precision = entry["auroc"], entry["auprc"]
        rows.append(
            (
                finding,
                str(entry["n"]),
                str(entry["positives"]),
                _interval(area),
                f"{precision['value']:.3f} ({precision['prevalence']:.3f})" if precision else "-",
                _plain(entry["brier"]),
                _plain(entry["ece"]),
            )
        )
    macro = evaluation["macro"]["auroc"]
    if len(evaluation["findings"]) > 1 and macro is not None:
        rows.append((f"mean of {len(macro['findings'])}", str(macro["n"]), "", _interval(macro), "", "", ""))
    lines = [_title(evaluation), "", *_columns(rows)]
    points: list[tuple[str, ...]] = [_HEADER_POINTS, *_point_rows(evaluation)]
    if len(points) > 1:
        lines += ["", *_columns(points)]
        lines += ["", *_footer(evaluation)]
    return "\n".join(lines)


_HEADER_POINTS = ("operating point", "threshold", "sensitivity", "specificity", "PPV", "NPV", "")


def _point_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            f"{finding}, {rule}",
            f"{point['threshold']:.4f}",
            *(_interval(point[rate]) for rate in ("sensitivity", "specificity", "ppv", "npv")),
            "" if point["supported"] else "unsupported: fitted on too few cases",
        )
        for finding, entry in evaluation["findings"].items()
        for rule, point in entry["operating_points"].items()
    ]


def _footer(evaluation: Mapping[str, Any]) -> list[str]:
    """One line per way in which the intervals of the operating points were computed."""
    ways = {
        point["interval"] for entry in evaluation["findings"].values() for point in entry["operating_points"].values()
    }
    return [f"Intervals of sensitivity, specificity, PPV and NPV: {way}." for way in sorted(ways)]


def _title(evaluation: Mapping[str, Any]) -> str:
    model = evaluation["preset"] or "predictions"
    patients = "" if evaluation["patients"] is None else f" of {evaluation['patients']} patients"
    return f"{model} on {evaluation['source']['name']}, {evaluation['split']}: {evaluation['images']} images{patients}"


def _interval(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return "-"
    value = f"{estimate['value']:.3f}"
    return value if estimate["low"] is None else f"{value} ({estimate['low']:.3f}-{estimate['high']:.3f})"


def _plain(estimate: Mapping[str, Any] | None) -> str:
    return "-" if estimate is None else f"{estimate['value']:.4f}"


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
