"""The kernels that a network has learned for its first convolution, to be tried on a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import keras

Floats = npt.NDArray[np.float32]


def first_planes(network: keras.Model) -> Floats | None:
    """(h, w, C) kernels of a network's first plain convolution; None for a network without one.

    A radiograph is grey: its three input channels are one picture three times (but for what some intensity rules
    subtract from each), so that a kernel's three planes act as their sum.
    """
    import keras

    plain = (layer for layer in network.layers if type(layer) is keras.layers.Conv2D)
    first = next(plain, None)
    return None if first is None else np.asarray(first.get_weights()[0], dtype=np.float32).sum(axis=2)


def strongest_kernels(planes: Floats | None, count: int = 6) -> dict[int, Floats]:
    """The strongest of the kernels of `first_planes`, by channel number.

    Parameters
    ----------
    planes
        (h, w, C), or None.
    count
        How many, those with the largest sum of squares first.

    Returns
    -------
    dict
        Channel -> (h, w) kernel; empty without kernels.
    """
    if planes is None:
        return {}
    order = np.argsort(-(planes**2).sum(axis=(0, 1)), kind="stable")[:count]
    return {int(k): np.ascontiguousarray(planes[:, :, k]) for k in order}
