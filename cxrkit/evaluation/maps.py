"""A map on its native grid, enlarged onto a square grid over the whole radiograph.

The same picture as the viewer's: bicubic between the centres of the cells (Keys 1981 with a = -0.75),
the edge cells going on to the edge of what the grid covers, nothing beyond it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SIDE = 256
WHOLE = (0.0, 0.0, 1.0, 1.0)

Floats = npt.NDArray[np.float64]
Covered = tuple[float, float, float, float]
_A = -0.75


def enlarge(grids: npt.ArrayLike, covered: Covered = WHOLE, side: int = SIDE) -> Floats:
    """Enlarge maps onto a grid of side x side points over the radiograph.

    Parameters
    ----------
    grids
        ... x h x w, >= 0.
    covered
        Left, top, right and bottom of what the grid covers, as fractions of the radiograph; they may
        lie beyond 0..1 where the preset pads.
    side
        Rows and columns of the result.

    Returns
    -------
    ndarray
        ... x side x side float64, >= 0, 0 where the grid does not reach.
    """
    values = np.asarray(grids, dtype=np.float64)
    left, top, right, bottom = covered
    down, across = _weights(values.shape[-2], top, bottom, side), _weights(values.shape[-1], left, right, side)
    return np.maximum(down @ values @ across.T, 0.0)


def reach(covered: Covered = WHOLE, side: int = SIDE) -> npt.NDArray[np.bool_]:
    """Where a grid reaches: side x side, True at the points whose centre it covers."""
    left, top, right, bottom = covered
    centres = (np.arange(side) + 0.5) / side
    return np.outer((centres >= top) & (centres <= bottom), (centres >= left) & (centres <= right))


def _weights(cells: int, low: float, high: float, side: int) -> Floats:
    """side x cells weights that interpolate one axis; a row of a point that is not covered is zero."""
    centres = (np.arange(side) + 0.5) / side
    place = (centres - low) / (high - low) * cells - 0.5
    first = np.floor(place).astype(np.int64) - 1
    weights = np.zeros((side, cells))
    for tap in range(4):
        np.add.at(weights, (np.arange(side), np.clip(first + tap, 0, cells - 1)), _cubic(place - (first + tap)))
    weights[(centres < low) | (centres > high)] = 0.0
    return weights


def _cubic(distance: Floats) -> Floats:
    x = np.abs(distance)
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
