"""What drawn counterexamples have in common: their size, and how a canvas becomes a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Draw = Callable[[np.random.Generator, Floats], Floats]
SIDE = 256


def finished(rng: np.random.Generator, canvas: npt.NDArray[Any]) -> Floats:
    """Blurred, grained and stretched, as a detector would have it."""
    soft = cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), float(rng.uniform(0.5, 3)))
    return scaled(soft + rng.normal(0, rng.uniform(0, 0.06), soft.shape))


def scaled(values: npt.NDArray[Any]) -> Floats:
    """To 0..1; a constant picture becomes black."""
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / max(high - low, 1e-9), dtype=np.float32)
