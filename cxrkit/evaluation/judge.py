"""Everything about one finding: discrimination, calibration, operating points, utility, subgroups.

A judge first names the statistics that the patient bootstrap must resample, so that all findings share
one set of draws, and then turns their replicates into the finding's part of the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve, roc_curve

from cxrkit.evaluation.bootstrap import Counts, Discrimination, Rows, Statistic, percentile_interval
from cxrkit.evaluation.calibration_line import calibration_line
from cxrkit.evaluation.decision import THRESHOLDS, NetBenefit
from cxrkit.evaluation.decomposition import BINS, PARTS, Binned, bin_of
from cxrkit.evaluation.measures import Floats, Stamp, area_measure
from cxrkit.evaluation.metrics import average_precision, proportion
from cxrkit.evaluation.points import Call, at_call, confusion_cells
from cxrkit.evaluation.reflection import reflected_interval
from cxrkit.evaluation.schema import (
    Brier,
    CalibrationState,
    Curve,
    DecisionCurve,
    FindingEvaluation,
    FittedOn,
    Measure,
    Precision,
    ReliabilityBin,
    ScoreHistogram,
)
from cxrkit.evaluation.subgroups import SubgroupJudge, Variable

CURVE_POINTS = 201
HISTOGRAM_BINS = 40

Key = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Form:
    """One form of a finding's probabilities, such as the recalibrated ones.

    Attributes
    ----------
    probabilities
        n; NaN in every row where it could not be had.
    fitted_on, supported, parameters
        How it came about; see `cxrkit.evaluation.schema.CalibrationState`.
    """

    probabilities: Floats
    fitted_on: FittedOn | None = None
    supported: bool = True
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FindingJudge:
    """Judges one finding.

    Attributes
    ----------
    labels
        n, 0, 1, or NaN where unknown.
    probabilities
        n, as the model delivers them.
    forms
        Other forms of them by name (``raw``, ``platt`` ...); ``delivered`` is added.
    calls
        Operating points.
    variables, patients
        Subgroups, and n patient numbers.
    """

    labels: Floats
    probabilities: Floats
    forms: Mapping[str, Form]
    calls: Sequence[Call]
    variables: Sequence[Variable]
    patients: Rows
    _area: Discrimination = field(init=False)
    _groups: SubgroupJudge = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "forms", {"delivered": Form(self.probabilities), **self.forms})
        put(self, "_area", Discrimination.of(self.labels, self.probabilities, self.patients))
        put(
            self,
            "_groups",
            SubgroupJudge(self.labels, self.probabilities, self.calls, self.variables, self.patients),
        )

    def statistics(self) -> dict[Key, Statistic]:
        """What the bootstrap must resample."""
        wanted: dict[Key, Statistic] = {("area",): self._area}
        for call in self.calls:
            cells = confusion_cells(self.labels, call.called)
            wanted["call", call.rule] = Counts.of(cells, self.patients)
        for name, form in self.forms.items():
            if self._usable(form):
                wanted["form", name] = self._binned(form)
        if self._both():
            wanted["decision",] = self._net_benefit()
        wanted.update({("group", *key): statistic for key, statistic in self._groups.statistics.items()})
        return wanted

    def judge(self, samples: Mapping[Key, Floats], stamp: Stamp, stated_at: float | None) -> FindingEvaluation:
        """The finding's part of the evaluation from the replicates of `statistics`."""
        n, positives = int(np.isfinite(self.labels).sum()), int(np.nansum(self.labels))
        share = proportion(positives, n)
        states = {
            name: self._state(form, samples.get(("form", name)), stamp)
            for name, form in self.forms.items()
            if self._usable(form) or name == "delivered"
        }
        return FindingEvaluation(
            n=n,
            positives=positives,
            prevalence=None if share is None else stamp.rate(share, n, positives, samples["area",][:, 3]),
            probabilities_stated_at_prevalence=stated_at,
            auroc=area_measure(self.labels, self.probabilities, self._area, samples["area",][:, 0], stamp),
            auprc=self._auprc(samples["area",][:, 1], stamp),
            brier=states["delivered"].brier,
            ece=states["delivered"].ece,
            calibration=states,
            operating_points={
                call.rule: at_call(self.labels, call, samples["call", call.rule], stamp) for call in self.calls
            },
            roc=self._curve("roc", stamp),
            precision_recall=self._curve("precision_recall", stamp),
            score_histogram=self._histogram(),
            decision_curve=self._decision(samples.get(("decision",)), stamp),
            subgroups=self._groups.judge(
                {key[1:]: drawn for key, drawn in samples.items() if key[0] == "group"}, stamp
            ),
        )

    def _both(self) -> bool:
        return bool((self.labels == 1).any() and (self.labels == 0).any())

    def _usable(self, form: Form) -> bool:
        rows = np.isfinite(self.labels)
        return bool(rows.any() and np.isfinite(form.probabilities[rows]).all())

    def _known(self, probabilities: Floats) -> tuple[Floats, Floats, Rows]:
        rows = np.isfinite(self.labels)
        return self.labels[rows], probabilities[rows], self.patients[rows]

    def _auprc(self, drawn: Floats, stamp: Stamp) -> Precision | None:
        value = average_precision(self.labels, self.probabilities)
        if value is None:
            return None
        truth = self._known(self.probabilities)[0]
        plain = stamp.measure(value, self._area.interval(drawn), len(truth), int(truth.sum()))
        return Precision(**plain.model_dump(), prevalence=float(truth.mean()))

    def _binned(self, form: Form) -> Binned:
        truth, p, group = self._known(form.probabilities)
        return Binned.of(truth, p, bin_of(p), group, self._count())

    def _net_benefit(self) -> NetBenefit:
        return NetBenefit.of(self.labels, self.probabilities, self.patients, self._count())

    def _count(self) -> int:
        return int(self.patients.max()) + 1

    def _state(self, form: Form, drawn: Floats | None, stamp: Stamp) -> CalibrationState:
        """The calibration of one form; `drawn` holds the replicates (r x 6) of its `Binned`."""
        truth, p, group = self._known(form.probabilities)
        n, positives = len(truth), int(truth.sum())
        brier, ece = None, None
        if drawn is not None:
            values = self._binned(form)(np.ones((1, self._count())))[0].tolist()
            parts = {
                name: _part(name, value, samples, n, positives, stamp)
                for name, value, samples in zip((*PARTS, "ece"), values, drawn.T, strict=True)
            }
            ece = parts.pop("ece")
            whole = parts.pop("brier").model_dump()
            brier = Brier.model_validate({**whole, **parts})
        patients = group if stamp.unit == "patient" else None
        line = calibration_line(truth, p, patients) if drawn is not None else None
        return CalibrationState(
            fitted_on=form.fitted_on,
            supported=form.supported,
            parameters=dict(form.parameters),
            brier=brier,
            ece=ece,
            slope=None if line is None else stamp.estimate(line.slope),
            intercept=None if line is None else stamp.estimate(line.intercept),
            in_the_large=None if line is None else stamp.estimate(line.in_the_large),
            reliability=_reliability(truth, p) if drawn is not None else (),
            split=stamp.split,
            weights_sha256=stamp.weights_sha256,
        )

    def _curve(self, kind: Literal["roc", "precision_recall"], stamp: Stamp) -> Curve | None:
        if not self._both():
            return None
        truth, p, _ = self._known(self.probabilities)
        if kind == "roc":
            x, y, thresholds = roc_curve(truth, p)
            thresholds = np.minimum(thresholds, np.nextafter(1.0, 2.0))  # the first is infinite: nothing is called
        else:
            y, x, thresholds = precision_recall_curve(truth, p)
            thresholds = np.append(thresholds, np.nextafter(1.0, 2.0))
        kept = _thinned(x, y)
        return Curve(
            x=_plain(x[kept]),
            y=_plain(y[kept]),
            thresholds=_plain(thresholds[kept]),
            n=len(truth),
            positives=int(truth.sum()),
            split=stamp.split,
            weights_sha256=stamp.weights_sha256,
        )

    def _histogram(self) -> ScoreHistogram:
        edges = np.linspace(0, 1, HISTOGRAM_BINS + 1) ** 2  # finer towards 0, where rare findings lie
        ones, zeros = (np.histogram(self.probabilities[self.labels == label], edges)[0] for label in (1, 0))
        return ScoreHistogram(edges=_plain(edges), positives=tuple(ones.tolist()), negatives=tuple(zeros.tolist()))

    def _decision(self, drawn: Floats | None, stamp: Stamp) -> DecisionCurve | None:
        if drawn is None:
            return None
        truth, _, _ = self._known(self.probabilities)
        benefit = self._net_benefit()
        ends = [percentile_interval(column) for column in drawn.T]
        return DecisionCurve(
            thresholds=_plain(THRESHOLDS),
            net_benefit=_plain(benefit.curve()),
            low=tuple(None if found is None else found[0] for found in ends),
            high=tuple(None if found is None else found[1] for found in ends),
            treat_all=_plain(benefit.treat_all_curve()),
            treat_none=_plain(np.zeros(len(ends))),
            method=stamp.method,
            n=len(truth),
            positives=int(truth.sum()),
            split=stamp.split,
            weights_sha256=stamp.weights_sha256,
        )


def _thinned(x: Floats, y: Floats) -> npt.NDArray[np.int64]:
    """Points of a curve about evenly along its length, so that steep and flat parts both keep their shape."""
    along = np.r_[0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
    wanted = np.linspace(0, along[-1], CURVE_POINTS)
    return np.unique(np.r_[0, np.searchsorted(along, wanted).clip(max=len(x) - 1), len(x) - 1]).astype(np.int64)


def _plain(values: npt.ArrayLike) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=np.float64).tolist())


def _part(name: str, value: float, samples: Floats, n: int, positives: int, stamp: Stamp) -> Measure:
    """A part of the Brier score, or the ECE; chance can only raise some, so their intervals are reflected."""
    if name not in ("reliability", "resolution", "ece"):
        return stamp.measure(value, percentile_interval(samples), n, positives)
    method = f"reflected {stamp.method.removeprefix('percentile of ')}"
    if name == "ece":
        method += f"; {BINS} bins of equal mass"
    return stamp.measure(value, reflected_interval(samples, value, squared=name == "ece"), n, positives, method)


def _reliability(truth: Floats, p: Floats) -> tuple[ReliabilityBin, ...]:
    place = bin_of(p)
    bins = []
    for number in np.unique(place):
        rows = place == number
        share = proportion(int(truth[rows].sum()), int(rows.sum()))
        if share is None or share.low is None or share.high is None:
            raise ValueError("a bin without rows")
        bins.append(
            ReliabilityBin(
                n=share.n,
                positives=share.positives,
                mean_probability=float(p[rows].mean()),
                observed=share.value,
                low=share.low,
                high=share.high,
            )
        )
    return tuple(bins)
