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

from cxrkit.errors import CxrError
from cxrkit.training.command import parse_with_manifests, preset_parser, say


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and fit; returns the exit status."""
    parser = preset_parser(__doc__, ("--seed", 20, "of the training's hold-out"))
    options = parse_with_manifests(parser, arguments, "scripts/fit_doubt.py")
    from cxrkit.training.doubt_fitting import fit_doubt  # loads keras: not for --help
    from cxrkit.training.sources import Source

    try:
        fit_doubt(
            options.preset,
            [Source(**source) for source in options.sources],
            seed=options.seed,
            command=options.command,
            tell=say,
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
