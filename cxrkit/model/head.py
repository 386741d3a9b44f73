"""What follows the feature maps, as plain arrays: logits and their exact gradient without a deep-learning framework.

Everything between the feature maps and the global average treats each channel by itself, by a scale and
an offset (batch normalisation) or by choosing values (ReLU, max pooling). The spatial mean of the gradient
of a logit, all that Grad-CAM asks for, is therefore a product of three numbers per channel: its scale, the
share of positions that are let through, and the gradient by the pooled value. No Jacobian over positions
is ever formed, and nothing is shared between threads but arrays that are only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Affine:
    """Batch normalisation in inference: ``scale * x + offset``, both (K,) float32."""

    scale: Floats
    offset: Floats

    def __call__(self, x: Floats) -> Floats:
        """(..., K) -> (..., K)."""
        scaled = x * self.scale
        scaled += self.offset  # without another array, which costs more than the sum
        return scaled


@dataclass(frozen=True, eq=False)
class Rectifier:
    """``min(max(x, 0), ceiling)``; a ceiling of infinity is the plain ReLU."""

    ceiling: float = np.inf

    def __call__(self, x: Floats) -> Floats:
        """Same shape."""
        positive: Floats = np.maximum(x, np.float32(0))
        return positive if np.isinf(self.ceiling) else np.minimum(positive, np.float32(self.ceiling))

    def passes(self, x: Floats) -> Mask:
        """Where the gradient is 1; elsewhere it is 0."""
        return np.asarray(x > 0 if np.isinf(self.ceiling) else (x > 0) & (x < self.ceiling))


@dataclass(frozen=True, eq=False)
class MaxPool:
    """The largest value of each window; windows that do not fit are left out."""

    window: tuple[int, int]
    strides: tuple[int, int]

    def __call__(self, x: Floats) -> Floats:
        """(n, H, W, K) -> (n, H', W', K)."""
        return np.asarray(self._windows(x).max(axis=(-2, -1)))

    def chosen(self, x: Floats, mask: Mask) -> Mask:
        """Of an (n, H, W, K) mask what stands where each window's (first) largest value does."""
        values = self._windows(x)
        flat = (*values.shape[:-2], -1)
        first = values.reshape(flat).argmax(axis=-1)[..., None]
        return np.asarray(np.take_along_axis(self._windows(mask).reshape(flat), first, axis=-1)[..., 0])

    def _windows(self, x: Any) -> Any:
        every = np.lib.stride_tricks.sliding_window_view(x, self.window, axis=(1, 2))
        return every[:, :: self.strides[0], :: self.strides[1]]


@dataclass(frozen=True, eq=False)
class Linear:
    """``x @ kernel + bias``, (K, C) and (C,) float32."""

    kernel: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """(n, K) -> (n, C)."""
        return np.asarray(x @ self.kernel + self.bias, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Trace:
    """What is known after one walk over the feature maps of one image.

    Attributes
    ----------
    pooled
        (1, H', W', K), of which the global average is taken.
    averages
        (1, K), that average.
    factor
        (K,) derivative of each average by the spatial mean of its feature map, over the number of positions: the part
        of the Grad-CAM weights that does not depend on the finding.
    """

    pooled: Floats
    averages: Floats
    factor: Doubles


@dataclass(frozen=True, eq=False)
class Head:
    """A chain from feature maps to logits.

    Attributes
    ----------
    spatial
        Steps on (n, H, W, K) feature maps, before their global average.
    dense
        Steps on the (n, K) averages; the last gives the logits.
    dropout
        Share of the units that training drops before each step of `dense`; empty where there is no dropout. Only
        `cxrkit.model.dropout` uses it: a reading's own numbers come from all units.
    """

    spatial: tuple[Affine | Rectifier | MaxPool, ...]
    dense: tuple[Linear | Affine | Rectifier, ...]
    dropout: tuple[float, ...] = ()

    def before_average(self, features: Floats) -> Floats:
        """(n, H, W, K) feature maps -> (n, H', W', K), of which the global average is taken."""
        for step in self.spatial:
            features = step(features)
        return features

    def logits(self, features: Floats) -> Floats:
        """(n, H, W, K) feature maps -> (n, C) logits."""
        return self.behind_average(self.averages(features))

    def averages(self, features: Floats) -> Floats:
        """(n, H, W, K) feature maps -> (n, K) global averages."""
        return np.asarray(self.before_average(features).mean(axis=(1, 2), dtype=np.float32))

    def behind_average(self, averages: Floats) -> Floats:
        """(n, K) global averages -> (n, C) logits."""
        x = averages
        for layer in self.dense:
            x = layer(x)
        return x

    def alpha(self, features: Floats) -> Doubles:
        """(H, W, K) feature maps of one image -> (K, C) Grad-CAM weights: see `weights_of`."""
        return self.weights_of(self.trace(features))

    def weights_of(self, trace: Trace) -> Doubles:
        """Grad-CAM weights: the spatial mean of the gradient of each logit by each feature map.

        With s_k the scale of channel k, f_k the share of pooled positions that the rectifiers let
        through, and J the gradient of the logits by the averages, ``s_k * f_k * J[k, c] / (H * W)``: the
        sum of the gradient over positions is the derivative for a change of the whole map by one number.

        Returns
        -------
        ndarray
            (K, C).
        """
        return np.asarray(trace.factor[:, None] * self._gradient(trace.averages), dtype=np.float64)

    def trace(self, features: Floats) -> Trace:
        """Walk over the (H, W, K) feature maps of one image."""
        height, width, channels = features.shape
        x = features[None]
        scale: Any = np.float32(1)
        passing: Mask = np.ones((1, 1, 1, channels), bool)  # broadcast where nothing was held back yet
        for step in self.spatial:
            if isinstance(step, Affine):
                scale = scale * step.scale
            elif isinstance(step, Rectifier):
                passing = passing & step.passes(x)
            else:
                passing = step.chosen(x, np.broadcast_to(passing, x.shape))
            x = step(x)
        passing = passing if passing.shape == x.shape else np.broadcast_to(passing, x.shape)
        through = np.add.reduce(passing, axis=(0, 1, 2), dtype=np.int32)
        factor = scale * (through / (x.shape[1] * x.shape[2] * height * width))
        return Trace(x, np.asarray(x.mean(axis=(1, 2), dtype=np.float32)), np.asarray(factor, dtype=np.float64))

    def _gradient(self, pooled: Floats) -> npt.NDArray[Any]:
        """(1, K) averages -> (K, C) gradient of the logits by them."""
        entering = [pooled]
        for layer in self.dense[:-1]:
            entering.append(layer(entering[-1]))
        last = self.dense[-1]
        assert isinstance(last, Linear)
        gradient: npt.NDArray[Any] = last.kernel
        for layer, x in zip(self.dense[-2::-1], entering[-2::-1], strict=True):
            if isinstance(layer, Linear):
                gradient = layer.kernel @ gradient
            elif isinstance(layer, Affine):
                gradient = layer.scale[:, None] * gradient
            else:
                gradient = layer.passes(x)[0][:, None] * gradient
        return gradient
