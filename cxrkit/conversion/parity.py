"""Whether a converted network gives the same logits as its source on the same inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from cxrkit.errors import ImportRefused
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.preprocessing import InputRule, standardise, to_tensor
from cxrkit.radiograph import Radiograph

Floats = npt.NDArray[np.float32]

TOLERANCE = 1e-4
"""Largest difference of two logits of up to 10; beyond, where float32 gets coarser, a hundred-thousandth of them."""

_TELLING = 1e-3
"""Logits that differ less than this between all the images could be those of any network."""

_PHANTOMS, _RANDOM = 2, 2
_SATURATED = 5.0


@dataclass(frozen=True)
class Parity:
    """Largest difference between the logits of two networks, and on how many images."""

    difference: float
    images: int


def inputs(rule: InputRule, seed: int = 0) -> Floats:
    """Phantoms and random pictures, prepared as the preset will prepare radiographs: (n, S, S, 3)."""
    random = np.random.default_rng(seed).random((_RANDOM, rule.input_size, rule.input_size), dtype=np.float32)
    pictures = [to_tensor(_picture(seed + k), rule) for k in range(_PHANTOMS)]
    return np.concatenate([*pictures, standardise(random, rule.intensity)])


@cache
def _picture(seed: int) -> Radiograph:
    return phantom(seed, 512)


def compare(
    source: Callable[[Floats], Floats], ours: Callable[[Floats], Floats], images: Floats, *, rounded: bool = False
) -> Parity:
    """Run both networks on (n, S, S, 3) images and compare their logits.

    Parameters
    ----------
    source, ours
        (n, S, S, 3) -> (n, findings) logits.
    images
        Of any size that both take.
    rounded
        Whether the source's logits are log-odds of float32 probabilities: beyond a logit of 5, where these
        are too coarse to tell, the probabilities are compared instead.

    Raises
    ------
    ImportRefused
        A logit is not finite, two differ by more than `TOLERANCE`, or the source's are the same for every image,
        so that nothing can be told from them.
    """
    theirs, own = (np.asarray(network(images), dtype=np.float64) for network in (source, ours))
    if theirs.shape != own.shape:
        raise ImportRefused(
            f"The source network gives {theirs.shape[-1]} outputs, the converted one {own.shape[-1]}.", _REMEDY
        )
    if not np.isfinite(own).all() or not (rounded or np.isfinite(theirs).all()):
        raise ImportRefused("A logit of the network is not a number.", _REMEDY)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(theirs - own)
        if rounded:
            by_probability = np.abs(1 / (1 + np.exp(-theirs)) - 1 / (1 + np.exp(-own)))
            apart = np.where(np.abs(own) > _SATURATED, by_probability, apart)
    largest = float(apart.max())
    if not (apart <= TOLERANCE * np.maximum(1.0, np.abs(own) / 10)).all():
        raise ImportRefused(
            f"The converted network gives other logits than its source: up to {largest:.2g} apart.", _REMEDY
        )
    if len(images) > 1 and np.ptp(own, axis=0).max() < _TELLING:
        raise ImportRefused(
            "The network gives the same logits for every image: it is not trained, and no comparison can tell.", _REMEDY
        )
    return Parity(largest, len(images))


_REMEDY = "Check that the file is of this very architecture; nothing was written."
