"""How far a run has come, on disk: a state that names whole files only, whenever the process is killed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import keras
from pydantic import TypeAdapter

from cxrkit.errors import TrainingError
from cxrkit.model.checkpoints import assign, read_layers
from cxrkit.training.progress import EpochRow
from cxrkit.training.schedule import Watch

STATE = "state.json"
_OURS = ("before-stage*.weights.h5", "stage*-epoch*.weights.h5", "stage*-features-*.npy", "*.writing")
_REMEDY = "Give another folder for the run, or empty this one."


@dataclass
class RunState:
    """What of a run is done.

    Attributes
    ----------
    identity
        What decides the result, by name, as checksums or text.
    stage, epoch
        Stages finished, and epochs finished of the next one.
    network
        File of the whole network as the stage began.
    checkpoint
        File of what the stage trains, with its optimiser, after `epoch`; empty before the first.
    best
        The same after the best epoch, for stages that keep it.
    watch
        The validation scores of the stage so far.
    history
        Rows of all epochs.
    """

    identity: dict[str, str]
    stage: int = 0
    epoch: int = 0
    network: str = ""
    checkpoint: str = ""
    best: str = ""
    watch: Watch = field(default_factory=lambda: Watch(0.0))
    history: list[EpochRow] = field(default_factory=list)


def read_state(run: Path, identity: dict[str, str]) -> RunState:
    """The state in a folder, or a new one.

    Raises
    ------
    TrainingError
        There is one of another identity, or it cannot be read, or a file that it names is gone.
    """
    path = run / STATE
    if not path.is_file():
        return RunState(identity)
    try:
        state = TypeAdapter(RunState).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # pydantic's ValidationError is a ValueError
        raise TrainingError("The run folder holds a state that cannot be read.", _REMEDY) from None
    before = state.identity
    other = [name for name in sorted({*before, *identity}) if before.get(name) != identity.get(name)]
    if other:
        raise TrainingError(f"The run folder holds a checkpoint that differs in its {' and '.join(other)}.", _REMEDY)
    for name in (state.network, state.checkpoint, state.best):
        if name and not (run / name).is_file():
            raise TrainingError("The run folder has lost its checkpoint.", _REMEDY)
    return state


def write_state(run: Path, state: RunState) -> None:
    """Write the state at once, whose files stand already, and remove those that it no longer names.

    Features of the stage that the state is in are kept, too.
    """
    text = run / f"{STATE}.writing"
    text.write_text(json.dumps(dataclasses.asdict(state), indent=1), encoding="utf-8")
    text.replace(run / STATE)
    current = f"stage{state.stage + 1}-features-"
    for pattern in _OURS:
        for path in run.glob(pattern):
            whole = path.name.startswith(current) and path.suffix == ".npy"
            if path.name not in (state.network, state.checkpoint, state.best) and not whole:
                path.unlink()


def save_network(run: Path, network: keras.Model, stage: int) -> str:
    """Write a whole network as it is before a stage, counted from 1; returns the file's name."""
    name = f"before-stage{stage}.weights.h5"
    run.mkdir(parents=True, exist_ok=True)
    keras.Model(network.inputs, network.outputs).save_weights(run / name)  # leaves an optimiser's state behind
    return name


def load_network(run: Path, name: str, network: keras.Model) -> None:
    """Read what `save_network` wrote."""
    assign(network, read_layers(run / name)[0], file=name)


def save_epoch(run: Path, trained: keras.Model, stage: int, epoch: int) -> str:
    """Write what a stage trains, with its optimiser, after an epoch; returns the file's name."""
    name = f"stage{stage}-epoch{epoch}.weights.h5"
    trained.save_weights(run / name)
    return name


def load_epoch(run: Path, name: str, trained: keras.Model) -> None:
    """Read what `save_epoch` wrote, the optimiser included."""
    trained.optimizer.build(trained.trainable_variables)
    try:
        trained.load_weights(run / name)
    except (OSError, KeyError, ValueError):
        raise TrainingError("The checkpoint in the run folder cannot be read.", _REMEDY) from None
