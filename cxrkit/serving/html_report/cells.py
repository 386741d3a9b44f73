"""Numbers of an evaluation as the cells of tables; what is undefined becomes a dash with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.charts.style import PERCENT, number, percent
from cxrkit.evaluation.schema import AtPoint, FittedOn, Interval, Measure

RATES = {
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "balanced_accuracy": "Balanced accuracy",
    "likelihood_ratio_positive": "LR+",
    "likelihood_ratio_negative": "LR−",
}
POINTS = " points"
SHARES = ("sensitivity", "specificity", "ppv", "npv", "balanced_accuracy")


@dataclass(frozen=True)
class Cell:
    """One cell: `text` large, then smaller its interval, what it rests on, and why it is missing or weak.

    `words` are a sentence that may wrap.
    """

    text: str
    interval: str = ""
    rests_on: str = ""
    remark: str = ""
    words: str = ""


@dataclass(frozen=True)
class Table:
    """A table: `head` and rows of cells, the first cell of a row naming it, and how its intervals came about."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    methods: str = ""


def decimal(measure: Measure | None, reason: str, digits: int = 3, *, counted: bool = False) -> Cell:
    """A plain number with its interval; `counted` adds the rows that it rests on."""
    return _cell(measure, reason, lambda value: number(value, digits), counted=counted)


def share(measure: Measure | None, reason: str, *, counted: bool = False) -> Cell:
    """A share as a percentage with its interval; `counted` adds the rows that it rests on."""
    return _cell(measure, reason, percent, counted=counted)


def points(measure: Measure) -> Cell:
    """A difference of two shares, in percentage points."""
    return _cell(measure, "", lambda value: f"{number(100 * value, 1)}{POINTS}")


def dash(reason: str) -> Cell:
    """What is undefined."""
    return Cell("–", remark=reason)


def _cell(measure: Measure | None, reason: str, show: Callable[[float], str], *, counted: bool = False) -> Cell:
    if measure is None:
        return dash(reason)
    interval = _ends(measure.low, measure.high, show) or "no interval"
    if measure.clustered is not None:
        interval += f"; by patient {_ends(measure.clustered.low, measure.clustered.high, show)}"
    return Cell(show(measure.value), interval, f"n = {measure.n:,}" if counted else "")


def _ends(low: float | None, high: float | None, show: Callable[[float], str]) -> str:
    """Both ends, with their unit said once."""
    if low is None or high is None:
        return ""
    upper = show(high)
    unit = next((unit for unit in (PERCENT, POINTS) if upper.endswith(unit)), "")
    return f"{show(low).removesuffix(unit)}\u00a0to\u00a0{upper}"


def interval_of(interval: Interval | None) -> str:
    """An interval alone, to three decimals."""
    return "–" if interval is None else _ends(interval.low, interval.high, number)


def why_undefined(n: int, positives: int) -> str:
    """Why a number that needs both classes is missing."""
    if n == 0:
        return "no row has a label"
    if positives == 0:
        return "no row is positive"
    if positives == n:
        return "no row is negative"
    return "cannot be had from these rows"


def why_no_rate(name: str, point: AtPoint) -> str:
    """Why a rate at an operating point is missing."""
    positives, negatives = point.tp + point.fn, point.fp + point.tn
    needs_positives = name not in ("specificity", "npv", "ppv")
    needs_negatives = name in (
        "specificity",
        "balanced_accuracy",
        "likelihood_ratio_positive",
        "likelihood_ratio_negative",
    )
    if needs_positives and positives == 0:
        return "no row is positive"
    if needs_negatives and negatives == 0:
        return "no row is negative"
    if name == "ppv":
        return "no row passes the threshold"
    if name == "npv":
        return "no row stays below the threshold"
    if name == "likelihood_ratio_positive":
        return "no false positive: the ratio has no upper limit" if point.tp else "nothing passes the threshold"
    if name == "likelihood_ratio_negative":
        return "every negative passes the threshold: the specificity is 0"
    return "cannot be had from these rows"


def rate_cell(name: str, point: AtPoint) -> Cell:
    """One of `RATES` at an operating point."""
    measure, reason = getattr(point, name), why_no_rate(name, point)
    if name in SHARES:
        return share(measure, reason, counted=True)
    return decimal(measure, reason, 3 if name == "f1" else 2, counted=True)


def fitted_words(fitted_on: FittedOn | None) -> str:
    """Where a threshold or a calibration comes from."""
    if fitted_on is None:
        return "nothing was fitted"
    rows = f"{fitted_on.n:,} rows, {fitted_on.positives:,} positive"
    return {
        "card": f"stored with the weights; fitted on the split {fitted_on.split} ({rows})",
        "rows": f"fitted on the split {fitted_on.split} ({rows})",
        "cross-fit": f"cross-fitted: each fold of patients is judged by what the others gave ({rows})",
        "stated": "stated by hand, not fitted",
        "judged": f"stored with the weights, but fitted on the split that is judged here ({rows}): no evidence",
    }[fitted_on.kind]


def support_words(fitted_on: FittedOn | None, supported: bool) -> str:
    """Why something is unsupported; empty where it is not."""
    if supported:
        return ""
    if fitted_on is None:
        return "unsupported"
    if fitted_on.kind == "judged":
        return "unsupported: fitted on the split that is judged here"
    return (
        f"unsupported: fitted on {fitted_on.positives:,} positives and "
        f"{fitted_on.n - fitted_on.positives:,} negatives; "
        f"{MINIMUM_POSITIVES} of each are needed"
    )


def methods_of(measures: Iterable[tuple[str, Measure | None]]) -> str:
    """How the intervals of some measures came about: each way once, with the names of those it is for."""
    ways: dict[str, list[str]] = {}
    for name, measure in measures:
        if measure is not None and measure.low is not None:
            ways.setdefault(measure.method, []).append(name)
        if measure is not None and measure.clustered is not None:
            ways.setdefault(f"by patient: {measure.clustered.method}", [])
    own = {way: dict.fromkeys(names) for way, names in ways.items() if names}
    if len(own) == 1:
        return "; ".join(ways)
    return "; ".join(f"{way} ({', '.join(own[way])})" if way in own else way for way in ways)
