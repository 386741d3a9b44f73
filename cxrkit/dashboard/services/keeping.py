"""Whether what a preset is read with can be kept on this computer, and what it costs where it cannot."""

from __future__ import annotations

from dataclasses import dataclass

from cxrkit.lung_card import LUNGS, load_card
from cxrkit.model import unkept
from cxrkit.model.compiled import Blueprint, can_be_kept
from cxrkit.model.runtimes import chosen
from cxrkit.preset import Preset


@dataclass(frozen=True)
class Unkept:
    """Compiled forms that are in no cache, and cannot be written to it.

    Attributes
    ----------
    possible
        Whether they can be built all the same, to be held in memory.
    seconds
        That took; None until this server has done it.
    """

    possible: bool
    seconds: float | None


def unkept_forms(preset: Preset) -> Unkept | None:
    """Those that a preset is read with; None where all are kept or can be, and where the runtime needs none."""
    if chosen("auto") != "openvino":
        return None
    blueprints = [Blueprint.of(preset, to_build=False)]
    lungs = load_card(LUNGS)
    if lungs is not None:
        blueprints.append(Blueprint.of_lungs(lungs, LUNGS, to_build=False))
    keys = [one.key for one in blueprints if unkept.seconds_of(one.key) is not None or not can_be_kept(one)]
    if not keys:
        return None
    took = [unkept.seconds_of(key) for key in keys]
    known = [seconds for seconds in took if seconds is not None]
    whole = len(known) == len(took)
    return Unkept(whole or unkept.can_build(), sum(known) if whole else None)
