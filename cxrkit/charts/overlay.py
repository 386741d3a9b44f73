"""A Grad-CAM map laid over its radiograph: as numbers, as an outline and as a picture file.

An `Explanation` comes as a raw grid (7 x 7) and the box of the radiograph that it covers; colour,
resizing and blending happen here.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box, Explanation

LONG_SIDE = 1024
HALF_PEAK = 0.5
COLOUR_MAPS = {
    "Inferno": cv2.COLORMAP_INFERNO,
    "Viridis": cv2.COLORMAP_VIRIDIS,
    "Cividis": cv2.COLORMAP_CIVIDIS,
    "Jet (not perceptual)": cv2.COLORMAP_JET,
}
CONTOUR_COLOUR = "#7fe3ff"

Bytes2D = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DisplayCopy:
    """A radiograph as it is shown: 8 bits, shrunk to what a page needs.

    Attributes
    ----------
    levels
        h x w uint8.
    uri
        The same as a JPEG data URI.
    height, width
        Of the radiograph itself, in pixels: the coordinates of the page's axes.
    blanked
        What is black in `levels` and stays black under a map, in pixels of the radiograph.
    """

    levels: Bytes2D
    uri: str
    height: int
    width: int
    blanked: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Look:
    """How a map is laid over the radiograph: a key of `COLOUR_MAPS`, opacity at the peak, contour or not."""

    colour_map: str = "Inferno"
    opacity: float = 0.45
    contour: bool = True


def display_copy(radiograph: Radiograph, long_side: int = LONG_SIDE) -> DisplayCopy:
    """Shrink to at most `long_side` pixels and compress."""
    height, width = radiograph.height, radiograph.width
    pixels = radiograph.pixels
    scale = long_side / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return DisplayCopy(levels, _levels_uri(levels), height, width)


def blank(copy: DisplayCopy, boxes: Sequence[Box]) -> DisplayCopy:
    """The same picture with these boxes black; whatever they touch is black, to the last pixel."""
    if not boxes:
        return copy
    levels = copy.levels.copy()
    for rows, columns in _slices(copy, boxes):
        levels[rows, columns] = 0
    return DisplayCopy(levels, _levels_uri(levels), copy.height, copy.width, (*copy.blanked, *boxes))


def small(copy: DisplayCopy, long_side: int) -> Image.Image:
    """The picture shrunk to at most `long_side` pixels."""
    image = Image.fromarray(copy.levels)
    image.thumbnail((long_side, long_side))
    return image


def _levels_uri(levels: Bytes2D) -> str:
    done, encoded = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not done:
        raise RuntimeError("OpenCV could not encode the display copy")
    return data_uri(encoded.tobytes(), "jpeg")


def _slices(copy: DisplayCopy, boxes: Sequence[Box]) -> list[tuple[slice, slice]]:
    down, across = copy.levels.shape[0] / copy.height, copy.levels.shape[1] / copy.width
    return [
        (
            slice(max(0, math.floor(box.top * down)), max(0, math.ceil(box.bottom * down))),
            slice(max(0, math.floor(box.left * across)), max(0, math.ceil(box.right * across))),
        )
        for box in boxes
    ]


def heat(
    explanation: Explanation, height: int, width: int, size: tuple[int, int]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The grid of an explanation, smoothly enlarged onto the whole radiograph.

    Parameters
    ----------
    explanation
        With positive evidence.
    height, width
        Of the radiograph, in pixels.
    size
        Rows and columns of the result.

    Returns
    -------
    values
        Share of the map's peak, 0 to 1; bicubic between the centres of the grid's cells.
    covered
        False where the grid does not reach (a preset that crops).
    """
    rows, columns = size
    box, (grid_rows, grid_columns) = explanation.box, explanation.map.shape
    x = (np.arange(columns, dtype=np.float32) + 0.5) * (width / columns)
    y = (np.arange(rows, dtype=np.float32) + 0.5) * (height / rows)
    u = (x - box.left) / (box.right - box.left) * grid_columns - 0.5
    v = (y - box.top) / (box.bottom - box.top) * grid_rows - 0.5
    across, down = np.meshgrid(u.astype(np.float32), v.astype(np.float32))
    share = np.ascontiguousarray(explanation.map / explanation.peak, dtype=np.float32)
    # Beyond the outermost cell centres the edge cells go on to the box's edge.
    values = cv2.remap(share, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    covered = (across >= -0.5) & (across <= grid_columns - 0.5) & (down >= -0.5) & (down <= grid_rows - 0.5)
    return np.clip(np.where(covered, values, 0), 0, 1).astype(np.float32), covered


def contours(values: Floats, height: int, width: int, level: float = HALF_PEAK) -> list[npt.NDArray[np.float64]]:
    """Closed outlines of ``values >= level`` as n x 2 arrays of x, y in radiograph pixels."""
    rows, columns = values.shape
    mask = (values >= level).astype(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    scale = np.array([width / columns, height / rows])
    outlines = []
    for line in found:
        points = (line[:, 0, :].astype(np.float64) + 0.5) * scale
        if len(points) > 2:
            # A running mean takes the pixel steps out of the closed line.
            points = np.mean([np.roll(points, shift, axis=0) for shift in range(-4, 5)], axis=0)
            points = points[:: max(1, len(points) // 240)]
            outlines.append(np.concatenate([points, points[:1]]))
    return outlines


def blended(copy: DisplayCopy, explanation: Explanation, look: Look = Look()) -> Image.Image:
    """The radiograph with its map; without positive evidence the radiograph alone."""
    rows, columns = copy.levels.shape
    picture = np.repeat(copy.levels[:, :, None], 3, axis=2).astype(np.float32)
    if not explanation.has_positive_evidence:
        return Image.fromarray(np.rint(picture).astype(np.uint8))
    values, covered = heat(explanation, copy.height, copy.width, (rows, columns))
    alpha = (look.opacity * values * covered)[:, :, None]
    picture = picture * (1 - alpha) + coloured(values, look.colour_map) * alpha
    for down, across in _slices(copy, copy.blanked):
        picture[down, across] = 0
    image = Image.fromarray(np.rint(np.clip(picture, 0, 255)).astype(np.uint8))
    if look.contour:
        scale = np.array([columns / copy.width, rows / copy.height])
        draw = ImageDraw.Draw(image)
        for line in contours(values, copy.height, copy.width):
            draw.line([(float(x), float(y)) for x, y in line * scale], fill=CONTOUR_COLOUR, width=2)
    return image


def overlay_png(
    copy: DisplayCopy,
    explanation: Explanation,
    captions: Sequence[str],
    look: Look = Look(),
) -> bytes:
    """Radiograph, map and a strip of captions as a PNG file without any metadata."""
    return _captioned(blended(copy, explanation, look), captions)


def jpeg_uri(image: Image.Image, quality: int = 82) -> str:
    """A picture as a JPEG data URI without any metadata."""
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return data_uri(out.getvalue(), "jpeg")


def colour_stops(colour_map: str, count: int = 9) -> tuple[str, ...]:
    """Evenly spaced colours of a colour map, as CSS, from nothing to the peak."""
    ramp = coloured(np.linspace(0, 1, count, dtype=np.float32)[None], colour_map)[0]
    return tuple(f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in ramp)


def _captioned(image: Image.Image, captions: Sequence[str]) -> bytes:
    size = max(12, round(min(image.width, 1024) / 62))
    font = ImageFont.load_default(size)
    measure = ImageDraw.Draw(image)
    lines = [line for caption in captions for line in _wrapped(caption, image.width - 2 * size, measure, font)]
    strip = Image.new("RGB", (image.width, image.height + size + round(1.45 * size * len(lines))), "#0b0f12")
    strip.paste(image, (0, 0))
    draw = ImageDraw.Draw(strip)
    for index, line in enumerate(lines):
        draw.text((size, image.height + round(size * (0.5 + 1.45 * index))), line, font=font, fill="#cfd8de")
    out = BytesIO()
    strip.save(out, "PNG", compress_level=4)
    return out.getvalue()


def _wrapped(
    text: str, width: int, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, font=font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def coloured(values: Floats, colour_map: str) -> Floats:
    levels = np.rint(values * 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, COLOUR_MAPS[colour_map])[:, :, ::-1], np.float32)


def data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
