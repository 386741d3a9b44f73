"""Training on several devices at once, by Keras' own data parallelism."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from cxrkit.errors import TrainingError
from cxrkit.training.recipe import Recipe


def devices_to_share(recipe: Recipe) -> list[str]:
    """The devices among which each batch can be divided, as Keras names them.

    Raises
    ------
    TrainingError
        The backend is not JAX, there is only one device, or a batch cannot be divided evenly.
    """
    backend = keras.backend.backend()
    if backend != "jax":
        raise TrainingError(
            f"Training on several devices works on the backend jax, and this is {backend}.",
            "Leave --distribute out, or set KERAS_BACKEND=jax where jax is installed.",
        )
    devices = [str(device) for device in keras.distribution.list_devices()]
    if len(devices) < 2:
        raise TrainingError(
            "There is only one device to train on.", "Leave --distribute out: it divides each batch among devices."
        )
    odd = sorted({stage.batch for stage in recipe.stages if stage.batch % len(devices)})
    if odd:
        raise TrainingError(
            f"A batch of {odd[0]} images cannot be divided among {len(devices)} devices.",
            f"Give a multiple of {len(devices)} with --batch-size.",
        )
    return devices


@contextmanager
def data_parallel(devices: list[str]) -> Iterator[None]:
    """Divide every batch among the devices, each of which holds all weights; no devices change nothing."""
    if not devices:
        yield
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)
