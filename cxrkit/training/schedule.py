"""The optimiser of a stage, and what the validation scores do to it: smaller steps, an early end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras

from cxrkit.training.recipe import Recipe, Stage


def build_optimizer(recipe: Recipe, stage: Stage, steps: int) -> keras.optimizers.Optimizer:
    """The optimiser of a stage whose epochs have so many steps.

    The gradient of each variable is clipped to norm 1. AdamW decays kernels only, not biases and the
    scales of normalisation. With the schedules ``"constant"`` and ``"plateau"`` the learning rate is a
    variable, saved with the optimiser, and so is the moving average of the weights.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule = stage.learning_rate
    if stage.schedule == "cosine":
        total = stage.epochs * steps
        warm = max(1, int(total * recipe.warmup))
        rate = keras.optimizers.schedules.CosineDecay(
            stage.learning_rate * 0.01,
            max(1, total - warm),
            alpha=0.01,
            warmup_target=stage.learning_rate,
            warmup_steps=warm,
        )
    average = {"use_ema": True, "ema_momentum": stage.averaging} if stage.averaging else {}
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate, clipnorm=1.0, **average)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay, clipnorm=1.0, **average)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


@dataclass
class Watch:
    """What the validation scores of a stage were so far, as far as they decide anything.

    Attributes
    ----------
    learning_rate
        For the next epoch, of the schedules ``"constant"`` and ``"plateau"``.
    best
        Best value of the stage's `monitor`, or None before there is one.
    stale, stale_since_cut
        Epochs since the best one, and since the best one or the last cut of the learning rate.
    """

    learning_rate: float
    best: float | None = None
    stale: int = 0
    stale_since_cut: int = 0

    def see(self, value: float, stage: Stage) -> bool:
        """Take the score of an epoch; whether it is better than all before. NaN is never better."""
        better = not math.isnan(value) and (
            self.best is None or (value < self.best if stage.monitor == "loss" else value > self.best)
        )
        if better:
            self.best, self.stale, self.stale_since_cut = value, 0, 0
            return True
        self.stale += 1
        self.stale_since_cut += 1
        if stage.schedule == "plateau" and self.stale_since_cut >= stage.plateau_patience:
            self.learning_rate *= stage.plateau_factor
            self.stale_since_cut = 0
        return False

    def stops(self, stage: Stage) -> bool:
        """Whether the stage ends early."""
        return stage.patience is not None and self.stale >= stage.patience
