"""Weighted binary cross-entropy over several findings.

``L = -sum over findings of mean(w_pos * y * log p + w_neg * (1 - y) * log(1 - p))``, the mean being over
the images whose label is known. With ``w_pos = 1 - prevalence`` and ``w_neg = prevalence`` per finding
the rarer class counts as much as the commoner one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class WeightedBCE:
    """The loss as a function of labels and predictions; made by `weighted_bce`, which explains the fields."""

    w_pos: tuple[float, ...]
    w_neg: tuple[float, ...]
    from_logits: bool = True
    epsilon: float = 1e-7
    label_smoothing: float = 0.0

    def __call__(self, y: Any, prediction: Any, sample_weight: Any = None) -> Any:
        """Loss of a batch, a scalar.

        Parameters
        ----------
        y, prediction
            (batch, findings); labels are 0, 1 or NaN for unknown.
        sample_weight
            (batch,): each finding's mean is then the weighted mean over its known labels, so that only
            the proportions of the weights matter. None weights alike.
        """
        prediction = ops.convert_to_tensor(prediction)
        y = ops.cast(y, prediction.dtype)
        positive = ops.convert_to_tensor(self.w_pos, dtype=prediction.dtype)
        negative = ops.convert_to_tensor(self.w_neg, dtype=prediction.dtype)
        known = ops.logical_not(ops.isnan(y))
        y = ops.where(known, y, ops.zeros_like(y))
        if self.from_logits:
            log_p, log_q = -ops.softplus(-prediction), -ops.softplus(prediction)
        else:
            log_p, log_q = ops.log(prediction + self.epsilon), ops.log(1.0 - prediction + self.epsilon)
        if self.label_smoothing:
            # Within each class, so that an image keeps the weight of its own: smoothed before they are weighed,
            # the negatives of a rare finding would be taught as positives, whose weight is so much larger.
            other = self.label_smoothing / 2
            log_p, log_q = (1.0 - other) * log_p + other * log_q, (1.0 - other) * log_q + other * log_p
        terms = positive * y * log_p + negative * (1.0 - y) * log_q
        weight = ops.cast(known, prediction.dtype)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, prediction.dtype), (-1, 1))
        total = ops.sum(weight, axis=0)
        total = ops.where(total > 0, total, ops.ones_like(total))
        return -ops.sum(ops.sum(terms * weight, axis=0) / total)

    def without_smoothing(self) -> WeightedBCE:
        """The same loss on the labels as they are, for validation."""
        return dataclasses.replace(self, label_smoothing=0.0)


def weighted_bce(
    w_pos: Sequence[float],
    w_neg: Sequence[float],
    *,
    from_logits: bool = True,
    epsilon: float = 1e-7,
    label_smoothing: float = 0.0,
) -> WeightedBCE:
    """Build the loss.

    Parameters
    ----------
    w_pos, w_neg
        Weights of the positive and the negative term, one per finding in the order of the outputs.
    from_logits
        True: predictions are logits, and the loss takes the stable form with softplus (for training).
        False: predictions are probabilities, and the loss takes the logarithm of ``p + epsilon`` and
        ``1 - p + epsilon``.
    epsilon
        Of the form for probabilities.
    label_smoothing
        e in 0..1: a known label y is taught as ``y (1 - e) + e / 2``, with the weight of its class as it is; an
        unknown one stays unknown.

    Returns
    -------
    WeightedBCE
        ``loss(y, prediction, sample_weight=None) -> scalar`` for arrays of shape (batch, findings). A
        label that is NaN is unknown: it takes no part, and the mean of its finding is over the known
        labels alone; a finding without any known label in the batch adds 0.

    Raises
    ------
    ValueError
        The weights are not of equal, non-zero length, or the smoothing is not in 0..1.
    """
    if len(w_pos) != len(w_neg) or not w_pos:
        raise ValueError(f"need equally many weights per class, not {len(w_pos)} and {len(w_neg)}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label smoothing {label_smoothing} is not in 0..1")
    positive, negative = tuple(map(float, w_pos)), tuple(map(float, w_neg))
    return WeightedBCE(positive, negative, from_logits, epsilon, label_smoothing)


def as_keras_loss(loss: WeightedBCE) -> keras.losses.Loss:
    """Wrap for ``model.compile``: the loss is one scalar per batch already, weighted by sample if asked."""

    class _BatchLoss(keras.losses.Loss):
        def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            return loss(y_true, y_pred, sample_weight)

    return _BatchLoss(name="weighted_bce")
