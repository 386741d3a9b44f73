"""The table of the form and of /demo shows small probabilities with the digits that matter."""

from __future__ import annotations

import re

from cxrkit.serving.rest.pages import rendered


def test_a_small_probability_is_not_rounded_to_nothing() -> None:
    interval = {"low": 0.00004, "high": 0.0012}
    row = {"kind": "below", "label": "Mass", "probability": 0.0004, "interval": interval, "verdict": "below 2.1 %"}
    cell = re.search('<td class="number">(.*?)</td>', rendered("table.html.jinja", rows=[row]), re.DOTALL)
    assert cell
    assert re.sub(r"<[^>]+>|\s+", " ", cell[1]).split() == ["0.04", "%", "&lt;0.01", "%", "to", "0.12", "%"]
