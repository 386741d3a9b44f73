"""Order and support of findings, and the digits in which shares are shown."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from cxrkit.card import Calibration, OperatingPoint, PublishedThreshold
from cxrkit.dashboard.findings_panel import percent, position, probability, row_html
from cxrkit.dashboard.ranking import Standing, default_rule, default_threshold, offered_rules, rank
from cxrkit.preset import Preset
from cxrkit.reading import FindingScore, Prediction


@pytest.fixture
def preset(tiny_folder: Path) -> Preset:
    """Effusion and Pneumonia supported at unlike thresholds, Mass not."""
    tiny = Preset.load(tiny_folder / "tiny")

    def point(finding: str, threshold: float, positives: int) -> OperatingPoint:
        return OperatingPoint(finding, "youden", threshold, 0.8, 0.7, "val", 200, positives, tiny.weights_sha256)

    return tiny.with_operating_points(
        [point("Effusion", 0.2, 30), point("Mass", 0.1, 29), point("Pneumonia", 0.01, 31)]
    )


def prediction(**shares: float) -> Prediction:
    return Prediction({f: FindingScore(p, math.log(p / (1 - p))) for f, p in shares.items()})


def test_order_is_by_distance_past_the_threshold_in_log_odds(preset: Preset) -> None:
    # Effusion: logit .5 - logit .2 = 1.386; Pneumonia: logit .05 - logit .01 = 1.651, though .04 < .3 apart.
    ranked, others = rank(preset, prediction(Effusion=0.5, Mass=0.9, Pneumonia=0.05), "youden", {})
    assert [s.finding for s in ranked] == ["Pneumonia", "Effusion"]
    assert ranked[0].margin == pytest.approx(1.651, abs=1e-3)
    assert ranked[1].margin == pytest.approx(1.386, abs=1e-3)
    assert [s.finding for s in others] == ["Mass"]


def test_an_unsupported_finding_is_past_its_point_but_never_positive(preset: Preset) -> None:
    _, (mass,) = rank(preset, prediction(Effusion=0.5, Mass=0.9, Pneumonia=0.05), "youden", {})
    assert mass.past
    assert not mass.positive
    assert "is-past" not in row_html(mass, shown=False)


def test_a_rule_that_could_not_be_fitted_has_no_threshold(preset: Preset) -> None:
    ranked, others = rank(preset, prediction(Effusion=0.5, Mass=0.9, Pneumonia=0.05), "rule-in", {})
    assert ranked == ()
    assert all(s.threshold is None and s.margin is None and not s.past for s in others)


def test_custom_thresholds_start_at_youden_and_do_not_gain_support(preset: Preset) -> None:
    ranked, others = rank(preset, prediction(Effusion=0.5, Mass=0.9, Pneumonia=0.05), "custom", {"Effusion": 0.6})
    thresholds = {s.finding: s.threshold for s in (*ranked, *others)}
    assert thresholds == {"Effusion": 0.6, "Mass": 0.1, "Pneumonia": 0.01}
    assert all(s.point is None for s in (*ranked, *others))
    assert [s.finding for s in others] == ["Mass"]


def test_default_threshold_without_any_point(tiny_folder: Path) -> None:
    bare = Preset.load(tiny_folder / "tiny").with_operating_points([])
    assert default_threshold(bare, "Mass") == pytest.approx(0.3)  # the prevalence of its calibration


def test_published_thresholds_are_a_rule_of_their_own(preset: Preset) -> None:
    published = (PublishedThreshold("Mass", 0.2, "a paper"), PublishedThreshold("Effusion", 0.6, "a paper"))
    with_both = dataclasses.replace(preset, published_thresholds=published)
    assert offered_rules(preset) == ["screening", "youden", "rule-in", "custom"]
    assert offered_rules(with_both)[0] == "published"
    assert default_rule(with_both) == "youden"
    bare = with_both.with_operating_points([])
    assert offered_rules(bare) == ["published", "custom"]
    assert default_rule(bare) == "published"
    assert default_rule(preset.with_operating_points([])) == "custom"
    bare = dataclasses.replace(  # else they move with the calibration
        bare, calibration=dict.fromkeys(preset.findings, Calibration(1.0, 0.0, "identity", "none", 0, 0))
    )
    assert default_threshold(bare, "Mass") == 0.2
    ranked, others = rank(bare, prediction(Effusion=0.5, Mass=0.9, Pneumonia=0.05), "published", {})
    assert [(s.finding, s.positive, s.point) for s in ranked] == [("Mass", True, None), ("Effusion", False, None)]
    assert [s.threshold for s in others] == [None]


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0.0 %"), (0.00001, "<0.01 %"), (0.0025, "0.25 %"), (0.431, "43.1 %"), (0.9999, ">99.9 %"), (1, "100.0 %")],
)
def test_percent(share: float, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(("share", "shown"), [(1.0, ">99.9 %"), (0.0, "<0.01 %"), (0.431, "43.1 %")])
def test_a_saturated_probability_is_not_shown_as_certainty(share: float, shown: str) -> None:
    assert probability(share) == shown


def test_bar_is_a_square_root_scale_from_0_to_1() -> None:
    assert [position(p) for p in (0, 0.01, 0.25, 1)] == pytest.approx([0, 10, 50, 100])


def test_names_are_escaped() -> None:
    html = row_html(Standing("<b>x</b>", 0.2, 0.1, None, True), shown=False)
    assert "<b>x" not in html
    assert "&lt;b&gt;x" in html
