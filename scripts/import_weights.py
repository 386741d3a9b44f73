"""Turn weights from elsewhere into a preset: a file in, a folder like weights/chexnet out.

Kinds:
  s4           Keras-2 pretrained_model.h5 of the 14-finding project; --first densenet.hdf5 loads its backbone before
  chexnet      pretrained/checkpoint of jrzech/reproduce-chexnet (14 findings)
  txrv-all     TorchXRayVision densenet121-res224-all (18 findings, with its published thresholds)
  txrv-nih     TorchXRayVision densenet121-res224-nih (14 findings, with its published thresholds)
  txrv         another DenseNet of TorchXRayVision; --findings unless the file names them
  torchvision  a DenseNet-121 checkpoint in torchvision's layout; --findings needed
  keras        .keras, .h5, .weights.h5 or a SavedModel folder of a backbone that cxrkit knows; --findings,
               --geometry and --intensity needed

The file is read as data: nothing in it is executed. The source network and the converted one are run on the
same images, and nothing is written unless their logits agree within 1e-4. Checkpoints of PyTorch need
`pip install -r requirements-torch.txt`. With --manifest, calibration and operating points are fitted on your
own validation rows, none of which the weights may have been trained on. docs/weights.md tells the rest.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.conversion.importing import ValidationPart, Wishes, import_weights
from cxrkit.conversion.kinds import KINDS
from cxrkit.conversion.naming import read_findings
from cxrkit.data.table import parse_pairs
from cxrkit.errors import CxrError
from cxrkit.training.command import public_command


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, after a refusal of those that do not go together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="weights, or the folder of a SavedModel")
    add("--kind", required=True, choices=list(KINDS), metavar="KIND", help="one of those above")
    add("--out", type=Path, required=True, help="preset folder to write, such as weights/chexnet")
    add("--replace", action="store_true", help="replace the preset that stands there")
    add("--findings", help="names in the order of the outputs, with commas between; an empty one is left out")
    add("--findings-file", type=Path, help="the same, one name per line")
    add("--backbone", help="of a file of Keras, if the names of its layers do not tell")
    add("--head", choices=["gap-dense", "dropout-dense", "dense-stack"], help="of a file of Keras, likewise")
    add("--geometry", choices=["squash", "pad", "crop"], help="how the network's radiographs were made square")
    add(
        "--intensity",
        choices=["sample-standard", "unit", "symmetric", "imagenet", "caffe", "xrv"],
        help="how their grey values were scaled; docs/weights.md explains each",
    )
    add("--input-size", type=int, default=224, help="side of the network's input in pixels (default: %(default)s)")
    add("--first", type=Path, metavar="FILE", help="backbone weights to load first, such as densenet.hdf5")
    add("--title", default="", help="what the dashboard calls the preset")
    add("--manifest", type=Path, help="CSV of your own images and labels, to fit calibration and operating points on")
    add("--images", type=Path, help="folder of its images")
    add("--split", default="val", help="its rows to fit on (default: %(default)s; 'all' for all rows)")
    add("--label-map", action="append", default=[], metavar="COLUMN=FINDING", help="a label column under another name")
    add("--allow-missing", action="store_true", help="findings without a column stay uncalibrated")
    options = parser.parse_args(arguments)
    if options.manifest is None and (options.images or options.label_map or options.allow_missing):
        parser.error("--images, --label-map and --allow-missing need --manifest")
    if options.findings is not None and options.findings_file is not None:
        parser.error("give --findings or --findings-file, not both")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and import; returns the exit status."""
    options = parse(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        validation = None
        if options.manifest is not None:
            split = None if options.split == "all" else options.split
            pairs = parse_pairs(options.label_map)
            validation = ValidationPart(options.manifest, options.images, split, pairs, options.allow_missing)
        preset = import_weights(
            options.file,
            options.kind,
            options.out,
            wishes=Wishes(
                findings=read_findings(options.findings, options.findings_file),
                backbone=options.backbone,
                head=options.head,
                geometry=options.geometry,
                intensity=options.intensity,
                input_size=options.input_size,
                first=options.first,
                title=options.title,
            ),
            validation=validation,
            replace=options.replace,
            command=public_command(given, "scripts/import_weights.py"),
            tell=lambda line: print(line, flush=True),
        )
    except CxrError as error:
        return error.tell()
    except KeyboardInterrupt:
        print("Stopped: nothing was written.", file=sys.stderr)
        return 130
    print(f"Wrote the preset {preset.name} with {len(preset.findings)} findings.")
    print(f"Licence of the weights: {KINDS[options.kind].licence}")
    print(f"Next: python scripts/predict.py RADIOGRAPH --preset {options.out}, or the dashboard.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
