"""Several radiographs side by side, with maps over them, that zoom and pan together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from cxrkit.charts.overlay import CONTOUR_COLOUR, DisplayCopy, Look, contours, heat
from cxrkit.charts.viewer import CONTOUR_SIDE, Figure, map_uri
from cxrkit.reading import Explanation

NOTHING = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent pixel: what a layer shows of a map that a radiograph has not."""

GAP = 0.006  # of the width, between two pictures


@dataclass(frozen=True, eq=False)
class Side:
    """A radiograph as it is shown, and the maps that may lie over it."""

    copy: DisplayCopy
    explanations: Mapping[str, Explanation]

    @property
    def aspect(self) -> float:
        """Width by height."""
        return self.copy.width / self.copy.height


def side_by_side(sides: Sequence[Side], findings: Sequence[str], colour_map: str = "Inferno") -> Figure:
    """Radiographs beside one another; a layer over each of them for every one of `findings`.

    Axes are shares of the height, with the middle of the width at 0, for all of them alike: pictures of other sizes
    zoom and pan together, in proportion. All maps are in the chart at once, and `side_by_side_css` shows those of one
    finding, because Streamlit forgets the zoom of a chart in which anything changes.
    """
    images: list[dict[str, Any]] = []
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {}
    half = max(side.aspect for side in sides) / 2
    width = (1 - GAP * (len(sides) - 1)) / len(sides)
    for number, side in enumerate(sides):
        last = str(number + 1) if number else ""
        where: dict[str, Any] = {"xaxis": f"x{last}", "yaxis": f"y{last}", "mode": "lines", "hoverinfo": "skip"}
        images.append(_layer(side.copy.uri, side, last, 0))
        # Plotly draws no axes without a trace; this one is invisible
        traces.append({**where, "x": [-half, half], "y": [0, 1], "opacity": 0})
        for layer, finding in enumerate(findings, start=1):
            explanation = side.explanations.get(finding)
            x: list[float | None] = [None]
            y: list[float | None] = [None]
            uri = NOTHING
            if explanation is not None and explanation.has_positive_evidence:
                uri = map_uri(explanation, side.copy.height, side.copy.width, colour_map)
                x, y = _outline(explanation, side)
            images.append(_layer(uri, side, last, layer))
            traces.append({**where, "x": x, "y": y, "line": {"color": CONTOUR_COLOUR, "width": 1.6}})
        start = number * (width + GAP)
        axis = {"visible": False, "constrain": "domain", "showgrid": False, "zeroline": False}
        linked: dict[str, Any] = {"matches": "x"} if number else {}
        layout[f"xaxis{last}"] = {
            **axis,
            **linked,
            "range": [-half, half],
            "domain": [start, min(1, start + width)],
            "anchor": f"y{last}",
        }
        linked = {"matches": "y"} if number else {"scaleanchor": "x", "scaleratio": 1}
        layout[f"yaxis{last}"] = {**axis, **linked, "range": [1, 0], "anchor": f"x{last}"}
    shared = {
        "template": "none",
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "paper_bgcolor": "#000",
        "plot_bgcolor": "#000",
        "showlegend": False,
        "dragmode": "pan",
        "hovermode": False,
        "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0.45)", "color": "#c3ced6", "activecolor": "#fff"},
    }
    data = [{"type": "scatter", **trace} for trace in traces]
    return go.Figure({"data": data, "layout": {**shared, **layout, "images": images}})


def side_by_side_css(container: str, findings: Sequence[str], finding: str, look: Look) -> str:
    """Style sheet that shows one finding's maps in a `side_by_side` within `container`, a CSS selector.

    Each picture counts its layers from 1, so that the rules hold for all of them.
    """
    rules = [f"{container} image:nth-of-type(n+2), {container} .scatterlayer .trace {{ opacity: 0 !important; }}"]
    if finding in findings:
        layer = findings.index(finding) + 2  # the radiograph, or the invisible trace, is the first
        rules.append(f"{container} image:nth-of-type({layer}) {{ opacity: {look.opacity:.2f} !important; }}")
        if look.contour:
            rules.append(f"{container} .scatterlayer .trace:nth-of-type({layer}) {{ opacity: 1 !important; }}")
    return "\n".join(rules)


def _layer(source: str, side: Side, axis: str, layer: int) -> dict[str, Any]:
    return {
        "source": source,
        "xref": f"x{axis}",
        "yref": f"y{axis}",
        "x": -side.aspect / 2,
        "y": 0,
        # Plotly takes images of equal place and size for one and drops all but the first
        "sizex": side.aspect * (1 + layer * 1e-9),
        "sizey": 1,
        "sizing": "stretch",
        "layer": "below",
    }


def _outline(explanation: Explanation, side: Side) -> tuple[list[float | None], list[float | None]]:
    """The contours at half the peak as one line with gaps, in shares of the height."""
    height, width = side.copy.height, side.copy.width
    scale = CONTOUR_SIDE / max(height, width)
    values, _ = heat(explanation, height, width, (max(1, round(height * scale)), max(1, round(width * scale))))
    x: list[float | None] = []
    y: list[float | None] = []
    for line in contours(values, height, width):
        x += [round((float(v) - width / 2) / height, 4) for v in line[:, 0]] + [None]
        y += [round(float(v) / height, 4) for v in line[:, 1]] + [None]
    return x, y
