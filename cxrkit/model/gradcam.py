"""Grad-CAM from feature maps that are already there: every finding at once, no second pass.

Selvaraju et al. 2017 (arXiv 1610.02391): the map of finding c is ``ReLU(sum_k alpha[k, c] * A_k)``,
where alpha is the spatial mean of the gradient of the logit of c by the feature map A_k. The logit is
differentiated, never the probability, whose gradient vanishes where the sigmoid saturates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def grad_cam(features: Floats, alpha: Doubles) -> Floats:
    """Maps of all findings from feature maps and Grad-CAM weights.

    Parameters
    ----------
    features
        (H, W, K).
    alpha
        (K, C), see `cxrkit.model.head.Head.alpha`.

    Returns
    -------
    ndarray
        (C, H, W) float32, >= 0; exactly all zero for a finding without positive evidence. Never scaled.
    """
    height, width, channels = features.shape
    # in double: a thousand terms of both signs may cancel to little
    maps = features.reshape(-1, channels).astype(np.float64) @ alpha.astype(np.float64)
    rectified = np.maximum(maps, 0.0).T.reshape(-1, height, width)
    return np.ascontiguousarray(rectified, dtype=np.float32)
