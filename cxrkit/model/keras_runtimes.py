"""Running a trunk through Keras: as a traced TensorFlow function, or on any backend."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.model.runtimes import Precision, Runtime, RuntimeName

Floats = npt.NDArray[np.float32]
Forward = Callable[[Floats], Any]


class TensorFlowRuntime:
    """A trunk as one traced TensorFlow function of fixed signature.

    A lock admits one call at a time: TensorFlow spreads a single call over all cores already, and two
    calls that compete for them are slower than two in turn.
    """

    name = "tensorflow"
    precision: Precision = "float32"
    streams = 1

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

    def begin(self, tensor: Floats) -> Callable[[], Floats]:
        """`features`, computed when what is returned is called."""
        return partial(self.features, tensor)


class KerasRuntime:
    """A trunk called through Keras, on any of its backends: compiled on JAX, without gradients on PyTorch."""

    name = "keras"
    precision: Precision = "float32"
    streams = 1

    def __init__(self, trunk: keras.Model) -> None:
        self._lock = threading.Lock()
        forwards = {"jax": _compiled_by_jax, "torch": _without_gradients}
        self._forward = forwards.get(keras.backend.backend(), _plain)(trunk)

    def features(self, tensor: Floats) -> Floats:
        """(n, S, S, 3) float32 -> (n, H, W, K) float32 feature maps."""
        with self._lock:
            return np.asarray(keras.ops.convert_to_numpy(self._forward(tensor)), dtype=np.float32)

    def begin(self, tensor: Floats) -> Callable[[], Floats]:
        """`features`, computed when what is returned is called."""
        return partial(self.features, tensor)


def _plain(trunk: keras.Model) -> Forward:
    return lambda tensor: trunk(tensor, training=False)


def _compiled_by_jax(trunk: keras.Model) -> Forward:
    import jax

    # the weights are arguments: as constants of the compiled function they would stay as they are now
    compiled = jax.jit(lambda trained, other, x: trunk.stateless_call(trained, other, x, training=False)[0])

    def forward(tensor: Floats) -> Any:
        trained, other = trunk.trainable_variables, trunk.non_trainable_variables
        return compiled([v.value for v in trained], [v.value for v in other], tensor)

    return forward


def _without_gradients(trunk: keras.Model) -> Forward:
    import torch

    return torch.no_grad()(_plain(trunk))


def open_runtime(name: RuntimeName, trunk: keras.Model) -> Runtime:
    """The named runtime of a trunk; ``"auto"`` is TensorFlow where Keras runs on it, else Keras itself."""
    if name == "auto":
        name = "tensorflow" if keras.backend.backend() == "tensorflow" else "keras"
    return TensorFlowRuntime(trunk) if name == "tensorflow" else KerasRuntime(trunk)
