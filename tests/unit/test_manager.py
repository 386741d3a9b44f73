"""The manager: predictions, explanations, loss and threads."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cxrkit.card import LabelCount
from cxrkit.dashboard.card_view import architecture
from cxrkit.dashboard.viewer_view import quality_line
from cxrkit.errors import FindingUnknown, PresetInvalid, TrainConfigError
from cxrkit.imaging.phantom import phantom
from cxrkit.model.manager import XRayModelManager
from cxrkit.quality import QualityIssue
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box
from cxrkit.train_config import TrainConfig, from_counts


@pytest.fixture(scope="module")
def manager(tiny_folder) -> XRayModelManager:
    return XRayModelManager("tiny", folder=tiny_folder)


def radiograph(seed: int, **facts) -> Radiograph:
    pixels = np.random.default_rng(seed).random((80, 100), dtype=np.float32)
    return Radiograph(pixels, f"{seed:064x}", **facts)


def test_prediction_holds_the_presets_findings_and_no_other(manager):
    prediction = manager.predict(radiograph(1))
    assert list(prediction) == ["Effusion", "Mass", "Pneumonia"]
    assert all(0 < p < 1 for p in prediction.values())
    assert "Hernia" not in prediction
    assert prediction.get("Hernia") is None
    with pytest.raises(FindingUnknown, match="Hernia"):
        prediction["Hernia"]
    with pytest.raises(FindingUnknown, match="Hernia"):
        manager.explain(radiograph(1), "Hernia")


def test_read_agrees_with_predict_and_explain(manager):
    image = radiograph(2, age_band="1-5", view="LATERAL", notes=("Inverted.",))
    reading = manager.read(image)
    assert dict(reading.prediction) == dict(manager.predict(image))
    one = manager.explain(image, "Mass")
    np.testing.assert_array_equal(one.map, reading.explanations["Mass"].map)
    assert one.map.shape == (4, 4)
    assert one.layer == manager.get_gradcam_layer() == "block5_conv"
    assert (one.box.right, one.box.bottom) == (100, 80)
    assert reading.notes == ("Inverted.",)
    assert len(reading.warnings) == 2
    assert reading.radiograph_sha256 == image.sha256
    assert reading.weights_sha256 == manager.preset.weights_sha256


def test_reading_becomes_json_and_says_what_it_is_not(manager):
    text = json.dumps(manager.read(radiograph(3)).to_dict(), allow_nan=False)
    back = json.loads(text)
    assert set(back["findings"]) == set(manager.findings)
    assert "Not a medical device" in back["disclaimer"]


def test_batches_equal_single_readings(manager):
    images = [radiograph(seed) for seed in range(7)]
    many = list(manager.predict_many(iter(images), batch_size=3))
    assert len(many) == 7
    for image, prediction in zip(images, many, strict=True):
        assert dict(prediction) == pytest.approx(dict(manager.predict(image)), abs=1e-6)


def test_a_black_radiograph_is_finite(manager):
    reading = manager.read(Radiograph(np.zeros((64, 64), np.float32), "0"))
    assert all(np.isfinite(e.map).all() for e in reading.explanations.values())


def test_eight_threads_read_exactly_as_one(manager):
    images = [radiograph(seed) for seed in range(20)]
    one_by_one = [manager.read(image) for image in images]

    def read_all(_: int) -> list:
        return [manager.read(image) for image in images]

    with ThreadPoolExecutor(8) as pool:
        for readings in pool.map(read_all, range(8)):
            for a, b in zip(one_by_one, readings, strict=True):
                assert dict(a.prediction) == dict(b.prediction)
                for finding in manager.findings:
                    np.testing.assert_array_equal(a.explanations[finding].map, b.explanations[finding].map)


def test_loss_takes_the_configured_weights_in_the_presets_order(manager):
    counts = [LabelCount("Effusion", 1, 10), LabelCount("Mass", 5, 10), LabelCount("Pneumonia", 2, 10)]
    config = TrainConfig({"tiny": from_counts(counts, "here", "0")})
    loss = manager.get_weighted_loss(config)
    value = float(loss(np.array([[1.0, np.nan, np.nan]]), np.zeros((1, 3), np.float32)))
    assert value == pytest.approx(0.9 * np.log(2), rel=1e-5)
    other = TrainConfig({"tiny": from_counts(counts[::-1], "here", "0")})
    with pytest.raises(TrainConfigError, match="order"):
        manager.get_weighted_loss(other)
    with pytest.raises(TrainConfigError, match="tiny"):
        manager.get_weighted_loss(TrainConfig({}))


def test_unknown_runtime_and_batch_are_refused(manager, tiny_folder):
    with pytest.raises(PresetInvalid, match="abacus"):
        XRayModelManager("tiny", folder=tiny_folder, runtime="abacus")
    with pytest.raises(ValueError, match="batch_size"):
        next(manager.predict_many([], batch_size=0))


@pytest.mark.parametrize("runtime", ["tensorflow", "keras"])
def test_every_runtime_gives_the_same_reading(manager, tiny_folder, runtime):
    other = XRayModelManager("tiny", folder=tiny_folder, runtime=runtime)
    assert (manager.runtime.name, other.runtime.name) == ("openvino", runtime)
    a, b = manager.read(radiograph(4)), other.read(radiograph(4))
    assert dict(a.prediction) == pytest.approx(dict(b.prediction), abs=1e-6)
    for finding in manager.findings:
        np.testing.assert_allclose(a.explanations[finding].map, b.explanations[finding].map, atol=1e-5)


def test_a_border_is_cut_off_what_the_network_sees_and_off_the_box(manager):
    preset = dataclasses.replace(manager.preset, border=0.1, geometry="crop")
    bordered = XRayModelManager(preset)
    image = radiograph(5)
    inner = Radiograph(image.pixels[8:72, 18:82], "0")  # of 64 x 80 the central square
    np.testing.assert_array_equal(bordered.preprocess(image), manager.preprocess(inner))
    reading = bordered.read(image)
    assert dict(reading.prediction) == dict(manager.predict(inner))
    assert {e.box for e in reading.explanations.values()} == {Box(18, 8, 82, 72)}
    assert "10.0% of each side is cut off. Only the central square" in quality_line(image, reading, preset)
    assert dict(architecture(preset))["Input"] == "64 x 64, crop, sample-standard, 10.0% of each side cut off"
    assert dict(architecture(manager.preset))["Input"] == "64 x 64, squash, sample-standard"


def test_scores_of_many_are_those_of_each(manager):
    pictures = [radiograph(k) for k in range(3)]
    features = manager.runtime.features(np.concatenate([manager.preprocess(picture) for picture in pictures]))
    for k, scored in enumerate(manager.score_features(features, pictures)):
        whole = manager.read_features(features[k : k + 1], pictures[k])
        assert dict(scored.prediction) == dict(whole.prediction)
        assert scored.quality == whole.quality
        assert not scored.explanations
        assert scored.dropout is None


def test_a_picture_that_passes_is_said_to(shipped):
    model, image = shipped("pneumonia"), phantom(size=512)
    reading = model.read(image)
    words = "The quality checks found nothing against it."
    assert reading.quality.issues == ()
    assert words in quality_line(image, reading, model.preset)
    doubtful = dataclasses.replace(reading.quality, issues=(QualityIssue("cropped", "warn"),))
    assert words not in quality_line(image, dataclasses.replace(reading, quality=doubtful), model.preset)
    ungated = dataclasses.replace(model.preset, quality_gate=None)
    assert words not in quality_line(image, reading, ungated)
