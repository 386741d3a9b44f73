"""Measure the quality gate of a preset on pictures that it was not fitted on, and write the table into its card.

  check_quality.py weights/pneumonia --manifest $CXRKIT_DATA/kermany/index.csv --split test --number 200 \\
      --manifest $CXRKIT_DATA/cxr14/index.csv --split test --others $CXRKIT_DATA/ood/index.csv --record

Radiographs of the tables must pass as they are, and be put into place when they are turned or inverted. Pictures of
--others (columns image and kind) must be refused, as must counterexamples that are drawn for the purpose.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import argparse

from cxrkit.errors import CxrError
from cxrkit.training.command import add_manifests


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and measure; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("preset", type=Path, metavar="FOLDER", help="the preset's folder")
    parser.add_argument("--number", type=int, default=200, metavar="N", help="radiographs per table (%(default)s)")
    parser.add_argument("--others", type=Path, metavar="FILE.csv", help="pictures that are no chest radiographs")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of every random draw (%(default)s)")
    parser.add_argument("--record", action="store_true", help="write the table into the card")
    parser.add_argument("--verbose", action="store_true", help="a line for each picture whose fate is not right")
    add_manifests(parser)
    options = parser.parse_args(arguments)
    if not (sources := getattr(options, "sources", None) or []):
        parser.error("give a --manifest")
    from cxrkit.serving.gate_check import check  # loads keras: not for --help

    try:
        check(
            options.preset,
            sources,
            options.others,
            number=options.number,
            seed=options.seed,
            record=options.record,
            verbose=options.verbose,
            tell=lambda line: print(line, flush=True),
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
