"""A thousand patients as a picture: a sign per patient, told apart by shape as well as by colour."""

from __future__ import annotations

from base64 import b64encode

from cxrkit.charts.style import ON_LIGHT, Ink
from cxrkit.evaluation.costs import Patients

COLUMNS, CELL = 50, 12
KINDS = {
    "found": "With the finding, past the threshold (found)",
    "missed": "With the finding, below it (missed)",
    "false_alarms": "Without it, past the threshold (false alarm)",
    "cleared": "Without it, below the threshold (rightly left alone)",
}
"""Fields of `Patients` in the order in which they are drawn, and their words."""

_SIGNS = {
    "found": "m2 2h8v8h-8z",  # a full square
    "missed": "m2 2h8v8h-8zm2 2v4h4v-4z",  # a hollow square
    "false_alarms": "m6 1.5l4.8 8.8h-9.6z",  # a full triangle
    "cleared": "m6 4.5a1.5 1.5 0 1 0 .01 0z",  # a dot
}


def described(patients: Patients, finding: str) -> str:
    """The picture in a sentence."""
    return (
        f"Of {patients.total:,} patients {patients.ill:,} have {finding} and {patients.total - patients.ill:,} do not. "
        f"Of those who have it, {patients.found:,} are found and {patients.missed:,} missed; of the others, "
        f"{patients.false_alarms:,} are called by mistake and {patients.cleared:,} rightly left alone."
    )


def pictogram(patients: Patients, ink: Ink = ON_LIGHT) -> str:
    """An SVG with a sign for every patient; `described` is its text alternative."""
    rows = -(-patients.total // COLUMNS)
    place, parts = 0, []
    for kind in KINDS:
        count = getattr(patients, kind)
        places = (divmod(number, COLUMNS) for number in range(place, place + count))
        path = "".join(f"M{column * CELL} {row * CELL}{_SIGNS[kind]}" for row, column in places)
        place += count
        parts.append(_path(kind, path, ink) if count else "")
    return _svg(COLUMNS * CELL, rows * CELL, "".join(parts))


def sign(kind: str, ink: Ink = ON_LIGHT) -> str:
    """An SVG of the sign of one kind, for a legend."""
    return _svg(CELL, CELL, _path(kind, f"M0 0{_SIGNS[kind]}", ink))


def as_address(svg: str) -> str:
    """An SVG as the address of an image, which a page shows without letting the SVG act."""
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def _path(kind: str, path: str, ink: Ink) -> str:
    colour = {"found": ink.second, "missed": ink.second, "false_alarms": ink.model, "cleared": ink.muted}[kind]
    return f'<path fill="{colour}" fill-rule="evenodd" d="{path}"/>'


def _svg(width: int, height: int, content: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{content}</svg>'
