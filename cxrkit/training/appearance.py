"""How radiographs of other collections look: processed, windowed, framed, marked and with tubes.

Training radiographs come from a few collections, each with equipment and habits of its own. What a gate takes for a
radiograph must not end there.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_WORDS = ("L", "R", "AP", "PA", "ERECT", "SUPINE", "PORTABLE", "12:40", "SEMI ERECT")


def as_elsewhere(square: Floats, random: np.random.Generator) -> Floats:
    """One S x S radiograph in 0..1 as another collection may show it; the same state of `random` gives the same."""
    changed = np.array(square, dtype=np.float32)
    for change, odds in _CHANGES:
        if random.random() < odds:
            changed = np.clip(change(changed, random), 0, 1).astype(np.float32)
    return changed


def _local_contrast(square: Floats, random: np.random.Generator) -> Floats:
    tiles = int(random.integers(2, 9))
    equaliser = cv2.createCLAHE(float(random.uniform(1, 4)), (tiles, tiles))
    return equaliser.apply(_bytes(square)).astype(np.float32) / 255


def _equalised(square: Floats, random: np.random.Generator) -> Floats:
    flat = cv2.equalizeHist(_bytes(square)).astype(np.float32) / 255
    return square + (flat - square) * float(random.uniform(0.3, 1))


def _windowed(square: Floats, random: np.random.Generator) -> Floats:
    low, high = np.quantile(square, [random.uniform(0, 0.12), 1 - random.uniform(0, 0.12)])
    return (square - low) / max(float(high - low), 1e-3)


def _sharpened(square: Floats, random: np.random.Generator) -> Floats:
    soft = cv2.GaussianBlur(square, (0, 0), float(random.uniform(1, 6)))
    return square + float(random.uniform(0.3, 1.2)) * (square - soft)


def _coarse(square: Floats, random: np.random.Generator) -> Floats:
    side = int(square.shape[0] * random.uniform(0.3, 0.8))
    small = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, square.shape[::-1])


def _with_tubes(square: Floats, random: np.random.Generator) -> Floats:
    """One to three tubes or leads along Bezier curves, and at times a device."""
    side = square.shape[0]
    t = np.linspace(0, 1, 24)[:, None]
    ink = np.zeros_like(square)
    for _ in range(int(random.integers(1, 4))):
        a, b, c, d = random.uniform(0, side, (4, 2))
        curve = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
        cv2.polylines(ink, [curve.astype(np.int32)], False, 1.0, int(random.integers(1, 4)), cv2.LINE_AA)
    if random.random() < 0.3:
        x, y, width, height = (int(v) for v in random.uniform([0.1, 0.1, 0.02, 0.02], [0.9, 0.9, 0.06, 0.06]) * side)
        cv2.ellipse(ink, (x, y), (width, height), 0, 0, 360, 1.0, -1)
    return square + ink * float(random.uniform(0.15, 0.6))


def _marked(square: Floats, random: np.random.Generator) -> Floats:
    """One to three bright words, at the left or the right."""
    side = square.shape[0]
    ink = np.zeros(square.shape, np.uint8)
    for _ in range(int(random.integers(1, 4))):
        x = random.uniform(0.02, 0.2) if random.random() < 0.5 else random.uniform(0.7, 0.9)
        at = (int(x * side), int(random.uniform(0.06, 0.97) * side))
        size = float(random.uniform(0.3, 0.9)) * side / 256
        word = str(random.choice(_WORDS))
        cv2.putText(ink, word, at, cv2.FONT_HERSHEY_SIMPLEX, size, 255, int(random.integers(1, 3)), cv2.LINE_AA)
    return np.asarray(
        square + (float(random.uniform(0.85, 1)) - square) * (ink.astype(np.float32) / 255), dtype=np.float32
    )


def _framed(square: Floats, random: np.random.Generator) -> Floats:
    """Smaller, in a black, grey or white frame of unequal sides."""
    side = square.shape[0]
    top, bottom, left, right = (int(v) for v in random.uniform(0, 0.1, 4) * side * (random.random(4) < 0.6))
    framed = np.full_like(square, float(random.choice([0, 0, 0, 0.5, 1])))
    rows, columns = side - top - bottom, side - left - right
    framed[top : top + rows, left : left + columns] = cv2.resize(square, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(framed, dtype=np.float32)


def _compressed(square: Floats, random: np.random.Generator) -> Floats:
    _, coded = cv2.imencode(".jpg", _bytes(square), [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 70))])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), dtype=np.float32) / np.float32(255)


def _bytes(square: Floats) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(square, 0, 1) * 255).astype(np.uint8)


_CHANGES: tuple[tuple[Callable[[Floats, np.random.Generator], Floats], float], ...] = (
    (_local_contrast, 0.3),
    (_equalised, 0.25),
    (_windowed, 0.4),
    (_sharpened, 0.3),
    (_coarse, 0.25),
    (_with_tubes, 0.35),
    (_marked, 0.35),
    (_framed, 0.3),
    (_compressed, 0.2),
)
"""Each change and how often it is made."""
