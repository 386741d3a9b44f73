"""Fit the quality gate of a preset: what tells by its own features that a picture is no frontal chest radiograph.

  fit_quality.py weights/pneumonia --manifest $CXRKIT_DATA/kermany/index.csv --split train \\
      --label-map label=Pneumonia --hold-out 0.12 --group-by patient_key,dup_group \\
      --manifest $CXRKIT_DATA/cxr14/index.csv

Training rows are learned from, turned and inverted in every way and beside drawn counterexamples; rows of the
split val, or those held out, fix the limits: hold out what the training of the preset held out, by the same
options. scripts/check_quality.py measures it on pictures that were not used.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import argparse
import functools

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
        ("--training", 50, "radiographs per table that are turned, inverted and set beside counterexamples"),
        ("--references", 200, "radiographs per table, these among them, that distances are taken from"),
        ("--validation", 90, "radiographs per table that fix the limits"),
    )
    for name, number, what in counts:
        parser.add_argument(name, type=int, default=number, metavar="N", help=f"{what} (%(default)s)")
    parser.add_argument(
        "--distances-only", action="store_true", help="leave the gate as it is and write how far its radiographs lie"
    )
    parser.add_argument("--seed", type=int, default=20, metavar="N", help="of every random draw (%(default)s)")
    add_manifests(parser)
    options = parser.parse_args(given)
    if not (sources := getattr(options, "sources", None) or []):
        parser.error("give a --manifest")
    from cxrkit.training.gate_fitting import Counts, fit_gate, keep_distances  # loads keras: not for --help
    from cxrkit.training.sources import Source

    fit = keep_distances
    if not options.distances_only:
        fit = functools.partial(fit_gate, command=public_command(given, "scripts/fit_quality.py"))
    try:
        fit(
            options.preset,
            [Source(**source) for source in sources],
            Counts(options.training, options.references, options.validation),
            seed=options.seed,
            tell=lambda line: print(line, flush=True),
        )
    except CxrError as error:
        print(f"{error.message}\n{error.remedy}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
