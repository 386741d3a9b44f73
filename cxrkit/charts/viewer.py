"""The radiograph on the page with every Grad-CAM map over it, to zoom and pan."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from PIL import Image

from cxrkit.charts.overlay import CONTOUR_COLOUR, DisplayCopy, Floats, Look, coloured, contours, data_uri, heat
from cxrkit.charts.window import Window
from cxrkit.reading import Explanation

MAP_SIDE = 128  # the map is smooth: more pixels would only cost time
CONTOUR_SIDE = 256
PLAIN = Window()

Figure: TypeAlias = go.Figure


def empty_viewer() -> Figure:
    """The viewer before the first radiograph: an unlit light box."""
    figure = go.Figure()
    hidden = {"visible": False, "fixedrange": True}
    figure.update_layout(
        xaxis=hidden, yaxis=hidden, margin={"l": 0, "r": 0, "t": 0, "b": 0}, paper_bgcolor="#000", plot_bgcolor="#000"
    )
    return figure


def viewer(
    copy: DisplayCopy,
    explanations: Mapping[str, Explanation] | None = None,
    colour_map: str = "Inferno",
    *,
    beside: bool = False,
) -> Figure:
    """The radiograph with every map over it, to zoom and pan; axes are radiograph pixels.

    Streamlit draws a chart anew, and forgets its zoom, whenever anything in it changes. So all maps
    are in the chart at once, and `layers_css` shows one of them: choosing a finding or moving the
    opacity keeps the zoom and sends no picture.

    With `beside`, the plain radiograph stands on the left and the one with maps on the right; both zoom and pan
    together.
    """
    height, width = copy.height, copy.width
    last = "2" if beside else ""
    images = [_layer(copy.uri, width, height, "")]
    traces = [_hold(width, height, "")]
    if beside:
        images.append(_layer(copy.uri, width, height, last))
        traces.append(_hold(width, height, last))
    for layer, explanation in enumerate(_with_evidence(explanations or {}), start=1):
        # Plotly takes images of equal place and size for one and drops all but the first.
        sizex = width * (1 + layer * 1e-9)
        images.append(_layer(map_uri(explanation, height, width, colour_map), sizex, height, last))
        fine, _ = heat(explanation, height, width, _size(height, width, CONTOUR_SIDE))
        x, y = _joined(contours(fine, height, width))
        line = {"color": CONTOUR_COLOUR, "width": 1.6}
        place = {"xaxis": f"x{last}", "yaxis": f"y{last}"}
        traces.append({"type": "scatter", "x": x, "y": y, "mode": "lines", "line": line, "hoverinfo": "skip", **place})
    axis = {"visible": False, "constrain": "domain", "showgrid": False, "zeroline": False}
    axes = {
        "xaxis": {**axis, "range": [0, width], "domain": [0, 0.497 if beside else 1]},
        "yaxis": {**axis, "range": [height, 0], "scaleanchor": "x", "scaleratio": 1},
    }
    if beside:
        axes["xaxis2"] = {**axes["xaxis"], "domain": [0.503, 1], "anchor": "y2", "matches": "x"}
        axes["yaxis2"] = {**axis, "range": [height, 0], "anchor": "x2", "matches": "y"}
    layout = {
        **axes,
        "images": images,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "paper_bgcolor": "#000",
        "plot_bgcolor": "#000",
        "showlegend": False,
        "dragmode": "pan",
        "hovermode": False,
        "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0.45)", "color": "#c3ced6", "activecolor": "#fff"},
    }
    return go.Figure({"data": traces, "layout": layout})  # in one piece: plotly checks all anew at every change


def layers_css(
    container: str, explanations: Mapping[str, Explanation], finding: str, look: Look, window: Window = PLAIN
) -> str:
    """Style sheet that shows one finding's map and contour in a `viewer` inside `container`, a CSS selector.

    Without positive evidence the radiograph stands alone; the window is that of the radiograph, never of a map.
    Each of two pictures side by side counts its layers from 1, so the rules hold for both. Plotly writes opacities of
    its own into the elements, hence ``!important``.
    """
    layers = layer_numbers(explanations)
    rules = [f"{container} image:nth-of-type(n+2), {container} .scatterlayer .trace {{ opacity: 0 !important; }}"]
    if not window.plain:
        rules.append(f"{container} image:nth-of-type(1) {{ filter: {window.css()}; }}")
    if finding in layers:
        layer = layers[finding]
        rules.append(f"{container} image:nth-of-type({layer}) {{ opacity: {look.opacity:.2f} !important; }}")
        if look.contour:
            rules.append(f"{container} .scatterlayer .trace:nth-of-type({layer}) {{ opacity: 1 !important; }}")
    return "\n".join(rules)


def layer_numbers(explanations: Mapping[str, Explanation]) -> dict[str, int]:
    """Finding -> which image and which trace of a `viewer` is its own; only those with positive evidence have one."""
    # the radiograph, or the invisible trace, is the first
    return {e.finding: number for number, e in enumerate(_with_evidence(explanations), start=2)}


def map_uri(explanation: Explanation, height: int, width: int, colour_map: str, long_side: int = MAP_SIDE) -> str:
    """A map with positive evidence as a data URI, to lie over a radiograph of that height and width."""
    values, covered = heat(explanation, height, width, _size(height, width, long_side))
    return _overlay_uri(values, covered, colour_map)


def _layer(source: str, sizex: float, sizey: int, axis: str) -> dict[str, Any]:
    """A picture over all of the radiograph's pixels."""
    place = {"xref": f"x{axis}", "yref": f"y{axis}", "x": 0, "y": 0, "sizing": "stretch", "layer": "below"}
    return {"source": source, "sizex": sizex, "sizey": sizey, **place}


def _hold(width: int, height: int, axis: str) -> dict[str, Any]:
    """Plotly draws no axes without a trace; this one is invisible."""
    return {
        "type": "scatter",
        "x": [0, width],
        "y": [0, height],
        "mode": "markers",
        "marker": {"opacity": 0},
        "hoverinfo": "skip",
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
    }


def _with_evidence(explanations: Mapping[str, Explanation]) -> list[Explanation]:
    return [e for e in explanations.values() if e.has_positive_evidence]


VIEWER_CONFIG = {
    "scrollZoom": True,
    "displaylogo": False,
    "displayModeBar": True,
    "doubleClick": "reset",
    "modeBarButtons": [["zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


def _overlay_uri(values: Floats, covered: npt.NDArray[np.bool_], colour_map: str) -> str:
    # Opacity follows the evidence, so that the radiograph stays itself where the model did not look. Colour and
    # opacity are one level each, so a palette holds all: without loss, in a twelfth of the time that WebP takes.
    picture = Image.fromarray(np.rint(255 * values * covered).astype(np.uint8), "P")
    picture.putpalette(_palette(colour_map))
    out = BytesIO()
    picture.save(out, "PNG", transparency=bytes(range(256)), compress_level=3)
    return data_uri(out.getvalue(), "png")


@functools.cache
def _palette(colour_map: str) -> bytes:
    """Red, green and blue of each of the 256 levels."""
    return coloured(np.linspace(0, 1, 256, dtype=np.float32)[None], colour_map).astype(np.uint8).tobytes()


def _joined(outlines: Sequence[npt.NDArray[np.float64]]) -> tuple[Floats, Floats]:
    """All outlines as one line with gaps; as arrays, which plotly takes without a look at each number."""
    gap = np.full((1, 2), np.nan)
    line = np.concatenate([part for outline in outlines for part in (outline, gap)] or [gap]).astype(np.float32)
    return line[:, 0], line[:, 1]


def _size(height: int, width: int, long_side: int) -> tuple[int, int]:
    scale = long_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
