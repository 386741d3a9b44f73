"""How a run is shown: a live bar, lines with the time, JSON lines, or nothing but its end."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Column

from cxrkit.training.progress import EpochRow, Quiet, Reporter
from cxrkit.training.run_log import flat

Kind = Literal["auto", "bar", "lines", "json", "quiet"]
_STEPS_BETWEEN_LINES = 20
_SECONDS_BETWEEN_STEPS = 5.0
_NARROW = 72
Clock = Callable[[], float]


class Display(Reporter, Protocol):
    """A reporter with a beginning and an end."""

    def begins(self, run: str) -> None:
        """The run's folder was made or found."""
        ...

    def ends(self, state: str, *, run: str, preset: str, message: str) -> None:
        """The run finished, stopped or failed; `preset` is where the finished one stands."""
        ...


def open_display(kind: Kind, stream: TextIO, clock: Clock = time.monotonic) -> Display:
    """The display of a kind on a stream; ``auto`` is the bar on a terminal, and lines elsewhere."""
    if kind == "auto":
        kind = "bar" if stream.isatty() else "lines"
    if kind == "bar":
        return Bar(Console(file=stream), clock)
    if kind == "json":
        return JsonLines(stream, clock)
    return Silent(stream) if kind == "quiet" else Lines(stream, clock)


class Pace:
    """Time left in a stage from the pace so far; early stopping may end it sooner."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock()
        self._ahead = 1

    def begin(self, epoch: int, epochs: int, steps: int) -> None:
        """An epoch begins; after it, as many more as are left of the stage."""
        self._began, self._ahead = self._clock(), (epochs - epoch + 1) * steps

    def left(self, step: int) -> float:
        """Seconds after so many steps of the epoch."""
        return (self._clock() - self._began) / step * (self._ahead - step)


class Best:
    """The mean AUROC of validation: the last epoch's and the best one's."""

    def __init__(self) -> None:
        self.last = self.best = math.nan

    def see(self, row: EpochRow) -> None:
        """Take an epoch."""
        mean = row.get("validation_auroc", {}).get("mean")
        self.last = math.nan if mean is None else float(mean)
        self.best = max((value for value in (self.best, self.last) if not math.isnan(value)), default=math.nan)

    def text(self) -> str:
        """Both for a line."""
        return "no AUROC yet" if math.isnan(self.last) else f"AUROC {self.last:.3f} (best {self.best:.3f})"


class Lines:
    """One line with the seconds since the start for whatever happens, and every 20 steps."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream, self._clock, self._began = stream, clock, clock()
        self._pace, self._best = Pace(clock), Best()
        self._recent: list[float] = []
        self._of = ""
        self._steps = 0

    def begins(self, run: str) -> None:
        """Say where."""
        self.line(f"run folder: {run}")

    def line(self, text: str) -> None:
        """Print it."""
        print(f"[{self._clock() - self._began:6.0f} s] {text}", file=self._stream, flush=True)

    def resumed(self, history: Sequence[EpochRow]) -> None:
        """Say after which epoch."""
        for row in history:
            self._best.see(row)
        self.line(_resumed(history))

    def epoch_begins(self, stage: int, stages: int, epoch: int, epochs: int, steps: int) -> None:
        """Remember where we are."""
        self._of, self._steps, self._recent = f"stage {stage}/{stages} epoch {epoch}/{epochs}", steps, []
        self._pace.begin(epoch, epochs, steps)

    def step(self, step: int, loss: float) -> None:
        """Print now and then."""
        self._recent.append(loss)
        if step % _STEPS_BETWEEN_LINES == 0 and step < self._steps:
            recent = self._recent[-_STEPS_BETWEEN_LINES:]
            left = duration(self._pace.left(step))
            self.line(
                f"{self._of} step {step}/{self._steps} loss {sum(recent) / len(recent):.4f}, {left} left in stage"
            )

    def epoch_ends(self, row: EpochRow) -> None:
        """Print the epoch's numbers."""
        self._best.see(row)
        more = [f"{name} {row[key]:.4g}" for key, name in _NUMBERS.items() if isinstance(row.get(key), int | float)]
        self.line(f"finished {self._of or 'epoch'}: {', '.join([*more, self._best.text()])}")

    def ends(self, state: str, *, run: str, preset: str, message: str) -> None:
        """Say where the preset stands; what went wrong is for the stream of errors."""
        if state == "finished":
            self.line(f"finished: the preset stands in {preset}")


_NUMBERS = {
    "loss": "loss",
    "validation_loss": "validation loss",
    "validation_accuracy": "accuracy",
    "learning_rate": "learning rate",
    "seconds": "seconds",
}


class Bar:
    """A live bar of the epoch's steps, with a line for each finished epoch above it."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        where = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
        bar = BarColumn(bar_width=None)  # takes what 80 characters leave
        steps = MofNCompleteColumn(table_column=Column(no_wrap=True))
        numbers = TextColumn("{task.fields[numbers]}", markup=False, table_column=Column(no_wrap=True))
        self._narrow = console.width < _NARROW
        columns = (where, numbers) if self._narrow else (where, bar, steps, numbers)
        self._console = console
        self._progress = Progress(*columns, console=console, expand=True, transient=True)
        self._task: TaskID | None = None
        self._pace, self._best = Pace(clock), Best()
        self._mean = math.nan
        self._of = ""

    def begins(self, run: str) -> None:
        """Say where."""
        self.line(f"run folder: {run}")

    def line(self, text: str) -> None:
        """Print it above the bar."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def resumed(self, history: Sequence[EpochRow]) -> None:
        """Say after which epoch."""
        for row in history:
            self._best.see(row)
        self.line(_resumed(history))

    def epoch_begins(self, stage: int, stages: int, epoch: int, epochs: int, steps: int) -> None:
        """A bar of its own for every epoch."""
        self._clear()
        self._of, self._mean = f"stage {stage}/{stages} epoch {epoch}/{epochs}", math.nan
        self._pace.begin(epoch, epochs, steps)
        self._progress.start()
        self._task = self._progress.add_task(self._of, total=steps, numbers="" if self._narrow else self._best.text())

    def step(self, step: int, loss: float) -> None:
        """Move on; the loss is smoothed over some ten steps."""
        self._mean = loss if math.isnan(self._mean) else 0.9 * self._mean + 0.1 * loss
        if self._task is not None:
            left = duration(self._pace.left(step))
            # on a narrow terminal AUROC stands in the lines of the finished epochs alone
            more = f" {left}" if self._narrow else f", {self._best.text()}, {left} left"
            numbers = f"loss {self._mean:.3f}{more}"
            self._progress.update(self._task, completed=step, numbers=numbers)

    def epoch_ends(self, row: EpochRow) -> None:
        """Leave a line."""
        self._best.see(row)
        self.line(f"{self._of}: loss {row['loss']:.4f}, {self._best.text()}, {duration(float(row['seconds']))}")
        self._clear()

    def ends(self, state: str, *, run: str, preset: str, message: str) -> None:
        """Give the terminal back."""
        self._clear()
        if state == "finished":
            self.line(f"The preset stands in {preset}.")

    def _clear(self) -> None:
        if self._task is not None:
            self._progress.stop()
            self._progress.remove_task(self._task)
            self._task = None


class JsonLines:
    """One JSON object per event and line; the fields stand in docs/training.md."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream, self._clock, self._began = stream, clock, clock()
        self._where: dict[str, int] = {}
        self._last = -math.inf

    def _tell(self, event: str, **fields: Any) -> None:
        content = {"event": event, "seconds": round(self._clock() - self._began, 2), **fields}
        print(json.dumps(plain(content), ensure_ascii=False, allow_nan=False), file=self._stream, flush=True)

    def begins(self, run: str) -> None:
        """``run``."""
        self._tell("run", run=run)

    def line(self, text: str) -> None:
        """``text``."""
        self._tell("line", text=text)

    def resumed(self, history: Sequence[EpochRow]) -> None:
        """``epochs_done``, and the row of the last one."""
        self._tell("resumed", epochs_done=len(history), last=flat(history[-1]) if history else None)

    def epoch_begins(self, stage: int, stages: int, epoch: int, epochs: int, steps: int) -> None:
        """``stage``, ``stages``, ``epoch``, ``epochs``, ``steps``."""
        self._where = {"stage": stage, "epoch": epoch, "steps": steps}
        self._last = -math.inf
        self._tell("epoch_begins", stage=stage, stages=stages, epoch=epoch, epochs=epochs, steps=steps)

    def step(self, step: int, loss: float) -> None:
        """``step``, ``loss``: the first and the last step of an epoch, and one every five seconds."""
        now = self._clock()
        if now - self._last >= _SECONDS_BETWEEN_STEPS or step == self._where["steps"]:
            self._last = now
            self._tell("step", **self._where, step=step, loss=loss)

    def epoch_ends(self, row: EpochRow) -> None:
        """The row of ``history.csv``."""
        self._tell("epoch_ends", row=flat(row))

    def ends(self, state: str, *, run: str, preset: str, message: str) -> None:
        """``state``, ``run``, ``preset``, ``message``."""
        self._tell("ends", state=state, run=run, preset=preset or None, message=message)


class Silent(Quiet):
    """Nothing but where the finished preset stands."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begins(self, run: str) -> None:
        """Drop it."""

    def ends(self, state: str, *, run: str, preset: str, message: str) -> None:
        """Print the folder of the finished preset."""
        if state == "finished":
            print(preset, file=self._stream, flush=True)


def plain(value: Any) -> Any:
    """A value for JSON: NaN and infinity, which JSON has not, become null."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def duration(seconds: float) -> str:
    """``75.2`` as ``1:15``, ``3675`` as ``1:01:15``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _resumed(history: Sequence[EpochRow]) -> str:
    last = history[-1] if history else None
    return (
        "resumed before its first epoch ended"
        if last is None
        else (f"resumed after stage {last['stage']} epoch {last['epoch']}")
    )
