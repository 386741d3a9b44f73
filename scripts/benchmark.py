"""Time one reading, or with --training one training step, against other ways of doing it, as ratios within one run.

Without --training: a reading with all maps against the bare trunk, the trunk in bfloat16 and int8 (where processor and
preset have them), TensorFlow's trunk, Keras' predict and tape Grad-CAM; and predict.py as a process of its own, from
its start to the first reading, with the compiled form cached.

With --files: reading a PNG of 256 x 256 and a DICOM file of 2000 x 2000 pixels in a process of its own, as the
dashboard does with uploads, against reading it here, and what the process adds in milliseconds: in all, and of
processor time, which is what --check bounds, because other programs hardly change it.

With --bulk FOLDER: score.py's way from file to row, with the files of a folder, table or archive, against the bare
network in batches of the same size. The more cores are free, the more it is worth; run it on an idle machine.

With --training: a step of DenseNet-121 with 14 findings as this project trains it (fused batch normalisation,
AdamW, clipped gradients, weighted cross-entropy) against the same step in plain PyTorch, and a step of a frozen
stage on cached features against one that runs the backbone again. Needs `pip install -r requirements-torch.txt`.
--precision auto computes in bfloat16 where the processor can, else both sides in float32.

Times are medians; the ratios of a reading are of the fastest tenth of turns, the cold start of the fastest.

Prints a table and, with --json FILE, writes the same numbers with machine and versions. Absolute times
depend on the machine and its load; the ratios are the claim.

Exit status: 0 done; 1 --check found a bound not kept; 2 it cannot be measured.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.errors import CxrError

BOUNDS = {"reading_with_all_maps_to_trunk": 1.15, "step_to_torch": 1.2, "cached_features_to_backbone": 0.2}
BOUNDS |= {"png_256_added_work": 20.0, "dicom_2000_added_work": 20.0, "cold_reading_s": 2.5, "cold_reading_mb": 600}
LEAST = {"keras_predict_to_reading": 2.0, "tape_and_predict_to_reading": 100.0, "keras_predict_to_bfloat16_trunk": 4.0}
LEAST |= {"scoring_to_network": 0.85}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--preset", default="chestxray14", help="preset to time (default: %(default)s)")
    add("--training", action="store_true", help="time training instead of reading")
    add("--files", action="store_true", help="time reading of files instead")
    add("--bulk", metavar="FOLDER", help="time scoring of many files instead: those in a folder, table or archive")
    add("--number", type=int, default=128, help="of --bulk: files per round, evenly spaced (default: %(default)s)")
    add("--batch", type=int, default=16, help="of --training: images per step (default: %(default)s)")
    add("--size", type=int, default=224, help="of --training: side of the images (default: %(default)s)")
    add("--precision", choices=["auto", "bfloat16", "float32"], default="auto", help="of --training")
    add("--unfused", action="store_true", help="of --training: time the step with Keras' batch normalisation too")
    add("--rounds", type=int, help="rounds in which the ways alternate (default: 31; --training 5, --files 30)")
    add("--json", type=Path, metavar="FILE", help="write the numbers here too")
    bounds = ", ".join([f"{k} <= {v:g}" for k, v in BOUNDS.items()] + [f"{k} >= {v:g}" for k, v in LEAST.items()])
    add("--check", action="store_true", help=f"exit 1 when a bound is not kept: {bounds}")
    return parser.parse_args(arguments)


def training(options: argparse.Namespace) -> dict:
    """The numbers of --training, with TensorFlow as train.py runs it."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from cxrkit.conversion.step_comparison import compare_training

    return compare_training(options.batch, options.size, options.precision, options.rounds or 5, options.unfused)


def reading(options: argparse.Namespace) -> dict:
    """The numbers of a reading."""
    from cxrkit.imaging.phantom import phantom, phantom_png
    from cxrkit.model.timing import compare, start_cold

    result = compare(options.preset, phantom(), options.rounds or 31)
    with tempfile.TemporaryDirectory() as folder:
        radiograph = Path(folder) / "phantom.png"
        radiograph.write_bytes(phantom_png())
        script = str(Path(__file__).with_name("predict.py"))
        cold = start_cold([sys.executable, script, str(radiograph), "--preset", options.preset])
    return {**result, "cold": cold}


def files(options: argparse.Namespace) -> dict:
    """The numbers of --files."""
    from cxrkit.imaging.worker_timing import compare

    return compare(options.rounds or 30)


def bulk(options: argparse.Namespace) -> dict:
    """The numbers of --bulk."""
    from cxrkit.model.manager import XRayModelManager
    from cxrkit.serving.scoring_sources import SourceSpec
    from cxrkit.serving.scoring_timing import compare

    model, source = XRayModelManager(options.preset, bulk=True), SourceSpec(options.bulk)
    return compare(model, source, files=options.number, rounds=options.rounds or 7)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and measure; returns the exit status."""
    options = parse(arguments)
    try:
        way = bulk if options.bulk else training if options.training else files if options.files else reading
        result = way(options)
    except CxrError as error:
        return error.tell()
    for group in (name for name in result if name.startswith("median_ms") or name in ("ratios", "cold")):
        unit = {"ratios": "x", "cold": ""}.get(group, group.removeprefix("median_"))
        for name, value in result[group].items():
            print(f"{name:<36} {value:>10} {unit}".rstrip())
    if options.training:
        print(f"Computed in {result['precision']}.")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    measured = {**result.get("ratios", {}), **result.get("cold", {}), **result.get("median_ms", {})}
    broken = [f"{k} is {v}, more than its bound {BOUNDS[k]:g}." for k, v in measured.items() if v > BOUNDS.get(k, v)]
    broken += [f"{k} is {v}, less than its bound {LEAST[k]:g}." for k, v in measured.items() if v < LEAST.get(k, v)]
    print("\n".join(broken), file=sys.stderr, end="\n" if broken else "")
    return 1 if options.check and broken else 0


if __name__ == "__main__":
    sys.exit(main())
