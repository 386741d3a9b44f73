"""The picture of the Read page: window and level, side by side, all maps, hidden maps, and what a saved file says."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxrkit.charts import overlay
from cxrkit.imaging.phantom import phantom_png
from tests.app.conftest import field, page_text
from tests.app.test_read import button, name_of, rows

Upload = Callable[[AppTest, bytes, str], AppTest]


@pytest.fixture
def shown(app: AppTest, upload: Upload) -> AppTest:
    """A reading with the map of a finding that has one."""
    upload(app, phantom_png(size=256), "a.png")
    return button(app, "Show Mass on the radiograph").click().run()


def layout(app: AppTest) -> dict:
    return json.loads(app.get("plotly_chart")[0].proto.spec)["layout"]


def style(app: AppTest) -> str:
    return "\n".join(h.proto.body for h in app.get("html") if ".st-key-viewport image" in h.proto.body)


def arrange(app: AppTest, arrangement: str) -> AppTest:
    return app.segmented_control(key="map_arrangement").set_value(arrangement).run()


def saved(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> tuple:
    """What the PNG file is made of."""
    made: list[tuple] = []
    monkeypatch.setattr(overlay, "overlay_png", lambda *given: (made.append(given), b"")[1])
    monkeypatch.setattr(
        "streamlit.download_button", lambda *_, data, **how: data() if how["mime"] == "image/png" else None
    )
    app.run()
    return made[-1]


def test_window_and_inversion_change_a_style_sheet_and_nothing_that_is_sent(shown: AppTest) -> None:
    chart = shown.get("plotly_chart")[0].proto.spec
    assert "filter" not in style(shown)
    shown.slider(key=field(shown, "map_width")).set_value(50).run()
    # the middle half of the greys: 2 x - 0.5 = 2 (x - 0.5) + 0.5
    assert "image:nth-of-type(1) { filter: brightness(1) contrast(2); }" in style(shown)
    assert "of the view alone" in page_text(shown)
    shown.button(key="switch_invert").click().run()
    assert "filter: brightness(1) contrast(2) invert(1);" in style(shown)
    assert shown.get("plotly_chart")[0].proto.spec == chart
    shown.button(key="reset_window").click().run()
    assert "filter" not in style(shown)
    assert shown.slider(key=field(shown, "map_width")).value == 100
    assert shown.button(key="reset_window").disabled


def test_another_patient_is_seen_as_it_is(shown: AppTest, upload: Upload) -> None:
    shown.slider(key=field(shown, "map_level")).set_value(20).run()
    shown.button(key="switch_invert").click().run()
    shown.button(key="switch_overlay").click().run()
    upload(shown, phantom_png(seed=3, size=256), "b.png")
    assert "filter" not in style(shown)
    assert shown.slider(key=field(shown, "map_level")).value == 50
    assert shown.button(key="switch_overlay").label == "Hide the map"


def test_a_saved_picture_is_as_it_is_seen_and_says_so(shown: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.slider(key=field(shown, "map_level")).set_value(40).run()
    shown.button(key="switch_invert").click().run()
    copy, _, captions, look = saved(shown, monkeypatch)
    said = "window 100 % of the greys around level 40 % and inverted: the view alone, not what was read."
    assert f"Picture shown with {said}" in captions
    assert look.opacity == 0.45
    plain = overlay.display_copy(shown.session_state["films"][0].radiograph)
    assert np.abs(copy.levels - np.clip(255 * 0.9 - plain.levels, 0, 255)).max() <= 1  # rounding
    assert copy.levels.std() > 20


def test_a_map_is_hidden_and_shown_by_one_button(shown: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.button(key="switch_overlay").click().run()
    assert "{ opacity: 0.00 !important; }" in style(shown)
    assert "opacity: 1 !important" not in style(shown)  # nor the contour
    assert "<b>Mass: map hidden.</b>" in page_text(shown)
    *_, captions, look = saved(shown, monkeypatch)
    assert "Map hidden." in captions
    assert (look.opacity, look.contour) == (0, False)


def test_a_hidden_map_comes_back(shown: AppTest) -> None:
    before = style(shown)
    shown.button(key="switch_overlay").click().run()
    assert shown.button(key="switch_overlay").label == "Show the map"
    shown.button(key="switch_overlay").click().run()
    assert style(shown) == before


def test_side_by_side_is_one_chart_with_linked_axes_and_the_same_style_sheet(shown: AppTest) -> None:
    sheet = style(shown)
    arrange(shown, "beside")
    made = layout(shown)
    assert made["xaxis2"]["matches"] == "x"
    assert made["yaxis2"]["matches"] == "y"
    left = [i for i in made["images"] if i["xref"] == "x"]
    right = [i for i in made["images"] if i["xref"] == "x2"]
    assert len(left) == 1
    assert len(right) == 3  # the radiograph and both maps with evidence
    assert left[0]["source"] == right[0]["source"]
    assert style(shown) == sheet
    chart = shown.get("plotly_chart")[0].proto.spec
    button(shown, "Show Pneumonia on the radiograph").click().run()
    assert shown.get("plotly_chart")[0].proto.spec == chart


def test_all_maps_in_one_glance_lead_back_to_the_viewer(shown: AppTest) -> None:
    arrange(shown, "beside")
    chart = shown.get("plotly_chart")[0].proto.spec
    arrange(shown, "all")
    assert shown.get("plotly_chart")[0].proto.spec == chart  # it stays underneath, and keeps its zoom
    cells = [h.proto.body for h in shown.get("html") if "cx-cell" in h.proto.body]
    assert [name for name in ("Pneumonia", "Pleural effusion", "Mass") if any(f"<b>{name}</b>" in c for c in cells)]
    assert len(cells) == 3
    by_name = {name: next(c for c in cells if f"<b>{name}</b>" in c) for name in map(name_of, rows(shown))}
    assert "no positive evidence" in by_name["Pneumonia"]
    assert "<img" not in by_name["Pneumonia"]
    assert "is-shown" in by_name["Mass"]
    assert "no operating point" in by_name["Pleural effusion"]
    assert "All maps." in page_text(shown)
    button(shown, "Look at Pleural effusion").click().run()
    assert shown.segmented_control(key="map_arrangement").value == "beside"
    assert not any("cx-cell" in h.proto.body for h in shown.get("html"))
    assert "is-shown" in next(r for r in rows(shown) if name_of(r) == "Pleural effusion")
    assert shown.get("plotly_chart")[0].proto.spec == chart


def test_buttons_go_through_the_findings_in_the_order_of_the_panel_and_round(shown: AppTest) -> None:
    order = [name_of(r) for r in rows(shown)]
    seen = []
    for _ in order:
        shown.button(key="next_finding").click().run()
        seen += [name_of(r) for r in rows(shown) if "is-shown" in r]
    assert seen == order  # Mass is the last one
    shown.button(key="previous_finding").click().run()
    assert "is-shown" in rows(shown)[1]


def test_keys_can_be_turned_off(shown: AppTest) -> None:
    assert shown.button(key="next_finding").proto.shortcut == "j"
    shown.toggle(key="keys_on").set_value(False).run()
    assert shown.button(key="next_finding").proto.shortcut == ""
    assert shown.button(key="switch_invert").proto.shortcut == ""


def test_of_one_map_there_is_no_sheet(app: AppTest, upload: Callable[[AppTest, bytes, str], AppTest]) -> None:
    upload(app, phantom_png(size=128), "a.png")
    arrange(app, "all")
    app.selectbox(key="chosen_preset").set_value("single").run()
    assert not app.exception
    field = app.segmented_control(key="map_arrangement")
    assert field.options == ["Map", "Side by side"]
    assert field.value == "one"
