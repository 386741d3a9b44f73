"""Repeatability: the coefficient by hand, the changes within their ranges, the measurement on validation rows alone."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxrkit.errors import PresetInvalid, TrainingError
from cxrkit.evaluation.repeatability import FACTOR, repeatability
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.repeats import SMALL, SmallChanges, repeat
from cxrkit.preset import CARD, Preset
from cxrkit.preset_folders import list_presets
from cxrkit.radiograph import Radiograph
from cxrkit.repeatability import Repeatability, RepeatabilityLimit
from tests.conftest import REPOSITORY
from tests.factory import make_preset

NOTHING = SmallChanges(rotation=0, shift=0, scale=0, exposure=0, gamma=0, noise=0, quality=(100, 100))


def test_coefficient_by_hand() -> None:
    """Two radiographs read twice: variances 1/2 and 9/2, mean 5/2; the differences are 1 and 3."""
    (limit,) = repeatability({"A": [[0, 1], [2, 5]]}, ["p", "q"])
    assert limit.finding == "A"
    assert limit.coefficient == pytest.approx(1.96 * math.sqrt(2) * math.sqrt(2.5))
    assert limit.within == 1.0
    # of two patients a replicate holds one twice, or both
    assert limit.low == pytest.approx(FACTOR * math.sqrt(0.5))
    assert limit.high == pytest.approx(FACTOR * math.sqrt(4.5))


def test_coefficient_of_known_scatter() -> None:
    """Readings that scatter with 0.3 around whatever mean: 0.832 = 1.96 * sqrt(2) * 0.3, and 95 % of pairs within."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (2000, 1)) + random.normal(0, 0.3, (2000, 4))
    limits = repeatability({"A": logits, "B": 2 * logits}, np.arange(2000), replicates=200)
    assert limits[0].coefficient == pytest.approx(0.8316, rel=0.02)
    assert limits[0].low < limits[0].coefficient < limits[0].high
    assert limits[0].within == pytest.approx(0.95, abs=0.01)
    assert limits[1].coefficient == pytest.approx(2 * limits[0].coefficient)


def test_radiographs_of_one_patient_are_resampled_together() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 1, (40, 3)) * random.uniform(0.1, 3, 40)[:, None]
    alone, together = (
        repeatability({"A": logits}, patients, replicates=500)[0] for patients in (np.arange(40), np.arange(40) // 10)
    )
    assert alone.coefficient == together.coefficient
    assert (alone.low, alone.high) != (together.low, together.high)


@pytest.mark.parametrize("logits", [[[1.0]], [1.0, 2.0], [[1.0, 2.0], [1.0, 2.0]]])
def test_too_few_readings_are_refused(logits: list[object]) -> None:
    with pytest.raises(ValueError, match="needs n x m logits"):
        repeatability({"A": logits}, ["p"])


# -- the changes -------------------------------------------------------------------------------


def test_no_change_leaves_the_picture() -> None:
    radiograph = phantom(size=256)
    same = repeat(radiograph, NOTHING, np.random.default_rng(0))
    assert np.abs(same.pixels - radiograph.pixels).max() < 0.02  # eight bits, JPEG at its best


def test_the_same_draws_give_the_same_copy_and_others_another() -> None:
    radiograph = phantom(size=256)
    one, same, other = (repeat(radiograph, SMALL, np.random.default_rng(seed)).pixels for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.shape == radiograph.pixels.shape


def spot(width: int, height: int, x: int, y: int) -> Radiograph:
    pixels = np.zeros((height, width), np.float32)
    cv2.circle(pixels, (x, y), 5, 1.0, -1)
    return Radiograph(cv2.GaussianBlur(pixels, (0, 0), 2), "spot")


def place(pixels: np.ndarray) -> np.ndarray:
    down, across = np.indices(pixels.shape)
    return np.array([(pixels * across).sum(), (pixels * down).sum()]) / pixels.sum()


@pytest.mark.parametrize(
    ("changes", "where", "most"),
    [
        (dataclasses.replace(NOTHING, shift=0.02), (200, 150), 0.02 * math.hypot(400, 300)),
        (dataclasses.replace(NOTHING, rotation=2), (380, 150), 180 * math.radians(2)),
        (dataclasses.replace(NOTHING, scale=0.03), (380, 150), 180 * 0.03),
    ],
)
def test_how_far_a_spot_moves(changes: SmallChanges, where: tuple[int, int], most: float) -> None:
    radiograph, random = spot(400, 300, *where), np.random.default_rng(0)
    moved = [
        np.hypot(*(place(repeat(radiograph, changes, random).pixels) - place(radiograph.pixels))) for _ in range(40)
    ]
    assert max(moved) <= most + 0.5
    assert max(moved) > most / 2


@pytest.mark.parametrize(("name", "value"), [("exposure", 0.03), ("gamma", 0.1), ("noise", 0.01)])
def test_how_far_a_grey_moves(name: str, value: float) -> None:
    radiograph = Radiograph(np.full((100, 100), 0.5, np.float32), "grey")
    changes = dataclasses.replace(NOTHING, **{name: value})
    random = np.random.default_rng(0)
    copies = [repeat(radiograph, changes, random).pixels for _ in range(40)]
    if name == "noise":
        assert 0.004 < max(float(c.std()) for c in copies) < 0.013  # with the rounding to 256 levels
    else:
        most = {"exposure": 0.03, "gamma": 0.5 - 0.5 ** math.exp(0.1)}[name]
        moved = [abs(float(c.mean()) - 0.5) for c in copies]
        assert most / 2 < max(moved) < most + 0.004


def test_the_changes_are_described_with_their_ranges() -> None:
    text = "; ".join(SMALL.describe())
    for part in ("2 degrees", "shift up to 2 %", "3 % larger", "gamma 0.90 to 1.11", "noise up to 1 %", "75 to 95"):
        assert part in text


# -- the measurement and the card --------------------------------------------------------------


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve validation images, and rows of other splits whose images are no images."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["image,split,patient_id,Mass"]
    for number in range(12):
        cv2.imwrite(str(folder / f"{number}.png"), np.rint(phantom(number, 96).pixels * 255).astype(np.uint8))
        rows.append(f"{number}.png,val,{number},0")
    for split in ("train", "test"):
        (folder / f"{split}.png").write_bytes(b"no image")
        rows.append(f"{split}.png,{split},{split},1")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder / "index.csv"


def test_measured_on_validation_rows_and_written_into_the_card(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scripts.measure_repeatability as script
    from cxrkit.training import repeat_measuring

    before = make_preset(tmp_path, findings=("Effusion", "Mass"))
    folder = tmp_path / "tiny"
    arguments = [str(folder), "--manifest", str(table), "--readings", "3"]
    assert script.main(arguments) == 2  # too few radiographs
    monkeypatch.setattr(repeat_measuring, "FEWEST", 10)
    assert script.main(arguments) == 0
    after = Preset.load(folder)
    record = after.repeatability
    assert record is not None
    assert (record.n, record.readings, record.split) == (12, 3, "val")
    assert record.changes == SMALL.describe()
    assert [limit.finding for limit in record.limits] == ["Effusion", "Mass"]
    assert all(0 < limit.low <= limit.coefficient <= limit.high for limit in record.limits)
    assert dataclasses.replace(after, repeatability=None) == before
    assert script.main(arguments) == 0
    assert Preset.load(folder).repeatability == record  # the same seed, the same numbers


def test_too_few_radiographs_are_refused_in_words(table: Path, tmp_path: Path) -> None:
    from cxrkit.training.repeat_measuring import measure_repeatability
    from cxrkit.training.sources import Source

    make_preset(tmp_path)
    with pytest.raises(TrainingError, match="12 validation radiographs, fewer than 50"):
        measure_repeatability(
            tmp_path / "tiny", [Source(table)], most=50, readings=2, seed=0, command="", tell=lambda line: None
        )


def record_of(preset: Preset, finding: str) -> Repeatability:
    limit = RepeatabilityLimit(finding, 0.3, 0.2, 0.4, 0.95)
    return Repeatability(("shift",), "val", 100, 6, (limit,), preset.weights_sha256, 0, "none")


def test_a_record_of_other_weights_or_findings_is_refused(tiny_folder: Path) -> None:
    tiny = Preset.load(tiny_folder / "tiny")
    kept = dataclasses.replace(tiny, repeatability=record_of(tiny, "Mass"))
    assert kept.repeatability is not None
    limit = kept.repeatability.limit("Mass")
    assert limit is not None
    assert limit.coefficient == 0.3
    assert kept.repeatability.limit("Effusion") is None
    with pytest.raises(PresetInvalid, match="does not predict"):
        dataclasses.replace(tiny, repeatability=record_of(tiny, "Hernia"))
    other = dataclasses.replace(record_of(tiny, "Mass"), weights_sha256="0" * 64)
    with pytest.raises(PresetInvalid, match="other weights"):
        dataclasses.replace(tiny, repeatability=other)


def test_a_record_survives_the_card(tiny_folder: Path, tmp_path: Path) -> None:
    tiny = Preset.load(tiny_folder / "tiny")
    kept = dataclasses.replace(tiny, repeatability=record_of(tiny, "Mass"))
    kept.save(tmp_path)
    assert (tmp_path / CARD).is_file()
    assert Preset.load(tmp_path) == kept


def test_the_shipped_presets_state_theirs_for_every_finding() -> None:
    for preset in list_presets(REPOSITORY / "weights"):
        record = preset.repeatability
        assert record is not None, preset.name
        assert [limit.finding for limit in record.limits] == list(preset.findings)
        assert record.n >= 150
        assert record.split.startswith("val")
        assert record.changes == SMALL.describe()
        assert all(0.9 < limit.within < 0.99 for limit in record.limits)
