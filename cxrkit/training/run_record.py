"""``run.json``: the whole account of a run, from which it can be repeated and recognised."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from cxrkit.errors import TrainingError
from cxrkit.training import surroundings
from cxrkit.training.recipe import Recipe
from cxrkit.training.run_folder import RunFolder, read_record
from cxrkit.training.sources import Parts

State = Literal["running", "stopped", "failed", "finished"]


@dataclasses.dataclass
class RunRecord:
    """The record of one run, written anew in one step whenever something in it changes."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def open(
        cls,
        folder: RunFolder,
        *,
        name: str,
        recipe: Recipe,
        parts: Parts,
        command: str,
        identity: Mapping[str, str],
        start: Mapping[str, Any],
    ) -> RunRecord:
        """Begin the record of a run, or go on with the one that is there.

        Parameters
        ----------
        command
            The command line in its public form.
        identity
            What decides the weights; see `cxrkit.training.run_folder.newest_unfinished`.
        start
            Where the first weights come from.
        """
        here = {"code": surroundings.code(), "versions": surroundings.versions(), "machine": surroundings.machine()}
        before = read_record(folder)
        if before is None:
            content = {
                "name": name,
                "state": "running",
                "message": "",
                "started": _now(),
                "finished": None,
                "command": command,
                "seed": recipe.seed,
                "recipe": TypeAdapter(Recipe).dump_python(recipe, mode="json"),
                "data": data_record(parts),
                "start": dict(start),
                "identity": dict(identity),
                **here,
                "resumed": [],
            }
        else:
            content = before | {"state": "running", "message": "", "finished": None}
            content["resumed"] = [*before.get("resumed", []), {"time": _now(), "command": command, **here}]
        record = cls(folder.record, content)
        record.write()
        return record

    def end(self, state: State, message: str = "", **more: Any) -> None:
        """Write how the run, or this part of it, ended."""
        self.content |= {"state": state, "message": message, "finished": _now(), **more}
        self.write()

    def write(self) -> None:
        """Replace the file in one step.

        Raises
        ------
        TrainingError
            The folder cannot be written to.
        """
        try:
            write_text(self.path, json.dumps(self.content, indent=1, ensure_ascii=False) + "\n")
        except OSError:
            raise TrainingError(
                "The folder of the run cannot be written to.", "Make room there, or name another with --runs FOLDER."
            ) from None


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a kill leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)


def identity_of(recipe: Recipe, parts: Parts, start: Mapping[str, Any]) -> dict[str, str]:
    """What decides the weights of a run, by name, as checksums or ``"none"``."""
    return {
        "recipe": hashlib.sha256(recipe.fingerprint().encode()).hexdigest(),
        "data": parts.checksum(),
        "start": str(start.get("preset_sha256") or "none"),
        "ImageNet file": str(start.get("imagenet_sha256") or start.get("imagenet") or "none"),
    }


def data_record(parts: Parts) -> dict[str, Any]:
    """Checksums and counts of the data, by table and side; no image's name, no patient's key."""
    sides = {"training": parts.training, "validation": parts.validation}
    tables: dict[str, dict[str, Any]] = {}
    for side, manifests in sides.items():
        for manifest in manifests:
            # two sources may be one table, of which each takes other rows
            table = tables.setdefault(manifest.sha256, {"table": manifest.source, "sha256": manifest.sha256})
            table[f"{side}_images"] = table.get(f"{side}_images", 0) + len(manifest)
    return {
        "checksum": parts.checksum(),
        "tables": list(tables.values()),
        "repeats": list(parts.repeats),
        "weights": list(parts.weights),
        **{
            side: {"images": sum(map(len, manifests)), "patients": count_patients(manifests)}
            for side, manifests in sides.items()
        },
    }


def count_patients(manifests: Any) -> int:
    """Patients of several tables; an id in two tables counts twice, since tables number their patients anew."""
    return sum(len(set(manifest.patients().tolist())) for manifest in manifests)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
