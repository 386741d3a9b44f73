"""The folder of a run: its name, what is resumed, its record, its logs."""

import csv
import dataclasses
import json
import math
import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cxrkit.data.manifest import Manifest
from cxrkit.errors import TrainingError
from cxrkit.training import surroundings
from cxrkit.training.named import find_recipe
from cxrkit.training.population import data_lines, population_of
from cxrkit.training.run_folder import RunFolder, existing_run, held, new_run, newest_unfinished
from cxrkit.training.run_log import RunLog, flat
from cxrkit.training.run_record import RunRecord, count_patients, data_record
from cxrkit.training.sources import Parts

IDENTITY = {"recipe": "r", "data": "d"}


def begun(runs, name, state, identity=IDENTITY):
    folder = RunFolder(runs / name)
    folder.path.mkdir(parents=True)
    folder.record.write_text(json.dumps({"state": state, "identity": identity}))
    return folder


def test_a_new_run_never_takes_a_folder_that_exists(tmp_path):
    clock = iter([datetime(2026, 1, 2, 3, 4, 5), datetime(2026, 1, 2, 3, 4, 5), datetime(2026, 1, 2, 3, 4, 6)])
    waits = []
    first = new_run(tmp_path, "mine", now=lambda: next(clock))
    second = new_run(tmp_path, "mine", now=lambda: next(clock), wait=waits.append)
    assert (first.path.name, second.path.name) == ("mine_20260102_030405", "mine_20260102_030406")
    assert waits == [0.2]
    with pytest.raises(TrainingError, match="characters that names cannot have"):
        new_run(tmp_path, "../mine")
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be made") as refused:
        new_run(tmp_path / "file", "mine")
    assert str(tmp_path) not in str(refused.value)


def test_the_newest_unfinished_run_of_the_same_identity_goes_on(tmp_path):
    begun(tmp_path, "mine_20260101_000000", "stopped")
    wanted = begun(tmp_path, "mine_20260102_000000", "failed")
    begun(tmp_path, "mine_20260103_000000", "running", IDENTITY | {"data": "other"})
    begun(tmp_path, "mine_20260104_000000", "finished")
    begun(tmp_path, "mine_more_20260105_000000", "running")  # another name that begins alike
    (tmp_path / "mine_20260106_000000").mkdir()  # killed before its record was written
    assert newest_unfinished(tmp_path, "mine", IDENTITY) == wanted
    with pytest.raises(TrainingError, match="differs in its data and recipe"):
        newest_unfinished(tmp_path, "mine", {"recipe": "x", "data": "y"})
    with pytest.raises(TrainingError, match="no unfinished run of 'theirs'"):
        newest_unfinished(tmp_path, "theirs", IDENTITY)
    with pytest.raises(TrainingError, match="no unfinished run"):
        newest_unfinished(tmp_path / "nowhere", "mine", IDENTITY)


def test_a_named_run_must_be_one_and_match(tmp_path):
    folder = begun(tmp_path, "a", "finished")
    assert existing_run(folder.path, IDENTITY) == folder
    with pytest.raises(TrainingError, match="differs in its start"):
        existing_run(folder.path, IDENTITY | {"start": "s"})
    with pytest.raises(TrainingError, match="holds no run"):
        existing_run(tmp_path, IDENTITY)
    folder.record.write_text("[1]")
    with pytest.raises(TrainingError, match="holds no run"):
        existing_run(folder.path, IDENTITY)


def test_a_run_that_goes_on_is_not_resumed_by_another_process(tmp_path):
    folder = RunFolder(tmp_path / "r")
    with held(folder), pytest.raises(TrainingError, match="still going on"), held(folder):
        pytest.fail("two hold one folder")
    with held(folder):  # free again
        assert list(folder.path.iterdir()) == []


def manifest(**columns):
    table = pd.DataFrame({"image": ["a.png", "b.png", "c.png"], "patient_id": ["1", "1", "2"], **columns}, dtype=str)
    labels = np.array([[1], [0], [np.nan]], np.float32)
    return Manifest("t.csv", "ab" * 32, ("Mass",), tuple(map(Path, table["image"])), labels, table, np.arange(2, 5))


def test_the_record_says_what_ran_and_how_it_ended(tmp_path):
    parts = Parts((manifest(),), (manifest().subset([2]),), (1.0,), "val", (1.0,))
    folder = RunFolder(tmp_path / "r")
    how = {
        "name": "mine",
        "recipe": find_recipe("s2-cnn"),
        "parts": parts,
        "identity": IDENTITY,
        "start": {"imagenet": "none"},
    }
    record = RunRecord.open(folder, command="python scripts/train.py", **how)
    first = json.loads(folder.record.read_text())
    assert first["state"] == "running"
    assert first["recipe"]["findings"] == ["Pneumonia"]
    assert first["data"]["training"] == {"images": 3, "patients": 2}
    assert first["data"]["tables"] == [
        {"table": "t.csv", "sha256": "ab" * 32, "training_images": 3, "validation_images": 1}
    ]
    assert {"python", "keras", "numpy", "opencv", "cxrkit", "backend", first["versions"]["backend"]} <= set(
        first["versions"]
    )
    assert "unknown" not in first["versions"].values()
    assert first["machine"]["cores"] >= 1
    assert first["machine"]["memory_gib"] > 0.1
    record.end("failed", "The loss was not finite.")
    again = RunRecord.open(folder, command="more", **how)
    again.end("finished")
    last = json.loads(folder.record.read_text())
    assert (last["state"], last["message"], last["started"]) == ("finished", "", first["started"])
    assert [one["command"] for one in last["resumed"]] == ["more"]
    assert not list(folder.path.glob("*.tmp"))


def test_patients_of_several_tables_are_counted_by_table():
    assert count_patients([manifest(), manifest()]) == 4
    parts = Parts((manifest().subset([0]), manifest().subset([1])), (manifest(),), (1.0, 2.0), "val", (1.0, 1.0))
    assert data_record(parts)["tables"][0]["training_images"] == 2
    other = dataclasses.replace(parts, weights=(1.0, 0.5))
    assert parts.checksum() != other.checksum()


def test_the_commit_is_that_of_the_checkout_itself(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    assert surroundings.code(tmp_path) == {"commit": "not a git checkout", "dirty": None}
    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "first")
    found = surroundings.code(tmp_path)
    assert len(found["commit"]) == 40
    assert found["dirty"] is False
    (tmp_path / "a").write_text("2")
    assert surroundings.code(tmp_path)["dirty"] is True
    (tmp_path / "inner").mkdir()  # such as site-packages inside somebody's repository
    assert surroundings.code(tmp_path / "inner")["commit"] == "not a git checkout"


def row(stage, epoch, auroc=0.75):
    return {
        "stage": stage,
        "trainable": "all",
        "size": 32,
        "epoch": epoch,
        "loss": 1.0 / epoch,
        "seconds": 0.5,
        "validation_auroc": {"Mass": auroc, "mean": auroc},
    }


def epoch(log, stage, number, steps=3):
    log.epoch_begins(stage, 2, number, 2, steps)
    for step in range(1, steps + 1):
        log.step(step, float(step))
    log.epoch_ends(row(stage, number))


def events(folder):
    accumulator = EventAccumulator(str(folder.tensorboard))
    accumulator.Reload()
    return {
        tag: [(e.step, round(e.value, 6)) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]
    }


def test_history_and_events_hold_each_epoch_once(tmp_path):
    folder = RunFolder(tmp_path / "r")
    ticks = iter(range(1000, 2000))
    log = RunLog(folder, lambda: float(next(ticks)))
    for number in (1, 2):
        epoch(log, 1, number)
    found = events(folder)
    assert found["loss"] == [(1, 1.0), (2, 0.5)]
    assert found["validation_auroc/Mass"] == [(1, 0.75), (2, 0.75)]
    assert found["loss_of_step"] == [(333, 1.0), (667, 2.0), (1000, 3.0), (1333, 1.0), (1667, 2.0), (2000, 3.0)]
    # the checkpoint knows of the first epoch alone: the second was killed before it was saved
    log = RunLog(folder, lambda: float(next(ticks)))
    log.resumed([row(1, 1)])
    epoch(log, 1, 2)
    epoch(log, 2, 1)
    assert events(folder)["loss"] == [(1, 1.0), (2, 0.5), (3, 1.0)]
    # killed between the checkpoint and the logs: the epoch is written from the checkpoint's history
    log = RunLog(folder, lambda: float(next(ticks)))
    log.resumed([row(1, 1), row(1, 2), row(2, 1), row(2, 2)])
    assert events(folder)["loss"] == [(1, 1.0), (2, 0.5), (3, 1.0), (4, 0.5)]
    with folder.history.open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [(r["stage"], r["epoch"]) for r in table] == [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")]
    assert table[0]["validation_auroc_Mass"] == "0.75"
    # neither the machine's name nor the process stands in a file name
    assert all(p.name.split(".stage")[0].removeprefix("events.out.tfevents.").isdigit() for p in
               folder.tensorboard.iterdir())  # fmt: skip


def test_a_value_that_is_not_a_number_is_left_out_of_the_events(tmp_path):
    folder = RunFolder(tmp_path / "r")
    RunLog(folder).epoch_ends(row(1, 1, math.nan))
    assert "validation_auroc/mean" not in events(folder)
    assert flat(row(1, 1, 0.5))["validation_auroc_mean"] == 0.5


def test_many_steps_are_thinned_to_means(tmp_path):
    folder = RunFolder(tmp_path / "r")
    epoch(RunLog(folder), 1, 1, steps=1000)
    losses = events(folder)["loss_of_step"]
    assert len(losses) == 200
    assert losses[0] == (5, 3.0)  # the mean of 1 to 5
    assert losses[-1] == (1000, 998.0)


def test_the_population_is_read_off_the_rows_where_all_state_it():
    full = manifest(age=["3", "50Y", "64"], view_position=["pa", "AP", "PA"])
    found = population_of([full])
    assert found.age_bands == ("1-5", "45-64")
    assert found.views == ("AP", "PA")
    assert "3 training radiographs" in found.description
    blank = manifest(age=["3", "", "64"])
    assert population_of([blank]) == population_of([manifest()])
    assert population_of([blank]).age_bands == ()
    assert population_of([full, manifest()]).views == ()
    assert not population_of([blank]).mismatches("18-44", "LATERAL")
    assert data_lines([full]) == ("t.csv: 3 training images of 2 patients (sha256 of the table abababababab ...)",)


def test_a_processor_without_instructions_for_bfloat16_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(surroundings.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(surroundings, "accelerators", lambda: [])
    description = tmp_path / "cpuinfo"
    for flags, imitated in (
        ("fpu avx avx2 fma", True),
        ("fpu avx2 avx512f avx512_bf16", False),
        ("fpu amx_bf16", False),
    ):
        description.write_text(f"processor : 0\nflags : {flags}\n\nprocessor : 1\nflags : fpu\n")
        assert surroundings.imitates_bfloat16(description) is imitated
    assert not surroundings.imitates_bfloat16(tmp_path / "none")
    description.write_text("flags : fpu avx2\n")
    monkeypatch.setattr(surroundings, "accelerators", lambda: ["a GPU"])
    assert not surroundings.imitates_bfloat16(description)
