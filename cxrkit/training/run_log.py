"""What a run writes of its epochs: ``history.csv``, and event files for TensorBoard.

Both hold whole epochs alone, each once, whatever was killed and resumed in between: the table is
replaced in one step, and every epoch has an event file of its own, so that those of epochs that are
not in the checkpoint are told by their names.
"""

from __future__ import annotations

import csv
import io
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from cxrkit.training.progress import EpochRow
from cxrkit.training.run_folder import RunFolder
from cxrkit.training.run_record import write_text

_EVENTS = re.compile(r"events\.out\.tfevents\.\d+\.stage(\d+)-epoch(\d+)")
_STEPS_KEPT = 200


def flat(row: EpochRow) -> dict[str, Any]:
    """A row without nesting: ``validation_auroc`` by finding becomes ``validation_auroc_<finding>``."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            found.update({f"{key}_{name}": one for name, one in value.items()})
        else:
            found[key] = value
    return found


class RunLog:
    """A reporter that keeps the history of a run in its folder.

    Attributes
    ----------
    history
        The rows of all finished epochs, those before a resume included.
    """

    def __init__(self, folder: RunFolder, clock: Callable[[], float] = time.time) -> None:
        self.history: list[EpochRow] = []
        self._folder = folder
        self._clock = clock
        self._losses: list[float] = []

    def line(self, text: str) -> None:
        """Is not kept."""

    def resumed(self, history: Sequence[EpochRow]) -> None:
        """Bring the files into line with the checkpoint: no epoch less, and none more."""
        self.history = [dict(row) for row in history]
        known = {(row["stage"], row["epoch"]) for row in self.history}
        written = set()
        for path, epoch in self._event_files():
            if epoch in known and path.stat().st_size:
                written.add(epoch)
            else:
                path.unlink()
        for number, row in enumerate(self.history, start=1):
            if (row["stage"], row["epoch"]) not in written:
                self._write_events(row, number, {})
        self._write_table()

    def epoch_begins(self, stage: int, stages: int, epoch: int, epochs: int, steps: int) -> None:
        """Begin to collect losses."""
        self._losses = []

    def step(self, step: int, loss: float) -> None:
        """Collect the loss of a step."""
        self._losses.append(loss)

    def epoch_ends(self, row: EpochRow) -> None:
        """Write the epoch to both."""
        self.history.append(dict(row))
        self._write_table()
        self._write_events(row, len(self.history), _thinned(self._losses))

    def _event_files(self) -> Iterator[Any]:
        if self._folder.tensorboard.is_dir():
            for path in sorted(self._folder.tensorboard.iterdir()):
                if name := _EVENTS.fullmatch(path.name):
                    yield path, (int(name[1]), int(name[2]))

    def _write_table(self) -> None:
        rows = [flat(row) for row in self.history]
        text = io.StringIO()
        table = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_text(self._folder.history, text.getvalue())

    def _write_events(self, row: EpochRow, number: int, losses: dict[float, float]) -> None:
        # not by tensorboard's EventFileWriter: it puts the host's name into that of the file, and
        # imports TensorFlow wherever it is installed
        self._folder.tensorboard.mkdir(parents=True, exist_ok=True)
        now = self._clock()
        name = f"events.out.tfevents.{int(now * 1000):013d}.stage{row['stage']}-epoch{row['epoch']}"
        temporary = self._folder.tensorboard / f"writing-{row['stage']}-{row['epoch']}"
        writer = RecordWriter(temporary.open("wb"))
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        # losses of steps stand at thousandths of an epoch, so that epochs of any length share the axis
        for share, loss in losses.items():
            writer.write(_scalars(now, round((number - 1 + share) * 1000), {"loss_of_step": loss}))
        writer.write(_scalars(now, number, _tags(row)))
        writer.close()
        temporary.replace(self._folder.tensorboard / name)


def _thinned(losses: Sequence[float]) -> dict[float, float]:
    """Share of the epoch that is done -> mean loss of the steps up to there since the last one."""
    every = max(1, math.ceil(len(losses) / _STEPS_KEPT))
    found = {}
    for first in range(0, len(losses), every):
        part = losses[first : first + every]
        found[(first + len(part)) / len(losses)] = sum(part) / len(part)
    return found


def _tags(row: EpochRow) -> dict[str, float]:
    named = {}
    for key, value in row.items():
        inner = value if isinstance(value, dict) else {"": value}
        for name, one in inner.items():
            if isinstance(one, int | float) and key not in ("epoch",):
                named[f"{key}/{name}" if name else key] = float(one)
    return named


def _scalars(now: float, step: int, values: dict[str, float]) -> bytes:
    known = {tag: value for tag, value in values.items() if math.isfinite(value)}
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in known.items()])
    return bytes(Event(wall_time=now, step=step, summary=summary).SerializeToString())
