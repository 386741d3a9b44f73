"""A complete evaluation of simulated scores, for tests of what shows one.

Values follow from the simulated rows; intervals are plain normal ones, since nothing here tests statistics.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from cxrkit.evaluation.schema import (
    Area,
    AtPoint,
    Attention,
    Bootstrap,
    Brier,
    CalibrationState,
    Comparison,
    Curve,
    DecisionCurve,
    Evaluation,
    EvidenceShare,
    FindingEvaluation,
    FittedOn,
    Gap,
    Group,
    Grouping,
    Interval,
    LocalisationEntry,
    LocalisationScores,
    Macro,
    MacroArea,
    Measure,
    PairedDifference,
    Precision,
    RandomisedStage,
    ReliabilityBin,
    ScoreHistogram,
    Source,
)

SHA256 = "3fa9c1d2" + "0" * 56
BOOTSTRAPPED = "percentile of 2000 patient bootstrap replicates"
WILSON = "Wilson"
STAMP = {"split": "test", "weights_sha256": SHA256}
PREVALENCES = {
    "Atelectasis": 0.12,
    "Effusion": 0.18,
    "Infiltration": 0.2,
    "Mass": 0.06,
    "Hernia": 0.008,
    "Edema": 0.0,
}

Floats = npt.NDArray[np.float64]


def measure(value: float, half: float | None, n: int, positives: int, method: str = BOOTSTRAPPED) -> Measure:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Measure(value=value, low=low, high=high, method=method, n=n, positives=positives, **STAMP)


def rate(hits: int, n: int, positives: int) -> Measure | None:
    if n == 0:
        return None
    centre, half = (hits + 1.92) / (n + 3.84), 1.96 * np.sqrt(hits * (n - hits) / n + 0.96) / (n + 3.84)
    found = measure(hits / n, None, n, positives, WILSON)
    ends = {"low": max(0.0, float(centre - half)), "high": min(1.0, float(centre + half))}
    clustered = Interval(low=max(0.0, ends["low"] - 0.01), high=min(1.0, ends["high"] + 0.01), method=BOOTSTRAPPED)
    return found.model_copy(update={**ends, "clustered": clustered})


def area(labels: Floats, scores: Floats) -> Area | None:
    positives, n = int(labels.sum()), len(labels)
    if positives in (0, n):
        return None
    value = float(roc_auc_score(labels, scores))
    half = 1.96 * np.sqrt(value * (1 - value) / positives)
    delong = Interval(low=max(0.0, value - 0.9 * half), high=min(1.0, value + 0.9 * half), method="DeLong")
    ends = {"low": max(0.0, value - half), "high": min(1.0, value + half)}
    return Area(value=value, **ends, method=BOOTSTRAPPED, n=n, positives=positives, delong=delong, **STAMP)


def at_point(labels: Floats, scores: Floats, threshold: float, fitted_on: FittedOn, folds: int = 0) -> AtPoint:
    called = scores >= threshold
    tp, fp = int(labels[called].sum()), int((1 - labels[called]).sum())
    fn, tn = int(labels[~called].sum()), int((1 - labels[~called]).sum())
    positives, negatives = tp + fn, fp + tn
    sensitivity, specificity = rate(tp, positives, positives), rate(tn, negatives, 0)
    both = sensitivity is not None and specificity is not None
    return AtPoint(
        threshold=threshold,
        fold_thresholds=tuple(threshold + 0.001 * k for k in range(-(folds // 2), folds - folds // 2)),
        fitted_on=fitted_on,
        supported=fitted_on.positives >= 30,
        interval="Wilson, images treated as independent",
        tp=tp,
        fp=fp,
        tn=tn,
        fn=fn,
        sensitivity=sensitivity,
        specificity=specificity,
        ppv=rate(tp, tp + fp, tp),
        npv=rate(tn, tn + fn, fn),
        f1=measure(2 * tp / (2 * tp + fp + fn), 0.05, len(labels), positives, WILSON) if tp + fp + fn else None,
        balanced_accuracy=measure((sensitivity.value + specificity.value) / 2, 0.05, len(labels), positives)
        if sensitivity and specificity
        else None,
        likelihood_ratio_positive=measure(sensitivity.value / (1 - specificity.value), 0.8, len(labels), positives)
        if both and fp
        else None,
        likelihood_ratio_negative=measure((1 - sensitivity.value) / specificity.value, 0.1, len(labels), positives)
        if both and tn
        else None,
    )


def calibration(labels: Floats, scores: Floats, fitted_on: FittedOn | None, **parameters: float) -> CalibrationState:
    n, positives = len(labels), int(labels.sum())
    bins = []
    for part in np.array_split(np.argsort(scores, kind="stable"), 10):
        hits = int(labels[part].sum())
        found = rate(hits, len(part), hits)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        stated = float(scores[part].mean())
        ends = {"low": found.low, "high": found.high}
        bins.append(ReliabilityBin(n=len(part), positives=hits, mean_probability=stated, observed=found.value, **ends))
    value, prevalence = float(np.mean((scores - labels) ** 2)), positives / n

    def of(number: float) -> Measure:
        return measure(number, 0.2 * abs(number) + 0.001, n, positives)

    brier = Brier(
        **of(value).model_dump(),
        reliability=of(0.002),
        resolution=of(0.01),
        uncertainty=of(prevalence * (1 - prevalence)),
        within_bins=of(-0.0001),
    )
    return CalibrationState(
        fitted_on=fitted_on,
        supported=fitted_on is None or fitted_on.positives >= 30,
        parameters=parameters,
        brier=brier,
        ece=of(float(np.mean([abs(b.observed - b.mean_probability) for b in bins]))),
        slope=of(0.9) if positives else None,
        intercept=of(-0.1) if positives else None,
        in_the_large=of(-0.05) if positives else None,
        reliability=tuple(bins),
        **STAMP,
    )


def thin(values: npt.ArrayLike, count: int = 120) -> tuple[float, ...]:
    array = np.asarray(values, np.float64)
    return tuple(array[np.unique(np.linspace(0, len(array) - 1, count).astype(int))].tolist())


def curve(x: npt.ArrayLike, y: npt.ArrayLike, thresholds: npt.ArrayLike, n: int, positives: int) -> Curve:
    bounded = np.clip(np.nan_to_num(np.asarray(thresholds), posinf=1.0), 0, 1)
    return Curve(x=thin(x), y=thin(y), thresholds=thin(bounded), n=n, positives=positives, **STAMP)


def decision_curve(labels: Floats, scores: Floats) -> DecisionCurve:
    n, positives = len(labels), int(labels.sum())
    thresholds = np.arange(0.01, 0.51, 0.01)
    odds = thresholds / (1 - thresholds)
    called = scores[None] >= thresholds[:, None]
    benefit = (called * labels).sum(axis=1) / n - (called * (1 - labels)).sum(axis=1) / n * odds
    everyone = positives / n - (1 - positives / n) * odds
    low: list[float | None] = (benefit - 0.01).tolist()
    low[-1] = None
    high: list[float | None] = (benefit + 0.01).tolist()
    high[-1] = None
    return DecisionCurve(
        thresholds=tuple(thresholds.tolist()),
        net_benefit=tuple(benefit.tolist()),
        low=tuple(low),
        high=tuple(high),
        treat_all=tuple(everyone.tolist()),
        treat_none=(0.0,) * len(thresholds),
        method=BOOTSTRAPPED,
        n=n,
        positives=positives,
        **STAMP,
    )


def subgroup(name: str, labels: Floats, scores: Floats, threshold: float, minimum: int = 10) -> Group:
    n, positives = len(labels), int(labels.sum())
    few = min(positives, n - positives) < minimum
    reason = f"fewer than {minimum} positives or negatives ({positives} and {n - positives})" if few else None
    sensitivity = rate(int((scores[labels == 1] >= threshold).sum()), positives, positives)
    specificity = rate(int((scores[labels == 0] < threshold).sum()), n - positives, 0)
    rates = {f"{k}@youden": m for k, m in (("sensitivity", sensitivity), ("specificity", specificity)) if m}
    return Group(
        name=name,
        n=n,
        positives=positives,
        patients=n // 2,
        reason=reason,
        auroc=None if few else area(labels, scores),
        rates={} if few else rates,
    )


def grouping(variable: str, groups: list[Group], alone: Area | None = None) -> Grouping:
    judged = [g for g in groups if g.reason is None]
    gaps = []
    for name in ("auroc", "sensitivity@youden", "specificity@youden"):
        values = {g.name: m.value for g in judged if (m := g.auroc if name == "auroc" else g.rates.get(name))}
        if len(values) > 1:
            lowest, highest = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
            n, positives = sum(g.n for g in judged), sum(g.positives for g in judged)
            difference = measure(values[highest] - values[lowest], 0.06, n, positives)
            gaps.append(Gap(measure=name, lowest=lowest, highest=highest, difference=difference))
    return Grouping(variable=variable, groups=tuple(groups), gaps=tuple(gaps), auroc_of_variable=alone)


def finding_evaluation(prevalence: float, n: int, seed: int, *, cross_fitted: bool) -> FindingEvaluation:
    random = np.random.default_rng(seed)
    labels = (random.uniform(size=n) < prevalence).astype(np.float64)
    shift = random.uniform(0.6, 2.4)
    scores = expit(random.normal(size=n) + shift * labels + logit(max(prevalence, 0.01)) - shift * 0.4)
    raw = expit(logit(scores) + 1.6)
    positives = int(labels.sum())
    defined = 0 < positives < n
    kind = "cross-fit" if cross_fitted else "card"
    fitted = FittedOn(kind=kind, split="test" if cross_fitted else "val", n=900, positives=round(900 * prevalence))
    thresholds = {"youden": prevalence, "screening": 0.4 * prevalence, "rule-in": min(0.9, 2.5 * prevalence)}
    points = {r: at_point(labels, scores, t, fitted, 5 * cross_fitted) for r, t in thresholds.items() if defined}
    states = {"raw": calibration(labels, raw, None), "delivered": calibration(labels, scores, fitted)}
    if defined:
        states["platt"] = calibration(labels, scores * 0.97, fitted, slope=1.1, intercept=-0.2)
        states["temperature"] = calibration(labels, np.clip(scores * 1.2, 0, 1), fitted, temperature=1.3)
    if positives >= 200:
        states["isotonic"] = calibration(labels, scores, fitted)
    false_alarms, hits, at = roc_curve(labels, scores) if defined else ([], [], [])
    ppv, recall, ppv_at = precision_recall_curve(labels, scores) if defined else ([], [], [0.0])
    edges = np.linspace(0, max(0.05, float(scores.max())), 21)
    women, young = random.uniform(size=n) < 0.45, random.uniform(size=n) < 0.3
    frontal = random.uniform(size=n) < 0.6
    aspect = random.uniform(0.8, 1.4, n)

    def cut(variable: str, masks: dict[str, npt.NDArray[np.bool_]], alone: Area | None = None) -> Grouping:
        groups = [subgroup(k, labels[m], scores[m], thresholds["youden"]) for k, m in masks.items()]
        return grouping(variable, groups, alone)

    precision = None
    if defined:
        value = measure(float(average_precision_score(labels, scores)), 0.03, n, positives)
        precision = Precision(**value.model_dump(), prevalence=positives / n)
    return FindingEvaluation(
        n=n,
        positives=positives,
        prevalence=rate(positives, n, positives),
        probabilities_stated_at_prevalence=0.5 * prevalence or None,
        auroc=area(labels, scores),
        auprc=precision,
        brier=states["delivered"].brier,
        ece=states["delivered"].ece,
        calibration=states,
        operating_points=points,
        roc=curve(false_alarms, hits, at, n, positives) if defined else None,
        precision_recall=curve(recall, ppv, [*ppv_at, 1.0], n, positives) if defined else None,
        score_histogram=ScoreHistogram(
            edges=tuple(edges.tolist()),
            positives=tuple(np.histogram(scores[labels == 1], edges)[0].tolist()),
            negatives=tuple(np.histogram(scores[labels == 0], edges)[0].tolist()),
        ),
        decision_curve=decision_curve(labels, scores) if defined else None,
        subgroups={
            "sex": cut("sex", {"female": women, "male": ~women}),
            "age": cut("age", {"18-44": young, "45-64": ~young & frontal, "65-89": ~young & ~frontal}),
            "view": cut("view", {"AP": frontal, "PA": ~frontal, "not stated": np.zeros(n, bool)}),
            "aspect_ratio": cut(
                "aspect_ratio", {"up to 1.00": aspect < 1, "over 1.00": aspect >= 1}, area(labels, aspect)
            ),
        },
    )


def localisation(finding: str, split: str, pairs: int, *, headline: bool, level: float) -> LocalisationEntry:
    def scores(factor: float) -> LocalisationScores:
        def of(value: float) -> Measure:
            return measure(min(1.0, value * factor), 0.08, pairs, pairs)

        shares = {f"{t / 10:.1f}": of(level * (1 - t / 10)) for t in range(1, 8)}
        return LocalisationScores(pointing=of(level), mean_iou=of(level / 3), iou=shares, iobb=shares)

    return LocalisationEntry(
        boxes="nih",
        finding=finding,
        split=split,
        headline=headline,
        pairs=pairs,
        images=pairs,
        area_share=measure(0.11, 0.02, pairs, pairs),
        model=scores(1.0),
        random=scores(0.3),
        centre=scores(0.6),
    )


def make_evaluation(
    prevalences: dict[str, float] | None = None, *, n: int = 2000, cross_fitted: bool = False, alone: bool = False
) -> Evaluation:
    """An evaluation of simulated scores.

    `alone` leaves out preset, comparison, localisation and attention, as for someone else's predictions.
    """
    findings = {
        finding: finding_evaluation(prevalence, n, seed, cross_fitted=cross_fitted)
        for seed, (finding, prevalence) in enumerate((prevalences or PREVALENCES).items())
    }
    known = {f: e for f, e in findings.items() if e.auroc is not None}

    def macro(values: list[float]) -> MacroArea | None:
        if not values:
            return None
        mean = measure(float(np.mean(values)), 0.02, n, 0)
        return MacroArea(**mean.model_dump(), findings=tuple(known))

    pairs = {
        f: PairedDifference(
            ours=e.auroc,
            theirs=e.auroc.model_copy(update={"value": e.auroc.value - 0.02}),
            difference=measure(0.02, 0.035, e.n, e.positives),
            delong=Interval(low=-0.01, high=0.05, method="paired DeLong"),
            p=0.04,
            p_holm=None if e.positives < 30 else 0.2,
            p_method="normal approximation over 2000 patient bootstrap replicates",
        )
        for f, e in known.items()
        if e.auroc
    }
    first = next(iter(findings))
    return Evaluation(
        preset=None if alone else "chestxray14",
        weights_sha256=None if alone else SHA256,
        split="test",
        source=Source(name="labels.csv", sha256="ab" * 32),
        images=n,
        patients=None if alone else n // 2,
        level=0.95,
        bootstrap=Bootstrap(unit="image" if alone else "patient", replicates=2000, seed=0),
        findings=findings,
        macro=Macro(
            auroc=macro([e.auroc.value for e in known.values() if e.auroc]),
            auprc=macro([e.auprc.value for e in known.values() if e.auprc]),
            brier=macro([e.brier.value for e in known.values() if e.brier]),
        ),
        comparison=None
        if alone
        else Comparison(
            source=Source(name="other.csv", sha256="cd" * 32),
            rows=n - 10,
            findings=pairs,
            macro=measure(0.02, 0.01, n, 0) if pairs else None,
        ),
        localisation=()
        if alone
        else (
            localisation("all", "test", 7, headline=True, level=0.5),
            localisation(first, "test", 4, headline=True, level=0.6),
            localisation("all", "train", 51, headline=False, level=0.8),
        ),
        attention=None
        if alone
        else Attention(
            randomisation=tuple(
                RandomisedStage(stage=stage, ssim=measure(value, 0.05, 32, 32))
                for stage, value in (("logits", 0.44), ("conv5_block16_concat", 0.31), ("conv4_block24_concat", 0.12))
            ),
            evidence=(
                EvidenceShare(
                    region="outside the lungs",
                    finding=first,
                    share=measure(0.32, 0.04, 60, 60),
                    area=measure(0.68, 0.01, 60, 60),
                ),
                EvidenceShare(
                    region="border band",
                    finding=first,
                    share=measure(0.22, 0.04, 60, 60),
                    area=measure(0.19, 0.0, 60, 60),
                ),
            ),
        ),
        notes=("Rows without a label were left out finding by finding.",),
    )
