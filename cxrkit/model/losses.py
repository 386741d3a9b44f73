"""Prevalence-weighted binary cross-entropy.

``L = -sum over findings of mean(w_pos * y * log p + w_neg * (1 - y) * log(1 - p))`` with
``w_pos = 1 - prevalence`` and ``w_neg = prevalence`` per finding, so that the rarer class counts as
much as the commoner one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

Loss = Callable[[Any, Any], Any]


def weighted_bce(
    w_pos: Sequence[float],
    w_neg: Sequence[float],
    *,
    from_logits: bool = True,
    epsilon: float = 1e-7,
) -> Loss:
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

    Returns
    -------
    Callable
        ``loss(y, prediction) -> scalar`` for arrays of shape (batch, findings). A label that is NaN is
        unknown: it takes no part, and the mean of its finding is over the known labels alone; a
        finding without any known label in the batch adds 0.

    Raises
    ------
    ValueError
        The weights are not of equal, non-zero length.
    """
    if len(w_pos) != len(w_neg) or not w_pos:
        raise ValueError(f"need equally many weights per class, not {len(w_pos)} and {len(w_neg)}")

    def loss(y: Any, prediction: Any) -> Any:
        prediction = ops.convert_to_tensor(prediction)
        y = ops.cast(y, prediction.dtype)
        positive = ops.convert_to_tensor(list(w_pos), dtype=prediction.dtype)
        negative = ops.convert_to_tensor(list(w_neg), dtype=prediction.dtype)
        known = ops.logical_not(ops.isnan(y))
        y = ops.where(known, y, ops.zeros_like(y))
        if from_logits:
            log_p, log_q = -ops.softplus(-prediction), -ops.softplus(prediction)
        else:
            log_p, log_q = ops.log(prediction + epsilon), ops.log(1.0 - prediction + epsilon)
        terms = positive * y * log_p + negative * (1.0 - y) * log_q
        weight = ops.cast(known, prediction.dtype)
        count = ops.sum(weight, axis=0)
        return -ops.sum(ops.sum(terms * weight, axis=0) / ops.maximum(count, 1.0))

    loss.__name__ = "weighted_bce"
    return loss


def as_keras_loss(loss: Loss) -> keras.losses.Loss:
    """Wrap for ``model.compile``: the loss is one scalar per batch already."""

    class _BatchLoss(keras.losses.Loss):
        def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            if sample_weight is not None:
                raise ValueError("weighted_bce takes no sample weights: give class weights or mask labels with NaN")
            return loss(y_true, y_pred)

    return _BatchLoss(name="weighted_bce")
