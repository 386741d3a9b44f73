"""The project's training step against the same step in plain PyTorch, on the same cores in one run."""

from __future__ import annotations

from typing import Any

from cxrkit.conversion.torch_step import computes_in_bfloat16, torch_step
from cxrkit.training.recipe import Recipe, Stage
from cxrkit.training.timing import (
    WEIGHTS,
    alternate,
    batch_of,
    head_steps,
    summarise,
    surroundings,
    training_step,
)

FINDINGS = 14


def compare_training(batch: int, size: int, precision: str, rounds: int, unfused: bool = False) -> dict[str, Any]:
    """Time a step of DenseNet-121 with 14 findings, ours and PyTorch's in turn, and a step of a frozen stage.

    Parameters
    ----------
    batch, size
        Images per step, and their side.
    precision
        ``"bfloat16"``, ``"float32"``, or ``"auto"`` for bfloat16 where the processor can.
    rounds
        In which the ways alternate.
    unfused
        Whether to time the step with Keras' own batch normalisation too.

    Returns
    -------
    dict
        Machine, versions, precision, median milliseconds per image, and ratios: ``step_to_torch`` is
        what our step costs of PyTorch's, ``cached_features_to_backbone`` what an epoch of a frozen stage
        costs of one that runs the backbone again.

    Raises
    ------
    ExtraMissing
        PyTorch is not installed (when this module is imported).
    """
    if precision == "auto":
        precision = "bfloat16" if computes_in_bfloat16() else "float32"
    mixed = precision == "bfloat16"
    recipe = _recipe(batch, size, mixed)
    stage, frozen = recipe.stages
    x, y = batch_of(batch, size, FINDINGS)
    ways = {
        "step": training_step(recipe, stage, x, y),
        "torch_step": torch_step(
            x,
            y,
            *(FINDINGS * [weight] for weight in WEIGHTS),
            bfloat16=mixed,
            learning_rate=stage.learning_rate,
            weight_decay=recipe.weight_decay,
        ),
    }
    ratios = {"step_to_torch": ("step", "torch_step")}
    if unfused:
        ways["step_unfused"] = training_step(recipe, stage, x, y, fused=False)
        ratios["step_unfused_to_torch"] = ("step_unfused", "torch_step")
        ratios["step_to_unfused"] = ("step", "step_unfused")
    times = alternate(ways, rounds)
    times |= alternate(head_steps(recipe, frozen, x, y), rounds)
    ratios["cached_features_to_backbone"] = ("head_on_cached_features", "head_with_backbone")
    return {
        **surroundings("tensorflow", "keras", "numpy", "torch"),
        "precision": precision,
        "batch": batch,
        "input_size": size,
        "rounds": rounds,
        **summarise(times, batch, ratios),
    }


def _recipe(batch: int, size: int, mixed: bool) -> Recipe:
    """Settings with every default of the project."""
    stage = Stage(size=size, epochs=1, batch=batch, learning_rate=1e-4)
    return Recipe(
        name="benchmark",
        title="Benchmark",
        version="1",
        backbone="densenet121",
        head="gap-dense",
        findings=tuple(f"F{number}" for number in range(1, FINDINGS + 1)),
        geometry="squash",
        intensity="sample-standard",
        stages=(stage, Stage(size=size, epochs=1, batch=batch, learning_rate=1e-3, trainable="head")),
        intended_use="Timing.",
        limits=(),
        mixed_precision=mixed,
    )
