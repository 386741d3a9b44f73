"""Several films on the Read page, links to it, and its first minute."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard import view_choices
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from tests.app.conftest import page_text
from tests.app.test_read import button, rows
from tests.conftest import REPOSITORY

Upload = Callable[[AppTest, bytes, str], AppTest]
UploadAll = Callable[..., AppTest]


def strip(app: AppTest) -> list[str]:
    """What the buttons over the thumbnails say."""
    return [b.label for b in app.button if b.label.startswith("Film ")]


def shown_sum(app: AppTest) -> str:
    return app.session_state["films"][app.session_state["current_film"]].radiograph.sha256


def test_one_film_has_no_strip(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=128), "a.png")
    assert strip(app) == []
    assert "next_film" not in {b.key for b in app.button}


def test_films_are_read_when_they_are_looked_at(
    app: AppTest, upload_all: UploadAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxrkit.model.manager import XRayModelManager

    calls: list[str] = []
    read = XRayModelManager.read
    monkeypatch.setattr(XRayModelManager, "read", lambda m, r, **how: (calls.append(r.sha256), read(m, r, **how))[1])
    upload_all(app, phantom_png(size=128), b"%PDF-1.7 a report", phantom_dicom(seed=2, size=128))
    assert not app.exception
    first, second, third = strip(app)
    assert first.startswith("Film 1 of 3, shown: ")
    assert "operating point" in first
    assert second == "Film 2 of 3: cannot be read: The file is a PDF document, not a radiograph."
    assert third == "Film 3 of 3: not read yet"
    assert len(calls) == 1
    app.button(key="next_film").click().run()
    assert "The file is a PDF document" in app.error[0].value.replace("\\", "")
    assert "This film shows no radiograph." in page_text(app)
    assert rows(app) == []
    app.button(key="next_film").click().run()
    assert len(rows(app)) == 3
    assert len(calls) == 2
    assert strip(app)[2].startswith("Film 3 of 3, shown: ")
    app.button(key="next_film").click().run()  # round
    assert len(calls) == 2
    assert strip(app)[0].startswith("Film 1 of 3, shown: ")
    app.button(key="look_at_3").click().run()
    assert shown_sum(app) == calls[1]


def test_the_finding_stays_from_film_to_film(app: AppTest, upload_all: UploadAll) -> None:
    upload_all(app, phantom_png(size=128), phantom_png(seed=2, size=128))
    button(app, "Show Mass on the radiograph").click().run()
    app.button(key="next_film").click().run()
    assert "Mass at this operating point" in page_text(app)


def test_a_film_that_was_cleared_leaves_no_words(app: AppTest, upload_all: UploadAll) -> None:
    upload_all(app, phantom_png(size=128), phantom_png(seed=2, size=128))
    button(app, "Clear patient").click().run()
    assert strip(app) == []
    assert "films_read" not in app.session_state


def address(app: AppTest) -> dict[str, str]:
    """The query as the page left it; what a test put there is a list."""
    return {name: value if isinstance(value, str) else value[-1] for name, value in app.query_params.items()}


def opened(query: dict[str, str]) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def test_a_link_opens_with_its_model_operating_point_and_finding(app: AppTest, upload: Upload) -> None:
    linked = opened({"preset": "mixed", "rule": "screening", "finding": "Mass"})
    assert linked.radio[0].value == "screening"
    assert "Mass at this operating point" in page_text(linked)
    upload(linked, phantom_png(size=256), "a.png")
    assert "Mass at this operating point" in page_text(linked)  # and not the one furthest past
    linked.button(key="next_finding").click().run()
    assert address(linked)["finding"] == "Pneumonia"
    assert address(linked)["rule"] == "screening"


def test_a_link_to_the_other_model(app: AppTest) -> None:
    linked = opened({"preset": "single"})
    assert linked.selectbox(key="chosen_preset").value == "single"
    linked.selectbox(key="chosen_preset").set_value("mixed").run()
    assert address(linked)["preset"] == "mixed"
    assert linked.selectbox(key="chosen_preset").value == "mixed"


def test_what_a_link_says_that_is_unknown_is_passed_over(app: AppTest, upload: Upload) -> None:
    linked = opened({"preset": "../../etc", "rule": "<b>", "finding": "Doe^Jane", "other": "1"})
    assert not linked.exception
    assert not linked.error
    assert address(linked)["preset"] == "mixed"
    assert address(linked)["rule"] == "youden"
    assert "finding" not in linked.query_params
    assert address(linked)["other"] == "1"
    upload(linked, phantom_png(size=128), "a.png")
    assert "Doe" not in page_text(linked)
    assert len(rows(linked)) == 3


def test_going_back_in_the_browser_goes_back_to_the_finding(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")
    button(app, "Show Mass on the radiograph").click().run()
    button(app, "Show Pneumonia on the radiograph").click().run()
    assert address(app)["finding"] == "Pneumonia"
    app.query_params["finding"] = "Mass"  # what the browser sends
    app.run()
    assert app.session_state[view_choices.CHOSEN_FINDING] == "Mass"
    assert address(app)["finding"] == "Mass"


def test_an_address_that_lags_behind_undoes_no_choice(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")
    button(app, "Show Mass on the radiograph").click().run()
    app.query_params["finding"] = "Effusion"  # of before, while the click is on its way
    button(app, "Show Pneumonia on the radiograph").click().run()
    assert app.session_state[view_choices.CHOSEN_FINDING] == "Pneumonia"
    assert address(app)["finding"] == "Pneumonia"


def test_nothing_of_a_patient_is_in_the_address(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_dicom(size=128, attributes={"PatientName": "Doe^Jane", "PatientID": "4711"}), "Doe_Jane.dcm")
    button(app, "Show Mass on the radiograph").click().run()
    assert address(app) == {"preset": "mixed", "rule": "youden", "finding": "Mass"}


def test_the_tour_has_three_steps_and_is_skipped_for_good(app: AppTest, upload: Upload) -> None:
    assert "Step 1 of 3" in page_text(app)
    assert "Not a medical device" in page_text(app)
    app.button(key="tour_next").click().run()
    app.button(key="tour_next").click().run()
    assert "Step 3 of 3" in page_text(app)
    app.button(key="tour_back").click().run()
    assert "Step 2 of 3" in page_text(app)
    app.button(key="tour_skip").click().run()
    assert "of 3" not in page_text(app)
    upload(app, phantom_png(size=128), "a.png")
    assert "tour_again" not in {b.key for b in app.button}
    button(app, "Clear patient").click().run()
    assert "of 3" not in page_text(app)
    app.button(key="tour_again").click().run()
    assert "Step 1 of 3" in page_text(app)


def test_the_tour_is_in_no_readings_way(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=128), "a.png")
    assert "Step 1 of 3" not in page_text(app)
