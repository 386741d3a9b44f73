"""In which order, and how often, an epoch shows the images."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from cxrkit.errors import TrainingError

Sampling = Literal["shuffled", "stratified", "balanced"]
Rows = npt.NDArray[np.intp]

NONE, UNKNOWN = -1, -2
"""Strata of images without a positive finding, and without any known label."""


def strata(labels: npt.NDArray[np.float32]) -> Rows:
    """Stratum of each image: the column of its rarest positive finding, or `NONE`, or `UNKNOWN`.

    Parameters
    ----------
    labels
        (n, k), NaN where unknown. The rarest finding is the one with the fewest positives in all n rows.
    """
    positive = labels == 1
    by_rarity = np.argsort(positive.sum(axis=0), kind="stable")
    rarest = by_rarity[np.argmax(positive[:, by_rarity], axis=1)]
    known = ~np.isnan(labels).all(axis=1)
    return np.where(positive.any(axis=1), rarest, np.where(known, NONE, UNKNOWN)).astype(np.intp)


def epoch_order(
    labels: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float64],
    batch: int,
    sampling: Sampling,
    seed: tuple[int, ...],
) -> Rows:
    """Rows of the images of an epoch in the order in which they are shown, `batch` at a time.

    An image of weight 1.5 appears once, and again with probability 0.5. What does not fill a batch
    stands at the end.

    ``"shuffled"`` is a random order. ``"stratified"`` is one in which every whole batch has each stratum
    in its proportion of the epoch, rounded up or down. ``"balanced"`` is as long, but draws every
    stratum equally often, to within one: of a stratum with more images than that a random part, of
    one with fewer all of them as often as needed and then a random part. Images without any known
    label are then left out.

    Parameters
    ----------
    labels, weight
        (n, k), see `strata`, and (n,) expected number of times per epoch.
    seed
        The same seed gives the same order.

    Raises
    ------
    TrainingError
        The order is to be balanced, and no image has a known label.
    """
    random = np.random.default_rng(seed)
    times = np.floor(weight + random.random(len(weight))).astype(int)
    shown = random.permutation(np.repeat(np.arange(len(times)), times))
    if sampling == "shuffled":
        return shown
    stratum = strata(labels)[shown]
    if sampling == "stratified":
        return _stratified(shown, stratum, batch, random)
    return _balanced(shown, stratum, random)


def _stratified(shown: Rows, stratum: Rows, batch: int, random: np.random.Generator) -> Rows:
    steps = len(shown) // batch
    if steps == 0:
        return shown
    kept = steps * batch
    members = [shown[stratum == one] for one in random.permutation(np.unique(stratum))]
    # What does not fill a batch is taken from the strata in proportion: a running total is rounded, so
    # that each share is rounded up or down and their sum is exact.
    until = np.cumsum([len(rows) for rows in members]) * kept
    offset = int(random.integers(len(shown)))
    quotas = np.diff((until + offset) // len(shown), prepend=offset // len(shown))
    taken = np.concatenate([rows[:quota] for rows, quota in zip(members, quotas, strict=True)])
    left = np.concatenate([rows[quota:] for rows, quota in zip(members, quotas, strict=True)])
    # Dealt out like cards, stratum after stratum: every batch gets as many of each, give or take one.
    dealt = taken.reshape(batch, steps).T
    dealt = random.permuted(dealt[random.permutation(steps)], axis=1)
    return np.concatenate([dealt.ravel(), random.permutation(left)])


def _balanced(shown: Rows, stratum: Rows, random: np.random.Generator) -> Rows:
    members = [shown[stratum == one] for one in np.unique(stratum) if one != UNKNOWN]
    if not members:
        raise TrainingError("No training image has a known label.", "Give a table with labels of the findings.")
    quotas = np.full(len(members), len(shown) // len(members))
    quotas[random.permutation(len(members))[: len(shown) % len(members)]] += 1
    # each stratum is in random order already
    drawn = [np.resize(rows, quota) for rows, quota in zip(members, quotas, strict=True)]
    return random.permutation(np.concatenate(drawn))
