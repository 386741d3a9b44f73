"""Time one reading, or with --training one training step, against other ways of doing it, as ratios within one run.

Without --training: a reading with all maps against the bare trunk, Keras' predict and tape Grad-CAM.

With --files: reading a PNG of 256 x 256 and a DICOM file of 2000 x 2000 pixels in a process of its own, as the
dashboard does with uploads, against reading it here, and what the process adds in milliseconds: in all, and of
processor time, which is what --check bounds, because other programs hardly change it.

With --training: a step of DenseNet-121 with 14 findings as this project trains it (fused batch normalisation,
AdamW, clipped gradients, weighted cross-entropy) against the same step in plain PyTorch, and a step of a frozen
stage on cached features against one that runs the backbone again. Needs `pip install -r requirements-torch.txt`.
--precision auto computes in bfloat16 where the processor can, else both sides in float32.

Prints a table and, with --json FILE, writes the same numbers with machine and versions. Absolute times
depend on the machine and its load; the ratios are the claim.

Exit status: 0 done; 1 --check found a bound not kept; 2 it cannot be measured.
"""

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.errors import CxrError

BOUNDS = {"reading_with_all_maps_to_trunk": 1.3, "step_to_torch": 1.2, "cached_features_to_backbone": 0.2}
ADDED_MS = {"png_256_added_work": 20.0, "dicom_2000_added_work": 20.0}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--preset", default="chestxray14", help="preset to time (default: %(default)s)")
    add("--training", action="store_true", help="time training instead of reading")
    add("--files", action="store_true", help="time reading of files instead")
    add("--batch", type=int, default=16, help="of --training: images per step (default: %(default)s)")
    add("--size", type=int, default=224, help="of --training: side of the images (default: %(default)s)")
    add("--precision", choices=["auto", "bfloat16", "float32"], default="auto", help="of --training")
    add("--unfused", action="store_true", help="of --training: time the step with Keras' batch normalisation too")
    add("--rounds", type=int, help="rounds in which the ways alternate (default: 15; --training 5, --files 30)")
    add("--json", type=Path, metavar="FILE", help="write the numbers here too")
    bounds = ", ".join(f"{name} {bound}" for name, bound in BOUNDS.items())
    added = "processor time of a file over 20 ms"
    add("--check", action="store_true", help=f"exit 1 when a ratio is over its bound ({bounds}), or added {added}")
    return parser.parse_args(arguments)


def training(options: argparse.Namespace) -> dict:
    """The numbers of --training, with TensorFlow as train.py runs it."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from cxrkit.conversion.step_comparison import compare_training

    return compare_training(options.batch, options.size, options.precision, options.rounds or 5, options.unfused)


def reading(options: argparse.Namespace) -> dict:
    """The numbers of a reading."""
    from cxrkit.imaging.phantom import phantom
    from cxrkit.model.manager import XRayModelManager
    from cxrkit.model.timing import compare

    return compare(XRayModelManager(options.preset), phantom(), options.rounds or 15)


def files(options: argparse.Namespace) -> dict:
    """The numbers of --files."""
    from cxrkit.imaging.worker_timing import compare

    return compare(options.rounds or 30)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and measure; returns the exit status."""
    options = parse(arguments)
    try:
        result = (training if options.training else files if options.files else reading)(options)
    except CxrError as error:
        print(f"{error.message}\n{error.remedy}", file=sys.stderr)
        return 2
    for group in (name for name in result if name.startswith("median_ms") or name == "ratios"):
        for name, value in result[group].items():
            print(f"{name:<36} {value:>10} {'x' if group == 'ratios' else group.removeprefix('median_')}")
    if options.training:
        print(f"Computed in {result['precision']}.")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    bounds, measured = BOUNDS | ADDED_MS, result.get("ratios", {}) | (result["median_ms"] if options.files else {})
    over = {name: value for name, value in measured.items() if value > bounds.get(name, float("inf"))}
    for name, value in over.items():
        print(f"{name} is {value}, more than its bound {bounds[name]}.", file=sys.stderr)
    return 1 if options.check and over else 0


if __name__ == "__main__":
    sys.exit(main())
