"""The training loop: stages of epochs, a checkpoint after each, resumable after a kill."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.errors import TrainingError
from cxrkit.evaluation.metrics import auroc
from cxrkit.model.checkpoints import assign, read_layers
from cxrkit.model.losses import Loss, as_keras_loss
from cxrkit.model.network import build_network
from cxrkit.training.batches import ImageSet, Progress, batches, plain_batches
from cxrkit.training.recipe import Recipe, Stage

STATE = "state.json"


def train_network(
    recipe: Recipe,
    loader: Any,
    loss: Loss,
    run: Path,
    progress: Progress,
    initial: keras.Model | None = None,
    inputs: Mapping[str, str] | None = None,
) -> keras.Model:
    """Train through all stages and return the network in float32, at the last stage's size.

    Parameters
    ----------
    recipe
        Stages, optimiser and augmentation.
    loader
        ``loader(size) -> (training ImageSet, validation ImageSet)``.
    loss
        From `cxrkit.model.losses.weighted_bce`, on logits.
    run
        Folder of checkpoint and history; a checkpoint of the same recipe and `inputs` is resumed.
    progress
        Takes one line of text at a time.
    initial
        Network whose weights are the start, or None for random ones.
    inputs
        What else decides the result, by name (the data, the start), as checksums.

    Raises
    ------
    TrainingError
        The loss is not finite, or the folder holds a checkpoint of another recipe or other inputs.
    """
    state = _read_state(run, {"recipe": recipe.fingerprint(), **(inputs or {})})
    keras.utils.set_random_seed(recipe.seed)
    weights = None if initial is None or "checkpoint" in state else initial.get_weights()
    network = None
    for number, stage in enumerate(recipe.stages):
        if number < state["stage"]:
            continue
        with _precision(recipe.mixed_precision):
            network = _compiled(recipe, stage, loss, loader_steps := _Steps(loader, stage))
        if weights is None and "checkpoint" in state:
            # the stage before was finished by an earlier process
            assign(network, read_layers(run / state["checkpoint"])[0], file=state["checkpoint"])
        elif weights is not None:
            network.set_weights(weights)
        if number == state["stage"] and state["epoch"] > 0:
            network.optimizer.build(network.trainable_variables)
            network.load_weights(run / state["checkpoint"])
            progress(f"resumed stage {number + 1} after epoch {state['epoch']}")
        for epoch in range(state["epoch"], stage.epochs):
            began = time.monotonic()
            mean_loss = _train_epoch(
                network, recipe, stage, loader_steps.training, (recipe.seed, number, epoch), progress
            )
            row = {
                "stage": number + 1,
                "size": stage.size,
                "epoch": epoch + 1,
                "loss": mean_loss,
                "seconds": round(time.monotonic() - began, 1),
                "validation_auroc": _validate(network, recipe, loader_steps.validation),
            }
            state["history"].append(row)
            state["epoch"] = epoch + 1
            _save(network, run, state)
            progress("finished " + json.dumps(row))
        weights = network.get_weights()
        state["stage"], state["epoch"] = number + 1, 0
        _save(network, run, state)
    final = build_network(recipe.backbone, len(recipe.findings), input_size=recipe.stages[-1].size, head=recipe.head)
    if network is None:  # a finished run was started again
        assign(final, read_layers(run / state["checkpoint"])[0], file=state["checkpoint"])
    else:
        final.set_weights(network.get_weights())
    return final


class _Steps:
    """Images of a stage, and how many training steps an epoch of them has."""

    def __init__(self, loader: Any, stage: Stage) -> None:
        self.training: ImageSet
        self.validation: ImageSet
        self.training, self.validation = loader(stage.size)
        self.per_epoch = max(1, int(self.training.weight.sum()) // stage.batch)


@contextmanager
def _precision(mixed: bool) -> Iterator[None]:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def _compiled(recipe: Recipe, stage: Stage, loss: Loss, steps: _Steps) -> keras.Model:
    network = build_network(
        recipe.backbone, len(recipe.findings), input_size=stage.size, head=recipe.head, momentum=recipe.momentum
    )
    total = stage.epochs * steps.per_epoch
    warm = max(1, int(total * recipe.warmup))
    schedule = keras.optimizers.schedules.CosineDecay(
        stage.learning_rate * 0.01, max(1, total - warm), warmup_target=stage.learning_rate, warmup_steps=warm
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    network.compile(optimizer=optimizer, loss=as_keras_loss(loss))
    return network


def _train_epoch(
    network: keras.Model, recipe: Recipe, stage: Stage, images: ImageSet, seed: tuple[int, ...], progress: Progress
) -> float:
    losses: list[float] = []
    total = max(1, int(images.weight.sum()) // stage.batch)
    began = time.monotonic()
    for step, (x, y) in enumerate(batches(images, recipe, stage.batch, seed), start=1):
        value = float(np.asarray(network.train_on_batch(x, y)).ravel()[0])
        if not np.isfinite(value):
            raise TrainingError(
                f"The loss was not finite in epoch {seed[-1] + 1}, step {step}.",
                "Lower the learning rate or switch mixed precision off, and resume from the last epoch.",
            )
        # train_on_batch reports the running mean since the last reset, so reset to have the batch's own
        network.reset_metrics()
        losses.append(value)
        if step % 20 == 0:
            left = (time.monotonic() - began) / step * (total - step)
            recent = float(np.mean(losses[-20:]))
            progress(f"epoch {seed[-1] + 1}/{stage.epochs} step {step}/{total} loss {recent:.4f} {left:.0f} s left")
    if not losses:
        raise TrainingError("There are fewer training images than one batch.", "Give more images or a smaller batch.")
    return float(np.mean(losses))


def _validate(network: keras.Model, recipe: Recipe, images: ImageSet) -> dict[str, float]:
    logits: npt.NDArray[Any] = np.concatenate(
        [np.asarray(network.predict_on_batch(x), dtype=np.float32) for x in plain_batches(images, recipe.intensity, 32)]
    )
    found = {}
    for column, finding in enumerate(recipe.findings):
        known = ~np.isnan(images.labels[:, column])
        estimate = auroc(images.labels[known, column], logits[known, column])
        if estimate is not None:
            found[finding] = round(estimate.value, 4)
    found["mean"] = round(float(np.mean(list(found.values()))), 4) if found else float("nan")
    return found


def _read_state(run: Path, identity: dict[str, str]) -> dict[str, Any]:
    path = run / STATE
    if not path.is_file():
        return {"identity": identity, "stage": 0, "epoch": 0, "history": []}
    remedy = "Give another --run folder, or empty this one."
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        before: dict[str, str] = state["identity"]
        complete = "checkpoint" in state and (run / state["checkpoint"]).is_file()
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainingError("The run folder holds a state that cannot be read.", remedy) from None
    other = [name for name in sorted({*before, *identity}) if before.get(name) != identity.get(name)]
    if other:
        raise TrainingError(f"The run folder holds a checkpoint of another {' and '.join(other)}.", remedy)
    if not complete:
        raise TrainingError("The run folder has lost its checkpoint.", remedy)
    return state


def _save(network: keras.Model, run: Path, state: dict[str, Any]) -> None:
    # each epoch has a file of its own, and the state names it once it is whole: a kill at any moment
    # leaves a state whose checkpoint is the one it names
    run.mkdir(parents=True, exist_ok=True)
    before, state["checkpoint"] = state.get("checkpoint"), f"stage{state['stage']}-epoch{state['epoch']}.weights.h5"
    network.save_weights(run / state["checkpoint"])
    text = run / (STATE + ".tmp")
    text.write_text(json.dumps(state, indent=1), encoding="utf-8")
    text.replace(run / STATE)
    if before is not None and before != state["checkpoint"]:
        (run / before).unlink(missing_ok=True)
