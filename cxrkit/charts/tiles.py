"""Small pictures of arrays, as data URIs for a page: grey for pixels, two colours for signed numbers."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.charts.overlay import coloured, data_uri

Numbers = npt.NDArray[np.floating[Any]]
BELOW, ABOVE = (86, 180, 233), (230, 120, 0)
"""Colours of the lowest and the highest value of a signed picture, whose zero is black; both told apart by anybody."""


def grey(values: Numbers) -> str:
    """(H, W) in 0..1 as a grey picture."""
    return _png(np.repeat((np.clip(values, 0, 1) * 255)[:, :, None], 3, axis=2))


def bulk(values: Numbers) -> float:
    """The magnitude that 99 of 100 numbers do not exceed: a limit for `signed` that a few peaks do not set."""
    return float(np.quantile(np.abs(values), 0.99))


def signed(values: Numbers, limit: float | None = None) -> str:
    """(H, W) numbers of both signs: black at zero, full colour from `limit` on, which is else the largest magnitude."""
    top = float(np.abs(values).max()) if limit is None else limit
    share = np.clip(values / top if top > 0 else np.zeros_like(values), -1, 1)[:, :, None]
    return _png(np.where(share < 0, -share * np.array(BELOW), share * np.array(ABOVE)))


def heat(values: Numbers, limit: float | None = None, colour_map: str = "Inferno") -> str:
    """(H, W) numbers from zero on, in a map's colours; `limit` is else their peak."""
    top = float(values.max()) if limit is None else limit
    share = np.clip(values / top if top > 0 else np.zeros_like(values), 0, 1).astype(np.float32)
    return _png(coloured(share, colour_map))


def _png(rgb: npt.NDArray[Any]) -> str:
    done, encoded = cv2.imencode(".png", np.rint(rgb[:, :, ::-1]).astype(np.uint8))
    if not done:
        raise RuntimeError("OpenCV could not encode a tile")
    return data_uri(encoded.tobytes(), "png")
