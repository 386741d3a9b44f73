"""Window, level and inversion of a radiograph on the page: of the view alone, never of what is read."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from cxrkit.charts.overlay import Bytes2D, DisplayCopy, blank

NARROWEST = 0.05


@dataclass(frozen=True)
class Window:
    """Which greys of a picture are spread from black to white.

    Attributes
    ----------
    level, width
        Middle and extent of the window, as shares of all greys; the width is 0.05 to 1.
    inverted
        Whether black and white are swapped afterwards.
    """

    level: float = 0.5
    width: float = 1.0
    inverted: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.level <= 1 and NARROWEST <= self.width <= 1):
            raise ValueError("level and width are shares of all greys, and the width is not below 0.05")

    @property
    def plain(self) -> bool:
        """Whether the picture is shown as it is."""
        return self == Window()

    def css(self) -> str:
        """The value of a style sheet's ``filter`` that does to a picture in the browser what `applied` does here.

        A browser clamps after each step. ``brightness`` and then ``contrast`` lose nothing to that unless the window
        begins below black; one that does ends below white, so it is applied to the negative.
        """
        below_black = self.level - self.width / 2 < 0
        low = 1 - self.level - self.width / 2 if below_black else self.level - self.width / 2
        steps = ["invert(1)"] if below_black else []
        if (self.level, self.width) != (0.5, 1.0):
            steps += [
                f"brightness({1 / (self.width + 2 * low):.5g})",
                f"contrast({1 + 2 * low / self.width:.5g})",
            ]
        if below_black != self.inverted:
            steps.append("invert(1)")
        return " ".join(steps) or "none"

    def applied(self, levels: Bytes2D) -> Bytes2D:
        """The same for h x w uint8."""
        shares = (np.arange(256) / 255 - self.level) / self.width + 0.5
        table = np.rint(255 * np.clip(1 - shares if self.inverted else shares, 0, 1)).astype(np.uint8)
        return np.asarray(table[levels])

    def caption(self) -> tuple[str, ...]:
        """What must stand under a picture that is taken away; nothing under a plain one."""
        if self.plain:
            return ()
        said = []
        if (self.level, self.width) != (0.5, 1.0):
            said.append(f"window {100 * self.width:.0f} % of the greys around level {100 * self.level:.0f} %")
        said += ["inverted"] if self.inverted else []
        return (f"Picture shown with {' and '.join(said)}: the view alone, not what was read.",)


def windowed(copy: DisplayCopy, window: Window) -> DisplayCopy:
    """The picture through a window, for a file; what was blanked stays black."""
    if window.plain:
        return copy
    return blank(dataclasses.replace(copy, levels=window.applied(copy.levels), blanked=()), copy.blanked)
