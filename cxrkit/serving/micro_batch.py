"""Requests that come at the same time are read together, in as many passes side by side as the runtime has streams.

`MicroBatch` is a runtime like the one that it wraps, so that whoever reads with it (`XRayModelManager.read`, in as many
threads as there are requests) need not know: `manager.runtime = MicroBatch(manager.runtime)`. A picture that is read a
second time because it lay wrongly joins a batch as well.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cxrkit.errors import Overloaded

if TYPE_CHECKING:
    from cxrkit.model.runtimes import Runtime

Floats = npt.NDArray[np.float32]

MOST_TOGETHER = 16
"""Pictures in one pass."""

PATIENCE = 0.003
"""Seconds that a picture waits for others; while a batch is computed the next ones gather without waiting."""


@dataclass(frozen=True, eq=False)
class _Job:
    """What one thread waits for."""

    tensor: Floats
    result: Future[Floats] = field(default_factory=Future)


class MicroBatch:
    """A runtime that joins what several threads ask of another one.

    Parameters
    ----------
    runtime
        What computes. It is called by as many threads as it has streams.
    most
        Pictures in one pass; a single request of more is computed by itself.
    patience
        Seconds that the first picture of a batch waits for others.
    waiting
        Requests that may wait; a further one is refused.
    on_batch
        Told the number of pictures of each pass.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        most: int = MOST_TOGETHER,
        patience: float = PATIENCE,
        waiting: int = 64,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self.name = runtime.name
        self.precision = runtime.precision
        self.streams = runtime.streams
        self._runtime = runtime
        self._most = most
        self._patience = patience
        self._on_batch = on_batch
        self._jobs: queue.Queue[_Job | None] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name="micro-batch", daemon=True) for _ in range(runtime.streams)
        ]
        for thread in self._threads:
            thread.start()

    def features(self, tensor: Floats) -> Floats:
        """(n, S, S, 3) -> (n, H, W, K), together with what others ask; waits for its turn.

        Raises
        ------
        Overloaded
            Too many wait already, or the server is being stopped.
        """
        job = _Job(tensor)
        with self._lock:  # nothing is queued behind the marks that end the threads
            if self._closed:
                raise _overloaded()
            try:
                self._jobs.put_nowait(job)
            except queue.Full:
                raise _overloaded() from None
        return job.result.result()

    def begin(self, tensor: Floats) -> Callable[[], Floats]:
        """`features`, asked for when what is returned is called."""
        return partial(self.features, tensor)

    def close(self) -> None:
        """Compute what waits, then end the threads; further requests are refused."""
        with self._lock:
            first, self._closed = not self._closed, True
        if first:
            for _ in self._threads:
                self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        left: _Job | None = None
        while True:
            job = left if left is not None else self._jobs.get()
            left = None
            if job is None:
                return
            batch, images = [job], len(job.tensor)
            until = time.monotonic() + self._patience
            ended = False
            while images < self._most:
                try:
                    following = self._jobs.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
                if following is None:
                    ended = True
                    break
                if images + len(following.tensor) > self._most or following.tensor.shape[1:] != job.tensor.shape[1:]:
                    left = following
                    break
                batch.append(following)
                images += len(following.tensor)
            self._compute(batch)
            if ended:
                return

    def _compute(self, batch: Sequence[_Job]) -> None:
        """One pass for all; where it fails, one for each, so that an error goes to whom it belongs."""
        tensors = [job.tensor for job in batch]
        try:
            features = self._runtime.features(np.concatenate(tensors) if len(tensors) > 1 else tensors[0])
        except Exception as error:
            if len(batch) == 1:
                batch[0].result.set_exception(error)
                return
            for job in batch:
                self._compute([job])
            return
        if self._on_batch is not None:
            self._on_batch(len(features))
        start = 0
        for job in batch:
            end = start + len(job.tensor)
            # a copy: a view would keep the maps of all others as long as this reading
            job.result.set_result(features if len(batch) == 1 else features[start:end].copy())
            start = end


def _overloaded() -> Overloaded:
    return Overloaded("Too many radiographs wait to be read.", "Try again in a moment.")
