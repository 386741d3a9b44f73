"""Drawn pictures of other body parts and of daily life: further kinds of `cxrkit.imaging.counterexamples`.

As there, none is meant to look real. Bone is bright on darker tissue.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.imaging.drawing import SIDE, Draw, Floats, finished


def hand(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """Two to five fingers of three to four bones each, spread from a wrist or an ankle."""
    canvas = np.zeros((SIDE, SIDE), np.float32)
    root = np.array([SIDE / 2 + rng.normal(0, 20), rng.uniform(190, 250)])
    width = rng.uniform(9, 16)
    fingers = int(rng.integers(2, 6))
    for angle in np.linspace(-1, 1, fingers) * rng.uniform(0.25, 0.7) + rng.normal(0, 0.1):
        heading = np.array([np.sin(angle), -np.cos(angle)])
        at = root + heading * rng.uniform(20, 40)
        bones = rng.uniform(0.6, 1.1) * np.array([70, 45, 30, 20])[: int(rng.integers(3, 5))]
        _line(canvas, at, at + heading * bones.sum(), rng.uniform(0.2, 0.4), width * 2.2)
        for length in bones:
            bone(canvas, at, at + heading * length * 0.88, width * rng.uniform(0.7, 1.0), rng)
            at = at + heading * length
    for _ in range(int(rng.integers(3, 9))):
        place = root + rng.normal(0, 14, 2)
        _oval(canvas, place, rng.uniform(6, 14, 2), rng.uniform(0, 180), rng.uniform(0.6, 0.95))
    return finished(rng, canvas)


def joint(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """Two thick bones that meet at a gap in soft tissue: a knee, an elbow, a shoulder."""
    canvas = np.zeros((SIDE, SIDE), np.float32)
    middle = np.array([SIDE / 2, SIDE / 2]) + rng.normal(0, 20, 2)
    width = rng.uniform(26, 60)
    first = rng.uniform(0, 2 * np.pi)
    for angle in (first, first + np.pi + rng.uniform(-1.3, 1.3)):
        heading = np.array([np.cos(angle), np.sin(angle)])
        _line(canvas, middle, middle + heading * 260, rng.uniform(0.25, 0.4), width * rng.uniform(1.8, 2.6))
    for angle in (first, first + np.pi + rng.uniform(-1.3, 1.3)):
        heading = np.array([np.cos(angle), np.sin(angle)])
        bone(canvas, middle + heading * width * 0.75, middle + heading * 260, width, rng)
    if rng.random() < 0.5:
        _oval(canvas, middle + rng.normal(0, 20, 2), rng.uniform(14, 30, 2), 0, rng.uniform(0.7, 1.0))
    return finished(rng, canvas)


def skull(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """A bright rim around a grey vault, with orbits and teeth, from the front or the side."""
    canvas = np.zeros((SIDE, SIDE), np.float32)
    centre = np.array([SIDE / 2 + rng.normal(0, 12), SIDE / 2 - rng.uniform(0, 40)])
    axes = np.array([rng.uniform(70, 105), rng.uniform(75, 110)])
    jaw = centre + np.array([rng.uniform(-40, 40), axes[1] * 0.9])
    _oval(canvas, jaw, axes * [0.55, 0.6], 0, rng.uniform(0.4, 0.6))
    _oval(canvas, centre, axes, 0, rng.uniform(0.75, 1.0))
    _oval(canvas, centre, axes - rng.uniform(4, 11), 0, rng.uniform(0.4, 0.6))
    for side in (-1, 1):
        _oval(canvas, centre + np.array([side * axes[0] * 0.4, axes[1] * 0.45]), axes * 0.22, 0, rng.uniform(0.2, 0.4))
    for k in range(int(rng.integers(4, 11))):
        at = jaw + np.array([(k - 4) * axes[0] * 0.11, axes[1] * 0.15])
        _oval(canvas, at, axes * [0.045, 0.1], 0, rng.uniform(0.8, 1.0))
    column(
        canvas,
        jaw + np.array([rng.uniform(-20, 20), 0.2 * axes[1]]),
        jaw + np.array([rng.uniform(-20, 20), 200]),
        22,
        rng,
    )
    return finished(rng, canvas)


def pelvis(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """Two wings, two hips and the sacrum in a broad grey body, of which a half may be cut out."""
    canvas = np.full((SIDE, SIDE), float(rng.uniform(0.2, 0.45)), np.float32)
    x, y = SIDE / 2 + rng.normal(0, 10), rng.uniform(100, 140)
    for side in (-1, 1):
        _oval(canvas, (x + side * 68, y - 20), (rng.uniform(34, 50), 58), side * 25, rng.uniform(0.5, 0.7))
        _oval(canvas, (x + side * 42, y + 62), (30, 24), 0, rng.uniform(0.6, 0.8))
        _oval(canvas, (x + side * 42, y + 62), (18, 13), 0, rng.uniform(0.25, 0.45))
        hip = np.array([x + side * 88, y + 40])
        bone(canvas, hip + np.array([side * 12, 16]), hip + np.array([side * rng.uniform(0, 30), 190]), 24, rng)
        _oval(canvas, hip, (22, 22), 0, rng.uniform(0.75, 1.0))
    column(canvas, np.array([x, -20.0]), np.array([x, y + 20]), 34, rng)
    if rng.random() < 0.4:
        half = canvas[60:, : SIDE // 2] if rng.random() < 0.5 else canvas[60:, SIDE // 2 :]
        canvas = cv2.resize(half, (SIDE, SIDE))
    return finished(rng, canvas)


def spine(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """A bent column of vertebrae, near the middle or aside, in soft tissue with gas."""
    canvas = np.full((SIDE, SIDE), float(rng.uniform(0.15, 0.45)), np.float32)
    canvas += clouds(rng, int(rng.integers(3, 9))) * float(rng.uniform(0.1, 0.4))
    x, lean = SIDE / 2 + rng.normal(0, 30), rng.normal(0, 25)
    column(canvas, np.array([x - lean, -10]), np.array([x + lean, SIDE + 10.0]), rng.uniform(28, 62), rng)
    for _ in range(int(rng.integers(0, 9))):
        _oval(canvas, rng.uniform(0, SIDE, 2), rng.uniform(4, 22, 2), rng.uniform(0, 180), rng.uniform(0.0, 0.25))
    return finished(rng, canvas)


def brain(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """A slice through a head: a rim, folds, and dark or bright ventricles."""
    inside = np.zeros((SIDE, SIDE), np.float32)
    centre = np.array([SIDE / 2, SIDE / 2]) + rng.normal(0, 8, 2)
    axes, turn = rng.uniform([70, 85], [95, 118]), rng.uniform(-10, 10)
    _oval(inside, centre, axes, turn, 1.0)
    folds = np.abs(clouds(rng, int(rng.integers(9, 22))) - 0.5) * 2
    canvas = inside * (rng.uniform(0.3, 0.5) + folds * float(rng.uniform(0.2, 0.5)))
    shade = rng.uniform(0.0, 0.2) if rng.random() < 0.6 else rng.uniform(0.8, 1.0)
    for side in (-1, 1):
        _oval(
            canvas, centre + np.array([side * rng.uniform(6, 16), 0]), rng.uniform([5, 18], [12, 38]), side * 12, shade
        )
    cv2.ellipse(canvas, _at(centre), _at(axes), turn, 0, 360, float(rng.uniform(0.5, 1.0)), int(rng.integers(2, 12)))
    return finished(rng, canvas)


def portrait(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """Rounded, shaded bodies in front of a ground that is out of focus, as in a photograph of people or animals."""
    canvas = clouds(rng, int(rng.integers(3, 12))).astype(np.float32)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    for _ in range(int(rng.integers(2, 12))):
        x, y = rng.uniform(0, SIDE, 2)
        a, b = rng.uniform(10, 90, 2)
        turn = rng.uniform(0, np.pi)
        u = ((columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)) / a
        v = ((rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)) / b
        light = rng.uniform(-0.5, 0.5, 2)
        coat = clouds(rng, int(rng.integers(8, 60))) * rng.uniform(0, 0.4)
        body = np.clip(rng.uniform(0.1, 0.8) + light[0] * u + light[1] * v, 0, 1) + coat
        canvas = np.where(u**2 + v**2 < 1, body, canvas).astype(np.float32)
    return finished(rng, canvas)


def stripes(rng: np.random.Generator, radiograph: Floats) -> Floats:
    """Bars, rings, checks, ramps or a plot of lines: test patterns and charts."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    turn = rng.uniform(0, np.pi)
    along = columns * np.cos(turn) + rows * np.sin(turn)
    kind = int(rng.integers(5))
    if kind == 0:
        return finished(rng, np.sin(along * rng.uniform(6, 90)))
    if kind == 1:
        x, y = rng.uniform(0.2, 0.8, 2)
        return finished(rng, np.sin(np.hypot(columns - x, rows - y) * rng.uniform(10, 90)))
    if kind == 2:
        n = rng.uniform(3, 16)
        return finished(rng, ((columns * n).astype(int) + (rows * n).astype(int)) % 2 * 1.0)
    if kind == 3:
        return finished(rng, along ** rng.uniform(0.5, 2.5) if turn < np.pi / 2 else np.floor(along * 8))
    canvas = np.full((SIDE, SIDE), float(rng.uniform(0.7, 1.0)), np.float32)
    for _ in range(int(rng.integers(1, 6))):
        heights = SIDE / 2 + np.cumsum(rng.normal(0, 12, 40))
        points = np.stack([np.linspace(20, SIDE - 10, 40), heights], axis=1).astype(np.int32)
        cv2.polylines(canvas, [points], False, float(rng.uniform(0, 0.4)), int(rng.integers(1, 4)))
    cv2.rectangle(canvas, (20, 10), (SIDE - 10, SIDE - 20), 0.0, 1)
    return finished(rng, canvas)


BODY_PARTS: dict[str, Draw] = {
    "hand": hand,
    "joint": joint,
    "skull": skull,
    "pelvis": pelvis,
    "spine": spine,
    "brain": brain,
    "portrait": portrait,
    "stripes": stripes,
}
"""None of them looks at the radiograph."""


def bone(canvas: Floats, start: npt.ArrayLike, end: npt.ArrayLike, width: float, rng: np.random.Generator) -> None:
    """A long bone with a darker marrow and thicker ends, drawn in place."""
    _line(canvas, start, end, rng.uniform(0.7, 1.0), width)
    _line(canvas, start, end, rng.uniform(0.5, 0.7), width * 0.55)
    for at in (start, end):
        _oval(canvas, at, np.array([0.62, 0.55]) * width, rng.uniform(0, 180), rng.uniform(0.65, 0.9))


def column(canvas: Floats, start: Floats, end: Floats, width: float, rng: np.random.Generator) -> None:
    """Vertebrae from one point to another, drawn in place."""
    step = width * rng.uniform(0.75, 0.95)
    number = max(2, int(np.hypot(*(end - start)) / step))
    bend = rng.normal(0, 0.4) * width
    for share in np.linspace(0, 1, number):
        x, y = start + (end - start) * share + np.array([bend * np.sin(np.pi * share), 0])
        half = width / 2
        corners = np.array([[-half, -0.36 * step], [half, -0.36 * step], [half, 0.36 * step], [-half, 0.36 * step]])
        cv2.fillPoly(canvas, [(corners + np.array([x, y])).astype(np.int32)], float(rng.uniform(0.6, 0.85)))
        for side in (-1, 1):
            _oval(canvas, (x + side * half * 0.55, y), (width * 0.09, width * 0.12), 0, rng.uniform(0.8, 1.0))


def clouds(rng: np.random.Generator, cells: int) -> Floats:
    """A smooth random pattern in about 0..1, `cells` to a side."""
    return cv2.resize(rng.random((cells, cells)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def _at(point: npt.ArrayLike) -> tuple[int, int]:
    x, y = (int(v) for v in np.asarray(point, dtype=float))
    return x, y


def _oval(canvas: Floats, at: npt.ArrayLike, axes: npt.ArrayLike, turn: float, shade: float) -> None:
    a, b = (max(1, v) for v in _at(axes))
    cv2.ellipse(canvas, _at(at), (a, b), float(turn), 0, 360, float(shade), -1)


def _line(canvas: Floats, start: npt.ArrayLike, end: npt.ArrayLike, shade: float, width: float) -> None:
    cv2.line(canvas, _at(start), _at(end), float(shade), max(1, int(width)))
