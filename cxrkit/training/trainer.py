"""The training loop: stages of epochs, a checkpoint after each, resumable after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from cxrkit.errors import TrainingError
from cxrkit.model.losses import WeightedBCE, as_keras_loss
from cxrkit.model.network import build_network, set_trainable, split_frozen
from cxrkit.training.averaging import settle, take_average
from cxrkit.training.batches import Batch, ImageSet
from cxrkit.training.progress import Reporter
from cxrkit.training.recipe import Recipe, Stage
from cxrkit.training.run_state import (
    RunState,
    load_epoch,
    load_network,
    read_state,
    save_epoch,
    save_network,
    write_state,
)
from cxrkit.training.sampling import epoch_order
from cxrkit.training.schedule import Watch, build_optimizer
from cxrkit.training.stage_inputs import Check, FeatureInputs, ImageInputs, Inputs
from cxrkit.training.validation import check_monitor, predict, score

Loader = Callable[[int], tuple[ImageSet, ImageSet]]


def train_network(
    recipe: Recipe,
    loader: Loader,
    loss: WeightedBCE,
    run: Path,
    reporter: Reporter,
    initial: keras.Model | None = None,
    inputs: Mapping[str, str] | None = None,
    check: Check = lambda: None,
    *,
    cache_features: bool = True,
) -> keras.Model:
    """Train through all stages and return the network in float32, at the last stage's size.

    The same call after a kill at any moment goes on from the last finished epoch. It ends with the
    same weights as an uninterrupted run: to the bit on the CPU with as many threads, else as closely
    as the device repeats itself.

    Parameters
    ----------
    recipe
        Stages, optimiser, sampling and augmentation.
    loader
        ``loader(size) -> (training ImageSet, validation ImageSet)``.
    loss
        From `cxrkit.model.losses.weighted_bce`, on logits.
    run
        Folder of checkpoints and state; those of the same recipe and `inputs` are resumed.
    reporter
        Is told of every event.
    initial
        Network whose weights are the start, or None for random ones.
    inputs
        What else decides the result, by name (the data, the start), as checksums.
    check
        Called after each batch; may raise, for instance `KeyboardInterrupt`.
    cache_features
        False runs the frozen backbone of ``"head"`` stages anew in each epoch, on images augmented anew:
        the yardstick of what the cache saves.

    Raises
    ------
    TrainingError
        The loss is not finite; a stage has fewer images than one batch, or goes by a score that its
        validation part does not have; or the folder holds a checkpoint of another recipe or other inputs.
    """
    identity = {"recipe": recipe.fingerprint(), **(inputs or {})}
    if not cache_features:
        identity["cache of features"] = "none"
    state = read_state(run, identity)
    if state.history:
        reporter.resumed(state.history)
    if not state.network:
        keras.utils.set_random_seed(recipe.seed)
        first = initial if initial is not None else _network(recipe, recipe.stages[0].size)
        state.network = save_network(run, first, 1)
        state.watch = Watch(recipe.stages[0].learning_rate)
        write_state(run, state)
    size, images = 0, None
    while state.stage < len(recipe.stages):
        stage = recipe.stages[state.stage]
        if images is None or stage.size != size:
            images = None  # not both sizes in memory
            size, images = stage.size, loader(stage.size)
        check()
        _run_stage(recipe, images, loss, run, state, reporter, check, cache_features)
    final = _network(recipe, recipe.stages[-1].size)
    load_network(run, state.network, final)
    return final


def _run_stage(
    recipe: Recipe,
    images: tuple[ImageSet, ImageSet],
    loss: WeightedBCE,
    run: Path,
    state: RunState,
    reporter: Reporter,
    check: Check,
    cache_features: bool,
) -> None:
    """Train the stage in which the state is to its end, and bring the state to the beginning of the next."""
    number = state.stage
    stage = recipe.stages[number]
    training, validation = images
    steps = int(training.weight.sum()) // stage.batch
    if steps == 0:
        raise _too_few()
    check_monitor(validation, stage, number + 1)
    on_features = stage.trainable == "head" and cache_features
    with precision(recipe.mixed_precision):
        network = _network(recipe, stage.size)
        set_trainable(network, recipe.backbone, stage.trainable)
        backbone, head = split_frozen(network)
    load_network(run, state.network, network)
    trained = head if on_features else network
    compile_network(trained, recipe, stage, steps, loss)
    if state.checkpoint:
        load_epoch(run, state.checkpoint, trained)
    inputs: Inputs = ImageInputs(recipe, stage.batch, training, validation)
    if on_features:
        inputs = FeatureInputs(recipe, number, backbone, training, validation, run, reporter.line, check)

    while state.epoch < stage.epochs and not state.watch.stops(stage):
        seed = (recipe.seed, number, state.epoch)
        order = epoch_order(training.labels, training.weight, stage.batch, recipe.sampling, seed)
        if len(order) < stage.batch:  # a repeat below 1 draws fewer at times
            raise _too_few()
        reporter.epoch_begins(number + 1, len(recipe.stages), state.epoch + 1, stage.epochs, len(order) // stage.batch)
        began = time.monotonic()
        _reseed(trained, seed)
        if stage.schedule != "cosine":
            trained.optimizer.learning_rate = state.watch.learning_rate
        where = f"stage {number + 1}, epoch {state.epoch + 1}"
        mean_loss = _train_epoch(trained, inputs.epoch(order, state.epoch, seed), where, reporter, check)
        logits = predict(trained, inputs.validation(), stage.batch, check)
        scores = score(logits, validation, recipe.findings, loss)
        row = {
            "stage": number + 1,
            "trainable": stage.trainable,
            "size": stage.size,
            "epoch": state.epoch + 1,
            "loss": mean_loss,
            "learning_rate": float(f"{float(trained.optimizer.learning_rate):.6g}"),
            "seconds": round(time.monotonic() - began, 3),
            **scores.row(),
        }
        watch = replace(state.watch)
        better = watch.see(scores.monitored(stage), stage)
        name = save_epoch(run, trained, number + 1, state.epoch + 1)
        state.watch, state.checkpoint, state.epoch = watch, name, state.epoch + 1
        if better and stage.keep == "best":
            state.best = name
        state.history.append(row)
        write_state(run, state)
        reporter.epoch_ends(row)

    if stage.keep == "best":
        if not state.best:
            raise TrainingError(
                f"No epoch of stage {number + 1} had a validation {stage.monitor} to keep the best weights by.",
                'Lower the learning rate, or set "keep" to "last".',
            )
        load_epoch(run, state.best, trained)
    if stage.averaging:
        take_average(trained)
        if not on_features:
            seed = (recipe.seed, number, state.epoch)
            order = epoch_order(training.labels, training.weight, stage.batch, recipe.sampling, seed)
            settle(network, inputs.epoch(order, state.epoch, seed), check)
        scores = score(predict(trained, inputs.validation(), stage.batch, check), validation, recipe.findings, loss)
        reporter.line(
            f"stage {number + 1} hands on averaged weights: "
            f"validation loss {scores.loss:.4f}, AUROC {scores.auroc['mean']:.4f}"
        )
    state.network = save_network(run, network, number + 2)
    state.stage, state.epoch, state.checkpoint, state.best = number + 1, 0, "", ""
    if state.stage < len(recipe.stages):
        state.watch = Watch(recipe.stages[state.stage].learning_rate)
    write_state(run, state)


def _too_few() -> TrainingError:
    return TrainingError("There are fewer training images than one batch.", "Give more images or a smaller batch.")


def _train_epoch(trained: keras.Model, batches: Iterator[Batch], where: str, reporter: Reporter, check: Check) -> float:
    losses: list[float] = []
    for step, (x, y, weight) in enumerate(batches, start=1):
        value = float(np.asarray(trained.train_on_batch(x, y, sample_weight=weight)).ravel()[0])
        if not np.isfinite(value):
            raise TrainingError(
                f"The loss was not finite in {where}, step {step}.",
                "Begin a new run with a lower learning rate or without mixed precision: this one would do it again.",
            )
        # train_on_batch reports the running mean since the last reset, so reset to have the batch's own
        trained.reset_metrics()
        losses.append(value)
        reporter.step(step, value)
        check()
    return float(np.mean(losses))


def _network(recipe: Recipe, size: int) -> keras.Model:
    return build_network(
        recipe.backbone, len(recipe.findings), input_size=size, head=recipe.head, momentum=recipe.momentum
    )


def compile_network(network: keras.Model, recipe: Recipe, stage: Stage, steps: int, loss: WeightedBCE) -> None:
    """Give a network the optimiser and the loss of a stage whose epochs have so many steps."""
    network.compile(optimizer=build_optimizer(recipe, stage, steps), loss=as_keras_loss(loss))


@contextmanager
def precision(mixed: bool) -> Iterator[None]:
    """Build networks in mixed bfloat16, or in float32."""
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def _reseed(network: keras.Model, seed: tuple[int, ...]) -> None:
    """Let the dropout of an epoch depend on the epoch alone, not on what this process did before."""
    for place, layer in enumerate(network.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            words = np.random.SeedSequence((*seed, place)).generate_state(2) >> 1  # within every backend's int32
            generator.state.assign(words.astype("int32"))
