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

from cxrkit.errors import CxrError
from cxrkit.training.command import parse_with_manifests, preset_parser, say


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and measure; returns the exit status."""
    parser = preset_parser(
        __doc__,
        ("--radiographs", 250, "most radiographs per table"),
        ("--readings", 6, "how often each is read: once as it is, then changed"),
        ("--seed", 20, "of every random draw"),
    )
    options = parse_with_manifests(parser, arguments, "scripts/measure_repeatability.py")
    if options.readings < 2:
        parser.error("--readings must be at least 2")
    from cxrkit.training.repeat_measuring import measure_repeatability  # loads keras: not for --help
    from cxrkit.training.sources import Source

    try:
        measure_repeatability(
            options.preset,
            [Source(**source) for source in options.sources],
            most=options.radiographs,
            readings=options.readings,
            seed=options.seed,
            command=options.command,
            tell=say,
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
