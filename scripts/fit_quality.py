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

from cxrkit.errors import CxrError
from cxrkit.training.command import parse_with_manifests, preset_parser, say


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and fit; returns the exit status."""
    parser = preset_parser(
        __doc__,
        ("--training", 18, "radiographs per table that are turned, inverted and set beside counterexamples"),
        ("--references", 90, "radiographs per table, these among them, that distances are taken from"),
        ("--validation", 40, "radiographs per table that the distances in the card are taken from"),
        ("--seed", 20, "of every random draw"),
    )
    options = parse_with_manifests(parser, arguments, "scripts/fit_quality.py")
    from cxrkit.training.gate_fitting import Counts, fit_gate  # loads keras: not for --help
    from cxrkit.training.sources import Source

    try:
        fit_gate(
            options.preset,
            [Source(**source) for source in options.sources],
            Counts(options.training, options.references, options.validation),
            seed=options.seed,
            command=options.command,
            tell=say,
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
