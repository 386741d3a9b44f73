"""The pictures on the page."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from cxrkit.charts import overlay
from cxrkit.reading import Explanation, Reading
from cxrkit.serving.reading_report.words import Words

PICTURE_SIDE, MAP_SIDE = 900, 560
"""Long sides of the radiograph and of each map on paper, in pixels: 250 dpi at the width that they have there."""


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture with its caption; `jpeg` holds the file's bytes."""

    jpeg: bytes
    width: int
    height: int
    title: str
    caption: str


def figure(image: Image.Image, title: str, caption: str) -> Figure:
    """A picture with its words."""
    out = BytesIO()
    image.save(out, "JPEG", quality=85)
    return Figure(out.getvalue(), image.width, image.height, title, caption)


def map_figure(
    words: Words, copy: overlay.DisplayCopy, explanation: Explanation, reading: Reading, look: overlay.Look
) -> Figure:
    """The picture with one map, and how much of its evidence lies outside of the lungs."""
    image = overlay.blended(_large_enough(copy), explanation, look)
    image.thumbnail((MAP_SIDE, MAP_SIDE))
    outside = ""
    if explanation.outside_lungs is not None:
        said = words.t.gettext("{share} of the evidence outside the lungs.")
        if explanation.unusual_place:
            said = words.t.gettext("{share} of the evidence outside the lungs: more than usual, beware.")
        outside = said.format(share=words.share(explanation.outside_lungs))
    probability = words.share(reading.prediction[explanation.finding])
    return figure(image, f"{words.label(explanation.finding)}, {probability}", outside)


def _large_enough(copy: overlay.DisplayCopy) -> overlay.DisplayCopy:
    """A small picture enlarged, so that the line around a map is as fine on it as on others."""
    rows, columns = copy.levels.shape
    scale = MAP_SIDE / max(rows, columns)
    if scale <= 1:
        return copy
    size = (round(columns * scale), round(rows * scale))
    return dataclasses.replace(copy, levels=np.asarray(Image.fromarray(copy.levels).resize(size)))
