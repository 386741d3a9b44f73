"""Train the small network that finds the lungs, and measure it on radiographs that it never saw.

  train_lungs.py --table $CXRKIT_DATA/lungmasks/index.csv --out weights/lungs

The table has the columns image, mask (a picture, white where lung is), dataset and patient_id. A fifth of the patients
are the test part and a tenth validation; the epoch with the best Dice coefficient on validation is kept.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import argparse

from cxrkit.errors import CxrError
from cxrkit.training.command import public_command


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and train; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, metavar="FILE.csv", help="radiographs and lung masks")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where weights and card go")
    parser.add_argument("--epochs", type=int, default=30, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=20, metavar="N", help="of every random draw (%(default)s)")
    parser.add_argument("--version", default="0.1.0", help="of the weights, for the card (%(default)s)")
    parser.add_argument("--data", action="append", default=[], metavar="TEXT", help="for the card: what the sets are")
    options = parser.parse_args(given)
    from cxrkit.training.lung_training import train_lungs  # loads keras: not for --help

    try:
        train_lungs(
            options.table,
            options.out,
            epochs=options.epochs,
            seed=options.seed,
            command=public_command(given, "scripts/train_lungs.py"),
            version=options.version,
            data=tuple(options.data),
            tell=lambda line: print(line, flush=True),
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
