"""Running trunk and head: a tensor in, arrays out, safe to share between threads."""

from __future__ import annotations

import threading
from typing import Literal, Protocol

import keras
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
RuntimeName = Literal["auto", "tensorflow", "keras"]


class Runtime(Protocol):
    """Computes the feature maps of a trunk."""

    name: str

    def features(self, tensor: Floats) -> Floats:
        """(n, S, S, 3) -> (n, H, W, K)."""
        ...


class TensorFlowRuntime:
    """A trunk as one traced TensorFlow function of fixed signature.

    A lock admits one call at a time: TensorFlow spreads a single call over all cores already, and two
    calls that compete for them are slower than two in turn.
    """

    name = "tensorflow"

    def __init__(self, trunk: keras.Model) -> None:
        import tensorflow as tf

        self._lock = threading.Lock()
        shape = (None, *trunk.input.shape[1:])
        self._traced = tf.function(
            lambda x: trunk(x, training=False), input_signature=[tf.TensorSpec(shape, tf.float32)]
        ).get_concrete_function()
        self._constant = tf.constant

    def features(self, tensor: Floats) -> Floats:
        """(n, S, S, 3) float32 -> (n, H, W, K) float32 feature maps."""
        with self._lock:
            return np.asarray(self._traced(self._constant(tensor)), dtype=np.float32)


class KerasRuntime:
    """A trunk called through Keras, for the backends torch and jax."""

    name = "keras"

    def __init__(self, trunk: keras.Model) -> None:
        self._lock = threading.Lock()
        self._trunk = trunk

    def features(self, tensor: Floats) -> Floats:
        """(n, S, S, 3) float32 -> (n, H, W, K) float32 feature maps."""
        with self._lock:
            return np.asarray(keras.ops.convert_to_numpy(self._trunk(tensor, training=False)), dtype=np.float32)


def open_runtime(name: RuntimeName, trunk: keras.Model) -> Runtime:
    """The named runtime of a trunk; ``"auto"`` is TensorFlow where Keras runs on it, else Keras itself."""
    if name == "auto":
        name = "tensorflow" if keras.backend.backend() == "tensorflow" else "keras"
    return TensorFlowRuntime(trunk) if name == "tensorflow" else KerasRuntime(trunk)


class HeadRuntime:
    """Logits and Jacobian of a head that has no closed form, on TensorFlow."""

    def __init__(self, head: keras.Model) -> None:
        import tensorflow as tf

        self._lock = threading.Lock()
        signature = [tf.TensorSpec((None, *head.input.shape[1:]), tf.float32)]
        self._logits = tf.function(lambda a: head(a, training=False), input_signature=signature)

        @tf.function(input_signature=signature)
        def jacobian(a: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(a)
                logits = head(a, training=False)[0]
            return tape.jacobian(logits, a)[:, 0]

        self._jacobian = jacobian

    def logits(self, features: Floats) -> Floats:
        """(n, H, W, K) -> (n, C)."""
        with self._lock:
            return np.asarray(self._logits(features), dtype=np.float32)

    def jacobian(self, features: Floats) -> Floats:
        """(1, H, W, K) -> (C, H, W, K) gradients of the logits."""
        with self._lock:
            return np.asarray(self._jacobian(features), dtype=np.float32)
