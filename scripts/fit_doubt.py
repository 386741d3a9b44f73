"""Fit how much of a preset's head is dropped for the interval of a probability, and measure what the doubt is worth.

  fit_doubt.py weights/pneumonia --manifest $CXRKIT_DATA/kermany/index.csv --split train \\
      --label-map label=Pneumonia --hold-out 0.12 --group-by patient_key,dup_group

Only validation rows are read: those of the split val, or those held out. Give the tables and options of the training,
so that they are the rows that the operating points were fitted on; others are refused. The card's field "doubt" is
written anew, with how often readings are in doubt at each operating point and how often they are wrong then. Where
the network has dropout in its head, its own rates are used and this only measures.
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
    """Parse the command line and fit; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("preset", type=Path, metavar="FOLDER", help="the preset's folder; its card is written anew")
    parser.add_argument("--seed", type=int, default=20, metavar="N", help="of the training's hold-out (%(default)s)")
    add_manifests(parser)
    options = parser.parse_args(given)
    if not (sources := getattr(options, "sources", None) or []):
        parser.error("give a --manifest")
    from cxrkit.training.doubt_fitting import fit_doubt  # loads keras: not for --help
    from cxrkit.training.sources import Source

    try:
        fit_doubt(
            options.preset,
            [Source(**source) for source in sources],
            seed=options.seed,
            command=public_command(given, "scripts/fit_doubt.py"),
            tell=lambda line: print(line, flush=True),
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
