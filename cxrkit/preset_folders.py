"""Folders of presets: which there are, which one is meant, and whether its files are those that its card names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cxrkit.errors import PresetInvalid, WeightsCorrupt, WeightsMissing
from cxrkit.preset import CARD, Preset

WEIGHTS = Path(os.environ.get("CXRKIT_WEIGHTS") or Path(__file__).resolve().parent.parent / "weights")
"""Folder of the presets: ``$CXRKIT_WEIGHTS``, else the shipped ones."""


def list_presets(folder: str | os.PathLike[str] = WEIGHTS) -> tuple[Preset, ...]:
    """All presets in `folder`, by name. A malformed card raises, it is not skipped.

    Raises
    ------
    PresetInvalid
        Also when a card's name is not that of its folder, as in a copied folder: two presets of one
        name could then be confused.
    """
    return tuple(load_as_named(card.parent) for card in sorted(Path(folder).glob(f"*/{CARD}")))


def load_as_named(folder: Path) -> Preset:
    """`Preset.load`, which also raises `PresetInvalid` where the card's name is not that of its folder."""
    preset = Preset.load(folder)
    if preset.name != folder.name:
        raise PresetInvalid(
            f"The folder {folder.name!r} holds the card of a preset named {preset.name!r}.",
            "Give the folder and the name in preset.json the same name.",
        )
    return preset


def find_preset(preset: str | os.PathLike[str] | Preset, folder: str | os.PathLike[str] = WEIGHTS) -> Preset:
    """A preset by name in `folder`, or from a preset folder's own path, or as it is."""
    if isinstance(preset, Preset):
        return preset
    named = Path(folder) / preset
    try:
        by_path = not (named / CARD).is_file() and Path(preset).is_dir()
    except ValueError:  # a name that no file can have
        by_path = False
    return Preset.load(preset if by_path else named)


def find_run(path: str | os.PathLike[str]) -> Preset:
    """The preset of a training run: in the folder itself, in its folder ``preset``, or beside a file of it."""
    place = Path(path).parent if Path(path).is_file() else Path(path)
    return Preset.load(place / "preset" if (place / "preset" / CARD).is_file() else place)


def folder_of(preset: Preset) -> Path:
    """Where a preset lies: the folder that it was loaded from, else its place in `WEIGHTS`."""
    return Path(preset.folder or WEIGHTS / preset.name)


# -- files -------------------------------------------------------------------------------------


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verified_weights(preset: Preset) -> Path:
    """Path of a preset's weights file after its sha256 was compared with the card's.

    Raises
    ------
    WeightsMissing, WeightsCorrupt
    """
    path = folder_of(preset) / preset.weights_file
    if not path.is_file():
        raise WeightsMissing(
            f"The weights file {preset.weights_file} of preset {preset.name!r} is missing.",
            "Restore it from the release (with git: git checkout weights), or train the preset again.",
        )
    if file_sha256(path) != preset.weights_sha256 or not preset.weights_sha256:
        raise WeightsCorrupt(
            f"The weights file {preset.weights_file} of preset {preset.name!r} is not the file that its card names "
            "(its sha256 differs): it is truncated, altered or of another version.",
            "Restore both files from the same release, or train the preset again.",
        )
    return path


def verified_gate(preset: Preset) -> bytes | None:
    """A preset's quality gate, after its file's sha256 was compared with the card's; None where the card names none.

    Raises
    ------
    WeightsCorrupt
        The file is missing, or is not the one that the card names.
    """
    if preset.quality_gate is None:
        return None
    path = folder_of(preset) / preset.quality_gate.file
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != preset.quality_gate.sha256:
        raise WeightsCorrupt(
            f"The quality gate of preset {preset.name!r} is missing, or is not the file that its card names.",
            "Restore it from the release (git checkout weights), or fit it again with scripts/fit_quality.py.",
        )
    return data
