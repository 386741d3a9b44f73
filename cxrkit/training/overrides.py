"""Single settings of a recipe that a command line changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cxrkit.errors import TrainingError
from cxrkit.training.recipe import Recipe, Stage


@dataclass(frozen=True)
class Overrides:
    """What to change; None leaves the recipe's own.

    Attributes
    ----------
    epochs_frozen
        Epochs of the stage that trains the head alone; 0 leaves the stage out.
    epochs_finetune
        Epochs of the stage that trains more than the head; 0 leaves the stage out.
    learning_rate
        Of a recipe with one stage.
    batch_size, input_size
        Of every stage.
    flip
        Whether augmentation mirrors left and right.
    findings, seed, mixed_precision, label_smoothing, border, sampling, class_weights
        As in `Recipe`.
    """

    epochs_frozen: int | None = None
    epochs_finetune: int | None = None
    batch_size: int | None = None
    input_size: int | None = None
    learning_rate: float | None = None
    flip: bool | None = None
    findings: tuple[str, ...] | None = None
    seed: int | None = None
    mixed_precision: bool | None = None
    label_smoothing: float | None = None
    border: float | None = None
    sampling: str | None = None
    class_weights: str | None = None

    def apply(self, recipe: Recipe) -> Recipe:
        """The recipe with these changes.

        Raises
        ------
        TrainingError
            The recipe has no such stage, or a value is impossible.
        """
        try:
            return self._changed(recipe)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise TrainingError(
                f"A setting of the recipe was changed to an impossible value at {where}: {first['msg']}.",
                "Give another value; docs/training.md says what each may be.",
            ) from None

    def _changed(self, recipe: Recipe) -> Recipe:
        stages = recipe.stages
        if self.epochs_frozen is not None:
            stages = _with_epochs(recipe, stages, _is_frozen, self.epochs_frozen, "frozen")
        if self.epochs_finetune is not None:
            stages = _with_epochs(recipe, stages, lambda s: not _is_frozen(s), self.epochs_finetune, "fine-tuning")
        if self.learning_rate is not None:
            if len(stages) > 1:
                raise TrainingError(
                    f"The recipe {recipe.name!r} has {len(stages)} stages, each with a learning rate of its own.",
                    "Write them into a recipe file of your own and give it with --recipe FILE.",
                )
            stages = tuple(dataclasses.replace(s, learning_rate=self.learning_rate) for s in stages)
        if self.batch_size is not None:
            stages = tuple(dataclasses.replace(s, batch=self.batch_size) for s in stages)
        if self.input_size is not None:
            stages = tuple(dataclasses.replace(s, size=self.input_size) for s in stages)
        changes: dict[str, Any] = {"stages": stages}
        if self.flip is not None:
            changes["augmentation"] = dataclasses.replace(recipe.augmentation, flip=self.flip)
        if self.findings is not None and self.findings != recipe.findings:
            # prevalences and remarks on labels were about the other findings
            changes |= {"findings": self.findings, "reference_prevalence": None, "label_noise": ()}
            changes["title"] = _retitled(recipe, self.findings)
        for name in ("seed", "mixed_precision", "label_smoothing", "border", "sampling", "class_weights"):
            if (value := getattr(self, name)) is not None:
                changes[name] = value
        return dataclasses.replace(recipe, **changes)


def _retitled(recipe: Recipe, findings: tuple[str, ...]) -> str:
    """The title with what is learnt at its beginning; one that begins otherwise gets it at its end."""
    before, after = _few_words(recipe.findings), _few_words(findings)
    if recipe.title.startswith(before):
        return after + recipe.title.removeprefix(before)
    return f"{recipe.title}: {after}"


def _few_words(findings: tuple[str, ...]) -> str:
    return f"{len(findings)} findings" if len(findings) > 3 else ", ".join(findings)


def _is_frozen(stage: Stage) -> bool:
    return stage.trainable == "head"


def _with_epochs(
    recipe: Recipe, stages: tuple[Stage, ...], wanted: Callable[[Stage], bool], epochs: int, kind: str
) -> tuple[Stage, ...]:
    of_kind = [stage for stage in recipe.stages if wanted(stage)]
    if len(of_kind) != 1:
        number = "no" if not of_kind else str(len(of_kind))
        raise TrainingError(
            f"The recipe {recipe.name!r} has {number} {kind} stages, so their number of epochs cannot be set.",
            "Choose another recipe, or write the epochs into a recipe file of your own.",
        )
    if epochs == 0:
        return tuple(stage for stage in stages if not wanted(stage))
    return tuple(dataclasses.replace(s, epochs=epochs) if wanted(s) else s for s in stages)
