"""Subgroups: who is in them, what is refused as too few, and the gaps, against rows counted by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from cxrkit.card import OperatingPoint
from cxrkit.evaluation.report import Model, evaluate_predictions
from cxrkit.evaluation.schema import Source
from cxrkit.evaluation.subgroups import NOT_STATED, variables_of

POINT = OperatingPoint("Mass", "youden", 0.5, 0.9, 0.8, "val", 300, 90, "a" * 64)


def table(n=600):
    """Women are scored at random, men well."""
    rng = np.random.default_rng(0)
    y = (rng.random(n) < 0.4).astype(int)
    sex = np.where(rng.random(n) < 0.5, "F", "M")
    skill = np.where(sex == "M", 3.0, 0.0)
    return pd.DataFrame(
        {
            "patient_id": np.arange(n).astype(str),
            "sex": sex,
            "Mass": y,
            "prob_Mass": expit(rng.normal(size=n) + skill * (y - 0.5)),
        }
    )


def judge(rows):
    model = Model(operating_points=(POINT,))
    source = Source(name="t", sha256="b" * 64)
    got = evaluate_predictions(rows, ["Mass"], model, split="test", source=source, replicates=300)
    return got.findings["Mass"].subgroups


def test_variables_are_read_as_people_write_them():
    rows = pd.DataFrame(
        {
            "sex": ["F", " female", "M", "man", "other", ""],
            "age": ["0", "5", "017Y", "44 years", "999", "unknown"],
            "view": ["pa", "AP", "PA", "", "pa", "ap"],
            "aspect_ratio": ["1", "1.1", "1.2", "1.3", "1.4", "1e300"],
        }
    )
    found = {v.name: {g: np.flatnonzero(m).tolist() for g, m in v.groups.items()} for v in variables_of(rows)}
    assert found["sex"] == {"female": [0, 1], "male": [2, 3], NOT_STATED: [4, 5]}
    assert found["age"] == {"under 1": [0], "1-5": [1], "6-17": [2], "18-44": [3], NOT_STATED: [4, 5]}
    assert found["view"] == {"AP": [1, 5], "PA": [0, 2, 4], NOT_STATED: [3]}
    assert list(found["aspect_ratio"].values()) == [[0, 1], [2], [3, 4], [5]]
    assert variables_of(pd.DataFrame({"sex": ["", ""]})) == ()
    odd = variables_of(pd.DataFrame({"sex": ["weiblich", "x"], "aspect_ratio": [1.0, 1.0]}))
    assert [(v.name, set(v.groups)) for v in odd] == [("sex", {NOT_STATED})]
    bands = variables_of(pd.DataFrame({"age_band": ["18-44", "1-5"]}))[0]
    assert list(bands.groups) == ["1-5", "18-44"]


def test_groups_and_the_gap_between_them():
    rows = table()
    grouping = judge(rows)["sex"]
    women, men = grouping.groups
    for group, letter in ((women, "F"), (men, "M")):
        some = rows[rows["sex"] == letter]
        assert (group.n, group.positives) == (len(some), some["Mass"].sum())
        assert group.auroc.value == pytest.approx(roc_auc_score(some["Mass"], some["prob_Mass"]))
        caught = ((some["prob_Mass"] >= 0.5) & (some["Mass"] == 1)).sum() / some["Mass"].sum()
        assert group.rates["sensitivity@youden"].value == pytest.approx(caught)
    gap = next(gap for gap in grouping.gaps if gap.measure == "auroc")
    assert (gap.lowest, gap.highest) == ("female", "male")
    assert gap.difference.value == pytest.approx(men.auroc.value - women.auroc.value)
    assert gap.difference.low > 0.2
    assert {gap.measure for gap in grouping.gaps} == {"auroc", "sensitivity@youden", "specificity@youden"}


def test_groups_that_are_too_small_or_not_stated_are_named_and_not_judged():
    rows = table()
    rows.loc[:40, "sex"] = ""
    rows["view_position"] = np.where(np.arange(600) < 12, "AP", "PA")
    got = judge(rows)
    unstated = next(group for group in got["sex"].groups if group.name == NOT_STATED)
    assert unstated.auroc is None
    assert "does not say" in unstated.reason
    assert unstated.n == 41
    small = next(group for group in got["view"].groups if group.name == "AP")
    assert small.reason.startswith("fewer than 10 positives or negatives")
    assert small.rates == {}
    assert got["view"].gaps == ()


def test_how_well_the_shape_of_the_image_alone_tells_the_label():
    rows = table()
    rng = np.random.default_rng(1)
    rows["aspect_ratio"] = 1.2 + 0.3 * rows["Mass"] + rng.normal(scale=0.2, size=600)
    shape = judge(rows)["aspect_ratio"]
    assert shape.auroc_of_variable.value == pytest.approx(roc_auc_score(rows["Mass"], rows["aspect_ratio"]))
    assert shape.auroc_of_variable.low < shape.auroc_of_variable.value < shape.auroc_of_variable.high
    assert [group.n for group in shape.groups] == [200, 200, 200]


def test_the_interval_of_a_gap_holds_no_gap_where_there_is_none():
    rows = table().assign(sex=np.where(np.random.default_rng(2).random(600) < 0.5, "F", "M"))
    gap = next(gap for gap in judge(rows)["sex"].gaps if gap.measure == "auroc")
    assert gap.difference.low < 0 < gap.difference.value < gap.difference.high


def test_the_choice_of_the_two_furthest_groups_widens_the_interval():
    rows = table().assign(age=np.repeat([10, 30, 50, 70], 150))
    gap = next(gap for gap in judge(rows)["age"].gaps if gap.measure == "auroc")
    assert "adjusted for the choice among 6 pairs" in gap.difference.method
    two = next(gap for gap in judge(rows)["sex"].gaps if gap.measure == "auroc")
    assert "adjusted" not in two.difference.method
