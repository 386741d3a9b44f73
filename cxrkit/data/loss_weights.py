"""Loss weights from label counts: of shipped presets, or of a table of labels; and the file they go to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cxrkit.card import LabelCount
from cxrkit.data.manifest import count_labels, label_matrix
from cxrkit.data.table import read_table, select_rows
from cxrkit.errors import TrainConfigError
from cxrkit.preset import Preset
from cxrkit.preset_folders import WEIGHTS
from cxrkit.train_config import TRAIN_CONFIG, PresetWeights, TrainConfig, from_counts, read_counts


def count_presets(presets: Iterable[Preset]) -> dict[str, PresetWeights]:
    """Name -> loss weights of each preset, from the ``label_counts.csv`` beside its card.

    Presets whose card knows no counts, as of weights from elsewhere, have no entry: see `without_counts`.

    Raises
    ------
    TrainConfigError
        A preset has no counts, counts that contradict its card, or the name of another one.
    """
    entries: dict[str, PresetWeights] = {}
    folders: dict[str, Path] = {}
    for preset in presets:
        folder = Path(preset.folder).resolve()
        if not preset.label_counts:
            continue
        if folders.setdefault(preset.name, folder) != folder:
            raise TrainConfigError(
                f"Two folders hold a preset named {preset.name!r}.", "Remove one, or give it a name of its own."
            )
        counts, sha256 = read_counts(folder / "label_counts.csv")
        if counts != preset.label_counts:
            raise TrainConfigError(
                f"The label counts beside preset {preset.name!r} contradict its card.",
                "Restore both from the release, or train the preset again.",
            )
        entries[preset.name] = from_counts(counts, f"weights/{preset.name}/label_counts.csv", sha256)
    return entries


def without_counts(presets: Iterable[Preset]) -> tuple[str, ...]:
    """Names of the presets whose labels were never counted here."""
    return tuple(preset.name for preset in presets if not preset.label_counts)


def count_table(
    preset: Preset,
    path: str | os.PathLike[str],
    *,
    split: str | None = None,
    label_map: Mapping[str, str] | None = None,
) -> PresetWeights:
    """Loss weights of a preset's findings from a table with one row per image, which need not be at hand.

    Parameters and errors are those of `cxrkit.data.manifest.read_manifest`; a finding without any
    known label raises `TrainConfigError`.
    """
    counts, sha256 = read_label_counts(path, preset.findings, split=split, label_map=label_map)
    return from_counts(counts, Path(path).name, sha256)


def read_label_counts(
    path: str | os.PathLike[str],
    findings: Iterable[str],
    *,
    split: str | None = None,
    label_map: Mapping[str, str] | None = None,
) -> tuple[tuple[LabelCount, ...], str]:
    """Label counts of a table and the sha256 of its bytes; the images need not be at hand."""
    table, sha256 = read_table(path)
    wanted = tuple(findings)
    return count_labels(label_matrix(select_rows(table, split), wanted, label_map=label_map), wanted), sha256


def refuse_foreign_presets() -> None:
    """Raise `TrainConfigError` where the presets are not those that stand beside train_config.json."""
    if WEIGHTS.resolve() != (TRAIN_CONFIG.parent / "weights").resolve():
        raise TrainConfigError(
            "The presets are those of CXRKIT_WEIGHTS, not the ones that this train_config.json is about.",
            "Name the file to write with --config, or unset CXRKIT_WEIGHTS.",
        )


def is_fresh(config: TrainConfig, path: str | os.PathLike[str]) -> bool:
    """Whether a file holds exactly this configuration; False where it cannot be read."""
    try:
        return Path(path).read_bytes() == config.to_json().encode()
    except OSError:
        return False


def write_config(config: TrainConfig, path: str | os.PathLike[str]) -> None:
    """Write the file; raises `TrainConfigError` where that cannot be done."""
    try:
        Path(path).write_bytes(config.to_json().encode())
    except OSError:
        raise TrainConfigError(
            "The training configuration cannot be written.",
            "Name a file in a folder that exists and that you may write to.",
        ) from None
