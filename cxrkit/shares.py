"""Shares and probabilities in percent, with the digits that matter, wherever they are shown."""

from __future__ import annotations

import math


def percent(share: float) -> str:
    """A share in percent with the digits that matter: 43.1 %, 1.2 %, 0.25 %, <0.01 %."""
    value = 100 * share
    if 0 < value < 0.01:
        return "<0.01 %"
    if 99.95 <= value < 100:
        return ">99.9 %"
    return f"{value:.2f} %" if 0 < value < 1 else f"{value:.1f} %"


def probability(share: float) -> str:
    """A probability in percent; a logistic function never reaches 0 or 1, so neither is ever shown."""
    return percent(min(max(share, math.ulp(0.0)), 1.0 - math.ulp(0.5)))
