"""The same run with the processes of a Dask cluster: one that exists, or one of this computer's own.

A task is a chunk of files. The workers read the files and give back rows; only the process that asked writes, and
it keeps each chunk as a part at once. So a worker that dies loses the chunk it had, which another one scores; and the
run itself can be killed and go on, here or with other workers.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

import cxrkit.errors
from cxrkit.errors import CxrError, ExtraMissing, ScoringError
from cxrkit.model.runtimes import Precision, RuntimeName
from cxrkit.preset import Preset
from cxrkit.serving.scoring import Engine, card_sum
from cxrkit.serving.scoring_pipeline import Chunk, How, Model, Scorer, Tick
from cxrkit.serving.scoring_sources import SourceSpec

PATIENCE = 60
"""Seconds that a scheduler without a worker is waited for."""

Load = Callable[[str, str, Precision], Model]
"""Preset (its name, or a folder that every worker sees), runtime and precision -> model."""


def load_model(preset: str, runtime: str, precision: Precision) -> Model:
    """The model of a preset, verified by the sum of its weights."""
    from cxrkit.model.manager import XRayModelManager

    name = cast(RuntimeName, runtime)  # a wrong one is refused
    model: Model = XRayModelManager(preset, runtime=name, precision=precision, bulk=True)
    return model


@dataclass(frozen=True)
class Job:
    """What a worker must know of a run; it loads the model once and keeps it while the job is the same.

    Attributes
    ----------
    preset, runtime
        What to load.
    weights, card
        Sums of what must have been loaded then.
    source, how
        What to score, and how.
    load
        Loads the model.
    """

    preset: str
    runtime: str
    weights: str
    card: str
    source: SourceSpec
    how: How
    load: Load = load_model


def elsewhere(job: Job, *, scheduler: str | None = None, workers: int | None = None) -> Callable[[], Engine]:
    """The engine that is a cluster.

    Parameters
    ----------
    scheduler
        Address of one that runs, such as ``tcp://10.0.0.5:8786``. Who may connect to it can make its workers do
        anything: it belongs into a closed network, or behind TLS (``tls://``, configured in Dask's own files).
    workers
        Instead: start so many processes here, which share the cores. They listen on loopback alone.

    Raises
    ------
    ExtraMissing
        Dask is not installed.
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise ExtraMissing(
            "Scoring with several processes or computers needs Dask, which is not installed.",
            "Run: pip install -r requirements-cluster.txt.",
        ) from None
    return lambda: Cluster(job, scheduler, workers)


class Cluster:
    """An engine whose chunks are tasks of a Dask cluster.

    Raises
    ------
    ScoringError
        Nobody answers at the address, or no worker comes; later: a worker has other weights, or none stays alive.
    """

    def __init__(self, job: Job, scheduler: str | None, workers: int | None) -> None:
        from distributed import Client, LocalCluster

        self._job = job
        with ExitStack() as stack:
            if scheduler is None:
                local = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    memory_limit=0,  # what lies in memory is bounded by the pipeline
                )
                scheduler = stack.enter_context(local).scheduler_address
            try:
                self._client = stack.enter_context(Client(scheduler, timeout=PATIENCE, set_as_default=False))
            except (OSError, ValueError):
                raise ScoringError(
                    "There is no Dask scheduler at that address.", "Start one with: dask scheduler."
                ) from None
            if workers is not None:
                self._client.register_plugin(_share_of_cores(workers))
            try:
                self._client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError:
                raise ScoringError(
                    "The scheduler has no workers.", "Start some with: dask worker ADDRESS --nthreads 1."
                ) from None
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Leave the cluster, and end it where it is this computer's own."""
        self._stack.close()

    def tables(self, chunks: Iterable[Chunk], tick: Tick | None = None) -> Iterator[tuple[int, pa.Table]]:
        """Number and rows of each chunk, in the order in which they are done."""
        from distributed import KilledWorker, as_completed

        waiting, run, done = iter(chunks), secrets.token_hex(8), as_completed(loop=self._client.loop)
        numbers: dict[str, int] = {}

        def feed() -> None:
            # two for each worker, so that none waits for the next, and no more, so that memory does not grow
            most = 2 * max(1, len(self._client.nthreads()))
            while len(numbers) < most and (chunk := next(waiting, None)) is not None:
                future = self._client.submit(score_chunk, self._job, chunk, key=f"cxrkit-{run}-{chunk.number}")
                numbers[future.key] = chunk.number
                done.add(future)

        feed()
        while numbers:
            future = next(done)
            number = numbers.pop(future.key)
            try:
                result = future.result()
            except KilledWorker:
                raise ScoringError(
                    "Worker after worker died over the same files.",
                    "Look into the workers' logs; the same command goes on where this one was.",
                ) from None
            future.release()
            if isinstance(result, tuple):
                kind, message, remedy = result
                raise getattr(cxrkit.errors, kind, CxrError)(message, remedy)
            feed()
            if tick is not None:
                tick(result["outcome"].to_pylist())
            yield number, result


# -- in the workers ----------------------------------------------------------------------------

_lock = threading.Lock()  # one chunk at a time: the network takes all cores of its process
_kept: dict[Job, Scorer] = {}  # of the last job alone


def score_chunk(job: Job, chunk: Chunk) -> pa.Table | tuple[str, str, str]:
    """The rows of a chunk; or class, message and remedy of what keeps this worker from scoring any."""
    with _lock:
        try:
            scorer = _scorer(job)
            ((_, table),) = scorer.tables([chunk])
            return table
        except CxrError as error:
            return type(error).__name__, error.message, error.remedy


def _scorer(job: Job) -> Scorer:
    if job not in _kept:
        for old in [*_kept]:
            _kept.pop(old).close()
        model = job.load(job.preset, job.runtime, job.how.precision)
        if model.preset.weights_sha256 != job.weights or card_sum(model.preset) != job.card:
            raise ScoringError(
                f"A worker has another version of the preset {model.preset.name!r}.",
                "Install the same weights on every computer, or name a folder that all of them see.",
            )
        _kept[job] = Scorer(model, job.source.open(), job.how)
    return _kept[job]


def _share_of_cores(workers: int) -> Any:
    """A plug-in that binds each worker of this computer to cores of its own: network libraries start as many threads
    as they see cores, and several times as many as there are would hold up one another."""
    from distributed import WorkerPlugin

    class ShareOfCores(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            if not hasattr(os, "sched_setaffinity"):
                return
            cores = sorted(os.sched_getaffinity(0))
            own = cores[int(worker.name) % workers :: workers]
            if own:
                os.sched_setaffinity(0, own)

    return ShareOfCores()


def job_of(preset: str, card: Preset, runtime: str, source: SourceSpec, how: How) -> Job:
    """The job of a preset that is known here as `card` and to the workers by its name or folder, `preset`."""
    return Job(preset, runtime, card.weights_sha256, card_sum(card), source, how)
