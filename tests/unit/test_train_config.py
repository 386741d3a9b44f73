"""train_config.json: weights from counts, and what is refused."""

import json

import pytest

from cxrkit.card import LabelCount
from cxrkit.errors import TrainConfigError
from cxrkit.train_config import TrainConfig, counts_to_csv, from_counts, read_counts

COUNTS = (LabelCount("Mass", 1, 4), LabelCount("Edema", 3, 4))


@pytest.fixture
def config():
    return TrainConfig({"demo": from_counts(COUNTS, "weights/demo/label_counts.csv", "b" * 64)})


def test_weights_follow_from_the_prevalence(config):
    assert config.class_weights("demo") == {"Mass": (0.75, 0.25), "Edema": (0.25, 0.75)}
    assert list(config.class_weights("demo")) == ["Mass", "Edema"]


def test_round_trip_gives_the_same_bytes(config, tmp_path):
    path = tmp_path / "train_config.json"
    path.write_text(config.to_json())
    again = TrainConfig.load(path)
    assert again == config
    assert again.to_json() == config.to_json()
    row = json.loads(path.read_text())["demo"]["findings"][0]
    assert row == {"finding": "Mass", "positives": 1, "total": 4, "prevalence": 0.25, "w_pos": 0.75, "w_neg": 0.25}


def test_counts_round_trip(tmp_path):
    path = tmp_path / "label_counts.csv"
    path.write_bytes(counts_to_csv(COUNTS))
    assert path.read_text() == "finding,positives,total\nMass,1,4\nEdema,3,4\n"
    assert read_counts(path)[0] == COUNTS


@pytest.mark.parametrize(
    "text",
    ["finding,positives\nMass,1\n", *(f"finding,positives,total\nMass,{n},4\n" for n in ("one", "-1", "5"))],
)
def test_malformed_counts_are_refused(tmp_path, text):
    path = tmp_path / "label_counts.csv"
    path.write_text(text)
    with pytest.raises(TrainConfigError, match="malformed"):
        read_counts(path)


def test_missing_counts_are_refused(tmp_path):
    with pytest.raises(TrainConfigError, match="has no label_counts"):
        read_counts(tmp_path / "absent.csv")


@pytest.mark.parametrize("counts", [(), (LabelCount("Mass", 0, 0),)])
def test_counts_without_a_prevalence_are_refused(counts):
    with pytest.raises(TrainConfigError):
        from_counts(counts, "s", "b" * 64)


def test_weights_that_do_not_follow_from_the_counts_are_refused(config, tmp_path):
    plain = json.loads(config.to_json())
    row = plain["demo"]["findings"][0]
    row["w_pos"], row["w_neg"] = row["w_neg"], row["w_pos"]
    path = tmp_path / "train_config.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(TrainConfigError, match="weights of Mass do not follow"):
        TrainConfig.load(path)


def test_more_positives_than_labels_are_refused_although_the_weights_follow(config, tmp_path):
    plain = json.loads(config.to_json())
    plain["demo"]["findings"][0] |= {"positives": 5, "prevalence": 1.25, "w_pos": -0.25, "w_neg": 1.25}
    path = tmp_path / "train_config.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(TrainConfigError, match="5 positives among 4"):
        TrainConfig.load(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"demo": {}}', '{"demo": 3}'])
def test_malformed_files_are_refused(tmp_path, text):
    path = tmp_path / "train_config.json"
    path.write_text(text)
    with pytest.raises(TrainConfigError):
        TrainConfig.load(path)


def test_missing_file_and_missing_preset_are_refused(config, tmp_path):
    with pytest.raises(TrainConfigError, match="missing"):
        TrainConfig.load(tmp_path / "absent.json")
    with pytest.raises(TrainConfigError, match="no entry for preset 'other'"):
        config.class_weights("other")
