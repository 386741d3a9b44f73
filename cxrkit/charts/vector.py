"""Line drawings as pictures: a page's sanitiser takes SVG elements out, but not an image that is one."""

from __future__ import annotations

from cxrkit.charts.overlay import data_uri
from cxrkit.charts.style import Ink


def svg_uri(svg: str, ink: Ink) -> str:
    """An SVG element as a data URI, in the colours of a dark or a light page.

    The classes are those of `cxrkit.charts.drawings`: within an image none of the page's style sheets holds, so that
    they are defined here.
    """
    start = '<svg xmlns="http://www.w3.org/2000/svg" '
    inside = svg.replace("<svg ", start, 1).replace(">", f"><style>{_style(ink)}</style>", 1)
    return data_uri(inside.encode(), "svg+xml")


def _style(ink: Ink) -> str:
    return (
        f"text{{fill:{ink.text};font:23px system-ui,sans-serif}}.cx-net-word{{fill:{ink.second};font-weight:600}}"
        f"rect{{stroke:{ink.muted};stroke-width:1.2}}.cx-net-plain{{fill:{ink.grid}}}"
        f".cx-net-maps{{fill:{ink.band(0.55)}}}"
        f"rect.cx-net-taken{{fill:{ink.second};fill-opacity:.55;stroke:{ink.second};stroke-width:3.5}}"
        f".cx-net-arrow,.cx-net-other,.cx-net-seen{{fill:none;stroke:{ink.muted};stroke-width:1.3}}"
        f".cx-net-other{{opacity:.45}}.cx-net-seen{{stroke:{ink.second};stroke-width:3.2}}"
    )
