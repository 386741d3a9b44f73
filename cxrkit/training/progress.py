"""What a training run tells while it goes on, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

EpochRow = dict[str, Any]
"""What is known of a finished epoch: ``stage``, ``trainable``, ``size``, ``epoch``, ``loss``,
``learning_rate``, ``seconds``, ``validation_loss``, ``validation_accuracy`` and ``validation_auroc`` (by
finding, and ``"mean"``), what validation cannot tell being None; stages and epochs are counted from 1."""


class Reporter(Protocol):
    """Takes what happens in a run; none of its methods may change the run."""

    def line(self, text: str) -> None:
        """A sentence about what is being done."""
        ...

    def resumed(self, history: Sequence[EpochRow]) -> None:
        """A run goes on after these epochs."""
        ...

    def epoch_begins(self, stage: int, stages: int, epoch: int, epochs: int, steps: int) -> None:
        """An epoch of a stage begins; all counted from 1."""
        ...

    def step(self, step: int, loss: float) -> None:
        """A step of the epoch is done."""
        ...

    def epoch_ends(self, row: EpochRow) -> None:
        """An epoch is done, validated and saved."""
        ...


class Quiet:
    """A reporter that tells nobody."""

    def line(self, text: str) -> None:
        """Drop it."""

    def resumed(self, history: Sequence[EpochRow]) -> None:
        """Drop it."""

    def epoch_begins(self, stage: int, stages: int, epoch: int, epochs: int, steps: int) -> None:
        """Drop it."""

    def step(self, step: int, loss: float) -> None:
        """Drop it."""

    def epoch_ends(self, row: EpochRow) -> None:
        """Drop it."""


class Several:
    """A reporter that tells several others, in their order."""

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def line(self, text: str) -> None:
        """Tell all."""
        for reporter in self._reporters:
            reporter.line(text)

    def resumed(self, history: Sequence[EpochRow]) -> None:
        """Tell all."""
        for reporter in self._reporters:
            reporter.resumed(history)

    def epoch_begins(self, stage: int, stages: int, epoch: int, epochs: int, steps: int) -> None:
        """Tell all."""
        for reporter in self._reporters:
            reporter.epoch_begins(stage, stages, epoch, epochs, steps)

    def step(self, step: int, loss: float) -> None:
        """Tell all."""
        for reporter in self._reporters:
            reporter.step(step, loss)

    def epoch_ends(self, row: EpochRow) -> None:
        """Tell all."""
        for reporter in self._reporters:
            reporter.epoch_ends(row)
