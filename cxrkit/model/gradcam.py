"""Grad-CAM from feature maps that are already there: every finding at once, no second pass.

Selvaraju et al. 2017 (arXiv 1610.02391): the map of finding c is ``ReLU(sum_k alpha[k, c] * A_k)``,
where alpha is the spatial mean of the gradient of the logit of c by the feature map A_k. The logit is
differentiated, never the probability, whose gradient vanishes where the sigmoid saturates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A head of the form batch norm -> ReLU -> global average -> dense, as plain arrays.

    Attributes
    ----------
    scale, offset
        (K,) float32; the batch normalisation in inference is ``scale * A + offset``.
    kernel, bias
        (K, C) and (C,) of the dense layer.
    """

    scale: Floats
    offset: Floats
    kernel: Floats
    bias: Floats

    @classmethod
    def of(cls, head: keras.Model) -> LinearHead | None:
        """Read the arrays of a head, or None when it has another form."""
        layers = [
            layer for layer in head.layers if not isinstance(layer, (keras.layers.InputLayer, keras.layers.Dropout))
        ]
        if len(layers) != 4:
            return None
        norm, relu, pool, dense = layers
        fits = (
            isinstance(norm, keras.layers.BatchNormalization)
            and _is_relu(relu)
            and isinstance(pool, keras.layers.GlobalAveragePooling2D)
            and isinstance(dense, keras.layers.Dense)
            and keras.activations.serialize(dense.activation) == "linear"
        )
        if not fits:
            return None
        gamma, beta, mean, variance = (np.asarray(w, dtype=np.float64) for w in norm.get_weights())
        scale = gamma / np.sqrt(variance + norm.epsilon)
        kernel, bias = (np.asarray(w, dtype=np.float32) for w in dense.get_weights())
        return cls(scale.astype(np.float32), (beta - mean * scale).astype(np.float32), kernel, bias)

    def logits(self, features: Floats) -> Floats:
        """(n, H, W, K) feature maps -> (n, C) logits."""
        active = np.maximum(features * self.scale + self.offset, 0.0)
        pooled = active.mean(axis=(1, 2), dtype=np.float32)
        return np.asarray(pooled @ self.kernel + self.bias, dtype=np.float32)

    def alpha(self, features: Floats) -> Doubles:
        """(H, W, K) feature maps -> (K, C) Grad-CAM weights in closed form.

        The gradient of logit c by A_k at a position is ``scale_k * kernel[k, c] / (H * W)`` where the
        normalised value is positive, else 0. Its spatial mean is therefore
        ``scale_k * f_k * kernel[k, c] / (H * W)`` with f_k the share of positive positions.
        """
        height, width, _ = features.shape
        share = (features * self.scale + self.offset > 0).mean(axis=(0, 1), dtype=np.float64)
        return np.asarray((self.scale * share)[:, None] * self.kernel / (height * width), dtype=np.float64)


def _is_relu(layer: Any) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    return isinstance(layer, keras.layers.Activation) and keras.activations.serialize(layer.activation) == "relu"


def grad_cam(features: Floats, alpha: Doubles) -> Floats:
    """Maps of all findings from feature maps and Grad-CAM weights.

    Parameters
    ----------
    features
        (H, W, K).
    alpha
        (K, C).

    Returns
    -------
    ndarray
        (C, H, W) float32, >= 0; exactly all zero for a finding without positive evidence. Never scaled.
    """
    height, width, channels = features.shape
    # in double: a thousand terms of both signs may cancel to little
    maps = features.reshape(-1, channels).astype(np.float64) @ alpha.astype(np.float64)
    rectified = np.maximum(maps, 0.0).T.reshape(-1, height, width)
    return np.ascontiguousarray(rectified, dtype=np.float32)


def alpha_from_jacobian(jacobian: Callable[[Floats], Floats], features: Floats) -> Doubles:
    """Grad-CAM weights of any head from its Jacobian.

    Parameters
    ----------
    jacobian
        (1, H, W, K) feature maps -> (C, H, W, K) gradients of the logits.
    features
        (H, W, K).

    Returns
    -------
    ndarray
        (K, C).
    """
    return np.asarray(jacobian(features[None]).mean(axis=(1, 2), dtype=np.float64).T, dtype=np.float64)
