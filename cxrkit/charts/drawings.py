"""Line drawings as SVG that take their colours from the page: a network block by block, and dense connections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape, unescape

from cxrkit.architecture import Block

_GAP, _MIDDLE, _BELOW = 16, 100, 212
_LOW, _TALL, _NARROW, _WIDE = 44, 168, 26, 92


def network(blocks: Sequence[Block], input_size: int, feature_layer: str, outputs: int) -> str:
    """Feature maps from left to right: height for their side, width for the number of channels, both on a log scale.

    The maps that Grad-CAM takes are marked. Numbers under the boxes lead to a list that the page writes beside it.
    """
    if not blocks:
        return ""
    smallest, widest = blocks[-1].side, max(block.channels for block in blocks)
    x, parts = 4.0, []

    def box(kind: str, width: float, height: float, name: str) -> None:
        nonlocal x
        parts.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{_MIDDLE - height / 2:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="2"/>'
            f'<text x="{x + width / 2:.1f}" y="{_BELOW}" text-anchor="middle">{name}</text>'
        )
        x += width

    def arrow() -> None:
        nonlocal x
        parts.append(f'<path class="cx-net-arrow" d="M{x + 2:.1f} {_MIDDLE}h{_GAP - 4}m-4 -3.5l4 3.5l-4 3.5"/>')
        x += _GAP

    box("cx-net-plain", 12, _TALL, "in")
    for number, block in enumerate(blocks, start=1):
        arrow()
        height = _LOW + (_TALL - _LOW) * _share(block.side, smallest, input_size)
        marked = block.layer == feature_layer
        box(
            "cx-net-taken" if marked else "cx-net-maps",
            _NARROW + (_WIDE - _NARROW) * _share(block.channels, 8, widest),
            height,
            str(number),
        )
        if marked:
            top = _MIDDLE - height / 2 - 12
            parts.append(f'<text class="cx-net-word" x="{x:.1f}" y="{top:.1f}" text-anchor="end">Grad-CAM</text>')
    arrow()
    box("cx-net-plain", 12, _LOW, "head")
    sizes = ", ".join(f"{b.name} {b.side} x {b.side} x {b.channels:,}" for b in blocks)
    at = next((f" Grad-CAM takes the maps of {b.name}." for b in blocks if b.layer == feature_layer), "")
    label = f"From a picture of {input_size} x {input_size} to {outputs} outputs: {sizes}.{at}"
    return _svg("cx-net", x + 34, _BELOW + 10, label, "".join(parts))


def dense_block(layers: int, start: int, growth: int, shown: int) -> str:
    """A dense block: every layer sees the outputs of all before it; those that the layer `shown` sees are drawn strong.

    Parameters
    ----------
    layers
        How many.
    start, growth
        Channels that come in, and that each layer adds.
    shown
        From 1.
    """
    places = [40 + 96 * number for number in range(layers + 1)]
    base = 30 + 26 * layers
    pairs = [(source, target) for target in range(1, layers + 1) for source in range(target)]
    pairs.sort(key=lambda pair: pair[1] == shown)  # what is shown lies above the rest
    kinds = ("cx-net-other", "cx-net-seen")
    lines = "".join(
        f'<path class="{kinds[end == shown]}" d="{_link(places, base, begin, end)}"/>' for begin, end in pairs
    )
    boxes = ""
    for number, x in enumerate(places):
        kind = "cx-net-taken" if number == shown else "cx-net-maps" if number < shown else "cx-net-plain"
        below = f"+{growth}" if number else str(start)
        boxes += (
            f'<rect class="{kind}" x="{x - 22}" y="{base - 22}" width="44" height="44" rx="3"/>'
            f'<text x="{x}" y="{base + 7}" text-anchor="middle">{number or "in"}</text>'
            f'<text x="{x}" y="{base + 48}" text-anchor="middle">{below}</text>'
        )
    label = (
        f"A dense block of {layers} layers. Layer {shown} sees {start + growth * (shown - 1)} channels: "
        "those that came in and those of every layer before it."
    )
    return _svg("cx-net cx-net-dense", places[-1] + 44, base + 62, label, lines + boxes)


def _link(places: Sequence[int], base: int, source: int, target: int) -> str:
    """A straight line to the next layer, an arc over what lies between to any other."""
    x1, x2 = places[source], places[target]
    if target - source == 1:
        return f"M{x1 + 22} {base}H{x2 - 22}"
    top = base - 22 - 34 * (target - source - 1)
    return f"M{x1 + 8} {base - 22}C{x1 + 20} {top},{x2 - 20} {top},{x2 - 8} {base - 22}"


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others on a log scale, 0 to 1."""
    span = math.log2(high / low) if high > low else 1.0
    return min(1.0, max(0.0, math.log2(value / low) / span))


def label_of(svg: str) -> str:
    """The words for a drawing that it carries itself."""
    return unescape(svg.split('aria-label="', 1)[1].split('"', 1)[0])


def _svg(kind: str, width: float, height: float, label: str, inside: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{inside}</svg>'
    )
