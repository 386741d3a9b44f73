"""Batch normalisation that runs fused on TensorFlow.

Keras 3 computes batch normalisation on TensorFlow from single operations (moments, multiply, add).
TensorFlow's fused operation does the same in one pass over memory, which a DenseNet-121 is bound by;
``scripts/benchmark.py --training --unfused`` measures what it saves. This is the only module that calls
TensorFlow from a network's definition; with other backends it is plain `keras.layers.BatchNormalization`.
"""

from __future__ import annotations

from typing import Any

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over the last axis, fused on TensorFlow.

    The name is kept on purpose: weight files then have the same structure as those of the stock layer.
    Training uses the biased batch variance for the normalisation, and the unbiased one for the moving
    average, as TensorFlow's operation does.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise ``(batch, H, W, C)`` inputs; 2-D inputs, masks and other backends take the stock path."""
        if keras.backend.backend() != "tensorflow" or mask is not None or len(inputs.shape) != 4 or not self._last_axis:
            return super().call(inputs, training=training, mask=mask)
        x = keras.ops.cast(inputs, self.compute_dtype)
        if training and self.trainable:
            y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=x,
                scale=self.gamma,
                offset=self.beta,
                mean=tf.zeros_like(self.moving_mean.value),
                variance=tf.zeros_like(self.moving_variance.value),
                epsilon=self.epsilon,
                exponential_avg_factor=1.0,
                is_training=True,
            )
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
            return y
        y, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.gamma,
            offset=self.beta,
            mean=self.moving_mean,
            variance=self.moving_variance,
            epsilon=self.epsilon,
            is_training=False,
        )
        return y

    @property
    def _last_axis(self) -> bool:
        return bool(self.center and self.scale and self.axis in (-1, 3))


def replace_normalisation(layer: keras.Layer, momentum: float) -> keras.Layer:
    """Copy a layer for `keras.models.clone_model`, with fused batch normalisation at `momentum`."""
    config = layer.get_config()
    if type(layer) is keras.layers.BatchNormalization:
        return BatchNormalization.from_config({**config, "momentum": momentum})
    return type(layer).from_config(config)
