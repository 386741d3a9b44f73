"""Pictures that are no frontal chest radiographs, drawn at random: what a quality gate learns to tell apart.

Some are taken from radiographs (a piece that is enlarged, tiles that are shuffled, a viewer's window on a screen), the
others are drawn: slices, limbs, vessels, an ultrasound fan, a breast, a page of text, scenery, noise. None is meant to
look real. They say where radiographs end, so that pictures of neither kind fall on the right side.
"""

from __future__ import annotations

import cv2
import numpy as np

from cxrkit.imaging.body_parts import BODY_PARTS
from cxrkit.imaging.drawing import SIDE, Draw, Floats, finished, scaled

_WORDS = (
    "CHEST",
    "PA",
    "W 2048",
    "L 1024",
    "ZOOM 1.0",
    "SERIES 2",
    "IMAGE 1/1",
    "PRINT",
    "FILE",
    "EDIT",
    "TOOLS",
    "HELP",
)


def noise(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """White to brown noise: a power spectrum of 1 / f^a with a in 0..2.5."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]) + 1 / SIDE
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) / frequency ** rng.uniform(0, 2.5)
    return scaled(np.fft.irfft2(spectrum, (SIDE, SIDE)))


def piece(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """A piece of a radiograph, 10 to 35 % of each side, enlarged."""
    height, width = radiograph.shape
    rows, columns = (max(8, int(side * rng.uniform(0.1, 0.35))) for side in (height, width))
    top, left = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    return scaled(cv2.resize(radiograph[top : top + rows, left : left + columns], (SIDE, SIDE)))


def tiles(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """A radiograph cut into 2 x 2 to 4 x 4 tiles that are shuffled and turned."""
    n = int(rng.integers(2, 5))
    step = SIDE // n
    square = cv2.resize(radiograph, (n * step, n * step), interpolation=cv2.INTER_AREA)
    cut = [square[r * step : (r + 1) * step, c * step : (c + 1) * step] for r in range(n) for c in range(n)]
    order = rng.permutation(len(cut))
    while (order == np.arange(len(cut))).all():
        order = rng.permutation(len(cut))
    turned = [np.rot90(cut[k], int(rng.integers(0, 4))) for k in order]
    return scaled(np.block([turned[r * n : (r + 1) * n] for r in range(n)]))


def body_slice(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """A cross-section: a rim around organs, on black."""
    canvas = np.zeros((SIDE, SIDE), np.float32)
    centre = _near_middle(rng)
    axes = (int(rng.uniform(60, 118)), int(rng.uniform(60, 118)))
    turn = float(rng.uniform(0, 180))
    cv2.ellipse(canvas, centre, axes, turn, 0, 360, float(rng.uniform(0.25, 0.6)), -1)
    cv2.ellipse(canvas, centre, axes, turn, 0, 360, float(rng.uniform(0.5, 1.0)), int(rng.integers(2, 14)))
    for _ in range(int(rng.integers(3, 14))):
        at = tuple(int(c + rng.uniform(-0.6, 0.6) * a) for c, a in zip(centre, axes, strict=True))
        size = tuple(int(rng.uniform(4, 38)) for _ in range(2))
        cv2.ellipse(canvas, at, size, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.05, 1.0)), -1)
    return finished(rng, canvas)


def limb(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """One to six long bones in soft tissue."""
    canvas = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(rng.integers(1, 7))):
        a, b = (tuple(int(v) for v in rng.uniform(-20, SIDE + 20, 2)) for _ in range(2))
        bone = int(rng.integers(5, 34))
        tissue = np.zeros_like(canvas)
        cv2.line(tissue, a, b, float(rng.uniform(0.2, 0.5)), bone * int(rng.integers(2, 5)))
        cv2.line(tissue, a, b, float(rng.uniform(0.6, 1.0)), bone)
        cv2.line(tissue, a, b, float(rng.uniform(0.4, 0.8)), max(1, bone // 2))
        for end in (a, b):
            cv2.circle(tissue, end, int(bone * rng.uniform(0.6, 1.2)), float(rng.uniform(0.6, 1.0)), -1)
        canvas = np.maximum(canvas, tissue)
    return finished(rng, canvas)


def vessels(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """Dark branching vessels on a grey ground, as in an angiogram."""
    canvas = np.full((SIDE, SIDE), float(rng.uniform(0.5, 0.8)), np.float32)
    canvas += cv2.resize(rng.normal(0, 0.15, (5, 5)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(3, 12))):
        at, heading, width = rng.uniform(0, SIDE, 2), rng.uniform(0, 2 * np.pi), rng.uniform(2, 9)
        for _ in range(60):
            heading += rng.normal(0, 0.3)
            there = at + 8 * np.array([np.cos(heading), np.sin(heading)])
            ends = [tuple(int(v) for v in point) for point in (at, there)]
            cv2.line(canvas, ends[0], ends[1], float(rng.uniform(0.05, 0.2)), max(1, int(width)))
            at, width = there, width * 0.97
    return finished(rng, canvas)


def fan(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """An ultrasound fan of speckle on black."""
    grain = cv2.resize(rng.random((SIDE // 4, SIDE // 3)).astype(np.float32), (SIDE, SIDE)) ** 2
    echoes = cv2.resize(rng.random((7, 7)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((SIDE, SIDE), np.float32)
    reach, spread = int(rng.uniform(170, 250)), float(rng.uniform(25, 50))
    cv2.ellipse(mask, (SIDE // 2, int(rng.uniform(-30, 30))), (reach, reach), 90, -spread, spread, 1.0, -1)
    return scaled(grain * np.clip(echoes, 0, 1) * mask)


def breast(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """A bright half-round against one edge, as in a mammogram."""
    canvas = np.zeros((SIDE, SIDE), np.float32)
    axes = (int(rng.uniform(90, 200)), int(rng.uniform(90, 150)))
    cv2.ellipse(canvas, (0, int(rng.uniform(100, 156))), axes, float(rng.uniform(-15, 15)), 0, 360, 0.5, -1)
    inside = cv2.resize(rng.random((24, 24)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    picture = finished(rng, canvas * (0.5 + inside))
    return np.ascontiguousarray(picture[:, ::-1]) if rng.random() < 0.5 else picture


def page(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """Lines of text, dark on light or light on dark."""
    canvas = np.ones((SIDE, SIDE), np.float32)
    size = float(rng.uniform(0.3, 0.7))
    for y in range(int(30 * size), SIDE, int(36 * size)):
        words = " ".join(rng.choice(_WORDS, int(rng.integers(1, 8))).tolist())
        _write(canvas, words, (int(rng.integers(0, 40)), y), size, 0.0)
    return canvas if rng.random() < 0.5 else 1 - canvas


def scenery(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """Shapes with edges and textures in front of each other, as in a photograph."""
    canvas = cv2.resize(rng.random((4, 4)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(6, 40))):
        corners = rng.uniform(-30, SIDE + 30, 2) + rng.normal(0, rng.uniform(8, 70), (int(rng.integers(3, 9)), 2))
        mask = np.zeros((SIDE, SIDE), np.float32)
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1.0)
        grain = noise(rng, radiograph) * float(rng.uniform(0, 0.6)) + float(rng.uniform(0, 0.8))
        canvas = np.where(mask > 0, grain, canvas)
    return finished(rng, canvas)


def screen(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """A radiograph in the window of a viewer: panels, buttons, text, and often only a part of the screen."""
    height, width = SIDE, int(SIDE * rng.uniform(1.2, 1.8))
    canvas = np.full((height, width), float(rng.uniform(0, 1)), np.float32)
    share = float(rng.uniform(0.4, 0.8))
    rows = int(height * share)
    columns = min(int(rows * radiograph.shape[1] / radiograph.shape[0]), width - 4)
    top, left = int(rng.integers(4, height - rows)), int(rng.integers(0, width - columns + 1))
    for _ in range(int(rng.integers(2, 7))):
        at = rng.uniform(0, 1, 4) * [width, height, width, height]
        a, b = (tuple(int(v) for v in pair) for pair in (at[:2], at[2:]))
        cv2.rectangle(canvas, a, b, float(rng.uniform(0, 1)), -1 if rng.random() < 0.7 else 1)
    cv2.rectangle(canvas, (left - 4, top - 4), (left + columns + 4, top + rows + 4), 0.0, -1)
    canvas[top : top + rows, left : left + columns] = cv2.resize(radiograph, (columns, rows))
    bar = int(rng.integers(8, 24))
    canvas[:bar] = float(rng.uniform(0, 1))
    for _ in range(int(rng.integers(4, 16))):
        place = (int(rng.integers(0, width - 20)), int(rng.integers(8, height)))
        _write(canvas, str(rng.choice(_WORDS)), place, 0.3, float(rng.choice([0.0, 1.0])))
    return scaled(canvas)


DRAWN: dict[str, Draw] = {
    "noise": noise,
    "piece": piece,
    "tiles": tiles,
    "body_slice": body_slice,
    "limb": limb,
    "vessels": vessels,
    "fan": fan,
    "breast": breast,
    "page": page,
    "scenery": scenery,
    **BODY_PARTS,
}
"""Kinds that are no radiographs at all; `screen` shows one and is its own class."""


def _write(canvas: Floats, words: str, at: tuple[int, int], size: float, shade: float) -> None:
    """Put text on a canvas in place; OpenCV writes on 8 bits only."""
    ink = np.zeros(canvas.shape, np.uint8)
    cv2.putText(ink, words, at, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 1, cv2.LINE_AA)
    cover = ink.astype(np.float32) / 255
    canvas += (shade - canvas) * cover


def _near_middle(rng: np.random.Generator) -> tuple[int, int]:
    x, y = (int(v) for v in rng.normal(SIDE / 2, 10, 2))
    return x, y
