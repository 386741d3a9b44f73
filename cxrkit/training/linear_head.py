"""A head in closed form: ridge regression of labels, and of a teacher's scores, on the features of a trained trunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge

from cxrkit.errors import TrainingError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Kernel (K, k) and bias (k) of a dense layer from K features to k logits."""

    kernel: Floats
    bias: Floats

    def logits(self, features: Floats) -> Floats:
        """(n, K) features -> (n, k) logits."""
        return features @ self.kernel + self.bias


def fit_linear_head(
    features: Floats, labels: Floats, taught: Floats, *, alpha: float, teacher_share: float
) -> LinearHead:
    """Fit each finding's output as a weighted sum of two ridge regressions on standardised features.

    One regresses the labels, which by least squares gives the direction of Fisher's discriminant; the other the
    teacher's logits, which say more of an image than a label does (Hinton, Vinyals & Dean 2015, Distilling the
    knowledge in a neural network). Each is brought to mean 0 and deviation 1 over all images before they are
    added, so that the logits are scores to be calibrated, not probabilities.

    Parameters
    ----------
    features
        (n, K), of the training images.
    labels, taught
        (n, k): 1, 0 or NaN where unknown; the teacher's probability, or NaN where it says nothing.
    alpha
        Strength of the penalty, for features of deviation 1 (`sklearn.linear_model.Ridge`).
    teacher_share
        Weight of the teacher's regression, 0 to 1; a finding that lacks one of the two has the other alone.

    Raises
    ------
    TrainingError
        A finding has neither both labels nor a teacher.
    """
    centre, spread = features.mean(axis=0), features.std(axis=0)
    scaled = (features - centre) / np.where(spread > 0, spread, 1)
    columns = []
    for k in range(labels.shape[1]):
        known, seen = ~np.isnan(labels[:, k]), ~np.isnan(taught[:, k])
        parts = []
        if len(np.unique(labels[known, k])) == 2 and teacher_share < 1:
            parts.append((1 - teacher_share, _direction(scaled, known, labels[known, k], alpha)))
        if seen.sum() > 1 and teacher_share > 0:
            probability = np.clip(taught[seen, k].astype(np.float64), 1e-6, 1 - 1e-6)
            parts.append((teacher_share, _direction(scaled, seen, np.log(probability / (1 - probability)), alpha)))
        if not parts:
            raise TrainingError(
                f"Output {k + 1} has neither positives and negatives nor a teacher to learn from.",
                "Give more labelled images, or leave the finding out.",
            )
        total = sum(share for share, _ in parts)
        columns.append(sum(share / total * direction for share, direction in parts))
    kernel = np.stack(columns, axis=1) / np.where(spread > 0, spread, 1)[:, None]
    return LinearHead(kernel.astype(np.float32), (-centre @ kernel).astype(np.float32))


def blended(first: LinearHead, second: LinearHead, share: float, features: Floats) -> LinearHead:
    """`share` of the first head and the rest of the second, each output brought to mean 0 and deviation 1.

    Mean and deviation are over `features` (n, K). A mean of linear heads is a linear head.
    """
    parts = []
    for head, weight in ((first, share), (second, 1 - share)):
        logits = head.logits(features).astype(np.float64)
        spread = logits.std(axis=0)
        scale = weight / np.where(spread > 0, spread, 1)
        parts.append((head.kernel * scale, (head.bias - logits.mean(axis=0)) * scale))
    (kernel, bias), (other_kernel, other_bias) = parts
    return LinearHead((kernel + other_kernel).astype(np.float32), (bias + other_bias).astype(np.float32))


def _direction(
    scaled: Floats, rows: npt.NDArray[np.bool_], target: npt.NDArray[np.floating], alpha: float
) -> npt.NDArray[np.float64]:
    """Weights (K) that regress the target of some rows, scaled to scores of deviation 1 over all rows."""
    weights = Ridge(alpha=alpha).fit(scaled[rows].astype(np.float64), (target - target.mean()) / target.std()).coef_
    spread = (scaled @ weights).std()
    direction: npt.NDArray[np.float64] = weights / (spread if spread > 0 else 1.0)
    return direction
