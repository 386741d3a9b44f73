"""Intervals from dropout in the head: masks, rates, percentiles, doubt, and what a card says of it."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from cxrkit.card import Doubt, DoubtMeasure
from cxrkit.errors import PresetInvalid, TrainingError
from cxrkit.evaluation.calibration_line import calibration_line, error_at
from cxrkit.evaluation.doubt import count_doubt
from cxrkit.model.dropout import DRAWS, SEED, DropoutDraws, percentiles
from cxrkit.model.head import Head, Linear, Rectifier
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.reading import PERCENTILES, Interval, in_doubt
from cxrkit.training.doubt_fitting import Validation, fit_doubt, fitted_rate, measure
from cxrkit.training.sources import Source
from tests.factory import make_preset
from tests.unit.test_manager import radiograph


def one_layer(units: int = 40, outputs: int = 3) -> Head:
    random = np.random.default_rng(1)
    kernel = random.normal(size=(units, outputs)).astype(np.float32)
    return Head((), (Linear(kernel, np.arange(outputs, dtype=np.float32)),))


def doubt(preset: Preset, rate: float | None = 0.2) -> Doubt:
    return Doubt(rate, DRAWS, SEED, preset.weights_sha256, "val", "none")


@pytest.fixture(scope="module")
def doubtful(tiny_folder):
    """The tiny preset with a rate in its card."""
    preset = Preset.load(tiny_folder / "tiny")
    return dataclasses.replace(preset, doubt=doubt(preset))


def test_mean_and_spread_of_the_draws_are_those_of_the_formula():
    head, x = one_layer(), np.random.default_rng(2).uniform(0, 1, 40).astype(np.float32)
    draws = DropoutDraws.drawn(head, (0.25,), 20_000, SEED).logits(x)
    expected = np.sqrt(0.25 / 0.75 * x**2 @ head.dense[0].kernel ** 2)
    np.testing.assert_allclose(draws.mean(axis=0), head.behind_average(x[None])[0], atol=0.04)
    np.testing.assert_allclose(draws.std(axis=0), expected, rtol=0.03)


def test_masks_by_hand_through_two_layers():
    first = Linear(np.eye(2, dtype=np.float32), np.array([0, -1], np.float32))
    last = Linear(np.array([[1], [10]], np.float32), np.zeros(1, np.float32))
    head = Head((), (first, Rectifier(), last), dropout=(0, 0, 0.5))
    draws = DropoutDraws.of(head, None)
    assert draws is not None
    assert draws.record.rates == (0.5,)
    assert draws.record.trained
    assert [mask is None for mask in draws.masks] == [True, True, False]
    # averages 3 and 4 become 3 and 3; of these each is kept and doubled, or dropped
    by_hand = draws.masks[2] @ np.array([3.0, 30.0], np.float32)
    np.testing.assert_allclose(draws.logits(np.array([3, 4], np.float32))[:, 0], by_hand)
    assert set(by_hand.tolist()) == {0, 6, 60, 66}


def test_draws_can_be_repeated_and_hang_on_the_seed():
    x = np.ones(40, np.float32)
    first, again, other = (DropoutDraws.drawn(one_layer(), (0.1,), 50, seed).logits(x) for seed in (20, 20, 21))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_head_without_dropout_or_a_rate_has_no_intervals(tiny_folder):
    manager = XRayModelManager(Preset.load(tiny_folder / "tiny"))
    reading = manager.read(radiograph(3))
    assert reading.dropout is None
    assert all(score.interval is None for score in reading.prediction.scores.values())
    assert reading.to_dict()["dropout"] is None


def test_a_reading_carries_intervals_and_how_they_were_drawn(doubtful):
    manager = XRayModelManager(doubtful)
    reading = manager.read(radiograph(3))
    plain = json.loads(json.dumps(reading.to_dict(), allow_nan=False))
    assert plain["dropout"] == {"draws": 50, "seed": SEED, "rates": [0.2], "trained": False, "percentiles": [5, 95]}
    draws = DropoutDraws.of(manager.head, doubtful.doubt)
    assert draws is not None
    features = manager.runtime.features(manager.preprocess(radiograph(3)))
    logits = np.sort(draws.logits(manager.head.averages(features)[0]), axis=0)
    for k, finding in enumerate(doubtful.findings):
        score = reading.prediction.score(finding)
        low, high = plain["findings"][finding]["interval"].values()
        assert low < score.probability < high
        # the 5th percentile of fifty lies at 0.05 * 49 = 2.45 from the lowest
        expected = logits[2, k] + 0.45 * (logits[3, k] - logits[2, k])
        assert low == pytest.approx(doubtful.calibration[finding].probability(float(expected)), abs=1e-6)
    assert manager.read(radiograph(3)).prediction == reading.prediction
    assert all(s.interval is None for s in manager.predict(radiograph(3)).scores.values())
    assert manager.predict(radiograph(3))["Mass"] == pytest.approx(reading.prediction["Mass"])


@pytest.mark.parametrize(("head", "rates"), [("dropout-dense", (0.3,)), ("dense-stack", (0.5, 0.3, 0.2))])
def test_dropout_layers_keep_their_own_rates(head, rates, tmp_path):
    preset = make_preset(tmp_path, head=head)
    record = XRayModelManager(preset).read(radiograph(3)).dropout
    assert record is not None
    assert record.rates == pytest.approx(rates)
    assert record.trained


@pytest.mark.parametrize(
    ("low", "high", "threshold", "doubted"),
    [
        (0.1, 0.3, 0.2, True),
        (0.1, 0.3, 0.3, True),
        (0.1, 0.3, 0.1, False),
        (0.1, 0.3, 0.31, False),
        (0.1, 0.3, None, False),
    ],
)
def test_in_doubt_where_the_interval_reaches_across(low, high, threshold, doubted):
    assert in_doubt(Interval(low, high), threshold) is doubted
    assert not in_doubt(None, threshold)


def test_an_interval_that_is_upside_down_is_refused():
    with pytest.raises(ValueError, match="order"):
        Interval(0.4, 0.3)


def test_a_card_refuses_the_dropout_of_other_weights_and_impossible_counts(doubtful):
    assert doubtful.doubt is not None
    with pytest.raises(PresetInvalid, match="other weights"):
        dataclasses.replace(doubtful, doubt=dataclasses.replace(doubtful.doubt, weights_sha256="0" * 64))
    with pytest.raises(ValidationError, match="in doubt"):
        DoubtMeasure("Mass", "youden", 10, 2, 3, 0, 0)


def test_a_card_with_dropout_survives_saving(doubtful, tmp_path):
    measured = dataclasses.replace(doubtful.doubt, measures=(DoubtMeasure("Mass", "youden", 10, 2, 1, 3, 0),))
    dataclasses.replace(doubtful, doubt=measured).save(tmp_path)
    assert Preset.load(tmp_path).doubt == measured


def test_doubt_and_errors_counted_by_hand():
    counts = count_doubt(
        labels=[1, 0, 1, 0, np.nan, 1],
        probabilities=[0.55, 0.52, 0.4, 0.1, 0.5, 0.9],
        low=[0.4, 0.51, 0.3, 0.05, 0.1, 0.45],
        high=[0.6, 0.6, 0.5, 0.2, 0.9, 0.95],
        threshold=0.5,
    )
    # in doubt: rows 1, 3 and 6; wrong: 2 (past, absent) and 3 (below, present); nearest three: rows 2, 1, 3
    assert dataclasses.astuple(counts) == (5, 3, 1, 1, 2)


def labelled(n: int = 300):
    random = np.random.default_rng(5)
    z = random.normal(size=n)
    return (random.random(n) < 1 / (1 + np.exp(-z))).astype(float), 1 / (1 + np.exp(-z)), random.integers(0, 80, n)


def test_error_of_the_line_is_that_of_its_intercept_when_moved_there():
    labels, p, patients = labelled()
    z = np.log(p / (1 - p)) - math.log(0.2 / 0.8)  # so that 20 % lies at 0
    moved = calibration_line(labels, 1 / (1 + np.exp(-z)), patients).intercept
    assert moved is not None
    assert error_at(labels, p, 0.2, patients) == pytest.approx((moved.high - moved.low) / 2 / 1.959964, rel=1e-5)
    assert error_at(np.ones(4), np.full(4, 0.3), 0.2) is None


def test_the_fitted_rate_spreads_a_typical_row_as_far_as_the_line_is_uncertain(tiny_folder):
    preset = Preset.load(tiny_folder / "single")
    random = np.random.default_rng(3)
    head = Head((), (Linear(random.normal(size=(30, 1)).astype(np.float32) / 3, np.zeros(1, np.float32)),))
    averages = random.uniform(0, 1, (200, 30)).astype(np.float32)
    logits = head.behind_average(averages)[:, 0]
    labels = (random.random(200) < 1 / (1 + np.exp(-logits))).astype(float)
    rows = Validation(averages, labels[:, None], np.arange(200).astype(str))
    rate = fitted_rate(preset, head, rows)
    draws = DropoutDraws.drawn(head, (rate,), 4000, SEED)
    typical = np.median([draws.logits(x).std() for x in averages])
    error = error_at(labels, 1 / (1 + np.exp(-logits.astype(float))), 0.5)
    assert 0.01 < rate < 0.5
    assert typical == pytest.approx(error, rel=0.05)
    found = measure(preset, draws, rows)
    assert [m.rule for m in found] == ["youden", "screening", "rule-in"]
    wrong = int(((logits >= 0) != (labels == 1)).sum())
    assert found[0].wrong_in_doubt + found[0].wrong_otherwise == wrong
    assert 0 < found[0].in_doubt < 200


def test_no_rate_without_a_supported_point_or_for_two_layers(tiny_folder):
    preset = Preset.load(tiny_folder / "single")
    rows = Validation(np.zeros((4, 40), np.float32), np.zeros((4, 1)), np.array(list("abcd")))
    with pytest.raises(TrainingError, match="enough validation cases"):
        fitted_rate(preset.with_operating_points([]), one_layer(outputs=1), rows)
    two = Head((), (*one_layer(40, 40).dense, *one_layer(40, 1).dense))
    with pytest.raises(TrainingError, match="one dense layer"):
        fitted_rate(preset, two, rows)


@pytest.fixture
def fitted_on(tiny_folder, tmp_path):
    """A copy of the preset ``single`` and a table of 64 validation pictures that its points were fitted on."""
    folder, images, random = tmp_path / "single", tmp_path / "images", np.random.default_rng(4)
    images.mkdir()
    shutil.copytree(tiny_folder / "single", folder)
    preset = Preset.load(folder)
    points = [dataclasses.replace(point, n=64, positives=31) for point in preset.operating_points]
    preset.with_operating_points(points).save(folder)
    rows = ["image,split,Pneumonia,patient_id"]
    for k in range(65):
        cv2.imwrite(str(images / f"{k}.png"), random.integers(0, 256 - 3 * k, (72, 72), dtype=np.uint8))
        rows.append(f"{k}.png,{'train' if k == 64 else 'val'},{int(k % 2 and k != 1)},p{k}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    return folder, Source(tmp_path / "table.csv", images)


def test_fitting_writes_this_field_of_the_card_alone(fitted_on):
    folder, source = fitted_on
    before = Preset.load(folder)
    told = []
    after = fit_doubt(folder, [source], seed=0, command="fit_doubt.py", tell=told.append)
    assert after.doubt is not None
    assert after.doubt.rate is not None
    assert [m.n for m in after.doubt.measures] == [64, 64, 64]
    assert dataclasses.replace(Preset.load(folder), doubt=None) == before
    assert "computing the features of 64 validation radiographs" in told


def test_rows_other_than_those_of_the_operating_points_are_refused(fitted_on):
    folder, source = fitted_on
    lines = source.manifest.read_text().splitlines()
    source.manifest.write_text("\n".join(line for line in lines if not line.startswith("5.png")))
    with pytest.raises(TrainingError, match="have 63 labels of Pneumonia, 30 of them positive"):
        fit_doubt(folder, [source], seed=0, command="", tell=print)
    source.manifest.write_text("\n".join(line.replace(",val,", ",train,") for line in lines))
    with pytest.raises(TrainingError, match="no validation rows"):
        fit_doubt(folder, [source], seed=0, command="", tell=print)


@pytest.mark.parametrize("draws", [1, 2, 50, 101])
def test_percentiles_are_those_of_numpy(draws):
    values = np.random.default_rng(draws).normal(size=(draws, 14)).astype(np.float32)
    np.testing.assert_allclose(percentiles(values), np.percentile(values, PERCENTILES, axis=0), rtol=1e-5, atol=1e-6)
