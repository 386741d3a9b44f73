"""Measure between which values the layers of a preset lie, so that it can be computed in int8.

  quantize.py weights/pneumonia --manifest $CXRKIT_DATA/kermany/index.csv --split train \\
      --label-map label=Pneumonia --hold-out 0.12 --group-by patient_key,dup_group

Only training rows are read, without those held out: give the tables and options of the training. The ranges go into
int8.json beside the card, for `XRayModelManager(..., precision="int8")` and `evaluate.py --precision int8`, and for
these weights alone. What int8 then costs in AUROC and probabilities, evaluate.py tells on validation.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.errors import CxrError
from cxrkit.model.runtimes import chosen
from cxrkit.training.command import parse_with_manifests, preset_parser, say


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and measure; returns the exit status."""
    parser = preset_parser(
        __doc__,
        ("--radiographs", 300, "most radiographs per table"),
        ("--seed", 20, "of the training's hold-out, and of the draw"),
        folder="; int8.json is written there",
    )
    options = parse_with_manifests(parser, arguments, "scripts/quantize.py")
    try:
        chosen("openvino")
        from cxrkit.training.range_measuring import measure_ranges  # loads OpenVINO: not for --help
        from cxrkit.training.sources import Source

        measure_ranges(
            options.preset,
            [Source(**source) for source in options.sources],
            most=options.radiographs,
            seed=options.seed,
            command=options.command,
            tell=say,
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
