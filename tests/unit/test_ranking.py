"""Order and support of findings, and the digits in which shares are shown."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from cxrkit.card import Calibration, Doubt, DoubtMeasure, OperatingPoint, PublishedThreshold
from cxrkit.dashboard.doubt_card import doubt_html
from cxrkit.dashboard.findings_panel import doubt_help, lead, percent, position, probability, row_html
from cxrkit.dashboard.ranking import Standing, default_rule, default_threshold, offered_rules, rank
from cxrkit.preset import Preset
from cxrkit.reading import DropoutRecord, FindingScore, Interval, Prediction


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


def doubtful(finding: str, p: float, low: float, high: float) -> Prediction:
    return Prediction({finding: FindingScore(p, math.log(p / (1 - p)), Interval(low, high))})


def test_an_interval_across_the_threshold_withholds_the_verdict(preset: Preset) -> None:
    (past,), _ = rank(preset, doubtful("Effusion", 0.5, 0.3, 0.7), "youden", {})
    (unsure,), _ = rank(preset, doubtful("Effusion", 0.25, 0.15, 0.4), "youden", {})
    (below,), _ = rank(preset, doubtful("Effusion", 0.1, 0.05, 0.15), "youden", {})
    assert [at.in_doubt for at in (past, unsure, below)] == [False, True, False]
    assert [at.positive for at in (past, unsure, below)] == [True, False, False]
    assert unsure.past
    html = row_html(unsure, shown=False)
    assert "in doubt at 20.0 %" in html
    assert "is-past" not in html
    assert "past 20.0 %" in row_html(past, shown=False)
    own, _ = rank(preset, doubtful("Effusion", 0.25, 0.15, 0.4), "custom", {"Effusion": 0.5})
    assert not own[0].in_doubt


def test_a_bar_ends_in_the_grey_zone_exactly_when_it_is_in_doubt(preset: Preset) -> None:
    for p in (0.05, 0.12, 0.16, 0.2, 0.27, 0.3, 0.35, 0.6):
        z = math.log(p / (1 - p))
        low, high = (1 / (1 + math.exp(-(z + shift))) for shift in (-0.6, 0.4))
        (at,), _ = rank(preset, doubtful("Effusion", p, low, high), "youden", {})
        assert at.doubt_zone is not None
        assert (at.doubt_zone[0] <= p < at.doubt_zone[1]) is at.in_doubt


def test_whisker_and_zone_are_drawn_to_scale(preset: Preset) -> None:
    (at,), _ = rank(preset, doubtful("Effusion", 0.25, 0.16, 0.36), "youden", {})
    html = row_html(at, shown=False)
    assert '<s style="left:40.00%;width:20.00%"></s>' in html
    assert "<u " in html
    assert "<s " not in row_html(Standing("Effusion", 0.25, 0.2, None, True), shown=False)


def test_the_lead_counts_past_and_in_doubt(preset: Preset) -> None:
    sure = Standing("Effusion", 0.5, 0.2, None, True, Interval(0.4, 0.6))
    unsure = Standing("Pneumonia", 0.5, 0.45, None, True, Interval(0.4, 0.6))
    assert lead([sure, unsure], "the Youden point") == "1 past, 1 in doubt, of 2 at the Youden point, furthest first"
    assert lead([sure], "the Youden point") == "1 of 1 past the Youden point"
    assert lead([], "the Youden point") == ""


def test_the_help_tells_what_doubt_was_worth(preset: Preset) -> None:
    record = DropoutRecord(50, 20, (0.076,), trained=False)
    measures = (
        DoubtMeasure("Effusion", "youden", 100, 20, 8, 10, 9),
        DoubtMeasure("Pneumonia", "youden", 100, 20, 7, 12, 6),
        DoubtMeasure("Effusion", "rule-in", 100, 20, 6, 30, 6),
    )
    doubt = Doubt(0.076, 50, 20, "x", "val", "none", measures)
    said = doubt_help(record, doubt, "youden") or ""
    assert "50 draws; in each, 7.6 % of the features" in said
    assert "trained without dropout" in said
    # 15 of 40 against 22 of 160: Wilson limits 0.24 and 0.20
    assert "15 of 40 readings in doubt (37.5 %) and 22 of 160 others (13.8 %); of the 40 nearest" in said
    assert "does not tell" not in said
    assert "does not tell the wrong ones" in (doubt_help(record, doubt, "rule-in") or "")
    assert "On split" not in (doubt_help(record, doubt, "custom") or "")
    assert "without dropout:" not in (doubt_help(DropoutRecord(50, 20, (0.5, 0.3), trained=True), None, "youden") or "")
    assert doubt_help(None, doubt, "youden") is None


def test_the_card_shows_doubt_with_its_counts(preset: Preset) -> None:
    assert "no reading abstains" in doubt_html(preset)
    measures = (DoubtMeasure("Effusion", "rule-in", 100, 20, 8, 10, 7), DoubtMeasure("Mass", "youden", 50, 0, 0, 9, 0))
    doubt = Doubt(0.076, 50, 20, preset.weights_sha256, "val", "none", measures)
    html = doubt_html(dataclasses.replace(preset, doubt=doubt))
    assert "50 draws with 7.6 % of the features dropped (seed 20)" in html
    # Wilson of 8 of 20: 0.2188 to 0.6134
    assert "<td>8 of 20, 40.0 % (21.9 % to 61.3 %)</td><td>10 of 80, 12.5 %" in html
    assert "<td>7 of 20</td>" in html
    assert "<td>none</td>" in html
    assert "own dropout" in doubt_html(dataclasses.replace(preset, doubt=dataclasses.replace(doubt, rate=None)))
