"""The record of how much a model's scores move when nothing that matters has changed; part of a preset's card."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT, Count, Name, Share

Distance = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=STRICT)
class RepeatabilityLimit:
    """The repeatability coefficient of one finding: Bland and Altman 1999 (doi:10.1177/096228029900800204), section 6.

    Attributes
    ----------
    coefficient
        ``1.96 * sqrt(2) * s_w`` with s_w the within-radiograph standard deviation of the raw logit: two readings of one
        radiograph are expected to differ by less in 95 % of pairs.
    low, high
        Its 95 % interval, patients resampled.
    within
        Share of the pairs of readings that were seen to differ by at most the coefficient: 95 % if it does its work.
    """

    finding: Name
    coefficient: Distance
    low: Distance
    high: Distance
    within: Share


@dataclass(frozen=True, config=STRICT)
class Repeatability:
    """How much the logits of one preset moved when radiographs were read again after small changes.

    Attributes
    ----------
    changes
        What was done before each further reading, all at once and each at random within its range; in words.
    split, n, readings
        The validation split, its radiographs, and how often each was read.
    limits
        Per finding.
    weights_sha256
        Of the weights that they were measured with.
    seed, command
        Of the random draws, and the line that made it.
    """

    changes: tuple[str, ...]
    split: str
    n: Count
    readings: Annotated[int, Field(ge=2, strict=True)]
    limits: tuple[RepeatabilityLimit, ...]
    weights_sha256: str
    seed: int
    command: str

    def limit(self, finding: str) -> RepeatabilityLimit | None:
        """The limit of a finding, or None where it was not measured."""
        return next((limit for limit in self.limits if limit.finding == finding), None)
