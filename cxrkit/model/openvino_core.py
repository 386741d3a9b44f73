"""OpenVINO's entry: one in a process, and never given up."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openvino

if TYPE_CHECKING:
    from cxrkit.model.compiled import HeldTrunk


@cache
def core() -> Any:
    """The one `openvino.Core` of this process.

    On processors with AMX each core has its maker's thread handle signals on a stack of its own (``sigaltstack``), and
    unmaps that stack when it goes. Of two cores that go in the order in which they came, the second puts the first
    one's stack back, which is unmapped by then; the next Ctrl-C, or any signal that Python handles, ends the process
    without a word.
    """
    return openvino.Core()  # noqa: TID251  this is the one


def read_trunk(trunk: Path | HeldTrunk) -> Any:
    """The graph of a compiled form, from its file or from memory."""
    return core().read_model(trunk) if isinstance(trunk, Path) else core().read_model(trunk.description, trunk.weights)
