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

from cxrkit.errors import CxrError
from cxrkit.training.command import add_counts, parse_with_manifests, preset_parser, say


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and measure; returns the exit status."""
    parser = preset_parser(__doc__, ("--number", 200, "radiographs per table"), folder="")
    parser.add_argument("--others", type=Path, metavar="FILE.csv", help="pictures that are no chest radiographs")
    add_counts(parser, ("--seed", 7, "of every random draw"))
    parser.add_argument("--record", action="store_true", help="write the table into the card")
    parser.add_argument("--verbose", action="store_true", help="a line for each picture whose fate is not right")
    options = parse_with_manifests(parser, arguments, "scripts/check_quality.py")
    from cxrkit.serving.gate_check import check  # loads keras: not for --help

    try:
        check(
            options.preset,
            options.sources,
            options.others,
            number=options.number,
            seed=options.seed,
            record=options.record,
            verbose=options.verbose,
            tell=say,
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
