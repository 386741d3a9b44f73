"""The Compare page: its empty states, two films with bands, several models, refusals, and nothing kept of a patient."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.preset import Preset
from cxrkit.repeatability import Repeatability, RepeatabilityLimit
from tests.app.conftest import page_text
from tests.app.test_quality_view import png
from tests.app.test_read import button
from tests.app.test_read_films import address
from tests.conftest import REPOSITORY

Upload = Callable[[AppTest, bytes, str], AppTest]
REFUSED = {"Modality": "CT"}


@pytest.fixture(scope="session")
def banded_folder(app_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The presets of `app_folder`; ``mixed`` has a band that holds all changes, one that holds none, and none."""
    folder = tmp_path_factory.mktemp("banded-weights")
    shutil.copytree(app_folder, folder, dirs_exist_ok=True)
    mixed = Preset.load(folder / "mixed")
    limits = (RepeatabilityLimit("Pneumonia", 50, 40, 60, 0.95), RepeatabilityLimit("Mass", 1e-7, 0, 1e-6, 0.95))
    record = Repeatability(("a shift", "a turn"), "val", 123, 6, limits, mixed.weights_sha256, 0, "none")
    dataclasses.replace(mixed, repeatability=record).save(folder / "mixed")
    return folder


@pytest.fixture
def compare(app: AppTest, banded_folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr("cxrkit.preset_folders.WEIGHTS", banded_folder)
    return app.switch_page("pages/compare.py").run()


@pytest.fixture
def two(compare: AppTest, upload: Upload) -> AppTest:
    upload(compare, phantom_png(size=256), "Doe_4711.png")
    return upload(compare, phantom_dicom(seed=1, size=300, attributes={"PatientName": "Doe^Jane"}), "Doe_4712.dcm")


def changes(app: AppTest) -> dict[str, str]:
    """Label -> HTML of the row of the table of changes."""
    table = next((h.proto.body for h in app.get("html") if "cx-changes" in h.proto.body), "")
    return {row.split(">")[0].split("<")[0]: row for row in re.split(r'<th scope="row">', table)[1:]}


def moved(row: str) -> float:
    found = re.search(r"([+\u2212]?\d+\.\d\d)</span>", row)
    assert found
    return float(found[1].replace("\u2212", "-"))


def models_rows(app: AppTest) -> dict[str, str]:
    table = next(h.proto.body for h in app.get("html") if "Between models" in h.proto.body)
    return {row.split("<")[0]: row for row in re.split(r'<th scope="row">', table)[1:]}


def test_nothing_yet(compare: AppTest) -> None:
    assert not compare.exception
    assert "Add one radiograph, or two of one patient" in page_text(compare)
    assert "Not a medical device" in page_text(compare)
    assert len(compare.file_uploader) == 1


def test_its_address_holds_operating_point_and_finding_and_opens_with_them(compare: AppTest, upload: Upload) -> None:
    for name, value in {"preset": "mixed", "rule": "screening", "finding": "Mass"}.items():
        compare.query_params[name] = value
    compare.run()
    assert compare.radio[0].value == "screening"
    upload(compare, phantom_png(size=256), "a.png")
    assert [field.value for field in compare.selectbox if field.label == "Maps of"] == ["Mass"]
    assert address(compare) == {"preset": "mixed", "rule": "screening", "finding": "Mass"}
    compare.radio[0].set_value("rule-in").run()
    next(field for field in compare.selectbox if field.label == "Maps of").set_value("Effusion").run()
    assert address(compare) == {"preset": "mixed", "rule": "rule-in", "finding": "Effusion"}


def test_one_film_is_read_by_all_models_and_a_prior_can_be_added(compare: AppTest, upload: Upload) -> None:
    upload(compare, phantom_png(size=256), "a.png")
    assert not compare.exception
    found = models_rows(compare)
    assert list(found) == ["Pleural effusion", "Mass", "Pneumonia"]
    assert "one model only" in found["Mass"]
    assert "not predicted" in found["Mass"]
    assert "not predicted" not in found["Pneumonia"]
    assert len(re.findall("<td", found["Pneumonia"])) == 2 * 4 + 1  # probability and three points each
    assert found["Pleural effusion"].count(">none<") == 3
    assert "not supported" in found["Mass"]
    assert len(compare.get("plotly_chart")) == 1
    compare.segmented_control[0].set_value("films").run()
    assert "One radiograph so far" in page_text(compare)
    upload(compare, phantom_png(seed=1, size=256), "b.png")
    assert set(changes(compare)) == {"Pneumonia", "Mass", "Pleural effusion"}


def test_where_models_differ_is_said(compare: AppTest, upload: Upload) -> None:
    upload(compare, phantom_png(size=256), "a.png")
    row = models_rows(compare)["Pneumonia"]
    words = re.findall(r">(past|below|in doubt)<small>", row)
    assert len(words) == 6
    differing = [
        rule for rule, a, b in zip(("Screening", "Youden", "Rule-in"), words[:3], words[3:], strict=True) if a != b
    ]
    assert (f"differ at {', '.join(differing)}" if differing else "agree") in row
    lead = "The models differ on: Pneumonia." if differing else "The models agree on what they both predict: Pneumonia."
    assert lead in page_text(compare)
    compare.multiselect[0].set_value(["single"]).run()
    assert "One model at all of its operating points" in page_text(compare)
    compare.multiselect[0].set_value([]).run()
    assert "Choose at least one model" in compare.info[0].value


def test_changes_stand_beside_their_band(two: AppTest) -> None:
    assert not two.exception
    found = changes(two)
    assert "within repeatability, ±50.00" in found["Pneumonia"]
    assert "changed: beyond" in found["Mass"]
    assert "repeatability not measured" in found["Pleural effusion"]
    text = page_text(two)
    assert "1 of 3 beyond the repeatability band" in text
    assert "n = 123 radiographs of the split val, each read 6 times: as it is, then with a shift, a turn" in text
    assert "that is not progression" in text
    assert "Bland and Altman 1999" in text
    assert len(two.get("plotly_chart")) == 1


def test_without_a_record_nothing_is_called_a_change(two: AppTest) -> None:
    two.selectbox(key="chosen_preset").set_value("single").run()
    assert "repeatability not measured" in changes(two)["Pneumonia"]
    assert "was not measured" in page_text(two)
    assert "changed: beyond" not in page_text(two)


def test_swapping_turns_the_changes_round(two: AppTest, upload: Upload) -> None:
    upload(two, png(np.random.default_rng(0).random((300, 300))), "c.png")  # two phantoms score alike
    two.selectbox(key="compare_current").set_value(3).run()
    before = {name: moved(row) for name, row in changes(two).items()}
    assert any(before.values())
    button(two, "Swap").click().run()
    assert [s.value for s in two.selectbox if s.label in ("Prior", "Current")] == [3, 1]
    after = {name: moved(row) for name, row in changes(two).items()}
    assert after == {name: -value for name, value in before.items()}


def test_one_film_on_both_sides_is_no_comparison(two: AppTest) -> None:
    two.selectbox(key="compare_current").set_value(1).run()
    assert "choose two different ones" in two.info[0].value
    assert changes(two) == {}


def test_the_same_file_twice_changes_nothing(compare: AppTest, upload: Upload) -> None:
    for _ in range(2):
        upload(compare, phantom_png(size=256), "a.png")
    assert "the same file" in compare.info[0].value
    assert {moved(row) for row in changes(compare).values()} == {0.0}


def test_a_refused_picture_has_no_numbers_until_it_is_asked_for_on_read(compare: AppTest, upload: Upload) -> None:
    upload(compare, phantom_png(size=256), "a.png")
    upload(compare, phantom_dicom(seed=1, size=256, attributes=REFUSED), "b.dcm")
    assert changes(compare) == {}
    assert "Current: no numbers are shown for this picture" in page_text(compare).replace("\\", "")
    assert "No change is computed" in page_text(compare)
    button(compare, "Open film 2 on Read").click().run()
    button(compare, "Show the reading all the same").click().run()
    compare.switch_page("pages/compare.py").run()
    assert len(changes(compare)) == 3
    assert "in spite of a refusal" in page_text(compare)


def test_a_file_that_cannot_be_read_leaves_the_page_usable(two: AppTest, upload: Upload) -> None:
    upload(two, b"GIF89a" + bytes(40), "c.gif")
    assert not two.exception
    assert "Film 3: The file is a GIF image" in page_text(two).replace("\\", "")
    assert len(changes(two)) == 3
    assert "Film 3" not in str([s.options for s in two.selectbox if s.label == "Prior"])


def test_nothing_of_a_name_is_shown_and_all_is_forgotten(two: AppTest) -> None:
    text = page_text(two) + str([s.options for s in two.selectbox])
    for secret in ("Doe", "Jane", "4711", "4712"):
        assert secret not in text
    assert "Film 2: DICOM" in text
    button(two, "Clear patient").click().run()
    assert not two.exception
    assert "Add one radiograph" in page_text(two)
    assert "compare_prior" not in two.session_state


def test_no_page_runs_without_the_router() -> None:
    alone = AppTest.from_file(str(REPOSITORY / "pages" / "compare.py"), default_timeout=60).run()
    assert page_text(alone) == ""
    assert alone.session_state["page_wanted_before_the_router"][0] == "pages/compare.py"
