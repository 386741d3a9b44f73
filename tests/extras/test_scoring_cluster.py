"""Scoring with real worker processes, which are killed on the way; all of them on loopback."""

import functools
import os
import signal
import threading
import time
from pathlib import Path

import cv2
import fsspec
import numpy as np
import psutil
import pyarrow.parquet
import pytest
from distributed import LocalCluster

from cxrkit.errors import ScoringError
from cxrkit.serving.scoring import card_sum, here, score
from cxrkit.serving.scoring_cluster import Job, elsewhere
from cxrkit.serving.scoring_pipeline import How
from cxrkit.serving.scoring_sources import SourceSpec
from tests.scoring_model import InAWorker, PixelModel, preset

HOW = How(batch=2, decoders=1, trusted=True)
FILES = 60


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(FILES):
        pixels = random.integers(60, 200, (40, 40)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    (folder / "7.png").write_bytes(b"no radiograph")
    return folder


@pytest.fixture
def pids(tmp_path):
    folder = tmp_path / "pids"
    folder.mkdir()
    return folder


def job(films, pids, seconds=0.0, weights="a" * 64):
    source, load = SourceSpec(str(films)), InAWorker(pids, seconds)
    return Job("made-up", "auto", weights, card_sum(preset()), source, HOW, load)


def run(films, out, engine):
    return score(SourceSpec(str(films)), out, preset(), engine, how=HOW, part=4)


def alone(films, out):
    run(films, out, here(PixelModel, SourceSpec(str(films)), HOW))
    return pyarrow.parquet.read_table(out)


def kill_one(pids, killed):
    """The first worker that has loaded its model, when it is at work."""
    while not (found := list(pids.iterdir())):
        time.sleep(0.01)
    time.sleep(0.3)
    killed.append(int(found[0].name))
    os.kill(killed[0], signal.SIGKILL)


@pytest.mark.timeout(300)
def test_a_worker_that_is_killed_loses_nothing(films, pids, tmp_path):
    killed = []
    thread = threading.Thread(target=kill_one, args=(pids, killed), daemon=True)
    thread.start()
    summary = run(films, tmp_path / "r.parquet", elsewhere(job(films, pids, 0.1), workers=2))
    thread.join()
    assert (summary.files, summary.read, summary.failed) == (FILES, FILES - 1, 1)
    assert killed
    assert len(list(pids.iterdir())) >= 3  # two, and one in the place of the killed
    assert pyarrow.parquet.read_table(tmp_path / "r.parquet").equals(alone(films, tmp_path / "s.parquet"))
    assert not [pid for pid in pids.iterdir() if psutil.pid_exists(int(pid.name))]


@pytest.mark.timeout(300)
def test_a_cluster_goes_on_with_what_was_done_here(films, pids, tmp_path):
    whole = alone(films, tmp_path / "s.parquet")
    with LocalCluster(
        n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0", memory_limit=0
    ) as cluster:
        there = functools.partial(elsewhere, scheduler=cluster.scheduler_address)
        # interrupted after some parts
        out, done = tmp_path / "r.parquet", []

        class Stop:
            def begin(self, before, total):
                done.append(before)

            def tick(self, outcomes):
                done.append(len(outcomes))
                if len(done) == 5:
                    raise KeyboardInterrupt

        source = SourceSpec(str(films))
        with pytest.raises(KeyboardInterrupt):
            score(source, out, preset(), here(PixelModel, source, HOW), how=HOW, part=4, progress=Stop())
        summary = run(films, out, there(job(films, pids)))
        assert summary.before > 0
        assert pyarrow.parquet.read_table(out).equals(whole)

        other, engine = preset("b" * 64), there(job(films, pids, weights="b" * 64))
        with pytest.raises(ScoringError, match="another version of the preset 'made-up'"):
            score(source, tmp_path / "o.parquet", other, engine, how=HOW, part=4)
        assert len(list(pids.iterdir())) == 1  # the model was loaded by one process


def test_a_scheduler_that_is_not_there_is_refused(films, pids, tmp_path, monkeypatch):
    monkeypatch.setattr("cxrkit.serving.scoring_cluster.PATIENCE", 1)
    with pytest.raises(ScoringError, match="no Dask scheduler"):
        run(films, tmp_path / "r.parquet", elsewhere(job(films, pids), scheduler="tcp://127.0.0.1:1"))


def test_an_address_is_read_through_fsspec(films, tmp_path):
    """With fsspec's store in memory: no store of a network was asked."""
    store = fsspec.filesystem("memory")
    for path in films.iterdir():
        store.pipe(f"/bucket/films/{path.name}", path.read_bytes())
    source = SourceSpec("memory://bucket/films")
    out = tmp_path / "r.parquet"
    score(source, out, preset(), here(PixelModel, source, HOW), how=HOW, part=4)
    assert pyarrow.parquet.read_table(out).equals(alone(films, tmp_path / "s.parquet"))
    assert Path(out).exists()
