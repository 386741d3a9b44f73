"""Score any number of files with a preset: a folder, a table or an archive in, one table with a row per file out.

Killed at any moment, the same run goes on where it was; see `cxrkit.serving.scoring_parts`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

import cxrkit
from cxrkit.preset import Preset
from cxrkit.serving.scoring_parts import Parts
from cxrkit.serving.scoring_pipeline import Chunk, How, Model, Scorer, Tick
from cxrkit.serving.scoring_rows import schema
from cxrkit.serving.scoring_sources import SourceSpec

PART = 512
"""Files per part: what a kill may cost, and what one of many computers gets at a time."""

PLAIN = How()

# what decides what stands in a row, of a preset whose weights are known by their sum
_DECISIVE = ("findings", "input_size", "geometry", "intensity", "border", "calibration", "quality_gate", "doubt")


class Engine(Protocol):
    """Scores chunks, here or elsewhere."""

    def tables(self, chunks: Iterable[Chunk], tick: Tick | None = None) -> Iterator[tuple[int, pa.Table]]:
        """Number and rows of each chunk, in any order."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class Progress(Protocol):
    """Is told how far a run is."""

    def begin(self, done: int, total: int) -> None:
        """So many of all files were done before."""
        ...

    def tick(self, outcomes: Any) -> None:
        """More were done, with these outcomes."""
        ...


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes
    ----------
    files, read, refused, failed
        Rows of the table, and how many have each outcome.
    before
        Files that an earlier run, which was interrupted, had done.
    """

    files: int
    read: int
    refused: int
    failed: int
    before: int


def score(
    source: SourceSpec,
    out: Path,
    preset: Preset,
    engine: Callable[[], Engine],
    *,
    how: How = PLAIN,
    part: int = PART,
    runtime: str = "auto",
    progress: Progress | None = None,
) -> Summary:
    """Score every file of a source and write the table.

    Parameters
    ----------
    source
        What is scored.
    out
        The table, ``.parquet`` or ``.csv``, with the columns of `cxrkit.serving.scoring_rows.schema`. A run that was
        interrupted left ``<out>.parts``, from which this one goes on.
    preset
        The model's card.
    engine
        Makes what does the work; not called when nothing is left to do.
    how, part, runtime
        How files are scored, how many make a part, and what runs the network. A run that was interrupted goes on with
        the same alone.

    Raises
    ------
    ScoringError
        There is nothing to score, the output exists, or the parts are of another run.
    ManifestError, CorruptFile, ExtraMissing
        The table or archive cannot be read, or the address not opened.
    StorageUnusable
        The disk is full, or may not be written to.
    """
    opened, parts = source.open(), Parts(out)
    with parts.held():
        parts.begin(opened, part, identity(source, preset, how, runtime))
        before = parts.done()
        if progress is not None:
            progress.begin(before, parts.total)
        if before < parts.total:
            at_work = engine()
            try:
                for number, table in at_work.tables(parts.left(), None if progress is None else progress.tick):
                    parts.keep(number, table)
            finally:
                at_work.close()
        outcomes = parts.finish(schema(preset, how.precision))
    return Summary(parts.total, outcomes["read"], outcomes["refused"], outcomes["failed"], before)


def here(model: Callable[[], Model], source: SourceSpec, how: How) -> Callable[[], Engine]:
    """The engine that is this process."""
    return lambda: Scorer(model(), source.open(), how)


def identity(source: SourceSpec, preset: Preset, how: How, runtime: str) -> Mapping[str, Any]:
    """What makes the rows of a run what they are; paths by their sum alone."""
    return {
        "version": cxrkit.__version__,
        "preset": preset.name,
        "weights": preset.weights_sha256,
        "card": card_sum(preset),
        "source": _sum([source.where if "://" in source.where else str(Path(source.where).resolve()), source.images]),
        "match": source.match,
        "batch": how.batch,
        "correct": how.correct,
        "override": how.override,
        "runtime": runtime,
        **({"precision": how.precision} if how.precision != "float32" else {}),
    }


def card_sum(preset: Preset) -> str:
    """The sum of all of a card that decides, with the weights, what stands in a row."""
    return _sum({name: getattr(preset, name) for name in _DECISIVE})


def _sum(what: Any) -> str:
    text = json.dumps(what, sort_keys=True, default=lambda one: dataclasses.asdict(one))
    return hashlib.sha256(text.encode()).hexdigest()
