"""Groups of rows (sex, age band, view, shape of the image), what a model does in each, and the gaps.

A model that is good on average may miss more in one group (Seyyed-Kalantari et al. 2021). Groups that
are too small are named with the reason, and no gap is drawn from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.evaluation.bootstrap import Counts, Discrimination, Rows, Statistic, percentile_interval
from cxrkit.evaluation.measures import Floats, Stamp, area_measure
from cxrkit.evaluation.metrics import LEVEL, proportion
from cxrkit.evaluation.points import Call, confusion_cells, rate_samples
from cxrkit.evaluation.predictions import texts
from cxrkit.evaluation.schema import Area, Gap, Group, Grouping, Measure
from cxrkit.radiograph import age_band

MINIMUM_GROUP = 10
"""A group with fewer positives, or fewer negatives, is not judged."""

NOT_STATED = "not stated, or not understood"
_SEXES = {name: "female" for name in ("f", "female", "woman", "girl")} | {
    name: "male" for name in ("m", "male", "man", "boy")
}
_AGE = re.compile(r"0*(\d+(?:\.\d+)?)\s*(?:y|years?)?", re.IGNORECASE)
_LARGEST_RATIO = 100.0
_VIEWS = ("view_position", "view")
_BANDS = ("under 1", "1-5", "6-17", "18-44", "45-64", "65-89", "90 or over")

Mask = npt.NDArray[np.bool_]
Key = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Variable:
    """Something that divides the rows.

    Attributes
    ----------
    name
        ``sex``, ``age``, ``view`` or ``aspect_ratio``.
    groups
        Name of the group -> its rows (n).
    values
        n numbers that the groups are cut from, NaN where unknown, or None.
    """

    name: str
    groups: Mapping[str, Mask]
    values: Floats | None = None


def variables_of(table: pd.DataFrame) -> tuple[Variable, ...]:
    """The variables that a predictions table states, with the cells that cannot be used as a group of their own.

    ``sex`` (F, M, female, male ...), ``age`` in years (also as ``058Y``) or ``age_band``,
    ``view_position`` or ``view``, and ``aspect_ratio`` (width by height), which is cut into tertiles of
    the rows, if there are three shapes to cut. A column without any usable cell has that one group; a
    blank column is no variable.
    """
    found: list[Variable] = []
    table = table[[c for c in table.columns if (texts(table[c]) != "").any()]]
    if "sex" in table.columns:
        found.append(_named("sex", [_SEXES.get(text.lower(), "") for text in texts(table["sex"])]))
    if "age" in table.columns:
        matches = [_AGE.fullmatch(str(text)) for text in texts(table["age"])]
        bands = [age_band(float(match[1])) or "" if match else "" for match in matches]
        found.append(_named("age", bands, _BANDS))
    elif "age_band" in table.columns:
        found.append(_named("age", [str(text) for text in texts(table["age_band"])], _BANDS))
    view = next((name for name in _VIEWS if name in table.columns), None)
    if view is not None:
        found.append(_named("view", [text.upper() for text in texts(table[view])]))
    if "aspect_ratio" in table.columns:
        found.append(_tertiles("aspect_ratio", table["aspect_ratio"]))
    return tuple(variable for variable in found if variable.groups)


def _named(name: str, labels: Sequence[str], order: Sequence[str] = ()) -> Variable:
    column = np.array([label or NOT_STATED for label in labels], dtype=np.str_)
    present = sorted(set(column.tolist()), key=lambda g: (g == NOT_STATED, order.index(g) if g in order else -1, g))
    return Variable(name, {group: column == group for group in present})


def _tertiles(name: str, cells: pd.Series) -> Variable:
    values = np.array(pd.to_numeric(pd.Series(texts(cells)), errors="coerce"), dtype=np.float64)
    known = (values > 0) & (values < _LARGEST_RATIO)
    values = np.where(known, values, np.nan)
    if len(np.unique(values[known])) < 3:
        return Variable(name, {})
    low, high = np.nanquantile(values, [1 / 3, 2 / 3])
    groups = {
        f"up to {low:.2f}": values <= low,
        f"{low:.2f} to {high:.2f}": (values > low) & (values <= high),
        f"over {high:.2f}": values > high,
    }
    if not known.all():
        groups[NOT_STATED] = ~known
    return Variable(name, {group: mask for group, mask in groups.items() if mask.any()}, values)


@dataclass(frozen=True, eq=False)
class SubgroupJudge:
    """Judges one finding in every group of every variable.

    Attributes
    ----------
    labels, probabilities
        n, labels with NaN where unknown.
    calls
        Operating points; rates are given for the supported ones.
    variables
        Of the same n rows.
    patients
        n patient numbers.
    """

    labels: Floats
    probabilities: Floats
    calls: Sequence[Call]
    variables: Sequence[Variable]
    patients: Rows
    statistics: dict[Key, Statistic] = field(default_factory=dict)
    _areas: dict[tuple[str, str], Discrimination] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for variable in self.variables:
            for group, mask in variable.groups.items():
                if self._refusal(group, mask) is not None:
                    continue
                truth = np.where(mask, self.labels, np.nan)
                area = Discrimination.of(truth, self.probabilities, self.patients)
                self._areas[variable.name, group] = area
                self.statistics[variable.name, group, "auroc"] = area
                for call in self._supported():
                    cells = confusion_cells(truth, call.called)
                    self.statistics[variable.name, group, call.rule] = Counts.of(cells, self.patients)
            if variable.values is not None:
                alone = Discrimination.of(self._where_known(variable), np.nan_to_num(variable.values), self.patients)
                self._areas[variable.name, ""] = alone
                self.statistics[variable.name, "", "auroc"] = alone

    def judge(self, samples: Mapping[Key, Floats], stamp: Stamp) -> dict[str, Grouping]:
        """Groups and gaps from the replicates of `statistics`."""
        return {variable.name: self._grouping(variable, samples, stamp) for variable in self.variables}

    def _grouping(self, variable: Variable, samples: Mapping[Key, Floats], stamp: Stamp) -> Grouping:
        replicates: dict[str, dict[str, Floats]] = {}
        groups = []
        for name, mask in variable.groups.items():
            group, drawn = self._group(variable.name, name, mask, samples, stamp)
            groups.append(group)
            for measure, values in drawn.items():
                replicates.setdefault(measure, {})[name] = values
        alone = None
        if variable.values is not None:
            truth = self._where_known(variable)
            drawn_alone = samples[variable.name, "", "auroc"][:, 0]
            values = np.nan_to_num(variable.values)
            alone = area_measure(truth, values, self._areas[variable.name, ""], drawn_alone, stamp)
        gaps = [self._gap(measure, groups, drawn, stamp) for measure, drawn in replicates.items()]
        return Grouping(
            variable=variable.name,
            groups=tuple(groups),
            gaps=tuple(gap for gap in gaps if gap is not None),
            auroc_of_variable=alone,
        )

    def _group(
        self, variable: str, name: str, mask: Mask, samples: Mapping[Key, Floats], stamp: Stamp
    ) -> tuple[Group, dict[str, Floats]]:
        truth = np.where(mask, self.labels, np.nan)
        known = np.isfinite(truth)
        reason = self._refusal(name, mask)
        rates: dict[str, Measure] = {}
        drawn: dict[str, Floats] = {}
        area: Area | None = None
        if reason is None:
            drawn["auroc"] = samples[variable, name, "auroc"][:, 0]
            area = area_measure(truth, self.probabilities, self._areas[variable, name], drawn["auroc"], stamp)
            for call in self._supported():
                resampled = rate_samples(samples[variable, name, call.rule])
                tp, fp, tn, fn = (int(c) for c in confusion_cells(truth, call.called).sum(axis=0))
                for rate, hits, n, positives in (
                    ("sensitivity", tp, tp + fn, tp + fn),
                    ("specificity", tn, tn + fp, 0),
                ):
                    measure = stamp.rate(proportion(hits, n), n, positives, resampled[rate])
                    assert measure is not None  # the group has both classes
                    rates[f"{rate}@{call.rule}"] = measure
                    drawn[f"{rate}@{call.rule}"] = resampled[rate]
        group = Group(
            name=name,
            n=int(known.sum()),
            positives=int(np.nansum(truth)),
            patients=len(np.unique(self.patients[known])) if stamp.unit == "patient" else None,
            reason=reason,
            auroc=area,
            rates=rates,
        )
        return group, drawn

    def _gap(self, measure: str, groups: Sequence[Group], drawn: Mapping[str, Floats], stamp: Stamp) -> Gap | None:
        """Between the two groups that lie furthest apart; None where fewer than two were judged.

        As the pair is chosen on the judged rows, the interval is widened for the number of pairs (Bonferroni).
        """
        values = {
            group.name: found
            for group in groups
            if group.reason is None
            for found in [group.auroc if measure == "auroc" else group.rates[measure]]
            if found is not None
        }
        if len(values) < 2:
            return None
        ordered = sorted(values, key=lambda name: (values[name].value, name))
        lowest, highest = ordered[0], ordered[-1]
        pairs = len(values) * (len(values) - 1) // 2
        adjusted = f"; adjusted for the choice among {pairs} pairs (Bonferroni)" if pairs > 1 else ""
        difference = stamp.measure(
            values[highest].value - values[lowest].value,
            percentile_interval(drawn[highest] - drawn[lowest], 1 - (1 - LEVEL) / pairs),
            values[highest].n + values[lowest].n,
            values[highest].positives + values[lowest].positives,
            stamp.method + adjusted,
        )
        return Gap(measure=measure, lowest=lowest, highest=highest, difference=difference)

    def _refusal(self, name: str, mask: Mask) -> str | None:
        truth = self.labels[mask]
        positives, negatives = int((truth == 1).sum()), int((truth == 0).sum())
        if name == NOT_STATED:
            return "the table does not say to which group these rows belong, or not in a way that is understood"
        if min(positives, negatives) < MINIMUM_GROUP:
            return f"fewer than {MINIMUM_GROUP} positives or negatives ({positives} and {negatives})"
        return None

    def _supported(self) -> list[Call]:
        return [call for call in self.calls if call.supported]

    def _where_known(self, variable: Variable) -> Floats:
        assert variable.values is not None
        return np.where(np.isfinite(variable.values), self.labels, np.nan)
