"""Grad-CAM taken apart: feature maps, their weights, their sum, and what is left of it above zero.

The numbers are those of a reading: `Steps.map` is the very map of `XRayModelManager.explain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cxrkit.model.gradcam import grad_cam
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Explanation

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
PARTS = (1, 8, 64, 256)
"""After how many of the strongest channels the sum is kept, besides the whole."""


@dataclass(frozen=True, eq=False)
class Channel:
    """One feature map: its number, its weight alpha for the finding, and the map itself, (H, W)."""

    number: int
    alpha: float
    map: Floats


@dataclass(frozen=True, eq=False)
class Steps:
    """Grad-CAM of one finding in four steps.

    Attributes
    ----------
    finding, logit, probability
        What is explained, and what the model says.
    channels
        How many feature maps there are.
    alphas
        (K,) weight of every channel, the strongest first.
    strongest
        The channels that contribute most (sum over positions of ``|alpha * A|``), in that order.
    share
        What part of all contributions is theirs.
    sums
        After how many channels -> (H, W) sum of ``alpha_k * A_k``, with both signs; the last is that of all.
    map
        (H, W) what is left of the whole sum above zero.
    explanation
        The same map with its place on the radiograph.
    """

    finding: str
    logit: float
    probability: float
    channels: int
    alphas: Doubles
    strongest: tuple[Channel, ...]
    share: float
    sums: Mapping[int, Doubles]
    map: Floats
    explanation: Explanation


def grad_cam_steps(manager: XRayModelManager, radiograph: Radiograph, finding: str, strongest: int = 8) -> Steps:
    """Take the map of a finding apart.

    Parameters
    ----------
    strongest
        How many channels to keep.

    Raises
    ------
    FindingUnknown
        The model does not predict it.
    """
    place = manager.preset.require(finding)
    features = manager.runtime.features(manager.preprocess(radiograph))
    reading = manager.read_features(features, radiograph)
    maps, alpha = features[0], manager.head.alpha(features[0])
    parts = maps.astype(np.float64) * alpha[:, place]
    weight = np.abs(parts).sum(axis=(0, 1))
    order = np.argsort(-weight, kind="stable")
    kept = [Channel(int(k), float(alpha[k, place]), np.ascontiguousarray(maps[:, :, k])) for k in order[:strongest]]
    total = float(weight.sum())
    counts = [count for count in PARTS if count < len(order)]
    sums = {count: parts[:, :, order[:count]].sum(axis=2) for count in counts} | {len(order): parts.sum(axis=2)}
    score = reading.prediction.score(finding)
    return Steps(
        finding=finding,
        logit=score.logit,
        probability=score.probability,
        channels=len(order),
        alphas=alpha[order, place],
        strongest=tuple(kept),
        share=float(weight[order[:strongest]].sum()) / total if total else 0.0,
        sums=sums,
        map=grad_cam(maps, alpha)[place],
        explanation=reading.explanations[finding],
    )
