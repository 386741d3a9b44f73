"""Text that is part of the picture itself: names, dates, "PORTABLE".

A letter is small, sharp and of one brightness, and it stands in a row of its like. So bright strokes (top-hat) and
dark ones (black-hat) are cut out at half their own contrast, and what has the size, the sharp edge and the even
brightness of a letter is joined with its neighbours of like height and baseline; so it is once more in a copy of half
the size, for large letters. Nothing is recognised: the text itself is never known. docs/decisions/0018 has what this
finds and what it misses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.reading import Box

LONG_SIDE = 1024
"""Of the working copy, in pixels; all lengths below are pixels of it, or of its half."""

STROKE = 15
"""Strokes are thinner."""

CONTRAST = 36
"""Least difference, in 255 grey levels, between a stroke and its ground."""

HEIGHTS = (4, 56)
"""Of letters, least and most."""

SHARPNESS, UNEVENNESS = 0.45, 0.6
"""Step between neighbouring pixels at least, and spread of the brightness at most, as shares of the contrast."""

LETTERS = 4
"""Fewer in a row are a side marker, or chance."""

COLUMN_LETTERS, COLUMN_SHARPNESS = 5, 0.6
"""Letters below one another must be more and sharper: so must vertebrae not be."""

INKED, MOST = 0.15, 500
"""Share of the picture above which strokes are noise, and strokes looked at, the largest first. A film has 1 to 3 %."""

Bytes2D = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Edges = tuple[float, float, float, float]


class _Signs(NamedTuple):
    """Connected strokes: edges, mean brightness and contrast, steepness, spread of brightness, share of the box."""

    left: Floats
    top: Floats
    right: Floats
    bottom: Floats
    level: Floats
    contrast: Floats
    sharpness: Floats
    unevenness: Floats
    fill: Floats

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> _Signs:
        return _Signs(*(values[chosen] for values in self))

    def turned(self) -> _Signs:
        """Rows and columns exchanged."""
        return self._replace(left=self.top, top=self.left, right=self.bottom, bottom=self.right)


def find_text(pixels: npt.NDArray[np.float32]) -> tuple[Box, ...]:
    """Rows and columns of suspected text.

    Parameters
    ----------
    pixels
        H x W float32 in 0..1.

    Returns
    -------
    tuple of Box
        In pixels of the radiograph, with a small margin, from top to bottom; empty when nothing looks like text.
    """
    height, width = pixels.shape
    copies = [_shrunk(cv2.convertScaleAbs(pixels, alpha=255), LONG_SIDE)]
    if max(copies[0].shape) > LONG_SIDE // 2:
        copies.append(_shrunk(copies[0], max(copies[0].shape) // 2))
    found: list[Edges] = []
    for levels in copies:
        down, across = height / levels.shape[0], width / levels.shape[1]
        for polarity in (levels, cv2.bitwise_not(levels)):
            for left, top, right, bottom in _lines(_signs(polarity)):
                found.append((left * across, top * down, right * across, bottom * down))
    boxes = [
        Box(max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
        for left, top, right, bottom in _merged(found)
    ]
    return tuple(sorted(boxes, key=lambda box: (box.top, box.left)))


def _shrunk(levels: Bytes2D, long_side: int) -> Bytes2D:
    whole = max(levels.shape) // long_side
    if whole > 1:  # a whole factor is averaged quickly; the rest, less than 2, needs no averaging
        size = (max(1, levels.shape[1] // whole), max(1, levels.shape[0] // whole))
        levels = np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_AREA), np.uint8)
    scale = long_side / max(levels.shape)
    if scale >= 1:
        return levels
    size = (max(1, round(levels.shape[1] * scale)), max(1, round(levels.shape[0] * scale)))
    return np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _signs(levels: Bytes2D) -> _Signs:
    """Every connected bright stroke that is not taller than a letter.

    Only what stands in a row is looked at more closely, which takes longest; the rest counts as uneven.
    """
    hat = cv2.morphologyEx(levels, cv2.MORPH_TOPHAT, np.ones((STROKE, STROKE), np.uint8))
    # Half of the contrast near by, which parts letters whose soft edges touch.
    limit = cv2.max(cv2.dilate(hat, np.ones((9, 9), np.uint8)) // 2, CONTRAST)
    ink = (hat > limit).view(np.uint8)
    if cv2.countNonZero(ink) > INKED * ink.size:
        return _Signs(*np.empty((len(_Signs._fields), 0), np.float32))
    # Outlines take a tenth of the time of labels. Holes have a parent; what stands within a frame has none.
    outlines, order = cv2.findContours(ink, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [] if order is None else np.flatnonzero(order[0, :, 3] < 0).tolist()
    places = np.array([cv2.boundingRect(outlines[index]) for index in outer], np.int32).reshape(-1, 4)
    wide, tall = places[:, 2], places[:, 3]
    places = places[(tall <= HEIGHTS[1]) & (wide <= 16 * tall) & (wide * tall > 3)]
    places = places[np.argsort(-places[:, 2] * places[:, 3], kind="stable")[:MOST]]
    boxes = places.astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    left, top, right, bottom = boxes.T
    level, contrast, sharpness, fill = np.zeros((4, len(places)), np.float32)
    unevenness = np.full(len(places), np.inf, np.float32)
    signs = _Signs(left, top, right, bottom, level, contrast, sharpness, unevenness, fill)
    near = _in_row(signs, LETTERS) | _in_row(signs.turned(), COLUMN_LETTERS)
    for index in np.flatnonzero(near).tolist():
        x, y, w, h = place = places[index].tolist()
        here = slice(y, y + h), slice(x, x + w)
        mean, spread = cv2.meanStdDev(levels[here], mask=ink[here])
        height, step = cv2.mean(hat[here], ink[here])[0], cv2.mean(_steps(levels, place), ink[here])[0]
        level[index], contrast[index] = mean[0, 0], height
        sharpness[index], unevenness[index] = step / height, spread[0, 0] / height
        fill[index] = cv2.countNonZero(ink[here]) / (w * h)
    return signs


def _steps(levels: Bytes2D, place: Sequence[int]) -> Bytes2D:
    """Differences between neighbouring pixels within a box."""
    x, y, w, h = place
    left, top = max(0, x - 1), max(0, y - 1)  # with the neighbours of its edge
    around = cv2.morphologyEx(levels[top : y + h + 1, left : x + w + 1], cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    return np.asarray(around[y - top : y - top + h, x - left : x - left + w], np.uint8)


def _lines(signs: _Signs) -> list[Edges]:
    """Rows of text, and columns of text that is turned by a quarter."""
    even = (signs.unevenness < UNEVENNESS) & (signs.fill > 0.12)
    level = _rows(signs, even & (signs.sharpness > SHARPNESS), LETTERS)
    upright = _rows(signs.turned(), even & (signs.sharpness > COLUMN_SHARPNESS), COLUMN_LETTERS)
    return level + [(left, top, right, bottom) for top, left, bottom, right in upright]


def _rows(signs: _Signs, like_letters: npt.NDArray[np.bool_], least: int) -> list[Edges]:
    like_letters = like_letters & _shaped(signs)
    if np.count_nonzero(like_letters) < least:
        return []
    letters = signs.where(like_letters)
    return [_grown(row, signs) for group in _groups(letters) if (row := _row(letters.where(group), least))]


def _shaped(signs: _Signs) -> Mask:
    """Which have height and width of a letter."""
    tall, wide = signs.bottom - signs.top, signs.right - signs.left
    return np.asarray((tall >= HEIGHTS[0]) & (tall <= HEIGHTS[1]) & (wide <= 1.6 * tall))


def _in_row(signs: _Signs, least: int) -> Mask:
    """Which could be letters of a row of at least so many, as far as their edges tell."""
    shaped = _shaped(signs)
    places = np.flatnonzero(shaped)
    shaped[places] = False
    if len(places) < least:
        return shaped
    linked = _beside(signs.where(places))
    if np.count_nonzero(linked) >= least - 1:
        for group in _joined(linked):
            if len(group) >= least:
                shaped[places[group]] = True
    return shaped


def _beside(s: _Signs) -> Mask:
    """(n, n): whether the second stands behind the first on the same line, as far as their edges tell."""
    tall = s.bottom - s.top
    low, high = np.minimum(tall[:, None], tall), np.maximum(tall[:, None], tall)
    gap = s.left - s.right[:, None]
    linked = (s.left > s.left[:, None]) & (gap > -0.3 * low) & (gap < 1.3 * high) & (high <= 1.6 * low + 1)
    return np.asarray(linked & (np.abs(s.bottom - s.bottom[:, None]) <= np.maximum(0.18 * high, 1)))


def _groups(s: _Signs) -> list[npt.NDArray[np.intp]]:
    """Letters that are linked from neighbour to neighbour."""
    linked = _beside(s)
    linked &= np.abs(s.level - s.level[:, None]) <= 0.35 * np.maximum(s.contrast[:, None], s.contrast)
    return _joined(linked)


def _joined(linked: Mask) -> list[npt.NDArray[np.intp]]:
    """Groups of what is linked (n, n), through others or at once."""
    first = list(range(len(linked)))  # a letter of the same group; the group's first one names itself

    def named(letter: int) -> int:
        while first[letter] != letter:
            first[letter] = letter = first[first[letter]]
        return letter

    for one, other in np.argwhere(linked).tolist():
        first[named(other)] = named(one)
    groups: dict[int, list[int]] = {}
    for letter in range(len(first)):
        groups.setdefault(named(letter), []).append(letter)
    return [np.array(groups[name], np.intp) for name in sorted(groups)]


def _row(s: _Signs, least: int) -> Edges | None:
    """Edges of a group, if it is a row of text."""
    if len(s.left) < least:
        return None
    tall = s.bottom - s.top
    usual = float(np.median(tall))
    edges = float(s.left.min()), float(s.top.min()), float(s.right.max()), float(s.bottom.max())
    alike = float((np.abs(tall - usual) <= 0.25 * usual + 1).mean())
    return edges if alike >= 0.6 and edges[2] - edges[0] >= 1.5 * usual else None


def _grown(row: Edges, signs: _Signs) -> Edges:
    """A row with whatever stands before, behind and in it: other words, letters that touch, dots; and a margin."""
    left, top, right, bottom = row
    tall = bottom - top
    middle = (signs.top + signs.bottom) / 2
    beside = (middle > top - 0.2 * tall) & (middle < bottom + 0.2 * tall) & (signs.bottom - signs.top < 1.7 * tall)
    while True:
        near = beside & (signs.right > left - 1.6 * tall) & (signs.left < right + 1.6 * tall)
        if not near.any():
            break
        wider = min(left, float(signs.left[near].min())), max(right, float(signs.right[near].max()))
        top, bottom = min(top, float(signs.top[near].min())), max(bottom, float(signs.bottom[near].max()))
        if wider == (left, right):
            break
        left, right = wider
    margin = 0.15 * tall + 1
    return left - margin, top - margin, right + margin, bottom + margin


def _merged(boxes: list[Edges]) -> list[Edges]:
    """Boxes that share a third of the smaller one become one."""
    done: list[Edges] = []
    for box in sorted(boxes, key=lambda b: (b[0] - b[2]) * (b[3] - b[1])):
        for index, other in enumerate(done):
            wide, tall = min(box[2], other[2]) - max(box[0], other[0]), min(box[3], other[3]) - max(box[1], other[1])
            if wide > 0 and tall > 0 and wide * tall > 0.3 * (box[2] - box[0]) * (box[3] - box[1]):
                done[index] = (
                    min(box[0], other[0]),
                    min(box[1], other[1]),
                    max(box[2], other[2]),
                    max(box[3], other[3]),
                )
                break
        else:
            done.append(box)
    return done
