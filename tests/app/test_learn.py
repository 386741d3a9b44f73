"""The Learn page: every section is computed by the chosen model on the phantom, and can be linked to."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard.learn_view import SECTIONS
from cxrkit.dashboard.services import models
from cxrkit.imaging.phantom import phantom
from cxrkit.preset import Preset
from tests.app.conftest import page_text


@pytest.fixture
def learn(app: AppTest) -> AppTest:
    return app.switch_page("pages/learn.py").run()


def section(learn: AppTest, name: str) -> str:
    """The text of the page once a section was chosen."""
    learn.session_state["section_learn"] = name
    learn.run()
    assert not learn.exception
    assert not learn.error
    return page_text(learn)


@pytest.mark.parametrize("preset", ["mixed", "single"])
def test_every_section_runs_and_says_what_to_keep(learn: AppTest, preset: str) -> None:
    learn.selectbox(key="chosen_preset").set_value(preset).run()
    for name in SECTIONS:
        text = section(learn, name)
        assert "To keep." in text, name
        assert "Not a medical device" in text, name
        assert all(" alt=" in picture for picture in re.findall("<img [^>]*>", text)), name


def test_kernels_of_the_reader_and_of_the_model(learn: AppTest) -> None:
    text = section(learn, "convolution")
    assert "Answers where dark turns into bright from left to right" in text
    learned = [name for name in learn.selectbox(key="learn_kernel").options if name.startswith("Learned by")]
    assert len(learned) == 6
    learn.selectbox(key="learn_kernel").set_value(learned[0]).run()
    text = page_text(learn)
    assert "It was learned, not drawn." in text
    assert text.count("<td") == 9  # the tiny network's first kernels are 3 x 3


def test_layer_of_a_dense_block(learn: AppTest) -> None:
    section(learn, "densenet")
    learn.slider(key="learn_layer").set_value(6).run()
    assert "224 in all" in page_text(learn)
    assert "The chosen model is no DenseNet but a cnn: 256 feature maps of 4 x 4" in page_text(learn)


def test_four_steps_are_the_models_own(learn: AppTest, app_folder: object) -> None:
    text = section(learn, "grad-cam")
    preset = Preset.load(app_folder / "mixed")  # type: ignore[operator]
    assert text.count("<img") == 8 + 3
    said = models.manager(preset).predict(phantom(size=512)).score("Effusion")
    assert f"The logit is {said.logit:.2f}".replace("-", "\u2212") in text or "Nothing in the phantom raised" in text
    learn.selectbox(key="learn_finding").set_value("Mass").run()
    assert "matter most for Mass" in page_text(learn)
    learn.select_slider(key="learn_sum_mixed").set_value(8).run()
    assert "sum of 8 maps" in page_text(learn)


def test_saturation_fades_the_map_of_the_probability(learn: AppTest) -> None:
    section(learn, "saturation")
    learn.slider(key="learn_logit").set_value(6.0).run()
    assert "Map of the probability: 0.99\u00a0% of its strongest" in page_text(learn)
    learn.slider(key="learn_logit").set_value(0.0).run()
    assert "Map of the probability: 100\u00a0% of its strongest" in page_text(learn)


def test_cut_border_takes_the_marker_away(learn: AppTest) -> None:
    text = section(learn, "shortcut")
    assert "With the border cut off no logit moves at all." in text
    moved = text.split("Most moved: ")[1].split(".")[0]
    learn.selectbox(key="learn_words").set_value("R").run()
    assert page_text(learn).split("Most moved: ")[1].split(".")[0] != moved


def test_prevalence_moves_predictive_values(learn: AppTest) -> None:
    section(learn, "prevalence")
    # the tiny preset's points have sensitivity 0.8 and specificity 0.7; "Effusion" has none
    learn.selectbox(key="learn_finding").set_value("Mass").run()
    assert "Youden point of Mass (val split, n = 200, 12 positive)" in page_text(learn)
    learn.slider(key="learn_prevalence_mixed_Mass").set_value(50.0).run()
    text = page_text(learn)
    assert "the PPV is 72.7\u00a0% and the NPV 77.8\u00a0%" in text
    assert "<b>400</b> With the finding, past the threshold" in text


def test_always_no_is_right_and_finds_nobody(learn: AppTest) -> None:
    section(learn, "accuracy")
    learn.slider(key="learn_rare").set_value(2.0).run()
    text = page_text(learn)
    assert "right in 98.0\u00a0% of patients and finds nobody" in text
    assert "<b>20</b> With the finding, below it (missed)" in text


def test_next_leads_through_all_sections(learn: AppTest) -> None:
    seen = [learn.session_state["section_learn"]]
    while learn.button and any(button.key == "next_learn" for button in learn.button):
        learn.button(key="next_learn").click().run()
        assert not learn.exception
        seen.append(learn.session_state["section_learn"])
    assert seen == list(SECTIONS)
    assert learn.query_params["section"] == "disclaimer"


def test_deep_link_to_a_section(app: AppTest) -> None:
    app.query_params["section"] = "shortcut"
    app.switch_page("pages/learn.py").run()
    app.query_params["section"] = "shortcut"
    assert "What a shortcut looks like" in page_text(app.run())
