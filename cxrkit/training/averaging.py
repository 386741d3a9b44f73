"""Weights averaged over the steps of a stage, and the normalisation that fits the average."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import keras

from cxrkit.training.batches import Batch

SETTLING = 100
"""Batches over which the statistics of normalisation are taken anew."""


def take_average(trained: keras.Model) -> None:
    """Put the moving average that the optimiser kept into the place of the trainable weights."""
    trained.optimizer.finalize_variable_values(trained.trainable_variables)


def settle(network: keras.Model, batches: Iterator[Batch], check: Callable[[], None]) -> int:
    """Take the moving averages of batch normalisation anew, as plain means over the first `SETTLING` batches.

    Those of the training belong to the weights before they were averaged (Izmailov et al. 2018, Averaging
    weights leads to wider optima and better generalization, section 3.2). Frozen layers keep theirs.

    Returns
    -------
    int
        How many batches there were.
    """
    layers = [
        layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    momenta = [layer.momentum for layer in layers]
    done = 0
    try:
        for x, _, _ in islice(batches, SETTLING):
            for layer in layers:
                layer.momentum = done / (done + 1)  # of a running mean
            network(x, training=True)
            done += 1
            check()
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    return done
