"""The card of the lung network, which ships beside the presets and serves them all."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT, Name
from cxrkit.errors import PresetInvalid, WeightsCorrupt
from cxrkit.preset_folders import file_sha256

CARD = "lungs.json"
LUNGS = Path(__file__).resolve().parent.parent / "weights" / "lungs"
"""The folder that ships."""


@dataclass(frozen=True, config=STRICT)
class Overlap:
    """Dice coefficient on one part of one data set: mean and tenth percentile over its `n` radiographs."""

    dataset: str
    split: str
    n: int
    dice: float
    dice_p10: float


@dataclass(frozen=True, config=STRICT)
class LungCard:
    """What ships with the weights of the lung network; `overlaps` were measured after all training."""

    version: str
    weights_file: Name
    weights_sha256: str
    data: tuple[str, ...]
    images: int
    validation_images: int
    command: str
    overlaps: tuple[Overlap, ...]
    limits: tuple[str, ...]

    def verified_weights(self, folder: Path) -> Path:
        """Path of the weights in a folder after their sum was compared; raises `WeightsCorrupt`."""
        path = folder / self.weights_file
        if not path.is_file() or file_sha256(path) != self.weights_sha256:
            raise WeightsCorrupt(
                "The weights of the lung network are missing, or are not the file that its card names.",
                "Restore the folder weights/lungs from the release (with git: git checkout weights/lungs).",
            )
        return path


def load_card(folder: Path) -> LungCard | None:
    """The card in a folder, or None where there is none; raises `PresetInvalid`."""
    path = folder / CARD
    if not path.is_file():
        return None
    try:
        return TypeAdapter(LungCard).validate_json(path.read_bytes())
    except ValidationError:
        raise PresetInvalid(
            "The card of the lung network is malformed.", "Restore the folder weights/lungs from the release."
        ) from None


def save_card(card: LungCard, folder: Path) -> None:
    """Write ``lungs.json``."""
    (folder / CARD).write_bytes(TypeAdapter(LungCard).dump_json(card, indent=2) + b"\n")
