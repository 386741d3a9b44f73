"""Maps over their radiographs as files in a folder, none of which is named after its patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrkit.data.part_file import unwritable
from cxrkit.imaging.quality import corrected
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Reading
from cxrkit.serving.pictures import map_pictures

ALL = "all"


def wanted_findings(text: str, preset: Preset) -> tuple[str, ...]:
    """The findings that a person names, apart by commas, or ``"all"``.

    Raises
    ------
    FindingUnknown
        The preset has none of that name.
    """
    if text == ALL:
        return preset.findings
    named = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in named:
        preset.require(name)
    return named


def past_points(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Findings of a record that are past an operating point or a published threshold, and not in doubt there."""
    past = []
    for finding, entry in record["findings"].items():
        points = [*entry["operating_points"].values()]
        points += [entry["published_threshold"]] if "published_threshold" in entry else []
        if any(point["positive"] and not point["in_doubt"] for point in points):
            past.append(finding)
    return tuple(past)


def write_maps(folder: Path, radiograph: Radiograph, reading: Reading, findings: Sequence[str]) -> list[str]:
    """Write a PNG per finding and return their names: preset, sha256 of the source, display if not the first, finding.

    Parameters
    ----------
    radiograph
        As it was loaded.
    reading
        Of it, with explanations.

    Raises
    ------
    StorageUnusable
        The folder cannot be made or written to.
    """
    display = f"-display{radiograph.display + 1}" if radiograph.display else ""
    head = f"{reading.preset}-{reading.radiograph_sha256}{display}"
    pictures = map_pictures(corrected(radiograph, reading.quality.correction), reading, findings)
    names = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for finding, data in pictures.items():
            name = f"{head}-{finding.lower()}.png"
            passing = folder / f"{name}.tmp"
            passing.write_bytes(data)
            passing.replace(folder / name)
            names.append(name)
    except OSError as error:
        raise unwritable(error) from None
    return names
