"""A training recipe: everything about a preset that is decided before its weights exist."""

from __future__ import annotations

import json
import os
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

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
    "border",
    "stages",
    "augmentation",
    "optimizer",
    "weight_decay",
    "warmup",
    "momentum",
    "class_weights",
    "label_smoothing",
    "sampling",
    "mixed_precision",
    "seed",
    "start_outputs",
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
    shear
        Largest horizontal displacement of the upper edge against the lower one, as a share of the side.
    aspect
        Largest relative stretch of one axis against the other (0.2: up to 1.2 either way), so that
        the proportions of the film say little.
    brightness, contrast, gamma
        Offset, and exponents of e for the gain and for the power of the grey values.
    blur
        Largest standard deviation of a Gaussian blur, as a share of the side; half of the images stay sharp.
    noise
        Largest standard deviation of added noise, on the 0..1 scale.
    erase
        Largest side of a rectangle that is painted over with the image's mean, as a share of the side; half
        of the images stay whole.
    flip
        Whether to mirror left and right. Off by default: it puts the heart on the other side.
    """

    rotation: Size = 10.0
    shift: Size = 0.06
    zoom: Size = 0.1
    shear: Size = 0.0
    aspect: Size = 0.0
    brightness: Size = 0.1
    contrast: Size = 0.2
    gamma: Size = 0.2
    blur: Size = 0.0
    noise: Size = 0.02
    erase: Share = 0.0
    flip: bool = False


@dataclass(frozen=True, config=STRICT)
class Stage:
    """Some epochs at one image size with one part of the network trainable.

    Attributes
    ----------
    size, epochs, batch
        Side of the images in pixels; epochs at most (see `patience`); images per step.
    learning_rate
        Its highest value.
    trainable
        ``"all"``; ``"top"``, the head and the backbone's last block (see the table of backbones); or
        ``"head"``, whose frozen backbone is run once, its features being cached.
    schedule
        ``"cosine"`` falls to a hundredth along a half cosine after the recipe's warm-up, ``"constant"``
        stays, ``"plateau"`` is multiplied by `plateau_factor` when `monitor` did not improve for
        `plateau_patience` epochs.
    monitor
        What of the validation part decides: its ``"auroc"`` (mean over findings), ``"accuracy"`` (at 0.5)
        or ``"loss"``.
    patience
        Epochs without improvement after which the stage stops early; None never stops.
    keep
        Weights that the stage hands on: of its ``"last"`` epoch, or of the ``"best"`` by `monitor`.
    averaging
        Momentum, per step, of a moving average of the weights, which the stage hands on in their place; 0 keeps
        none. 0.995 looks back over about 200 steps. The scores after an epoch are those of the weights themselves.
    views
        Of a ``"head"`` stage: how many versions of each image have their features cached. 1 is the image
        as it is; more are augmented draws, which the epochs take in turn.
    """

    size: Annotated[int, Field(ge=32, le=4096)]
    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    trainable: Literal["all", "top", "head"] = "all"
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    monitor: Literal["auroc", "accuracy", "loss"] = "auroc"
    patience: Annotated[int, Field(ge=1)] | None = None
    plateau_patience: Annotated[int, Field(ge=1)] = 3
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    keep: Literal["last", "best"] = "last"
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.0
    views: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Settings of a run and the words of the card; see `cxrkit.preset.Preset` for the shared fields.

    Attributes
    ----------
    population, data
        Left out, they are read off the training rows.
    pretrained
        Whether the backbone starts from ImageNet's weights, unless the caller says otherwise.
    optimizer, weight_decay
        ``"adamw"`` decays kernels decoupled from the gradient; ``"adam"`` takes no decay. Both clip the
        gradient of each variable to norm 1.
    warmup
        Share of a stage's steps in which the learning rate of the schedule ``"cosine"`` rises from a hundredth.
    momentum
        Of the moving averages of batch normalisation.
    class_weights
        Of the two terms of the cross-entropy, per finding: ``"prevalence"`` (1 - prevalence and
        prevalence), ``"balanced"`` (n / 2 positives and n / 2 negatives), or ``"none"`` (1 and 1); see
        `cxrkit.training.weighting.class_weights`.
    label_smoothing
        e: a known label y is taught as y (1 - e) + e / 2.
    sampling
        Order of an epoch: ``"shuffled"``; ``"stratified"``, every batch in the proportions of the whole;
        ``"balanced"``, images of each finding (and of none) drawn equally often. An image counts to its
        rarest positive finding; see `cxrkit.training.sampling.epoch_order`.
    start_outputs
        Of a run that starts from a preset: finding -> outputs of that preset whose mean logit is the first
        logit of the finding. A finding that is not named takes the preset's output of its own name.
    """

    name: Name
    title: str
    version: str
    backbone: str
    head: str
    findings: tuple[Name, ...]
    geometry: Geometry
    intensity: Intensity
    stages: tuple[Stage, ...]
    intended_use: str
    limits: tuple[str, ...]
    population: Population | None = None
    data: tuple[str, ...] = ()
    border: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    pretrained: Literal["imagenet", "none"] = "none"
    augmentation: Augmentation = Augmentation()
    optimizer: Literal["adamw", "adam"] = "adamw"
    weight_decay: Size = 1e-4
    warmup: Share = 0.05
    momentum: Share = 0.9
    class_weights: Literal["prevalence", "balanced", "none"] = "prevalence"
    label_smoothing: Share = 0.0
    sampling: Literal["shuffled", "stratified", "balanced"] = "shuffled"
    mixed_precision: bool = True
    seed: Annotated[int, Field(ge=0)] = 20
    start_outputs: dict[Name, tuple[Name, ...]] = field(default_factory=dict)
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
        elif any(stage.averaging and stage.keep == "best" for stage in self.stages):
            problem = "a stage averages its weights and yet keeps those of its best epoch"
        elif not set(self.start_outputs) <= set(self.findings) or not all(self.start_outputs.values()):
            problem = "its start outputs are for other findings, or name none"
        if problem:
            raise TrainingError(f"The training recipe is inconsistent: {problem}.", _REMEDY)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recipe:
        """Read a recipe from a JSON file; raises `TrainingError` naming the first wrong field."""
        try:
            text = Path(path).read_bytes()
        except (OSError, ValueError):  # ValueError: a name that no file can have
            raise TrainingError("The training recipe does not exist.", "Check the path given to --recipe.") from None
        return cls.parse(text)

    @classmethod
    def parse(cls, text: str | bytes) -> Recipe:
        """`load` for the text of a file."""
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise TrainingError(f"The training recipe is malformed at {where}: {first['msg']}.", _REMEDY) from None

    def fingerprint(self) -> str:
        """Text that is equal for recipes that train alike, whatever the words of their cards."""
        plain = TypeAdapter(Recipe).dump_python(self, mode="json")
        said = [name for name in TRAINING_FIELDS if name != "start_outputs" or plain[name]]
        return json.dumps({name: plain[name] for name in said}, sort_keys=True)
