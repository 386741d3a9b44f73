"""The kernels that a network has learned for its first convolution, to be tried on a picture."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def first_kernels(network: keras.Model, count: int = 6) -> dict[int, Floats]:
    """The strongest kernels of a network's first convolution, by channel number.

    A radiograph is grey: its three input channels are one picture three times (but for what some intensity rules
    subtract from each), so that a kernel's three planes act as their sum.

    Parameters
    ----------
    count
        How many, those with the largest sum of squares first.

    Returns
    -------
    dict
        Channel -> (h, w) kernel; empty for a network without a plain convolution.
    """
    plain = (layer for layer in network.layers if type(layer) is keras.layers.Conv2D)
    first = next(plain, None)
    if first is None:
        return {}
    planes = np.asarray(first.get_weights()[0], dtype=np.float32).sum(axis=2)
    order = np.argsort(-(planes**2).sum(axis=(0, 1)), kind="stable")[:count]
    return {int(k): np.ascontiguousarray(planes[:, :, k]) for k in order}
