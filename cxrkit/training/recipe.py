"""A training recipe: everything about a preset that is decided before its weights exist."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT, Population, ReferencePrevalence
from cxrkit.errors import TrainingError
from cxrkit.preset import Geometry, Intensity


@dataclass(frozen=True, config=STRICT)
class Augmentation:
    """Ranges from which each training image draws its own change; all uniform and symmetric.

    Attributes
    ----------
    rotation
        Degrees.
    shift, zoom
        Share of the side.
    aspect
        Largest relative stretch of one axis against the other (0.2: up to 1.2 either way), so that
        the proportions of the film say little.
    brightness, contrast, gamma
        Offset, and exponents of e for the gain and for the power of the grey values.
    noise
        Largest standard deviation of added noise, on the 0..1 scale.
    flip
        Whether to mirror left and right. Off by default: it puts the heart on the other side.
    """

    rotation: float = 10.0
    shift: float = 0.06
    zoom: float = 0.1
    aspect: float = 0.0
    brightness: float = 0.1
    contrast: float = 0.2
    gamma: float = 0.2
    noise: float = 0.02
    flip: bool = False


@dataclass(frozen=True, config=STRICT)
class Stage:
    """Some epochs at one image size, with the learning rate falling to zero along a half cosine."""

    size: int
    epochs: int
    batch: int
    learning_rate: float


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Settings of a run and the words of the card; see `cxrkit.preset.Preset` for the shared fields."""

    name: str
    title: str
    version: str
    backbone: str
    head: str
    findings: tuple[str, ...]
    geometry: Geometry
    intensity: Intensity
    stages: tuple[Stage, ...]
    population: Population
    intended_use: str
    limits: tuple[str, ...]
    data: tuple[str, ...]
    augmentation: Augmentation = Augmentation()
    weight_decay: float = 1e-4
    warmup: float = 0.05
    momentum: float = 0.9
    mixed_precision: bool = True
    seed: int = 20
    label_noise: tuple[str, ...] = ()
    notice: str = ""
    reference_prevalence: ReferencePrevalence | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recipe:
        """Read a recipe from JSON; raises `TrainingError` naming the first wrong field."""
        try:
            recipe = TypeAdapter(cls).validate_json(Path(path).read_bytes())
        except OSError:
            raise TrainingError("The training recipe does not exist.", "Check the path given to --recipe.") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise TrainingError(
                f"The training recipe is malformed at {where}: {first['msg']}.",
                "Compare it with weights/pneumonia/recipe.json.",
            ) from None
        if not recipe.stages or not recipe.findings:
            raise TrainingError("The training recipe has no stages or no findings.", "Give at least one of each.")
        return recipe

    def fingerprint(self) -> str:
        """Text that is equal for equal recipes; a checkpoint of another recipe is not resumed."""
        return TypeAdapter(Recipe).dump_json(self).decode()
