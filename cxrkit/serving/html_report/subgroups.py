"""Subgroups of one finding as tables: every group with its reason, and the gaps between groups."""

from __future__ import annotations

from cxrkit.charts import forest
from cxrkit.charts.style import number
from cxrkit.evaluation.schema import FindingEvaluation, Group, Measure
from cxrkit.serving.html_report.cells import Cell, Table, decimal, methods_of, points, share, why_undefined


def rates_at_main_point(entry: FindingEvaluation) -> tuple[str, ...]:
    """Keys of the rates that the subgroup charts show: Youden's point, else the first that groups have."""
    rules = list(dict.fromkeys(key.partition("@")[2] for key in _rate_keys(entry)))
    if not rules:
        return ()
    rule = "youden" if "youden" in rules else rules[0]
    return (f"sensitivity@{rule}", f"specificity@{rule}")


def _rate_keys(entry: FindingEvaluation) -> tuple[str, ...]:
    groups = (group for grouping in entry.subgroups.values() for group in grouping.groups)
    return tuple(dict.fromkeys(key for group in groups for key in group.rates))


def group_tables(entry: FindingEvaluation) -> tuple[tuple[str, str, Table], ...]:
    """Per variable its name, a note on what the variable alone can do, and its groups."""
    keys = _rate_keys(entry)
    head = ("Group", "Positives of rows", "AUROC", *(forest.measure_name(key) for key in keys))
    tables = []
    for grouping in entry.subgroups.values():
        rows = [
            (
                Cell(group.name, rests_on="" if group.patients is None else f"{group.patients:,} patients"),
                Cell(
                    f"{group.positives:,} of {group.n:,}",
                    remark="" if group.reason is None else f"not judged: {group.reason}",
                ),
                decimal(group.auroc, _why_not(group)),
                *(share(group.rates.get(key), _why_not(group), counted=True) for key in keys),
            )
            for group in grouping.groups
        ]
        alone = grouping.auroc_of_variable
        note = (
            ""
            if alone is None
            else f"The variable alone tells the label apart with an AUROC of {number(alone.value)} "
            f"({_plain_ends(alone)}; n = {alone.n:,}, {alone.positives:,} positive): a model may lean on it."
        )
        measures = [
            pair
            for group in grouping.groups
            for pair in (("AUROC", group.auroc), *((forest.measure_name(key), m) for key, m in group.rates.items()))
        ]
        tables.append((forest.variable_name(grouping.variable), note, Table(head, tuple(rows), methods_of(measures))))
    return tuple(tables)


def _why_not(group: Group) -> str:
    return "not judged" if group.reason is not None else why_undefined(group.n, group.positives)


def _plain_ends(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return "no interval"
    return f"{number(measure.low)} to {number(measure.high)}"


def gap_table(entry: FindingEvaluation) -> Table | None:
    """Every gap of every variable, or None where there is none."""
    found = [(grouping.variable, gap) for grouping in entry.subgroups.values() for gap in grouping.gaps]
    if not found:
        return None
    rows = [
        (
            Cell(f"{forest.variable_name(variable)}: {forest.measure_name(gap.measure)}"),
            Cell(gap.lowest),
            Cell(gap.highest),
            decimal(gap.difference, "") if gap.measure == "auroc" else points(gap.difference),
            Cell("", forest.rests_on(gap.difference, gap.measure)),
        )
        for variable, gap in found
    ]
    head = ("Largest gap", "Lowest in", "Highest in", "Difference", "In both groups")
    return Table(head, tuple(rows), methods_of((gap.measure, gap.difference) for _, gap in found))
