"""Measure how much the scores of a preset move when nothing that matters has changed, and write it into its card.

  measure_repeatability.py weights/chestxray14 --manifest $CXRKIT_DATA/cxr14/index.csv

Rows of the split val, or those held out, are read as they are and again after a little turning, shifting, scaling,
another exposure, noise and compression: hold out what the training of the preset held out, by the same options.
Rows of a test split are never read.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import argparse

from cxrkit.errors import CxrError
from cxrkit.training.command import add_manifests, public_command


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and measure; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("preset", type=Path, metavar="FOLDER", help="the preset's folder; its card is written anew")
    counts = (
        ("--radiographs", 250, "most radiographs per table"),
        ("--readings", 6, "how often each is read: once as it is, then changed"),
        ("--seed", 20, "of every random draw"),
    )
    for name, number, what in counts:
        parser.add_argument(name, type=int, default=number, metavar="N", help=f"{what} (%(default)s)")
    add_manifests(parser)
    options = parser.parse_args(given)
    if not (sources := getattr(options, "sources", None) or []):
        parser.error("give a --manifest")
    if options.readings < 2:
        parser.error("--readings must be at least 2")
    from cxrkit.training.repeat_measuring import measure_repeatability  # loads keras: not for --help
    from cxrkit.training.sources import Source

    try:
        measure_repeatability(
            options.preset,
            [Source(**source) for source in sources],
            most=options.radiographs,
            readings=options.readings,
            seed=options.seed,
            command=public_command(given, "scripts/measure_repeatability.py"),
            tell=lambda line: print(line, flush=True),
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
