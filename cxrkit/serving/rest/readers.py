"""The loaded models, and the threads that read with them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from cxrkit.errors import Overloaded, PresetError, PresetNotFound
from cxrkit.imaging import worker
from cxrkit.imaging.phantom import phantom
from cxrkit.preset import Preset
from cxrkit.preset_folders import list_presets
from cxrkit.serving.micro_batch import MOST_TOGETHER, MicroBatch
from cxrkit.serving.rest.meters import Meters
from cxrkit.serving.rest.problems import log_defect
from cxrkit.serving.rest.settings import Settings

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager
    from cxrkit.model.runtimes import Runtime

P = ParamSpec("P")
T = TypeVar("T")

_FETCHERS = 4
_SECONDS_TO_LOAD = 120  # that a request waits at most; with a filled cache it takes some seconds


class Readers:
    """Every preset of the weights folder, each behind a `MicroBatch`.

    Parameters
    ----------
    settings
        With the folder, and how many requests may wait.
    meters
        Told of each model and each batch.
    """

    def __init__(self, settings: Settings, meters: Meters) -> None:
        self._settings = settings
        self._meters = meters
        self._managers: dict[str, XRayModelManager] = {}
        self._batches: list[MicroBatch] = []
        self._failure: Exception | None = None
        self._ready = threading.Event()
        self._closing = False
        self._threads: ThreadPoolExecutor | None = None
        self._fetchers: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Begin to load, in a thread of its own: the server answers meanwhile, and readings wait."""
        # as many as are read together, and some that decode the next ones meanwhile
        self._threads = ThreadPoolExecutor(MOST_TOGETHER + worker.MOST_PROCESSES, "read")
        self._fetchers = ThreadPoolExecutor(_FETCHERS, "fetch")
        self._threads.submit(self._load)

    def close(self) -> None:
        """Finish what is being read, then end all threads."""
        self._closing = True
        for pool in (self._fetchers, self._threads):
            if pool is not None:
                pool.shutdown()
        for batch in self._batches:
            batch.close()

    @property
    def loaded(self) -> Mapping[str, Runtime]:
        """Preset -> its runtime, of those that are ready."""
        return {name: manager.runtime for name, manager in dict(self._managers).items()}

    def manager(self, name: str) -> XRayModelManager:
        """The model of a preset; waits until all are loaded.

        Raises
        ------
        PresetNotFound
            There is none of that name.
        PresetError
            One of them cannot be used.
        """
        if not self._ready.wait(timeout=_SECONDS_TO_LOAD):
            raise Overloaded("The models are still being loaded.", "Try again in a minute.")
        self.check()
        if name not in self._managers:
            known = ", ".join(self._managers) or "none"
            raise PresetNotFound("There is no preset of that name.", f"This server has: {known}.")
        return self._managers[name]

    def check(self) -> None:
        """Raise `PresetError` where the models could not be loaded."""
        if isinstance(self._failure, PresetError):
            raise type(self._failure)(self._failure.message, self._failure.remedy)
        if self._failure is not None:
            raise PresetError("The models could not be loaded.", "Whoever runs this server finds why in its log.")

    async def read(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run what reads in one of the reading threads."""
        return await self._run(self._threads, work, *arguments, **named)

    async def fetch(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run what waits for other computers, in threads of their own: slow ones hold up nobody who sent a file."""
        return await self._run(self._fetchers, work, *arguments, **named)

    async def _run(
        self, pool: ThreadPoolExecutor | None, work: Callable[P, T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        if pool is None:
            raise RuntimeError("the application was not started")
        return await asyncio.wrap_future(pool.submit(work, *arguments, **named))

    def _load(self) -> None:
        try:
            worker.prepare(worker.MOST_PROCESSES)  # the first files find them ready
            for preset in list_presets(self._settings.weights):
                if not self._closing:
                    self._load_one(preset)
        except Exception as error:
            self._failure = error
            log_defect("models not loaded", error)
        finally:
            self._ready.set()

    def _load_one(self, preset: Preset) -> None:
        # Imported here: loading the network library takes seconds, in which the server answers already.
        from cxrkit.model.manager import XRayModelManager

        manager = XRayModelManager(preset, precision=self._settings.precision, bulk=True)
        manager.read(phantom(size=256))  # the first call compiles what follows use
        batch = MicroBatch(
            manager.runtime,
            most=max(1, MOST_TOGETHER // manager.runtime.streams),  # so many in all, and none waits for the largest
            waiting=self._settings.queue,
            on_batch=self._meters.batch.observe,
        )
        manager.runtime = batch
        self._batches.append(batch)
        self._managers[preset.name] = manager
        self._meters.model.labels(preset.name, preset.weights_sha256, batch.name).set(1)
