"""``python -m tests.killed_training FOLDER``: runs of scripts/train.py, some of which are killed on the way.

Every run is a process of its own, forked after the network library was imported (which takes longer than
the training) and before it was used. Prints one JSON list of how they ended: exit statuses, or minus the signal.
"""

import importlib.util
import json
import os
import signal
import sys
from pathlib import Path

import keras

from cxrkit.model.backbones import BACKBONES
from cxrkit.training.run_log import RunLog
from tests.factory_training import SHALLOW

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "train.py"


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def in_the_middle_of_an_epoch(count):
    """Killed after so many steps."""
    original, steps = RunLog.step, []

    def step(self, number, loss):
        original(self, number, loss)
        steps.append(number)
        if len(steps) == count:
            die()

    RunLog.step = step


def while_a_checkpoint_is_written(count):
    """Killed when half of a file of weights is on the disk."""
    original, files = keras.Model.save_weights, []

    def save_weights(self, path, *args, **kwargs):
        original(self, path, *args, **kwargs)
        files.append(path)
        if len(files) == count:
            os.truncate(path, os.path.getsize(path) // 2)  # noqa: PTH202 - a path or its text
            die()

    keras.Model.save_weights = save_weights


def train(folder, runs, *more, prepare=lambda: None):
    """Begin a run in a process of its own; its number."""
    process = os.fork()
    if process:
        return process
    prepare()
    spec = importlib.util.spec_from_file_location("train_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    words = ["--recipe", "recipe.json", "--runs", runs, "--manifest", "table.csv", "--progress", "quiet", *more]
    os.chdir(folder)
    os._exit(module.main(words))


def end_of(process):
    """How a process ended."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(folder):
    BACKBONES["shallow"] = SHALLOW
    whole = train(folder, "whole")
    ends = [end_of(train(folder, "killed", prepare=lambda: in_the_middle_of_an_epoch(6)))]  # the second of 4 steps
    for prepare in (lambda: while_a_checkpoint_is_written(1), lambda: None):  # that of the second epoch
        ends.append(end_of(train(folder, "killed", "--resume", prepare=prepare)))
    print(json.dumps([end_of(whole), *ends]))


if __name__ == "__main__":
    main(sys.argv[1])
