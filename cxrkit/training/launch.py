"""A run as the command line asks for it: recipe and tables in, an exit status out."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from cxrkit.errors import CxrError, TrainingError
from cxrkit.preset_folders import find_preset
from cxrkit.training.command import LABELS, public_command
from cxrkit.training.display import Display, open_display
from cxrkit.training.named import MODEL_TYPES, find_recipe
from cxrkit.training.overrides import Overrides
from cxrkit.training.recipe import Recipe
from cxrkit.training.run_folder import RunFolder
from cxrkit.training.session import Outcome, Place, run_training
from cxrkit.training.sources import Source

INTERRUPTED = 130


def launch(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Train as the options of `cxrkit.training.command.parse` say; returns the exit status.

    0 is a finished preset, 2 a refusal or failure that is explained, 130 a stop by Ctrl-C.
    """
    display = open_display(options.progress, sys.stdout)
    opened: list[RunFolder] = []

    def ends(state: str, message: str = "", preset: str = "") -> None:
        display.ends(state, run=str(opened[0].path) if opened else "", preset=preset, message=message)

    # what libraries print, such as Keras while it downloads, must not stand between lines of JSON
    aside = options.progress in ("json", "quiet")
    try:
        with contextlib.redirect_stdout(sys.stderr) if aside else contextlib.nullcontext():
            outcome = _run(options, arguments, display, opened)
    except CxrError as error:
        ends("failed", error.message)
        return error.tell()
    except KeyboardInterrupt:
        ends("stopped", "stopped by the user")
        again = "" if options.run is not None else f" and --resume {opened[0].path}" if opened else ""
        how = f"Go on with the same command{again}." if opened else "Nothing was begun yet."
        print(f"Stopped. {how}", file=sys.stderr)
        return INTERRUPTED
    except BaseException:
        ends("failed", "an unexpected error")
        raise
    ends("finished", preset=str(options.out or outcome.run.preset))
    return 0


def _run(options: argparse.Namespace, arguments: Sequence[str], display: Display, opened: list[RunFolder]) -> Outcome:
    recipe = _overrides(options).apply(find_recipe(options.recipe or MODEL_TYPES[options.model_type]))
    sources = options.sources or [{"manifest": _labels()}]

    def begins(run: RunFolder) -> None:
        opened.append(run)
        display.begins(str(run.path))

    outcome = run_training(
        recipe,
        [Source(**source) for source in sources],
        _place(options),
        command=public_command(arguments),
        reporter=display,
        name=options.name or "",
        out=options.out,
        allow_missing=options.allow_missing,
        skip_unreadable=options.skip_unreadable,
        imagenet=_imagenet(options, recipe),
        start=None if options.start is None else find_preset(options.start),
        distribute=options.distribute,
        opened=begins,
    )
    if options.out is None:
        display.line(f"for the dashboard, copy the preset's folder to weights/{outcome.preset.name}")
    return outcome


def _place(options: argparse.Namespace) -> Place:
    resume = options.resume if isinstance(options.resume, bool) else Path(options.resume)
    return Place(options.runs, resume, options.run)


def _overrides(options: argparse.Namespace) -> Overrides:
    return Overrides(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Overrides)})


def _labels() -> Path:
    if not LABELS.is_file():
        raise TrainingError(
            f"No table of images was named, and there is no {LABELS} in this folder.",
            f"Make one with scripts/prepare_data.py ... --out {LABELS}, or name yours with --manifest FILE.csv.",
        )
    return LABELS


def _imagenet(options: argparse.Namespace, recipe: Recipe) -> str | None:
    if options.imagenet is not None:
        return None if options.imagenet == "none" else str(options.imagenet)
    return "download" if recipe.pretrained == "imagenet" and options.start is None else None
