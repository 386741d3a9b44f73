"""How a run is shown: lines, a bar on a terminal, JSON lines, nothing."""

import io
import json
import math
import os
import pty
import re

import pytest
from rich.console import Console

from cxrkit.training.display import Bar, JsonLines, Lines, Silent, duration, open_display, plain
from cxrkit.training.progress import Quiet, Several


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    """What rich asks of the surroundings, whoever runs the tests."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def row(epoch, auroc):
    return {
        "stage": 1,
        "trainable": "all",
        "size": 32,
        "epoch": epoch,
        "loss": 0.5,
        "learning_rate": 1e-3,
        "seconds": 61.0,
        "validation_loss": 0.4,
        "validation_auroc": {"Mass": auroc, "mean": auroc},
    }


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self):
        return self.now


def two_epochs(display, clock, steps=40):
    display.begins("runs/mine")
    display.line("training on 9 images")
    for epoch, auroc in ((1, 0.9), (2, 0.8)):
        display.epoch_begins(1, 2, epoch, 3, steps)
        for step in range(1, steps + 1):
            clock.now += 1
            display.step(step, 0.25)
        display.epoch_ends(row(epoch, auroc))
    display.ends("finished", run="runs/mine", preset="runs/mine/preset", message="")


def test_lines_tell_each_epoch_and_the_time_left():
    stream, clock = io.StringIO(), Clock()
    two_epochs(Lines(stream, clock), clock)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[     0 s] run folder: runs/mine"
    # 20 of 40 steps took 20 s; 20 more of this epoch and two epochs of 40 are left: 100 s
    assert "[    20 s] stage 1/2 epoch 1/3 step 20/40 loss 0.2500, 1:40 left in stage" in lines
    ends = [line for line in lines if "finished stage" in line]
    assert len(ends) == 2
    assert ends[1].endswith("AUROC 0.800 (best 0.900)")
    assert "validation loss 0.4" in ends[1]
    assert lines[-1].endswith("the preset stands in runs/mine/preset")


def test_a_resumed_run_knows_its_best_epoch():
    stream = io.StringIO()
    lines = Lines(stream)
    lines.resumed([row(1, 0.95)])
    lines.epoch_begins(1, 1, 2, 2, 1)
    lines.epoch_ends(row(2, 0.9))
    assert "resumed after stage 1 epoch 1" in stream.getvalue()
    assert "AUROC 0.900 (best 0.950)" in stream.getvalue()
    lines.epoch_ends(row(3, None))  # a validation part of one class has no AUROC
    assert "no AUROC yet" in stream.getvalue().splitlines()[-1]
    lines.resumed([])
    assert "before its first epoch" in stream.getvalue()


def test_the_bar_shows_stage_loss_auroc_and_time_left():
    stream, clock = io.StringIO(), Clock()
    bar = Bar(Console(file=stream, force_terminal=True, width=80), clock)
    bar.begins("runs/mine")
    bar.epoch_begins(1, 2, 1, 1, 4)
    clock.now += 10
    bar.step(2, 0.25)
    bar._progress.refresh()  # what the thread that redraws does ten times a second
    bar.epoch_ends(row(1, 0.9))
    bar.epoch_begins(2, 2, 1, 1, 4)
    bar._progress.refresh()
    bar.ends("finished", run="runs/mine", preset="weights/[mine]", message="")
    text = stream.getvalue()
    assert "stage 1/2 epoch 1/1" in text
    assert "2/4" in text
    assert "loss 0.250, no AUROC yet, 0:10 left" in text
    assert "AUROC 0.900 (best 0.900)" in text
    assert "1:01" in text  # the epoch took 61 s
    assert "weights/[mine]" in text  # not taken for markup
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 2  # the cursor comes back
    bar.ends("stopped", run="runs/mine", preset="", message="")


def test_on_a_narrow_terminal_loss_and_time_left_are_whole():
    stream, clock = io.StringIO(), Clock()
    bar = Bar(Console(file=stream, force_terminal=True, width=40), clock)
    bar.epoch_begins(2, 2, 11, 15, 120)
    clock.now += 10
    bar.step(60, 0.25)
    bar._progress.refresh()
    bar.ends("stopped", run="runs/mine", preset="", message="")
    assert re.search(r"stage 2/2 epoch 11/15 +loss 0.250 1:30 ", stream.getvalue())


def test_json_lines_hold_numbers_and_no_nan():
    stream, clock = io.StringIO(), Clock()
    two_epochs(JsonLines(stream, clock), clock, steps=12)
    JsonLines(stream, clock).epoch_ends(row(1, math.nan))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[:3] == ["run", "line", "epoch_begins"]
    assert kinds[-2:] == ["ends", "epoch_ends"]
    steps = [event for event in events if event["event"] == "step"]
    assert [one["step"] for one in steps] == [1, 6, 11, 12] * 2  # first, every five seconds, last
    assert steps[0] == {"event": "step", "seconds": 1.0, "stage": 1, "epoch": 1, "steps": 12, "step": 1, "loss": 0.25}
    assert events[kinds.index("epoch_ends")]["row"]["validation_auroc_mean"] == 0.9
    assert events[-1]["row"]["validation_auroc_mean"] is None
    assert events[-2] | {"seconds": 0} == {
        "event": "ends",
        "seconds": 0,
        "state": "finished",
        "run": "runs/mine",
        "preset": "runs/mine/preset",
        "message": "",
    }
    assert plain({"a": [math.inf, 1.5]}) == {"a": [None, 1.5]}


def test_quiet_prints_the_place_of_the_preset_alone():
    stream, clock = io.StringIO(), Clock()
    two_epochs(Silent(stream), clock)
    assert stream.getvalue() == "runs/mine/preset\n"
    Silent(stream).ends("failed", run="runs/mine", preset="", message="no")
    assert stream.getvalue() == "runs/mine/preset\n"


def test_auto_is_a_bar_on_a_terminal_and_lines_elsewhere():
    assert isinstance(open_display("auto", io.StringIO()), Lines)
    assert isinstance(open_display("json", io.StringIO()), JsonLines)
    assert isinstance(open_display("quiet", io.StringIO()), Silent)
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        display = open_display("auto", terminal)
        assert isinstance(display, Bar)
        display.begins("runs/mine")
        display.epoch_begins(1, 1, 1, 1, 2)
        display.step(1, 0.5)
        display.ends("stopped", run="runs/mine", preset="", message="")
        shown = b""
        while b"\x1b[?25h" not in shown:  # what was written arrives in pieces; pytest's time limit ends the wait
            shown += os.read(leader, 10_000)
    os.close(leader)
    assert b"run folder: runs/mine" in shown


def test_several_reporters_hear_the_same():
    class Heard(Quiet):
        def __init__(self):
            self.all = []

        def line(self, text):
            self.all.append(text)

        def resumed(self, history):
            self.all.append(("resumed", len(history)))

        def epoch_begins(self, *numbers):
            self.all.append(numbers)

        def step(self, step, loss):
            self.all.append((step, loss))

        def epoch_ends(self, row):
            self.all.append(row)

    one, other = Heard(), Heard()
    both = Several(one, Quiet(), other)
    both.line("a")
    both.resumed([{}])
    both.epoch_begins(1, 2, 3, 4, 5)
    both.step(1, 0.5)
    both.epoch_ends({"epoch": 1})
    assert one.all == other.all == ["a", ("resumed", 1), (1, 2, 3, 4, 5), (1, 0.5), {"epoch": 1}]


@pytest.mark.parametrize(("seconds", "text"), [(75.2, "1:15"), (3675, "1:01:15"), (-3, "0:00"), (59.6, "1:00")])
def test_durations(seconds, text):
    assert duration(seconds) == text
