"""The options of scripts/train.py: which belong to which table, in both spellings, and the line for the record.

Other scripts take the same tables, most of them beside the folder of a finished preset.
"""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cxrkit.training.named import MODEL_TYPES

LABELS = Path("labels.csv")
"""The table that is taken when none is named: what README's prepare_data.py writes."""

_IDENTITIES = ("patient_id", "patient_key")
"""Columns of which no value may stand in a record."""

_OVERRIDES = (
    ("--epochs-frozen", int, "N", "epochs of the phase that trains the head alone (0: without that phase)"),
    ("--epochs-finetune", int, "N", "epochs of the phase that trains more than the head (0: without that phase)"),
    ("--batch-size", int, "N", "images per step; halve it when the memory does not suffice"),
    ("--input-size", int, "PIXELS", "side of the images"),
    ("--learning-rate", float, "RATE", "of a recipe with one phase"),
    ("--label-smoothing", float, "E", "teach a label y as y (1 - E) + E / 2"),
    ("--border", float, "SHARE", "share of each side to cut off, against markers and edges"),
    ("--seed", int, "N", "of every random draw"),
)


class _OfManifest(argparse.Action):
    """Attach an option to the manifest before it."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        sources = namespace.sources = getattr(namespace, "sources", None) or []
        if self.dest == "manifest":
            sources.append({"manifest": values})
        elif not sources:
            parser.error(f"{option_string} must follow the --manifest that it belongs to")
        elif isinstance(values, tuple) and self.dest in ("label_map", "only"):
            if values[0] in (pairs := sources[-1].setdefault(self.dest, {})):
                parser.error(f"{option_string} names the column {values[0]} twice for one --manifest")
            pairs.update([values])
        elif self.dest in sources[-1]:
            parser.error(f"{option_string} is given twice for one --manifest")
        else:
            sources[-1][self.dest] = values


def parse(arguments: Sequence[str], description: str | None) -> argparse.Namespace:
    """The options; `sources` holds one dictionary per table, as `cxrkit.training.sources.Source` takes it."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    _what(parser)
    _where(parser)
    add_manifests(parser)
    _settings(parser)
    options = parser.parse_args([spelt(word) for word in arguments])
    options.sources = getattr(options, "sources", None) or []
    if not (options.list_recipes or options.recipe or options.model_type):
        parser.error("name a --recipe or a --model-type; --list-recipes shows what there is")
    if options.run is not None and options.resume:
        parser.error("--run names the folder and goes on with what it holds: leave --resume out")
    if options.start is not None and options.imagenet not in (None, "none"):
        parser.error("--start and --imagenet are two different starts: give one")
    return options


def spelt(word: str) -> str:
    """An option in the spelling of this parser: ``--batch_size=8`` is ``--batch-size=8``."""
    if not word.startswith("--"):
        return word
    option, sign, value = word.partition("=")
    return option.replace("_", "-") + sign + value


def _what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--list-recipes", action="store_true", help="show the named recipes and leave")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--recipe", metavar="NAME_OR_FILE", help="a named recipe, or a JSON file of your own")
    what.add_argument("--model-type", choices=list(MODEL_TYPES), help="short for the recipe of that network")
    add(
        "--findings",
        type=_words,
        metavar="A,B",
        help="findings to learn instead of the recipe's: columns of the tables",
    )
    add("--imagenet", metavar="FILE", help="backbone weights: a .h5/.hdf5/.weights.h5 file, 'download' or 'none' "
        "(default: what the recipe says)")  # fmt: skip
    add("--start", type=Path, metavar="PRESET", help="preset whose weights are the start")
    add("--allow-missing", action="store_true", help="findings without a column are unknown in that table")
    add("--skip-unreadable", action="store_true", help="leave out images that cannot be read (default: stop)")


def _where(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--name", help="name of the preset and of the run (default: the last part of --out, or the recipe's name)")
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="copy the finished preset here; weights/NAME shows it in the dashboard",
    )
    add("--runs", type=Path, default=Path("runs"), metavar="FOLDER", help="where runs stand (default: runs)")
    add("--resume", nargs="?", const=True, default=False, metavar="RUN", help="go on with an interrupted run: its "
        "folder, or the newest one of this name, recipe and data")  # fmt: skip
    add("--run", type=Path, metavar="FOLDER", help="a folder of your own choice for the run instead: begun, or gone on "
        "with where it holds one")  # fmt: skip
    add("--progress", choices=["auto", "bar", "lines", "json", "quiet"], default="auto", help="how to show progress "
        "(default: a bar on a terminal, else lines)")  # fmt: skip
    add("--distribute", action="store_true", help="divide each batch among all devices (backend jax)")


def add_manifests(parser: argparse.ArgumentParser) -> None:
    """The tables, and the options that belong to the one before them."""
    parser.add_argument(
        "--manifest", type=Path, action=_OfManifest, metavar="FILE.csv",
        help=f"table of images and labels; repeatable (default: {LABELS})",
    )  # fmt: skip
    of = parser.add_argument_group("options of the manifest before them")

    def add(option: str, kind: Callable[[str], Any], metavar: str, text: str) -> None:
        of.add_argument(option, type=kind, action=_OfManifest, metavar=metavar, help=text)

    add("--images", Path, "FOLDER", "folder of its images")
    add("--split", str, "NAME", "take only rows of this split (default: train, and val to validate)")
    add("--label-map", pair, "COLUMN=FINDING", "a label column under another name")
    add("--only", pair, "COLUMN=VALUE", "take only rows with this value")
    add("--hold-out", number(0, 1), "SHARE", "cut a validation part out of its training rows, as rich in positives")
    add("--group-by", _words, "COLUMN,...", "groups that the cut keeps together (default: patient)")
    add("--repeat", number(0, 1000), "TIMES", "how often an epoch shows each image (default 1)")
    add("--weight", number(0, 1000), "FACTOR", "what each of its images counts in the loss (default 1)")


def preset_parser(
    description: str | None, *counts: tuple[str, int, str], folder: str = "; its card is written anew"
) -> argparse.ArgumentParser:
    """The parser of a script that works on a finished preset with tables; for `parse_with_manifests`.

    Parameters
    ----------
    counts
        Options that take a whole number: name, what is taken where it is not given, and what it is.
    folder
        What becomes of the preset's folder, for the help.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("preset", type=Path, metavar="FOLDER", help=f"the preset's folder{folder}")
    add_counts(parser, *counts)
    return parser


def add_counts(parser: argparse.ArgumentParser, *counts: tuple[str, int, str]) -> None:
    """Add options that take a whole number; see `preset_parser`."""
    for name, default, what in counts:
        parser.add_argument(name, type=int, default=default, metavar="N", help=f"{what} (%(default)s)")


def parse_with_manifests(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, script: str
) -> argparse.Namespace:
    """The options of a script that takes tables and needs one; None stands for what was typed.

    `sources` holds them as after `parse`, and `command` the line for the record.
    """
    given = sys.argv[1:] if arguments is None else arguments
    add_manifests(parser)
    options = parser.parse_args(given)
    if not getattr(options, "sources", None):
        parser.error("give a --manifest")
    options.command = public_command(given, script)
    return options


say = functools.partial(print, flush=True)
"""Shows a line at once, also where the output is no terminal."""


def _settings(parser: argparse.ArgumentParser) -> None:
    of = parser.add_argument_group("settings instead of the recipe's")
    for option, kind, metavar, text in _OVERRIDES:
        of.add_argument(option, type=kind, metavar=metavar, help=text)
    of.add_argument(
        "--sampling", choices=["shuffled", "stratified", "balanced"], help="order of the images of an epoch"
    )
    of.add_argument(
        "--class-weights", choices=["prevalence", "balanced", "none"], help="weights of the loss's two terms"
    )
    switch = argparse.BooleanOptionalAction
    of.add_argument("--mixed-precision", action=switch, default=None, help="compute in bfloat16")
    of.add_argument("--flip", action=switch, default=None, help="mirror images left and right at random")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def pair(text: str) -> tuple[str, str]:
    """``COLUMN=VALUE``."""
    key, separator, value = text.partition("=")
    if not (key and separator and value):
        raise argparse.ArgumentTypeError("must look like COLUMN=VALUE")
    return key, value


def number(low: float, high: float) -> Callable[[str], float]:
    """A parser of numbers between two bounds, both excluded."""

    def parse_number(text: str) -> float:
        value = float(text)
        if not low < value < high:
            raise argparse.ArgumentTypeError(f"must lie between {low:g} and {high:g}")
        return value

    return parse_number


def public_command(arguments: Sequence[str], script: str = "scripts/train.py") -> str:
    """The command line for the card: data by its variable's name, other places by their last part."""
    home = os.environ.get("CXRKIT_DATA")

    def public(word: str) -> str:
        option, sign, value = word.partition("=")
        if sign and option.startswith("--"):
            return f"{option}={public(value)}"
        if sign and option in _IDENTITIES:
            return f"{option}=..."
        path = Path(word)
        if home and path.is_absolute() and path.is_relative_to(home):
            return "$CXRKIT_DATA/" + path.relative_to(home).as_posix()
        return path.name if path.is_absolute() or ".." in path.parts or word.startswith("~") else word

    words = [word if "$CXRKIT_DATA/" in word else shlex.quote(word) for word in map(public, arguments)]
    return " ".join(["python", script, *words])
