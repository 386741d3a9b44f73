"""The page of thresholds: rows, uploads, views, points with a name, and their way to Read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cxrkit.named_points import NamedPoint, to_json
from cxrkit.preset import Preset
from cxrkit.serving.judged_table import Bench, JudgedTable, bench_of, template
from tests.app.conftest import page_text
from tests.conftest import REPOSITORY

PAGE = "pages/thresholds.py"


@pytest.fixture(scope="module")
def rows_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped pneumonia preset with its rows, without the weights, which nothing here needs."""
    folder = tmp_path_factory.mktemp("judged")
    ignore = shutil.ignore_patterns("*.h5", "*.npz")
    shutil.copytree(REPOSITORY / "weights" / "pneumonia", folder / "pneumonia", ignore=ignore)
    return folder


@pytest.fixture(scope="module")
def benches() -> Callable[[JudgedTable, str], Bench]:
    """What the page computes of its rows, but it outlives the clearing of the caches between tests."""
    found: dict[tuple[str, str, bool], Bench] = {}

    def once(judged: JudgedTable, finding: str) -> Bench:
        key = judged.key, finding, judged.preset is None
        if key not in found:
            found[key] = bench_of(judged, finding)
        return found[key]

    return once


@pytest.fixture
def desk(
    rows_folder: Path, benches: Callable[[JudgedTable, str], Bench], monkeypatch: pytest.MonkeyPatch
) -> Iterator[AppTest]:
    """The page with the shipped rows."""
    monkeypatch.setattr("cxrkit.serving.judged_table.bench_of", benches)
    monkeypatch.setattr("cxrkit.preset_folders.WEIGHTS", rows_folder)
    monkeypatch.setattr("cxrkit.dashboard.services.models._manager", lambda *_: None)
    st.cache_resource.clear()
    app = AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=60).run()
    yield app.switch_page(PAGE).run()
    st.cache_resource.clear()


@pytest.fixture
def bare(app: AppTest) -> AppTest:
    """The page with presets that have no rows."""
    return app.switch_page(PAGE).run()


def slider(app: AppTest):
    return next(s for s in app.select_slider if s.label == "Threshold on the probability")


def predictions(n: int = 120, seed: int = 0, finding: str = "Pneumonia", image: str = "i") -> str:
    random = np.random.default_rng(seed)
    lines = [f"image,patient_id,sex,{finding},prob_{finding}"]
    for k in range(n):
        label = k % 3 == 0
        score = 1 / (1 + np.exp(-(random.normal() + 1.5 * label - 0.5)))
        lines.append(f"{image}{k},Smith-{k // 2},{'FM'[k % 2]},{int(label)},{score:.5f}")
    return "\n".join(lines) + "\n"


def put(app: AppTest, text: str, label: str = "Predictions (CSV)") -> AppTest:
    field = next(f for f in app.file_uploader if f.label == label)
    return field.set_value(("table.csv", text.encode(), "text/csv")).run()


def open_tab(app: AppTest, name: str) -> AppTest:
    app.session_state["kept_choices"] = {**app.session_state["kept_choices"], "threshold_tab": name}
    app.session_state["threshold_tab"] = name
    return app.run()


def tiles(app: AppTest) -> str:
    return next(h.proto.body for h in app.get("html") if "cx-tiles" in h.proto.body)


# -- the rows that ship ------------------------------------------------------------------------


def test_it_opens_on_validation_and_says_so(desk: AppTest) -> None:
    assert not desk.exception
    text = page_text(desk)
    for part in ("<b>Validation</b>", "626 radiographs", "kinder than the truth", "Not a medical device"):
        assert part in text, part
    assert "Sensitivity" in tiles(desk)
    assert {b.label for b in desk.button} >= {"Youden", "Screening", "Rule-in", "Save"}


def test_the_test_split_warns_against_choosing(desk: AppTest) -> None:
    rows = desk.get("button_group")[0]
    app = rows.set_value("kept test").run()
    text = page_text(app)
    assert "tuned on the test split" in text
    assert "624 radiographs, kept, finding by finding" in text
    assert "marked as tuned" not in text, "it starts at the card's own point"
    assert "marked as tuned" in page_text(slider(app).set_value(3).run())


def test_the_slider_and_the_buttons_move_the_threshold(desk: AppTest) -> None:
    before = tiles(desk)
    moved = slider(desk).set_value(3).run()
    assert tiles(moved) != before
    assert "nth-child(4)" in page_text(moved)
    youden = next(b for b in moved.button if b.label == "Youden").click().run()
    assert tiles(youden) == before, "it starts at Youden's"


@pytest.mark.parametrize(
    ("view", "said"),
    [("Rates", "How every rate changes"), ("Patients and costs", "Of 1,000 patients"), ("Curves", "the ring is yours")],
)
def test_every_view_explains_itself(desk: AppTest, view: str, said: str) -> None:
    app = next(g for g in desk.get("button_group") if "Curves" in g.options).set_value(view).run()
    assert not app.exception
    assert said in page_text(app)


def test_prevalence_changes_what_a_result_means(desk: AppTest) -> None:
    app = next(g for g in desk.get("button_group") if "Curves" in g.options).set_value("Patients and costs").run()
    prevalence = next(s for s in app.slider if s.label == "Prevalence where you work")
    assert prevalence.value == pytest.approx(74.3)
    app = prevalence.set_value(1.0).run()
    assert "Of 1,000 patients 10 have Pneumonia and 990 do not." in page_text(app)
    lowest = next(b for b in app.button if b.label.startswith("Go to the lowest cost"))
    before = tiles(app)
    assert tiles(lowest.click().run()) != before


@pytest.mark.parametrize(
    ("tab", "said"),
    [
        ("Calibration", "fitted on these very rows"),
        ("All findings", "a click on a column sorts"),
        ("Groups", "may miss more in one group"),
        ("Compare", "Recorded comparison of pneumonia with chestxray14"),
        ("Saved points", "None yet."),
    ],
)
def test_every_tab_has_its_state(desk: AppTest, tab: str, said: str) -> None:
    app = open_tab(desk, tab)
    assert not app.exception
    assert said in page_text(app)


def test_all_findings_come_as_a_table(desk: AppTest) -> None:
    table = open_tab(desk, "All findings").dataframe[0].value
    assert table["Finding"].tolist() == ["Pneumonia"]
    assert len(table["ROC"][0]) == 31
    assert table["AUROC"][0] == pytest.approx(0.994, abs=0.001)


# -- without rows ------------------------------------------------------------------------------


def test_without_rows_it_says_what_to_do(bare: AppTest) -> None:
    assert not bare.exception
    assert "No judged rows at hand" in page_text(bare)
    assert any(f.label == "Predictions (CSV)" for f in bare.file_uploader)


def test_the_cards_scores_are_enough(bare: AppTest) -> None:
    app = bare.selectbox(key="chosen_preset").set_value("single").run()
    text = page_text(app)
    assert "validation scores that the card keeps" in text
    assert "fewer than 30" in text
    assert "cx-tiles" in text


def test_altered_rows_are_said_and_the_page_goes_on(rows_folder: Path, desk: AppTest) -> None:
    path = rows_folder / "pneumonia" / "scores_test.csv"
    kept = path.read_bytes()
    try:
        path.write_bytes(kept + b"1\n")
        st.cache_resource.clear()
        app = desk.run()
        assert "not those that were kept" in page_text(app)
        assert "validation scores that the card keeps" in page_text(app)
    finally:
        path.write_bytes(kept)


# -- uploaded tables ---------------------------------------------------------------------------


def test_wrong_cells_are_listed(desk: AppTest) -> None:
    app = put(desk, "image,Pneumonia,prob_Pneumonia\nSmith.png,1,0.5\nJones.png,7,\nx,1,2\n")
    text = page_text(app)
    assert "Row 3, column Pneumonia" in text.replace("\\", "")
    assert "Row 4, column prob_Pneumonia" in text.replace("\\", "")
    assert "Jones" not in text
    assert "626 radiographs" in text, "what was shown before stays"


def test_an_uploaded_table_is_shown_without_whom_it_shows(desk: AppTest) -> None:
    app = put(desk, predictions())
    assert not app.exception
    text = page_text(app)
    assert "<b>Your table</b>" in text
    assert "120 radiographs of 60 patients" in text
    assert "Smith" not in text
    assert "Smith" not in str(app.session_state["judged_tables"]["own"][0].table.to_csv())
    assert "A threshold belongs to the weights" in text
    gone = next(b for b in app.button if b.label == "Forget the table").click().run()
    assert "<b>Validation</b>" in page_text(gone)
    assert not gone.session_state["judged_tables"]


def test_predictions_of_the_model_can_be_tied_to_it(desk: AppTest) -> None:
    app = put(desk, predictions())
    app = app.checkbox[0].check().run()
    assert not app.exception
    assert "A threshold belongs to the weights" not in page_text(app)
    assert "Save" in {b.label for b in app.button}
    assert app.session_state["judged_tables"]["own"][0].preset.name == "pneumonia"


def test_a_table_of_one_class_has_no_threshold(desk: AppTest) -> None:
    app = put(desk, "Pneumonia,prob_Pneumonia\n0,0.1\n0,0.2\n")
    assert not app.exception
    assert "No threshold to look at" in page_text(app)


def test_the_example_can_be_uploaded(desk: AppTest) -> None:
    app = put(desk, template(("Pneumonia",)))
    assert not app.exception
    assert "6 radiographs of 3 patients" in page_text(app)


def test_splits_of_a_table_are_offered_one_by_one(desk: AppTest) -> None:
    body = "".join(f"{'ab'[k % 2]},{k % 3 // 2},{0.01 * k:.2f}\n" for k in range(60))
    app = put(desk, "split,Pneumonia,prob_Pneumonia\n" + body)
    options = app.get("button_group")[0].options
    assert options[-2:] == ["Uploaded · a", "Uploaded · b"]
    assert "30 radiographs" in page_text(app)


def test_the_models_own_rows_show_the_comparison_that_is_kept(desk: AppTest) -> None:
    text = page_text(open_tab(desk, "Compare"))
    assert "626 radiographs that both judged" in text
    assert "The model was chosen by these rows" in text
    assert "p (Holm)" in text
    app = open_tab(desk.get("button_group")[0].set_value("kept test").run(), "Compare")
    assert "No comparison is kept of these rows" in page_text(app)
    assert not app.exception


def test_a_table_without_images_says_why_it_is_not_compared(desk: AppTest) -> None:
    app = put(desk, "Pneumonia,prob_Pneumonia\n" + "".join(f"{k % 2},{0.01 * k:.2f}\n" for k in range(60)))
    assert "does not say which image a row is of" in page_text(open_tab(app, "Compare"))


def test_two_tables_are_compared(desk: AppTest) -> None:
    app = open_tab(put(desk, predictions()), "Compare")
    assert "predictions of the other model for the same images" in page_text(app)
    app = put(app, predictions(seed=4), "Predictions of the other model for the same images (CSV)")
    assert not app.exception
    text = page_text(app)
    assert "120 radiographs that both judged" in text
    assert "p (Holm)" in text
    app = put(app, predictions(seed=4, image="other"), "Predictions of the other model for the same images (CSV)")
    assert "share no image" in page_text(app)


# -- points with a name ------------------------------------------------------------------------


def save(app: AppTest, name: str) -> AppTest:
    app.text_input(key="point_name").set_value(name)
    return next(b for b in app.button if b.label == "Save").click().run()


def test_a_saved_point_can_be_chosen_on_read(desk: AppTest) -> None:
    app = save(slider(desk).set_value(40).run(), "night shift")
    assert "Saved: night shift" in app.success[0].value.replace("\\", "")
    point = app.session_state["named_points"][Preset.load(REPOSITORY / "weights" / "pneumonia").weights_sha256][0]
    assert (point.name, point.tuned_on_evaluation) == ("night shift", False)
    read = app.switch_page("pages/read.py").run()
    assert not read.exception
    rule = next(r for r in read.radio if r.label == "Operating point")
    assert rule.options[-1] == "night shift"
    read = rule.set_value("named night shift").run()
    assert not read.exception
    assert "Your point" in page_text(read)
    assert f"{100 * point.threshold:.1f} %" in page_text(read)


def test_a_point_chosen_on_the_test_split_is_marked(desk: AppTest) -> None:
    app = desk.get("button_group")[0].set_value("kept test").run()
    app = save(slider(app).set_value(5).run(), "tuned")
    app = open_tab(app, "Saved points")
    assert "test: tuned on it" in page_text(app)
    app = next(b for b in app.button if b.label == "Remove").click().run()
    assert "None yet." in page_text(app)


def test_a_point_needs_a_name(desk: AppTest) -> None:
    assert "A point needs a name" in page_text(save(desk, "  "))


def test_a_file_of_points_comes_back_and_other_weights_are_refused(desk: AppTest) -> None:
    preset = Preset.load(REPOSITORY / "weights" / "pneumonia")
    data = to_json(preset, (NamedPoint("clinic", "Pneumonia", 0.4, "val", False, 0.9, 0.8, 100, 40),))
    foreign = json.dumps({**json.loads(data), "weights_sha256": "0" * 64}).encode()
    app = open_tab(desk, "Saved points")

    def give(app: AppTest, file: bytes) -> AppTest:
        field = next(f for f in app.file_uploader if f.label == "File of points (JSON)")
        return field.set_value(("points.json", file, "application/json")).run()

    app = give(app, foreign)
    assert "belong to other weights" in page_text(app)
    assert "None yet." in page_text(app)
    app = give(app, data)
    assert "clinic" in page_text(app)
    assert "belong to other weights" not in page_text(app)


# -- the address -------------------------------------------------------------------------------


def query(app: AppTest) -> dict[str, str]:
    """The query as the page left it; what a test put there is a list."""
    return {name: value if isinstance(value, str) else value[-1] for name, value in app.query_params.items()}


def test_a_link_opens_with_rows_finding_and_threshold_and_the_address_follows(desk: AppTest) -> None:
    slider(desk).set_value(20).run()
    told = query(desk)
    assert told == {"preset": "pneumonia", "rows": told["rows"], "finding": "Pneumonia", "threshold": told["threshold"]}
    linked = AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=60)
    linked.run()
    for name, value in told.items():
        linked.query_params[name] = value
    linked.switch_page(PAGE).run()
    assert slider(linked).value == 20
    assert query(linked) == told
    slider(linked).set_value(30).run()  # while the address still is the old one
    assert slider(linked).value == 30
    moved = query(linked)["threshold"]
    assert float(moved) > float(told["threshold"])
    linked.query_params["threshold"] = told["threshold"]  # the browser goes back
    linked.run()
    assert slider(linked).value == 20


def test_a_link_by_the_name_of_an_operating_point(desk: AppTest) -> None:
    desk.button(key="jump_screening").click().run()
    screening = slider(desk).value
    slider(desk).set_value(0 if screening else 1).run()
    desk.query_params.clear()
    desk.query_params["rule"] = "screening"
    desk.run()
    assert slider(desk).value == screening
    assert "rule" not in desk.query_params


def test_what_an_address_asks_for_in_vain_is_passed_over(desk: AppTest) -> None:
    slider(desk).set_value(20).run()
    for name, value in {"rows": "<b>", "finding": "Doe^Jane", "threshold": "nan", "rule": "../etc"}.items():
        desk.query_params[name] = value
    desk.run()
    assert not desk.exception
    assert slider(desk).value == 20
    assert query(desk)["finding"] == "Pneumonia"
    assert "Doe" not in page_text(desk)


def test_an_uploaded_table_leaves_nothing_in_the_address(desk: AppTest) -> None:
    put(desk, predictions(finding="Doe"))
    assert "Doe" in page_text(desk)
    assert query(desk) == {"preset": "pneumonia"}


def test_no_page_runs_without_the_router() -> None:
    alone = AppTest.from_file(str(REPOSITORY / PAGE), default_timeout=60).run()
    assert page_text(alone) == ""
    assert alone.session_state["page_wanted_before_the_router"][0] == PAGE
