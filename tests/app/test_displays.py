"""The Read page with a file of several windows: the field that chooses one, and a reading of what is then shown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard.display_field import display_caption
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.model.manager import XRayModelManager
from cxrkit.quality import QualityIssue, QualityReport
from cxrkit.radiograph import Radiograph
from tests.app.conftest import page_text

Upload = Callable[[AppTest, bytes, str], AppTest]
SEVERAL = phantom_dicom(
    size=256,
    attributes={
        "WindowCenter": [2048, 1400],
        "WindowWidth": [4096, 900],
        "WindowCenterWidthExplanation": ["DOE^JANE", "4711"],
    },
)


def fields(app: AppTest) -> list:  # type: ignore[type-arg]
    return [box for box in app.selectbox if box.label == "Display"]


def shown(app: AppTest) -> Radiograph:
    return app.session_state["films"][0].radiograph


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which radiographs in which displays the network has read."""
    calls: list[tuple[str, int]] = []
    method = XRayModelManager.read

    def noted(manager, radiograph, **words):  # type: ignore[no-untyped-def]
        calls.append((radiograph.sha256, radiograph.display))
        return method(manager, radiograph, **words)

    monkeypatch.setattr(XRayModelManager, "read", noted)
    return calls


@pytest.mark.parametrize("data", [phantom_png(size=256), phantom_dicom(size=256)], ids=["png", "one display"])
def test_there_is_nothing_to_choose_in_most_files(app: AppTest, upload: Upload, data: bytes) -> None:
    upload(app, data, "scan")
    assert fields(app) == []


def test_choosing_a_display_shows_and_reads_it(app: AppTest, upload: Upload, read: list[tuple[str, int]]) -> None:
    upload(app, SEVERAL, "scan.dcm")
    (field,) = fields(app)
    assert field.options == [
        "Display 1 of 3: Window 2048 / 4096",
        "Display 2 of 3: Window 1400 / 900",
        "Display 3 of 3: Full range",
    ]
    assert field.value == 0
    assert "Shown as display 1 of 3: Window 2048 / 4096." in page_text(app)
    pictures = [app.get("plotly_chart")[0].proto.spec]
    for display, name in ((1, "Window 1400 / 900"), (2, "Full range")):
        fields(app)[0].set_value(display).run()
        assert not app.exception
        assert fields(app)[0].value == display
        assert f"Shown as display {display + 1} of 3: {name}." in page_text(app)
        np.testing.assert_array_equal(shown(app).pixels, load_radiograph(SEVERAL, display=display).pixels)
        pictures.append(app.get("plotly_chart")[0].proto.spec)
    images = [json.loads(spec)["layout"]["images"][0]["source"] for spec in pictures]
    assert len(set(images)) == 3
    fields(app)[0].set_value(0).run()  # from the cache: nothing is inferred again, and the same picture comes back
    assert [display for _, display in read] == [0, 1, 2]
    assert len({sha256 for sha256, _ in read}) == 1
    assert app.get("plotly_chart")[0].proto.spec == pictures[0]
    assert not any(secret in page_text(app) for secret in ("DOE", "4711"))


def test_the_finding_that_the_reader_looks_at_stays(app: AppTest, upload: Upload) -> None:
    upload(app, SEVERAL, "scan.dcm")
    next(b for b in app.button if b.label == "Show Mass on the radiograph").click().run()
    fields(app)[0].set_value(1).run()
    assert "Mass at this operating point" in page_text(app)


def test_only_the_shown_radiograph_keeps_its_displays(app: AppTest, upload: Upload) -> None:
    upload(app, SEVERAL, "a.dcm")
    fields(app)[0].set_value(1).run()
    upload(app, phantom_png(size=256), "b.png")
    assert fields(app) == []
    assert [film.alternatives for film in app.session_state["films"]] == [None]
    upload(app, SEVERAL, "a.dcm")  # the same file again opens with its default
    assert fields(app)[0].value == 0
    assert shown(app).display == 0
    upload(app, b"not an image", "c.dcm")
    assert [film.alternatives for film in app.session_state["films"]] == [None]
    upload(app, SEVERAL, "a.dcm")
    next(b for b in app.button if b.label == "Clear patient").click().run()
    assert "films" not in app.session_state


def test_a_display_survives_a_visit_to_another_page(app: AppTest, upload: Upload) -> None:
    upload(app, SEVERAL, "a.dcm")
    fields(app)[0].set_value(1).run()
    app.switch_page("pages/model_info.py").run()
    app.switch_page("pages/read.py").run()
    assert fields(app)[0].value == 1


def test_an_exported_picture_names_its_display(app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    # downloads are made when they are asked for, which AppTest cannot do: what they would be made of is looked at
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        "cxrkit.dashboard.viewer_view.display_caption", lambda r: made.append(display_caption(r)) or made[-1]
    )
    upload(app, SEVERAL, "scan.dcm")
    fields(app)[0].set_value(1).run()
    upload(app, phantom_png(size=256), "a.png")
    assert made[0] == ("Display 1 of 3: Window 2048 / 4096.",)
    assert ("Display 2 of 3: Window 1400 / 900.",) in made
    assert made[-1] == ()


def test_a_refused_picture_can_be_looked_at_in_another_display(
    app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = XRayModelManager.read
    refused = QualityReport(issues=(QualityIssue("not-frontal-chest", "refuse"),))

    def of_the_first(manager, radiograph, **words):  # type: ignore[no-untyped-def]
        reading = method(manager, radiograph, **words)
        return reading if radiograph.display else dataclasses.replace(reading, quality=refused)

    monkeypatch.setattr(XRayModelManager, "read", of_the_first)
    upload(app, SEVERAL, "scan.dcm")
    assert not app.get("plotly_chart")
    fields(app)[0].set_value(1).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1
    assert fields(app)[0].value == 1
    fields(app)[0].set_value(0).run()
    assert not app.get("plotly_chart")
