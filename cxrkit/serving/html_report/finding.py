"""The section of one finding: what it shows, ready for the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.charts import calibration, forest
from cxrkit.charts import evaluation as figures
from cxrkit.charts.style import Chart, number, percent, rule_name
from cxrkit.evaluation.schema import CalibrationState, FindingEvaluation, Measure
from cxrkit.findings import finding_text
from cxrkit.serving.gallery import Gallery
from cxrkit.serving.html_report.cells import (
    RATES,
    Cell,
    Table,
    decimal,
    fitted_words,
    interval_of,
    methods_of,
    rate_cell,
    share,
    support_words,
    why_undefined,
)
from cxrkit.serving.html_report.subgroups import gap_table, group_tables, rates_at_main_point


@dataclass(frozen=True)
class Section:
    """One finding as the template shows it.

    `marks` are short warnings beside the name; `missing` says why charts are absent.
    """

    anchor: str
    finding: str
    label: str
    meaning: str
    marks: tuple[str, ...]
    facts: tuple[tuple[str, Cell], ...]
    prevalence_note: str
    missing: str
    curves: tuple[Chart, ...]
    points: Table | None
    confusions: tuple[tuple[str, int, int, int, int, str], ...]
    reliability: tuple[Chart, ...]
    calibration: Table | None
    groups: tuple[Chart, ...]
    group_tables: tuple[tuple[str, str, Table], ...]
    gaps: Table | None
    gallery: Gallery | None


def section_of(anchor: str, finding: str, entry: FindingEvaluation, gallery: Gallery | None) -> Section:
    """Everything that the report says about one finding."""
    text = finding_text(finding)
    at = entry.operating_points
    curves = (
        None if entry.roc is None else figures.roc(entry.roc, entry.auroc, at),
        None if entry.precision_recall is None else figures.precision_recall(entry.precision_recall, entry.auprc),
        figures.histogram(entry.score_histogram, at) if entry.n else None,
        None if entry.decision_curve is None else figures.decision_curve(entry.decision_curve),
    )
    diagrams = (calibration.reliability(name, state) for name, state in _ordered(entry).items())
    measures = ["auroc", *rates_at_main_point(entry)]
    forests = (forest.by_subgroup(entry, measure) for measure in measures)
    undefined = entry.roc is None or entry.precision_recall is None or entry.decision_curve is None
    return Section(
        anchor=anchor,
        finding=finding,
        label=text.label,
        meaning=text.meaning,
        marks=marks_of(entry),
        facts=_facts(entry),
        prevalence_note=prevalence_note(entry),
        missing=f"Some charts are absent: {why_undefined(entry.n, entry.positives)}." if undefined else "",
        curves=tuple(chart for chart in curves if chart is not None),
        points=_points(entry) if at else None,
        confusions=tuple((rule_name(r), p.tp, p.fn, p.fp, p.tn, _folds(p.fold_thresholds)) for r, p in at.items()),
        reliability=tuple(chart for chart in diagrams if chart is not None),
        calibration=_calibration(entry) if entry.calibration else None,
        groups=tuple(chart for chart in forests if chart is not None),
        group_tables=group_tables(entry),
        gaps=gap_table(entry),
        gallery=gallery,
    )


def marks_of(entry: FindingEvaluation) -> tuple[str, ...]:
    """Short warnings that stand beside a finding's name wherever it is named."""
    marks = []
    if entry.positives < MINIMUM_POSITIVES:
        marks.append(f"only {entry.positives} positive" if entry.positives else "no positive")
    weak = [rule_name(rule) for rule, point in entry.operating_points.items() if not point.supported]
    if weak:
        marks.append(f"unsupported: {', '.join(weak)}")
    return tuple(marks)


def prevalence_note(entry: FindingEvaluation) -> str:
    """What it means that probabilities are stated at another prevalence than that of the rows; else empty."""
    stated, here = entry.probabilities_stated_at_prevalence, entry.prevalence
    if stated is None or here is None or percent(stated) == percent(here.value):
        return ""
    return (
        f"The delivered probabilities are stated at a prevalence of {percent(stated)}, but {percent(here.value)} of "
        "these rows are positive. Brier score, ECE, reliability as delivered and net benefit measure that distance "
        "too; AUROC and AUPRC do not change with it."
    )


def _folds(thresholds: tuple[float, ...]) -> str:
    if not thresholds:
        return ""
    return f"{len(thresholds)} folds, thresholds {percent(min(thresholds))} to {percent(max(thresholds))}"


def _facts(entry: FindingEvaluation) -> tuple[tuple[str, Cell], ...]:
    why = why_undefined(entry.n, entry.positives)
    auroc, auprc, brier = (
        decimal(entry.auroc, why),
        decimal(entry.auprc, why),
        decimal(entry.brier, why, 4),
    )
    delong = "" if entry.auroc is None else f"DeLong {interval_of(entry.auroc.delong)}"
    skill = "" if entry.auprc is None else f"no skill: {number(entry.auprc.prevalence)}"
    constant = (
        "" if entry.brier is None else f"always stating the prevalence: {number(entry.brier.uncertainty.value, 4)}"
    )
    return (
        ("Positives", Cell(f"{entry.positives:,}", f"of {entry.n:,} rows with a label")),
        ("Prevalence", share(entry.prevalence, why)),
        ("AUROC", Cell(auroc.text, auroc.interval, delong, auroc.remark)),
        ("AUPRC", Cell(auprc.text, auprc.interval, skill, auprc.remark)),
        ("Brier score", Cell(brier.text, brier.interval, constant, brier.remark)),
        ("ECE", decimal(entry.ece, why, 4)),
    )


def _points(entry: FindingEvaluation) -> Table:
    at = entry.operating_points
    rows = [
        (Cell("Threshold"), *(Cell(percent(p.threshold), rests_on=_folds(p.fold_thresholds)) for p in at.values())),
        (
            Cell("Where it comes from"),
            *(
                Cell("", words=fitted_words(p.fitted_on), remark=support_words(p.fitted_on, p.supported))
                for p in at.values()
            ),
        ),
        *((Cell(words), *(rate_cell(name, p) for p in at.values())) for name, words in RATES.items()),
    ]
    measures = [(words, getattr(point, name)) for point in at.values() for name, words in RATES.items()]
    return Table(("", *(rule_name(rule) for rule in at)), tuple(rows), methods_of(measures))


def _calibration(entry: FindingEvaluation) -> Table:
    states = _ordered(entry)
    why = why_undefined(entry.n, entry.positives)

    def brier(state: CalibrationState, part: str) -> Cell:
        found = None if state.brier is None else getattr(state.brier, part)
        return decimal(found if isinstance(found, Measure) else None, why, 4)

    parts = {
        "reliability": "Brier: reliability (lower is better)",
        "resolution": "Brier: resolution (higher is better)",
        "uncertainty": "Brier: uncertainty of the rows",
        "within_bins": "Brier: within bins",
    }
    rows = [
        (
            Cell("Where it comes from"),
            *(
                Cell(
                    "",
                    rests_on=_parameters(s),
                    remark=support_words(s.fitted_on, s.supported),
                    words=fitted_words(s.fitted_on),
                )
                for s in states.values()
            ),
        ),
        (Cell("Brier score"), *(decimal(s.brier, why, 4) for s in states.values())),
        *((Cell(words), *(brier(s, part) for s in states.values())) for part, words in parts.items()),
        (Cell("ECE"), *(decimal(s.ece, why, 4) for s in states.values())),
        (Cell("Slope (1 is perfect)"), *(decimal(s.slope, why, 2) for s in states.values())),
        (Cell("Intercept (0 is perfect)"), *(decimal(s.intercept, why, 2) for s in states.values())),
        (Cell("In the large (0 is perfect)"), *(decimal(s.in_the_large, why, 2) for s in states.values())),
    ]
    measures = [
        pair
        for s in states.values()
        for pair in (
            ("Brier score and its parts", s.brier),
            ("ECE", s.ece),
            ("slope", s.slope),
            ("intercept", s.intercept),
            ("in the large", s.in_the_large),
        )
    ]
    return Table(("", *(calibration.STATES.get(name, name) for name in states)), tuple(rows), methods_of(measures))


def _ordered(entry: FindingEvaluation) -> dict[str, CalibrationState]:
    """Forms of the probabilities from the raw output on; unknown ones last."""
    known = list(calibration.STATES)
    names = sorted(entry.calibration, key=lambda name: known.index(name) if name in known else len(known))
    return {name: entry.calibration[name] for name in names}


def _parameters(state: CalibrationState) -> str:
    return ", ".join(f"{name} {value:.4g}".replace("-", "−") for name, value in state.parameters.items())


def anchors(findings: Mapping[str, object]) -> dict[str, str]:
    """Finding -> the name of its section; numbered, since a finding may be called anything."""
    return {finding: f"finding-{place}" for place, finding in enumerate(findings, start=1)}
