"""A training log is written from run folders, holds only a chain that leads to the weights, and is read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cxrkit.errors import PresetInvalid, TrainingError
from cxrkit.preset import Preset
from cxrkit.preset_folders import list_presets
from cxrkit.training.log_reading import log_of
from cxrkit.training_log import LOG, load_log, save_log
from scripts import write_training_log
from tests.conftest import REPOSITORY


@pytest.fixture
def preset(tiny_folder: Path, tmp_path: Path) -> Preset:
    """A card without weights is enough for a log."""
    Preset.load(tiny_folder / "tiny").save(tmp_path / "tiny")
    return Preset.load(tmp_path / "tiny")


def run(folder: Path, start: str | None, end: str, losses: tuple[float, ...], *, state: str = "finished") -> Path:
    """A run's folder with as many epochs as losses."""
    folder.mkdir(parents=True)
    counts = {"images": 90, "patients": 80}
    record = {
        "state": state,
        "recipe": {"title": "A recipe", "findings": ["Mass", "Nodule"]},
        "data": {"training": counts, "validation": {"images": 9, "patients": 8}},
        "start": {"preset_sha256": start} if start else {"imagenet": "none"},
        "preset": {"weights_sha256": end},
        "seed": 3,
        "started": "2026-01-02T03:04:05+00:00",
    }
    (folder / "run.json").write_text(json.dumps(record))
    names = ["stage", "size", "epoch", "loss", "learning_rate", "seconds", "validation_loss", "validation_auroc_mean"]
    with (folder / "history.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(names)
        rows.writerows([1, 64, n, loss, 0.001, 2.5, loss + 0.1, ""] for n, loss in enumerate(losses, start=1))
    return folder


def test_runs_become_a_log_and_come_back(preset: Preset, tmp_path: Path) -> None:
    first = run(tmp_path / "a", None, "1" * 64, (0.9, 0.8))
    second = run(tmp_path / "b", "1" * 64, preset.weights_sha256, (0.7,))
    assert write_training_log.main([preset.folder, "--run", str(first), "--run", str(second)]) == 0
    log = load_log(preset)
    assert log is not None
    assert [[e.loss for e in r.epochs] for r in log.runs] == [[0.9, 0.8], [0.7]]
    assert [r.start_sha256 for r in log.runs] == [None, "1" * 64]
    assert log.runs[0].epochs[0].validation_auroc is None
    assert (log.runs[0].images, log.runs[0].validation_patients, log.runs[0].outputs) == (90, 8, 2)


@pytest.mark.parametrize("case", ["broken chain", "other weights", "unfinished", "no run"])
def test_what_does_not_lead_to_the_weights_is_refused(preset: Preset, tmp_path: Path, case: str) -> None:
    starts = {"broken chain": "2" * 64}.get(case, "1" * 64)
    ends = {"other weights": "3" * 64}.get(case, preset.weights_sha256)
    state = {"unfinished": "stopped"}.get(case, "finished")
    runs = [
        run(tmp_path / "a", None, "1" * 64, (0.9,)),
        tmp_path if case == "no run" else run(tmp_path / "b", starts, ends, (0.7,), state=state),
    ]
    with pytest.raises(TrainingError):
        log_of(preset, runs)


def test_a_head_that_was_solved_for_must_be_told(preset: Preset, tmp_path: Path) -> None:
    folder = run(tmp_path / "a", None, "1" * 64, (0.9,))
    assert log_of(preset, [folder], after="A head was solved for.").after
    assert write_training_log.main([preset.folder, "--run", str(folder)]) == 2


def test_missing_malformed_and_foreign_logs(preset: Preset, tmp_path: Path) -> None:
    assert load_log(preset) is None
    log = log_of(preset, [run(tmp_path / "a", None, preset.weights_sha256, (0.9,))])
    path = save_log(log, preset.folder)
    path.write_text(path.read_text().replace(preset.weights_sha256, "4" * 64))
    with pytest.raises(PresetInvalid, match="other weights"):
        load_log(preset)
    path.write_text("{}")
    with pytest.raises(PresetInvalid, match="malformed"):
        load_log(preset)


@pytest.mark.parametrize("shipped", list_presets(REPOSITORY / "weights"), ids=lambda p: p.name)
def test_shipped_presets_have_a_log_without_path_or_machine(shipped: Preset) -> None:
    log = load_log(shipped)
    assert log is not None
    assert all(run.epochs for run in log.runs)
    text = (Path(shipped.folder) / LOG).read_text()
    assert "/" not in text.replace("scripts/fit_head.py", "")
    assert "cores" not in text
