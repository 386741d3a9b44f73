"""Train a preset: manifests in, a preset folder out.

Several tables may be given; the options behind a --manifest belong to it. scripts/prepare_data.py makes
such tables. Every image is looked at before training: unreadable ones stop the run, and so do patients or
pictures that stand on two sides of the split. Interrupted at any moment, the same command resumes after the
last finished epoch.
"""

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxrkit.errors import CxrError


class _OfManifest(argparse.Action):
    """Attach an option to the manifest before it."""

    def __call__(self, parser, namespace, values, option_string=None):
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


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator and value):
        raise argparse.ArgumentTypeError("must look like COLUMN=VALUE")
    return key, value


def _number(low: float, high: float):
    def parse(text: str) -> float:
        value = float(text)
        if not low < value < high:
            raise argparse.ArgumentTypeError(f"must lie between {low:g} and {high:g}")
        return value

    return parse


def _record(arguments: list[str]) -> str:
    """The command line for the card: data by its variable's name, other places by their last part."""
    home = os.environ.get("CXRKIT_DATA")

    def public(word: str) -> str:
        path = Path(word)
        if home and path.is_absolute() and path.is_relative_to(home):
            return "$CXRKIT_DATA/" + path.relative_to(home).as_posix()
        return path.name if path.is_absolute() or ".." in path.parts else word

    words = [word if word.startswith("$CXRKIT_DATA/") else shlex.quote(word) for word in map(public, arguments)]
    return " ".join(["python", "scripts/train.py", *words])


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and train; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True, help="JSON with findings, stages and the card's words")
    parser.add_argument("--out", type=Path, required=True, help="preset folder to write, such as weights/pneumonia")
    parser.add_argument("--run", type=Path, help="folder of checkpoints (default: runs/<name of the recipe>)")
    parser.add_argument(
        "--manifest", type=Path, action=_OfManifest, required=True, help="CSV of images and labels; repeatable"
    )
    of = parser.add_argument_group("options of the manifest before them")
    of.add_argument("--images", type=Path, action=_OfManifest, help="folder of its images")
    of.add_argument(
        "--split", action=_OfManifest, help="take only rows of this split (default: train, and val to validate)"
    )
    of.add_argument(
        "--label-map",
        type=_pair,
        action=_OfManifest,
        metavar="COLUMN=FINDING",
        help="a label column under another name",
    )
    of.add_argument(
        "--only", type=_pair, action=_OfManifest, metavar="COLUMN=VALUE", help="take only rows with this value"
    )
    of.add_argument(
        "--hold-out",
        type=_number(0, 1),
        action=_OfManifest,
        metavar="SHARE",
        help="cut a validation part out of its training rows",
    )
    of.add_argument(
        "--group-by",
        type=lambda t: tuple(t.split(",")),
        action=_OfManifest,
        metavar="COLUMN,...",
        help="groups that the cut keeps together (default: patient)",
    )
    of.add_argument(
        "--repeat",
        type=_number(0, 1000),
        action=_OfManifest,
        metavar="TIMES",
        help="how often an epoch shows each image (default 1)",
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="findings without a column are unknown in that table"
    )
    parser.add_argument(
        "--skip-unreadable", action="store_true", help="leave out images that cannot be read (default: stop)"
    )
    parser.add_argument(
        "--imagenet",
        default="none",
        metavar="FILE",
        help="backbone weights: a .h5/.hdf5/.weights.h5 file, 'download' or 'none' (default)",
    )
    parser.add_argument("--start", type=Path, metavar="PRESET", help="preset whose weights are the start")
    options = parser.parse_args(arguments)

    from cxrkit.preset import find_preset
    from cxrkit.training.recipe import Recipe
    from cxrkit.training.session import run_training
    from cxrkit.training.sources import Source

    began = time.monotonic()
    try:
        recipe = Recipe.load(options.recipe)
        run_training(
            recipe,
            [Source(**source) for source in options.sources],
            options.out,
            options.run or Path("runs") / recipe.name,
            command=_record(arguments or sys.argv[1:]),
            progress=lambda line: print(f"[{time.monotonic() - began:6.0f} s] {line}", flush=True),
            allow_missing=options.allow_missing,
            skip_unreadable=options.skip_unreadable,
            imagenet=None if options.imagenet == "none" else options.imagenet,
            start=None if options.start is None else find_preset(options.start),
        )
    except CxrError as error:
        print(f"{error.message}\n{error.remedy}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command resumes after the last finished epoch.", file=sys.stderr)
        return 130
    print(
        f"Wrote the preset to {options.out}. Next: python scripts/evaluate.py, then python scripts/calculate_loss.py."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
