"""Monte Carlo dropout in the head: how far the logits move when a part of the head's inputs is missing.

Gal and Ghahramani 2016 (arXiv 1506.02142). Only what follows the global average is drawn again, from the averages of
the one pass, so fifty draws cost a few small products. The masks are the same for every radiograph and for every call:
a reading can be repeated, and two readings differ by their pictures alone.

Where the network has dropout layers in its head, their own rates are used, and each draw is one of the networks that
were trained. Where it has none, a rate that was chosen on validation (`cxrkit.training.doubt_fitting`) is used before
the last layer. It then tells how a score hangs on single features, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from cxrkit.card import Doubt
from cxrkit.model.head import Head, Linear
from cxrkit.reading import PERCENTILES, DropoutRecord

Floats = npt.NDArray[np.float32]

DRAWS = 50
SEED = 20
"""Of the masks; nothing hangs on which number it is, only on that it never changes."""


@dataclass(frozen=True, eq=False)
class DropoutDraws:
    """The masks of all draws, ready for any radiograph.

    Attributes
    ----------
    head
        Whose dense steps are drawn.
    masks
        Before each dense step (draws, units), 0 or ``1 / (1 - rate)``; None where nothing is dropped.
    record
        How they were drawn.
    """

    head: Head
    masks: tuple[Floats | None, ...]
    record: DropoutRecord

    @classmethod
    def of(cls, head: Head, doubt: Doubt | None) -> Self | None:
        """The draws for a head, or None where it has no dropout of its own and the card names no rate."""
        draws, seed = (DRAWS, SEED) if doubt is None else (doubt.draws, doubt.seed)
        if head.dropout:
            return cls.drawn(head, head.dropout, draws, seed)
        if doubt is None or doubt.rate is None:
            return None
        return cls.drawn(head, (*(0.0 for _ in head.dense[:-1]), doubt.rate), draws, seed)

    @classmethod
    def drawn(cls, head: Head, rates: tuple[float, ...], draws: int, seed: int) -> Self:
        """Draw masks; `rates` holds the share of units to drop before each dense step."""
        random = np.random.default_rng(seed)
        masks: list[Floats | None] = []
        for rate, units in zip(rates, _units(head), strict=True):
            kept = random.random((draws, units)) >= rate if rate else None
            masks.append(None if kept is None else (kept / (1.0 - rate)).astype(np.float32))
        record = DropoutRecord(draws, seed, tuple(rate for rate in rates if rate), trained=bool(head.dropout))
        return cls(head, tuple(masks), record)

    def logits(self, averages: Floats) -> Floats:
        """(K,) averages of one radiograph -> (draws, C) logits."""
        x = np.broadcast_to(averages, (self.record.draws, averages.size))
        for layer, mask in zip(self.head.dense, self.masks, strict=True):
            x = layer(x if mask is None else x * mask)
        return np.asarray(x)


def percentiles(draws: Floats) -> Floats:
    """(draws, C) -> (2, C): `PERCENTILES` of each column, by linear interpolation.

    As ``numpy.percentile`` does it, which takes several times as long for so few numbers.
    """
    rising = np.sort(draws, axis=0)
    at = np.array(PERCENTILES) / 100 * (len(draws) - 1)
    below = at.astype(int)
    low, high = rising[below], rising[np.minimum(below + 1, len(draws) - 1)]
    return np.asarray(low + (high - low) * (at - below)[:, None], np.float32)


def _units(head: Head) -> list[int]:
    """Width of what enters each dense step: what the next dense layer takes."""
    return [
        next(len(step.kernel) for step in head.dense[place:] if isinstance(step, Linear))
        for place in range(len(head.dense))
    ]
