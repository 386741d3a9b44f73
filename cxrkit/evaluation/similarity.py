"""Whether two maps look alike, and how much of a map's evidence lies in a region."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate1d

from cxrkit.evaluation.maps import WHOLE, enlarge

SIMILARITY_SIDE = 64  # the window of 11 points then spans about one cell of a 7 x 7 grid
BORDER = 0.05
_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = 0.01**2, 0.03**2

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def ssim(one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """Mean structural similarity of images in 0..1 (Wang et al. 2004, IEEE TIP 13:600).

    A Gaussian window of 11 x 11 points (sigma 1.5), C1 = 0.01^2 and C2 = 0.03^2, over the places where
    the window lies inside the image.

    Parameters
    ----------
    one, other
        ... x H x W of one shape, H and W at least 11.

    Returns
    -------
    ndarray
        ... values from -1 to 1; 1 for equal images.
    """
    x, y = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if x.shape != y.shape or min(x.shape[-2:]) <= 2 * _RADIUS:
        raise ValueError(f"images {x.shape} and {y.shape} must be of one shape and at least 11 x 11")
    mean_x, mean_y = _window(x), _window(y)
    # what rounding leaves of the variance of a flat image may be negative
    var_x = np.maximum(_window(x * x) - mean_x**2, 0.0)
    var_y = np.maximum(_window(y * y) - mean_y**2, 0.0)
    covariance = _window(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    return np.asarray((luminance * structure).mean(axis=(-2, -1)))


def map_similarity(one: npt.ArrayLike, other: npt.ArrayLike, side: int = SIMILARITY_SIDE) -> Floats:
    """SSIM of maps on their native grids, each enlarged and scaled to its own peak.

    Parameters
    ----------
    one, other
        ... x h x w, >= 0. A map that is all zero stays so, and differs from every other.
    side
        Rows and columns at which they are compared.
    """
    return ssim(_scaled(one, side), _scaled(other, side))


def evidence_share(values: npt.ArrayLike, region: Mask) -> float | None:
    """Share of the sum of an enlarged map (H x W, >= 0) that lies in a region (H x W); None of an all-zero map."""
    v = np.asarray(values, dtype=np.float64)
    total = float(v.sum())
    return min(1.0, float(v[region].sum()) / total) if total > 0 else None


def border_band(side: int, width: float = BORDER) -> Mask:
    """side x side, True within `width` (a fraction of the side) of an edge."""
    centres = (np.arange(side) + 0.5) / side
    outer = np.minimum(centres, 1 - centres) < width
    return outer[:, None] | outer[None, :]


def _scaled(grids: npt.ArrayLike, side: int) -> Floats:
    values = enlarge(grids, WHOLE, side)
    peak = values.max(axis=(-2, -1), keepdims=True)
    return np.divide(values, peak, out=np.zeros_like(values), where=peak > 0)


def _window(images: Floats) -> Floats:
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    taps = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    taps /= taps.sum()
    for axis in (-2, -1):
        images = correlate1d(images, taps, axis=axis)
    return images[..., _RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
