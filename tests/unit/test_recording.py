"""What a preset's card takes as metrics, and what it keeps."""

import dataclasses
import functools
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrkit.card import LabelCount
from cxrkit.errors import ManifestError
from cxrkit.evaluation.schema import Evaluation, Source
from cxrkit.preset import Preset
from cxrkit.serving.judging import ALL_ROWS, evaluate_table
from cxrkit.serving.recording import check_recordable, record_evaluation

OURS, OTHER = Source(name="ours.csv", sha256="a" * 64), Source(name="theirs.csv", sha256="b" * 64)
LABELS = (LabelCount("Effusion", 10, 40), LabelCount("Mass", 10, 40), LabelCount("Pneumonia", 10, 40))


@pytest.fixture
def preset(tiny_folder, tmp_path):
    return Preset.load(shutil.copytree(tiny_folder / "tiny", tmp_path / "tiny"))


@pytest.fixture(scope="module")
def judge(tiny_folder):
    """Evaluations of n rows, every fourth of them positive, by the card of the tests."""
    card = Preset.load(tiny_folder / "tiny")

    @functools.cache
    def evaluate(source=OURS, split="test", n=40):
        rng = np.random.default_rng(0)
        columns = {}
        for finding in card.findings:
            columns[finding] = (np.arange(n) % 4 == 0).astype(float)
            columns[f"prob_{finding}"] = rng.uniform(0, 1, n)
        return evaluate_table(card, pd.DataFrame(columns), source, split=split)

    return evaluate


def files(preset):
    return [(Path(preset.folder) / name).read_bytes() for name in ("preset.json", "evaluation.json")]


@pytest.mark.parametrize("split", ["train", "Train", "TRAINING", "train_val", "trainval", " train"])
def test_splits_to_train_on_are_refused(preset, split):
    with pytest.raises(ManifestError, match="one to train on"):
        check_recordable(preset, split, OURS, 40, LABELS)


@pytest.mark.parametrize("split", ["val", "VAL", "validation", "dev", "tune"])
def test_splits_to_fit_on_are_refused(preset, split):
    with pytest.raises(ManifestError, match="one to fit thresholds on"):
        check_recordable(preset, split, OURS, 40, LABELS)


def test_the_split_that_the_points_of_the_card_were_fitted_on_is_refused_by_whatever_name(preset):
    def fitted_on(name):
        points = tuple(dataclasses.replace(point, split=name) for point in preset.operating_points)
        return dataclasses.replace(preset, operating_points=points)

    check_recordable(fitted_on("site A"), "site B", OURS, 40, LABELS)
    for card, split in (("site A", "Site A"), ("val (cut out of fold1)", "fold1")):
        with pytest.raises(ManifestError, match="one to fit thresholds on"):
            check_recordable(fitted_on(card), split, OURS, 40, LABELS)


def test_rows_of_all_splits_are_refused(preset, judge):
    with pytest.raises(ManifestError, match="all rows"):
        record_evaluation(preset, judge(split=ALL_ROWS))


def test_the_same_table_may_be_judged_again(preset, judge):
    first = record_evaluation(preset, judge())
    assert first.metrics
    assert record_evaluation(first, judge()).metrics == first.metrics


def test_another_table_needs_replace_and_is_named(preset, judge):
    first = record_evaluation(preset, judge())
    before = files(preset)
    with pytest.raises(ManifestError) as caught:
        record_evaluation(first, judge(OTHER, n=20))
    for told in ("test", "ours.csv (40 images, sha256 aaaaaaaa)", "theirs.csv (20 images, sha256 bbbbbbbb)"):
        assert told in caught.value.message
    assert "--replace" in caught.value.remedy
    assert files(preset) == before
    replaced = record_evaluation(first, judge(OTHER, n=20), replace=True)
    assert replaced.metric("Mass", "auroc").n == 20
    assert Evaluation.load(preset.folder).source == OTHER


def test_other_labels_of_the_same_table_need_replace(preset, judge):
    first = record_evaluation(preset, judge())
    with pytest.raises(ManifestError, match="by other labels of Mass") as caught:
        check_recordable(first, "test", OURS, 40, (LABELS[0], LabelCount("Mass", 11, 40), LABELS[2]))
    assert "Effusion" not in caught.value.message
    check_recordable(first, "test", OURS, 40, LABELS)


def test_recording_another_split_in_between_frees_no_metrics(preset, judge):
    first = record_evaluation(preset, judge())
    second = record_evaluation(first, judge(OTHER, split="external"))
    assert {metric.split for metric in second.metrics} == {"test", "external"}
    with pytest.raises(ManifestError, match="no longer known"):
        record_evaluation(second, judge(OTHER, n=20))
    assert record_evaluation(second, judge(OTHER, n=20), replace=True).metric("Mass", "auroc").n == 20


@pytest.mark.parametrize("text", [None, '{"split": "test"}'], ids=["no file", "an earlier version"])
def test_metrics_of_unknown_origin_may_be_replaced(preset, judge, text):
    first = record_evaluation(preset, judge())
    place = Path(preset.folder) / "evaluation.json"
    if text is None:
        place.unlink()
    else:
        place.write_text(text)
    assert record_evaluation(first, judge(OTHER, n=20)).metric("Mass", "auroc").n == 20
