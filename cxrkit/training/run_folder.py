"""The folder of a run: where its record, its logs, its checkpoints and its preset stand."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cxrkit.data.lock import locked
from cxrkit.errors import TrainingError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_STAMP = "%Y%m%d_%H%M%S"
_TRIES = 50


@dataclass(frozen=True)
class RunFolder:
    """Paths inside the folder of a run."""

    path: Path

    @property
    def record(self) -> Path:
        """What was run, on what and with what: ``run.json``."""
        return self.path / "run.json"

    @property
    def checkpoints(self) -> Path:
        """The trainer's state, from which the run goes on."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.path / "tensorboard"

    @property
    def history(self) -> Path:
        """One row per epoch: ``history.csv``."""
        return self.path / "history.csv"

    @property
    def preset(self) -> Path:
        """The finished preset."""
        return self.path / "preset"


def check_name(name: str) -> str:
    """The name, if presets and folders can have it; raises `TrainingError`."""
    if not NAME.fullmatch(name):
        raise TrainingError(
            "The name of the preset has characters that names cannot have.",
            "Use letters, digits, dots, dashes and underscores.",
        )
    return name


def new_run(
    runs: str | os.PathLike[str],
    name: str,
    *,
    now: Callable[[], datetime] = datetime.now,
    wait: Callable[[float], None] = time.sleep,
) -> RunFolder:
    """Make the folder ``<name>_<YYYYMMDD_HHMMSS>`` in `runs`; never one that exists already.

    Raises
    ------
    TrainingError
        The name is impossible, or the folder cannot be made.
    """
    check_name(name)
    for _ in range(_TRIES):
        folder = RunFolder(Path(runs) / f"{name}_{now().strftime(_STAMP)}")
        try:
            folder.path.mkdir(parents=True)
        except FileExistsError:
            wait(0.2)  # another run of this name began in the same second
            continue
        except OSError:
            break
        return folder
    raise _unmakable()


def _unmakable() -> TrainingError:
    return TrainingError(
        "The folder of the run cannot be made.", "Name a folder that you may write to with --runs FOLDER."
    )


@contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Keep the folder of a run for this process, made if need be; a kill frees it, too.

    Where the system or the disk knows no locks nothing is kept.

    Raises
    ------
    TrainingError
        Another process holds it, or it cannot be made.
    """
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise _unmakable() from None
    busy = TrainingError(
        "The run is still going on in another process.", "Wait for its end, or stop it and resume it then."
    )
    with locked(folder.path, busy):
        yield


def read_record(folder: RunFolder) -> dict[str, Any] | None:
    """``run.json`` of a folder, or None where there is none that can be read."""
    try:
        record = json.loads(folder.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def newest_unfinished(runs: str | os.PathLike[str], name: str, identity: Mapping[str, str]) -> RunFolder:
    """The newest run of a name that did not finish and that has this identity.

    Parameters
    ----------
    identity
        What decides the weights (the recipe, the data, the start), by name, as checksums.

    Raises
    ------
    TrainingError
        There is none; where the newest unfinished one differs it says in what.
    """
    stamped = re.compile(re.escape(name) + r"_\d{8}_\d{6}")
    found = [path for path in Path(runs).glob("*") if stamped.fullmatch(path.name)]
    differs: list[str] | None = None
    for path in sorted(found, key=lambda one: one.name, reverse=True):
        record = read_record(RunFolder(path))
        if record is None or record.get("state") == "finished":
            continue
        other = different(record, identity)
        if not other:
            return RunFolder(path)
        differs = differs or other
    if differs:
        raise TrainingError(
            f"The newest unfinished run of {name!r} differs in its {' and '.join(differs)}.",
            "Give the options and tables that it was begun with, or leave --resume out to begin a new run.",
        )
    raise TrainingError(
        f"There is no unfinished run of {name!r}.",
        "Leave --resume out to begin a new run, or name the run's folder: --resume RUN.",
    )


def existing_run(path: str | os.PathLike[str], identity: Mapping[str, str]) -> RunFolder:
    """The folder of a run that was named, finished or not.

    Raises
    ------
    TrainingError
        It is no run, or it has another identity; see `newest_unfinished`.
    """
    folder = RunFolder(Path(path))
    record = read_record(folder)
    if record is None:
        raise TrainingError(
            "The folder to resume holds no run.",
            "Name the folder that holds run.json, such as runs/mine_20260102_030405.",
        )
    if other := different(record, identity):
        raise TrainingError(
            f"The run differs in its {' and '.join(other)}.",
            "Give the options and tables that it was begun with, or leave --resume out to begin a new run.",
        )
    return folder


def different(record: Mapping[str, Any], identity: Mapping[str, str]) -> list[str]:
    """Names of what differs between the identity in a record and another one."""
    before = record.get("identity")
    before = before if isinstance(before, dict) else {}
    return [name for name in sorted({*before, *identity}) if before.get(name) != identity.get(name)]
