"""Between which values the inputs of a trunk's convolutions lie: what int8 needs besides the weights.

Kept as ``int8.json`` beside a preset's card. It names the weights that it was measured with, and each layer by its
kernel, so that no range is ever used for another layer or other weights.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT
from cxrkit.errors import PresetInvalid
from cxrkit.preset import Preset
from cxrkit.preset_folders import folder_of

RANGES = "int8.json"
METHOD: Literal["least and largest value"] = "least and largest value"


@dataclass(frozen=True, config=STRICT)
class LayerRange:
    """The range of one convolution's input.

    Attributes
    ----------
    kernel
        Which convolution: the first 16 digits of the sha256 of its kernel (out, in, h, w) as float32.
    low, high
        Least and largest value; zero lies between them, since a convolution pads with it.
    """

    kernel: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    low: Annotated[float, Field(le=0)]
    high: Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=STRICT)
class Int8Ranges:
    """The ranges of a trunk.

    Attributes
    ----------
    weights_sha256
        Of the weights that they were measured with.
    method, split, n, seed, command
        How, on which and how many radiographs, drawn with which seed, by which command.
    layers
        Of every convolution that is computed in int8. The first one is not: see docs/decisions/0031-openvino.md.
    """

    weights_sha256: str
    method: Literal["least and largest value"]
    split: Literal["train"]
    n: Annotated[int, Field(gt=0, strict=True)]
    seed: int
    command: str
    layers: tuple[LayerRange, ...]

    def by_kernel(self) -> dict[str, LayerRange]:
        """The ranges by the kernel of their layer."""
        return {layer.kernel: layer for layer in self.layers}

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``int8.json`` into a preset's folder in one step."""
        path = Path(folder) / RANGES
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(TypeAdapter(Int8Ranges).dump_json(self, indent=2) + b"\n")
        temporary.replace(path)


def find_ranges(preset: Preset) -> Int8Ranges | None:
    """The ranges beside a preset's card, or None where there are none.

    Raises
    ------
    PresetInvalid
        The file is malformed, or was measured with other weights.
    """
    path = folder_of(preset) / RANGES
    if not path.is_file():
        return None
    again = "Measure them again with scripts/quantize.py, or leave the precision at float32."
    try:
        ranges = TypeAdapter(Int8Ranges).validate_json(path.read_bytes())
    except ValidationError:
        raise PresetInvalid(f"The file of ranges for int8 of preset {preset.name!r} is malformed.", again) from None
    if ranges.weights_sha256 != preset.weights_sha256:
        raise PresetInvalid(f"The ranges for int8 of preset {preset.name!r} were measured with other weights.", again)
    return ranges


def load_ranges(preset: Preset) -> Int8Ranges:
    """As `find_ranges`; raises `PresetInvalid` where there are none, too."""
    ranges = find_ranges(preset)
    if ranges is None:
        raise PresetInvalid(
            f"The preset {preset.name!r} cannot be computed in int8: the ranges of its layers were not measured.",
            "Measure them with scripts/quantize.py, or leave the precision at float32.",
        )
    return ranges
