"""A synthetic chest radiograph: drawn, not taken, so that it may be shown, shipped and tested freely.

The picture is composed of shadows in display polarity: each organ adds to the brightness where
its soft-edged outline lies. It looks like a frontal chest; it is no simulation of X-rays.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.radiograph import Radiograph

CANVAS = 1024  # drawn at this size, then scaled
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

Picture = npt.NDArray[np.float32]


def phantom(seed: int = 0, size: int = 1024) -> Radiograph:
    """A synthetic frontal chest radiograph.

    Parameters
    ----------
    seed
        Varies the anatomy a little; equal seeds give equal pictures.
    size
        Rows and columns, from 32 to 4096.

    Returns
    -------
    Radiograph
        8-bit grey levels scaled to 0..1; `sha256` is that of the grey levels.
    """
    pixels = _levels(seed, size, 255)
    return Radiograph(
        pixels=pixels.astype(np.float32) / np.float32(255),
        sha256=hashlib.sha256(pixels.astype(np.uint8).tobytes()).hexdigest(),
        view="PA",
        notes=("Synthetic picture, not a patient.",),
        source_format="phantom",
    )


def phantom_png(seed: int = 0, size: int = 1024) -> bytes:
    """The phantom as an 8-bit grey PNG file."""
    done, encoded = cv2.imencode(".png", _levels(seed, size, 255).astype(np.uint8))
    if not done:
        raise RuntimeError("OpenCV could not encode the phantom as PNG")
    return encoded.tobytes()


def phantom_dicom(
    seed: int = 0,
    size: int = 512,
    *,
    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2",
    bits_stored: int = 12,
    window: tuple[float, float] | None = None,
    transfer_syntax: str = EXPLICIT_LITTLE_ENDIAN,
    attributes: Mapping[str, Any] | None = None,
) -> bytes:
    """The phantom as a DICOM file (Digital X-Ray Image, for presentation).

    Parameters
    ----------
    seed, size
        As for `phantom`.
    photometric
        With MONOCHROME1 the stored values are inverted, so that the picture stays the same.
    bits_stored
        8 to 16; above 8 the values are stored in 16 bits.
    window
        Centre and width of a LINEAR display window; None for none.
    transfer_syntax
        UID of an uncompressed, deflated, RLE, JPEG-LS or JPEG 2000 lossless syntax.
    attributes
        Further DICOM attributes by keyword.
    """
    from cxrkit.imaging.dicom_writing import write_dicom  # pydicom only for those who want DICOM

    if not 8 <= bits_stored <= 16:
        raise ValueError("bits_stored must be from 8 to 16")
    full = 2**bits_stored - 1
    levels = _levels(seed, size, full)
    if photometric == "MONOCHROME1":
        levels = full - levels
    stored: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    stored = levels.astype(np.uint8) if full == 255 else levels.astype(np.uint16)
    more = {} if window is None else {"WindowCenter": window[0], "WindowWidth": window[1]}
    return write_dicom(
        stored,
        photometric=photometric,
        bits_stored=bits_stored,
        transfer_syntax=transfer_syntax,
        attributes={**more, **(attributes or {})},
    )


def _levels(seed: int, size: int, full: int) -> npt.NDArray[np.int64]:
    if not 32 <= size <= 4096:
        raise ValueError("size must be from 32 to 4096")
    picture = _draw(seed)
    if size != CANVAS:
        picture = cv2.resize(
            picture, (size, size), interpolation=cv2.INTER_AREA if size < CANVAS else cv2.INTER_LINEAR
        ).astype(np.float32)
    return np.rint(picture.astype(np.float64) * full).astype(np.int64)


@functools.lru_cache(maxsize=4)
def _draw(seed: int) -> Picture:
    """The picture at `CANVAS` size, read-only."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float32) / (CANVAS / 2) - 1  # -1..1, y downward
    x = x - np.float32(random.normal(0, 0.006))
    wide = np.float32(random.normal(1, 0.015))
    body, lungs, domes = _outlines(x / wide, y)

    picture = 0.50 * body * (0.90 + 0.16 * _smooth(y, -0.6, 0.8))
    picture += 0.05 * body * _soft(np.abs(x) / wide - 0.84, 0.06)  # thicker soft tissue at the flanks
    heart = _heart(x, y)
    air = lungs * (1 - domes) * (1 - 0.80 * heart)
    picture -= air * (0.335 - 0.07 * _smooth(y, -0.2, 0.6) + 0.05 * _smooth(np.abs(x), 0.35, 0.7))
    picture += 0.09 * heart * (1 - domes)
    picture += 0.13 * body * domes * np.exp(-((x / 0.72) ** 4))  # liver, stomach
    picture -= 0.10 * _ellipse(x, y, 0.36, 0.83, 0.13, 0.06, 0.03)  # gastric bubble
    picture += _mediastinum(x, y, body) * (1 - 0.72 * _smooth(y, 0.42, 0.72))
    picture += 0.12 * air * _vessels(random, x.shape)
    picture += _bones(random, wide) * body * (0.27 + 0.73 * air) * (1 - 0.5 * _smooth(y, 0.5, 0.8))

    grain = cv2.GaussianBlur(random.standard_normal(x.shape).astype(np.float32), (0, 0), 1.1)
    cloud = cv2.GaussianBlur(random.standard_normal(x.shape).astype(np.float32), (0, 0), 26)
    picture += body * (0.011 * grain / grain.std() + 0.010 * cloud / cloud.std())
    picture = cv2.GaussianBlur(np.clip(picture, 0, None).astype(np.float32), (0, 0), 0.9)
    picture = np.clip((picture - 0.02) / 0.90, 0, 1) ** np.float32(0.95)
    _letter(picture)
    picture.setflags(write=False)
    return picture


def _outlines(x: Picture, y: Picture) -> tuple[Picture, Picture, Picture]:
    """Soft outlines of the body, of both lungs and of what lies below the diaphragm."""
    shoulder = 0.30 + 0.70 * _smooth(y, -1.02, -0.66)
    trunk = shoulder - 0.10 * _smooth(y, -0.55, 0.15) + 0.03 * _smooth(y, 0.4, 1.0)
    body = _soft(np.abs(x) - trunk, 0.022)
    lungs = np.zeros_like(x)
    domes = np.zeros_like(x)
    for side, top, floor in ((-1, -0.80, 0.53), (1, -0.79, 0.60)):  # -1 is the patient's right
        u = side * x
        depth = np.clip((y - top) / 1.25, 0, 1)
        outer = 0.76 * (1 - (1 - depth) ** 2.6) ** 0.60 * (1 - 0.06 * _smooth(y, 0.3, 0.9)) + 0.02
        inner = 0.115 + 0.05 * np.exp(-(((y + 0.84) / 0.20) ** 2))
        lung = _soft(u - outer, 0.016) * _soft(inner - u, 0.02) * _soft(top - y, 0.03)
        lungs = np.maximum(lungs, lung)
        dome = floor - 0.11 * np.exp(-(((u - 0.38) / 0.30) ** 2)) + 0.30 * _smooth(u, 0.56, 0.80)
        domes = np.maximum(domes, _soft(dome - y, 0.012) * _soft(-u - 0.05, 0.05))
    return body, lungs, domes


def _mediastinum(x: Picture, y: Picture, body: Picture) -> Picture:
    """Spine, great vessels, trachea and hila."""
    spine = np.exp(-((x / 0.085) ** 4)) * (0.07 + 0.014 * np.sin(2 * np.pi * y / 0.145) * _smooth(y, -0.9, -0.5))
    centre = _soft(np.abs(x) - (0.125 + 0.05 * _smooth(y, -0.15, 0.5)), 0.03) * _smooth(y, -0.95, -0.5) * 0.15
    knob = 0.16 * _ellipse(x, y, 0.150, -0.33, 0.085, 0.10, 0.03)
    descending = 0.06 * _soft(np.abs(x - 0.13) - 0.05, 0.02) * _smooth(y, -0.35, -0.2)
    trachea = -0.115 * _soft(np.abs(x + 0.005) - 0.042, 0.014) * _soft(y + 0.24, 0.05) * _smooth(y, -1.0, -0.8)
    bronchi = np.zeros_like(x)
    for side, slope in ((-1, 0.75), (1, 0.5)):
        along = _soft(np.abs(y + 0.20 - slope * np.abs(x)) - 0.022, 0.014)
        bronchi -= 0.05 * along * _soft(np.abs(x) - 0.16, 0.03) * (np.sign(x) == side)
    hila = 0.12 * _ellipse(x, y, -0.19, -0.02, 0.085, 0.15, 0.06) + 0.11 * _ellipse(x, y, 0.20, -0.08, 0.08, 0.13, 0.06)
    return np.asarray(body * (spine + centre + knob + descending + trachea + bronchi + hila))


def _heart(x: Picture, y: Picture) -> Picture:
    """Outline of the heart: the ventricles to the patient's left and the right atrium."""
    tilt = np.float32(np.radians(36))
    u, v = x - 0.125, y - 0.31
    along, across = u * np.cos(tilt) + v * np.sin(tilt), -u * np.sin(tilt) + v * np.cos(tilt)
    ventricles = _ellipse(along, across, 0.0, 0.0, 0.39, 0.27, 0.022)
    return np.maximum(ventricles, _ellipse(x, y, -0.07, 0.30, 0.165, 0.25, 0.026))


def _bones(random: np.random.Generator, wide: np.float32) -> Picture:
    """Ribs, clavicles and shoulder blades, drawn as lines with a brighter rim."""
    back, front, upper = (np.zeros((CANVAS, CANVAS), np.float32) for _ in range(3))
    t = np.linspace(0, 1, 90)
    for side in (-1, 1):
        for number in range(10):
            start = -0.84 + 0.150 * number + random.normal(0, 0.004)
            reach = 0.80 * (1 - (1 - min(1, (number + 1.6) / 9.5)) ** 2.4) ** 0.62 - 0.06
            angle = np.pi * 0.53 * t
            xs = side * (0.075 + reach * np.sin(angle)) * wide
            ys = start - 0.06 * np.sin(np.pi * np.minimum(t * 1.9, 1)) + (0.14 + 0.024 * number) * t**2.4 * 1.25
            _stroke(back, xs, ys, 27 - 0.4 * number)
        for number in range(6):
            start = -0.50 + 0.165 * number
            reach = 0.60 + 0.035 * number
            xs = side * (0.22 + (reach - 0.2) * np.cos(np.pi / 2 * t) ** 0.9) * wide
            ys = start + 0.34 * t - 0.05 * t**3
            _stroke(front, xs, ys, 30, taper=0.35)
        xs = side * (0.075 + 0.66 * t) * wide
        ys = -0.655 - 0.115 * t + 0.040 * np.sin(2 * np.pi * t)
        _stroke(upper, xs, ys, 34, taper=-0.25)
        blade = np.array([(0.60, -0.66), (0.88, -0.62), (0.86, -0.40), (0.70, 0.02), (0.655, -0.10)]) * (side * wide, 1)
        shape = np.zeros_like(upper)
        cv2.fillPoly(shape, [_points(blade[:, 0], blade[:, 1])], 1.0, cv2.LINE_AA, 4)
        upper += 0.30 * cv2.GaussianBlur(shape, (0, 0), 9)
    return np.asarray(0.115 * _rimmed(back, 3.0) + 0.05 * _rimmed(front, 5.0) + 0.25 * _rimmed(upper, 3.0), np.float32)


def _vessels(random: np.random.Generator, shape: tuple[int, ...]) -> Picture:
    """Branching lung vessels that taper from the hila outwards."""
    tree = np.zeros(shape, np.float32)

    def grow(px: float, py: float, angle: float, width: float) -> None:
        steps = int(random.integers(5, 9))
        for _ in range(steps):
            qx, qy = px + 0.032 * np.cos(angle), py + 0.032 * np.sin(angle)
            layer = _points(np.array([px, qx]), np.array([py, qy]))
            cv2.polylines(tree, [layer], False, min(1.0, 0.35 + width / 16), max(1, round(width)), cv2.LINE_AA, 4)
            px, py, angle, width = qx, qy, angle + random.normal(0, 0.10), width * 0.94
        if width > 1.4:
            for turn in (-1, 1):
                grow(px, py, angle + turn * random.uniform(0.22, 0.55), width * random.uniform(0.62, 0.80))

    for side, hx, hy in ((-1, -0.17, -0.02), (1, 0.17, -0.08)):
        for slope in np.linspace(-1.25, 1.15, 7):
            direction = slope + random.normal(0, 0.08)
            grow(hx, hy, direction if side > 0 else np.pi - direction, random.uniform(10, 15))
    return np.asarray(cv2.GaussianBlur(tree, (0, 0), 2.6), np.float32)


def _stroke(target: Picture, xs: npt.NDArray[Any], ys: npt.NDArray[Any], width: float, taper: float = 0.0) -> None:
    """Draw a curve given in -1..1; its width changes by the share `taper` from start to end."""
    points = _points(xs, ys)
    layer = np.zeros_like(target)
    for index in range(len(points) - 1):
        thick = max(1, round(width * (1 - taper * index / len(points))))
        cv2.polylines(layer, [points[index : index + 2]], False, 1.0, thick, cv2.LINE_AA, 4)
    np.maximum(target, layer, out=target)


def _points(xs: npt.NDArray[Any], ys: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Pixel positions with 4 fractional bits, as OpenCV draws them."""
    return np.rint((np.stack([xs, ys], -1) + 1) * (CANVAS / 2) * 16).astype(np.int32)


def _rimmed(mask: Picture, blur: float) -> Picture:
    """A soft shape whose rim is brighter than its middle, as cortical bone is."""
    soft = cv2.GaussianBlur(mask, (0, 0), blur)
    rim = soft - cv2.GaussianBlur(mask, (0, 0), 3.2 * blur)
    return np.asarray(0.75 * soft + 0.85 * np.clip(rim, 0, None), np.float32)


def _letter(picture: Picture) -> None:
    ink = np.zeros(picture.shape, np.uint8)  # OpenCV letters 8-bit pictures only
    cv2.putText(ink, "SYNTHETIC", (18, CANVAS - 20), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 235, 2, cv2.LINE_AA)
    cv2.putText(ink, "L", (CANVAS - 60, 62), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 240, 4, cv2.LINE_AA)
    np.maximum(picture, ink.astype(np.float32) / 255, out=picture)


def _smooth(v: npt.NDArray[Any], low: float, high: float) -> Picture:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((v - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _soft(distance: npt.NDArray[Any], edge: float) -> Picture:
    """1 inside (negative distance), 0 outside, over about `edge`."""
    return np.asarray(1 / (1 + np.exp(np.clip(distance / (0.4 * edge), -30, 30))), np.float32)


def _ellipse(x: Picture, y: Picture, cx: float, cy: float, a: float, b: float, edge: float) -> Picture:
    radius = np.sqrt(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 + 1e-9)
    return _soft((radius - 1) * min(a, b), edge)
