"""Weights of the two classes of each finding in the loss, from how often each occurs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cxrkit.card import LabelCount
from cxrkit.errors import TrainingError

ClassWeights = Literal["prevalence", "balanced", "none"]


def class_weights(kind: ClassWeights, counts: Sequence[LabelCount]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Weights (w_pos, w_neg) of the positive and the negative term of the loss, one per finding.

    Of a finding with n known labels, p of them positive:

    - ``"prevalence"``: ``(n - p) / n`` and ``p / n``. Either class adds the same in total, and a rare
      finding adds less than a common one.
    - ``"balanced"``: ``n / (2 p)`` and ``n / (2 (n - p))``, as scikit-learn's "balanced". Either class
      adds the same in total, and every finding as much as the next.
    - ``"none"``: 1 and 1.

    The first two weigh the labels of a finding that has but one class with 0: there is nothing to tell
    apart, and the network is not taught to give always the same answer.

    Raises
    ------
    TrainingError
        A finding has no known label.
    """
    unknown = [count.finding for count in counts if count.total == 0]
    if unknown:
        raise TrainingError(
            f"There are no known training labels of {', '.join(unknown)}.",
            "Name the other findings with --findings A,B, or give a table that labels this one.",
        )
    pairs = [_pair(kind, count.positives, count.total) for count in counts]
    return tuple(positive for positive, _ in pairs), tuple(negative for _, negative in pairs)


def of_one_class(counts: Sequence[LabelCount]) -> tuple[str, ...]:
    """Findings whose known labels are all positive or all negative.

    Raises
    ------
    TrainingError
        That is so of all findings: there is nothing to learn.
    """
    found = tuple(count.finding for count in counts if count.positives in (0, count.total))
    if len(found) == len(counts):
        raise TrainingError(
            f"No finding has both positive and negative training labels ({', '.join(found)}).",
            "Give a table with images of both kinds.",
        )
    return found


def _pair(kind: ClassWeights, positives: int, total: int) -> tuple[float, float]:
    negatives = total - positives
    if kind == "none":
        return 1.0, 1.0
    if kind == "prevalence":
        return negatives / total, positives / total
    if not positives or not negatives:
        return 0.0, 0.0
    return total / (2 * positives), total / (2 * negatives)
