"""Text drawn into radiographs, as machines and staff leave it there."""

from __future__ import annotations

import random

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from cxrkit.reading import Box

TEXTS = (
    "DOE JANE", "Doe^Jane F 047Y", "St. Mary Hospital", "12/03/1947", "2016-02-11", "AP SUPINE 07:45", "MRN 4711829",
    "PORTABLE", "SEMI UPRIGHT",
)  # fmt: skip
SIZES = (10, 14, 20, 28, 40)  # height of a capital letter, in pixels
FONTS = ("opencv plain", "opencv serif", "pillow")

Levels = npt.NDArray[np.uint8]


def ink_of(shape: tuple[int, ...], text: str, size: int, font: str, left: int, base: int) -> Levels:
    """Anti-aliased text on nothing, its baseline at `base`."""
    ink = np.zeros(shape, np.uint8)
    if font == "pillow":
        image = Image.fromarray(ink)
        draw = ImageDraw.Draw(image)
        draw.text((left, base), text, font=ImageFont.load_default(round(size / 0.72)), fill=255, anchor="ls")
        return np.asarray(image)
    face = cv2.FONT_HERSHEY_SIMPLEX if font == "opencv plain" else cv2.FONT_HERSHEY_TRIPLEX
    thick = 1 if size < 20 else 2
    scale = size / cv2.getTextSize("H", face, 1.0, thick)[0][1]
    return np.asarray(cv2.putText(ink, text, (left, base), face, scale, 255, thick, cv2.LINE_AA), np.uint8)


def lettered(levels: Levels, ink: Levels, brightness: int) -> Levels:
    """The picture with this ink on it."""
    share = ink.astype(np.float32) / 255
    return np.rint(levels * (1 - share) + brightness * share).astype(np.uint8)


def covered(ink: Levels, boxes: tuple[Box, ...]) -> float:
    """Share of the ink that lies within boxes."""
    inside = np.zeros(ink.shape, bool)
    for box in boxes:
        inside[int(box.top) : int(np.ceil(box.bottom)), int(box.left) : int(np.ceil(box.right))] = True
    return float(ink[inside].sum() / ink.sum())


def letter_at_random(levels: Levels, chance: random.Random) -> tuple[Levels, Levels, dict[str, object]] | None:
    """Any text at any place, often at the edge; None where it would not fit or a person could hardly read it."""
    rows, columns = levels.shape
    text, size, font = chance.choice(TEXTS), chance.choice(SIZES), chance.choice(FONTS)
    wide = np.flatnonzero(ink_of((3 * size, 16 * size * 2), text, size, font, 4, 2 * size).any(axis=0)).max()
    if wide > columns - 8:
        return None
    place = chance.choice(("corner", "side", "anywhere"))
    left, base = chance.randint(3, columns - wide - 3), chance.randint(size + 4, rows - size // 2)
    if place == "corner" or (place == "side" and chance.random() < 0.5):
        left = chance.choice((3, columns - wide - 3))
    if place == "corner" or (place == "side" and left not in (3, columns - wide - 3)):
        base = chance.choice((size + 4, rows - size // 2))
    ink = ink_of(levels.shape, text, size, font, left, base)
    ground = levels[ink > 128]
    bright = chance.random() < 0.6
    brightness = chance.choice((255, 255, 220)) if bright else chance.choice((0, 0, 20))
    if np.percentile(np.abs(ground.astype(int) - brightness), 10) < 70:
        return None
    kind = {"text": text, "size": size, "font": font, "place": place, "bright": bright}
    return lettered(levels, ink, brightness), ink, kind
