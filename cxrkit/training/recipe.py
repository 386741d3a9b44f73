"""A training recipe: everything about a preset that is decided before its weights exist."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT, Name, Population, ReferencePrevalence, Share
from cxrkit.errors import TrainingError
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.network import HEADS
from cxrkit.preset import Geometry, Intensity

TRAINING_FIELDS = (
    "backbone",
    "head",
    "findings",
    "geometry",
    "intensity",
    "stages",
    "augmentation",
    "weight_decay",
    "warmup",
    "momentum",
    "mixed_precision",
    "seed",
)
_REMEDY = "Compare it with weights/pneumonia/recipe.json."
Size = Annotated[float, Field(ge=0)]


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

    rotation: Size = 10.0
    shift: Size = 0.06
    zoom: Size = 0.1
    aspect: Size = 0.0
    brightness: Size = 0.1
    contrast: Size = 0.2
    gamma: Size = 0.2
    noise: Size = 0.02
    flip: bool = False


@dataclass(frozen=True, config=STRICT)
class Stage:
    """Some epochs at one image size, with the learning rate falling to zero along a half cosine."""

    size: Annotated[int, Field(ge=32, le=4096)]
    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Settings of a run and the words of the card; see `cxrkit.preset.Preset` for the shared fields."""

    name: Name
    title: str
    version: str
    backbone: str
    head: str
    findings: tuple[Name, ...]
    geometry: Geometry
    intensity: Intensity
    stages: tuple[Stage, ...]
    population: Population
    intended_use: str
    limits: tuple[str, ...]
    data: tuple[str, ...]
    augmentation: Augmentation = Augmentation()
    weight_decay: Size = 1e-4
    warmup: Share = 0.05
    momentum: Share = 0.9
    mixed_precision: bool = True
    seed: Annotated[int, Field(ge=0)] = 20
    label_noise: tuple[str, ...] = ()
    notice: str = ""
    reference_prevalence: ReferencePrevalence | None = None

    def __post_init__(self) -> None:
        problem = ""
        if not self.stages:
            problem = "it has no stages"
        elif not self.findings or len(set(self.findings)) != len(self.findings):
            problem = "its findings are empty or repeated"
        elif self.reference_prevalence is not None and set(self.reference_prevalence.by_finding) != set(self.findings):
            problem = "its reference prevalence is for other findings"
        elif self.backbone not in BACKBONES:
            problem = f"it names the backbone {self.backbone!r}, which is none of {', '.join(BACKBONES)}"
        elif self.head not in HEADS:
            problem = f"it names the head {self.head!r}, which is none of {', '.join(HEADS)}"
        if problem:
            raise TrainingError(f"The training recipe is inconsistent: {problem}.", _REMEDY)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recipe:
        """Read a recipe from JSON; raises `TrainingError` naming the first wrong field."""
        try:
            return TypeAdapter(cls).validate_json(Path(path).read_bytes())
        except OSError:
            raise TrainingError("The training recipe does not exist.", "Check the path given to --recipe.") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise TrainingError(f"The training recipe is malformed at {where}: {first['msg']}.", _REMEDY) from None

    def fingerprint(self) -> str:
        """Text that is equal for recipes that train alike, whatever the words of their cards."""
        plain = TypeAdapter(Recipe).dump_python(self, mode="json")
        return json.dumps({name: plain[name] for name in TRAINING_FIELDS}, sort_keys=True)
