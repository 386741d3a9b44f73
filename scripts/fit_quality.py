"""Fit the quality gate of a preset: what tells by its own features that a picture is no frontal chest radiograph.

  fit_quality.py weights/pneumonia --manifest $CXRKIT_DATA/kermany/index.csv --split train \\
      --label-map label=Pneumonia --hold-out 0.12 --group-by patient_key,dup_group \\
      --manifest $CXRKIT_DATA/cxr14/index.csv \\
      --manifest $CXRKIT_DATA/lungmasks/index.csv --only dataset=Shenzhen --hold-out 0.2 --group-by patient_id

Training rows are learned from, turned and inverted in every way and beside drawn counterexamples. Each table, or part
of one, stands for a collection: the limits are such that radiographs of a collection pass a gate that has not seen any
of it, so give several, and what comes from one place as one. Rows of the split val, or those held out, say how far
radiographs lie: hold out what the training of the preset held out, by the same options.
scripts/check_quality.py measures it on pictures that were not used.
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
    counts = (
        ("--training", 18, "radiographs per table that are turned, inverted and set beside counterexamples"),
        ("--references", 90, "radiographs per table, these among them, that distances are taken from"),
        ("--validation", 40, "radiographs per table that the distances in the card are taken from"),
    )
    for name, number, what in counts:
        parser.add_argument(name, type=int, default=number, metavar="N", help=f"{what} (%(default)s)")
    parser.add_argument("--seed", type=int, default=20, metavar="N", help="of every random draw (%(default)s)")
    add_manifests(parser)
    options = parser.parse_args(given)
    if not (sources := getattr(options, "sources", None) or []):
        parser.error("give a --manifest")
    from cxrkit.training.gate_fitting import Counts, fit_gate  # loads keras: not for --help
    from cxrkit.training.sources import Source

    try:
        fit_gate(
            options.preset,
            [Source(**source) for source in sources],
            Counts(options.training, options.references, options.validation),
            seed=options.seed,
            command=public_command(given, "scripts/fit_quality.py"),
            tell=lambda line: print(line, flush=True),
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
