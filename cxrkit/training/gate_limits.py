"""Classifier, axes and limits of a quality gate, from what `cxrkit.training.gate_lessons` made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from cxrkit.errors import TrainingError
from cxrkit.imaging.counterexamples import DRAWN
from cxrkit.model.gate import ARRAYS, CLASSES, DISTANCES, SCREEN, Gate
from cxrkit.training.gate_lessons import AS_IT_IS, NO_COLLECTION, UPRIGHT_ONLY, Lessons, Tell

Floats = npt.NDArray[np.float32]
AXES = 64
PENALTY = 0.003
"""Inverse of the classifier's L2 penalty."""

CLASSIFIER_AXES = 300
"""Principal axes that the classifier is fitted along: all that matters, in a hundredth of the time."""

SHARES = (0.998, 0.998, 0.99, None, 0.998, 0.998)
"""Shares of the left-out radiographs that stay within a limit, in the order of the scores.

None for misplacement: even odds are enough, since what would be put right wrongly is caught when it is read again. The
lungs tell most, so that the limits of the others can be wide.
"""

MARGIN = 1.05
"""By which the limits of distance exceed that: the next radiograph is a new one."""


def fit_without_limits(lessons: Lessons, seed: int) -> Gate:
    """Everything but the limits, which are 1.

    Raises
    ------
    TrainingError
        A class has no lesson.
    """
    taught = lessons.classes != UPRIGHT_ONLY
    described = lessons.described[taught]
    deviation = described.std(axis=0)
    centre, scale = described.mean(axis=0), deviation + 0.1 * float(deviation.mean())  # dead channels
    standard = (lessons.described - centre) / scale
    main = PCA(min(CLASSIFIER_AXES, *described.shape), svd_solver="randomized", iterated_power=2, random_state=seed)
    along = main.fit_transform(standard[taught])
    classifier = LogisticRegression(C=PENALTY, max_iter=400, tol=1e-3).fit(along, lessons.classes[taught])
    if classifier.classes_.tolist() != list(range(CLASSES)):
        raise TrainingError("The radiographs are too few for every kind of counterexample.", "Give more of them.")
    kernel = main.components_.T @ classifier.coef_.T
    lies_rightly = (lessons.classes == 0) | ~taught
    upright = standard[lies_rightly]
    axes = PCA(min(AXES, *upright.shape), svd_solver="randomized", iterated_power=2, random_state=seed).fit(upright)
    spread = np.sqrt(axes.explained_variance_)
    values = (
        centre,
        scale,
        kernel,
        classifier.intercept_ - main.mean_ @ kernel,
        axes.components_.T,
        spread,
        axes.mean_,
        axes.transform(upright) / spread,
        lessons.shapes[lies_rightly],
        np.ones(DISTANCES + 3),
    )
    return Gate(**{name: np.asarray(value, dtype=np.float32) for name, value in zip(ARRAYS, values, strict=True)})


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Scores of pictures by gates that were fitted without them.

    Attributes
    ----------
    lessons
        The pictures: all of a collection by a gate that has seen none of it, and counterexamples of kinds that it has
        not seen.
    scores
        (n, 6), see `Gate.scores`.
    placements
        (n,) most probable placement.
    folds
        (n,) the collection that the gate had not seen.
    unseen
        (n,) whether the gate had not seen any counterexample of that kind.
    """

    lessons: Lessons
    scores: Floats
    placements: npt.NDArray[np.int64]
    folds: npt.NDArray[np.str_]
    unseen: npt.NDArray[np.bool_]

    @property
    def upright(self) -> npt.NDArray[np.bool_]:
        """(n,) radiographs as they are."""
        return (self.lessons.kinds == AS_IT_IS) & (self.lessons.collections == self.folds)


def leave_out(lessons: Lessons, seed: int) -> LeftOut:
    """Leave out each collection in turn, and with it a share of the kinds of drawn counterexamples."""
    names = sorted(set(lessons.collections.tolist()) - {NO_COLLECTION})
    scores, placements, folds, unseen, rows = [], [], [], [], []
    for turn, name in enumerate(names):
        out = lessons.collections == name
        strange = np.isin(lessons.kinds, sorted(DRAWN)[turn :: len(names)])
        gate = fit_without_limits(lessons.only(~out & ~strange), seed)
        shown = np.flatnonzero(out | strange)
        scores.append(gate.scores(lessons.described[shown], lessons.shapes[shown]))
        placements.append(gate.placement(lessons.described[shown]))
        folds.append(np.full(len(shown), name))
        unseen.append(strange[shown])
        rows.append(shown)
    return LeftOut(
        lessons=lessons.only(np.concatenate(rows)),
        scores=np.concatenate(scores),
        placements=np.concatenate(placements),
        folds=np.concatenate(folds),
        unseen=np.concatenate(unseen),
    )


def limits_of(scores: Floats, collections: npt.NDArray[np.str_]) -> Floats:
    """(6,) limits from (n, 6) scores of upright radiographs; each collection counts alike, however many are of it."""
    names, which, sizes = np.unique(collections, return_inverse=True, return_counts=True)
    weights = 1 / (len(names) * sizes[which])
    limits = np.zeros(scores.shape[1])
    for score, share in enumerate(SHARES):
        if share is not None:
            limits[score] = np.quantile(scores[:, score], share, weights=weights, method="inverted_cdf")
    limits[:DISTANCES] *= MARGIN
    limits[DISTANCES:] = np.maximum(limits[DISTANCES:], 0)
    return limits.astype(np.float32)


def across_collections(lessons: Lessons, seed: int, tell: Tell) -> Floats:
    """Limits from radiographs of collections that were left out; tells what to expect of a further collection."""
    left = leave_out(lessons, seed)
    own = left.upright
    for name, line in expectations(left).items():
        tell(f"{name}: {line}")
    return limits_of(left.scores[own], left.folds[own])


def expectations(left: LeftOut) -> dict[str, str]:
    """Per collection, what becomes of its pictures where it had a part neither in the fit nor in the limits."""
    lines = {}
    classes = left.lessons.classes
    for name in sorted(set(left.folds.tolist())):
        elsewhere = left.upright & (left.folds != name)
        limits = limits_of(left.scores[elsewhere], left.folds[elsewhere])
        here = left.folds == name
        over = left.scores > limits
        refused = np.asarray(np.delete(over, DISTANCES, axis=1).any(axis=1), dtype=np.bool_)
        passed = np.asarray(~refused & ~over[:, DISTANCES], dtype=np.bool_)
        turned = here & ~left.unseen & (classes > 0) & (classes < SCREEN)
        told = np.asarray(left.placements == classes, dtype=np.bool_)
        lines[name] = ", ".join(
            f"{what} {int(right[rows].sum())} of {int(rows.sum())}"
            for what, right, rows in (
                ("passed", passed, here & left.upright),
                ("turned or inverted, and told how", told, turned),
                ("screens refused", refused, here & ~left.unseen & (classes == SCREEN)),
                ("counterexamples of kinds never seen refused", refused, here & left.unseen),
            )
        )
    return lines


def within_collection(scores: Floats) -> Floats:
    """Limits from validation radiographs of the one collection that there is."""
    return limits_of(scores, np.zeros(len(scores), np.str_))
