"""Write a preset in the formats of other runtimes, each compared with the preset; or fill the cache of compiled forms.

  export.py chestxray14 --out exported --form onnx openvino savedmodel litert
  export.py --cache

Forms:
  onnx         NAME.onnx, for ONNX Runtime and others; needs `pip install -r requirements-export.txt`
  openvino     NAME.xml and NAME.bin, OpenVINO's intermediate representation
  savedmodel   NAME.savedmodel, a folder, for TensorFlow and TensorFlow Serving
  litert       NAME.tflite, for LiteRT (TensorFlow Lite)

Each is the whole network in float32: a prepared image (n, S, S, 3) in, logits (n, findings) and feature maps
(n, H, W, K) out. Each carries findings, preparation of the image, calibration, operating points, sha256 of the weights
and the disclaimer; NAME.head.npz beside them holds what Grad-CAM needs further. Each is run by its own library on eight
phantoms, and nothing is written unless all probabilities are within 1e-5 of the preset's.

With --cache, the compiled forms that cxrkit itself reads with are built for the presets that are named, or for all, and
for the lung network: into $CXRKIT_CACHE, else the user's cache folder. Afterwards it may be read-only.

Exit status: 0 done; 2 refused; 130 interrupted. Not a medical device: for research and teaching only.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user trains with: every form is made through it

from cxrkit.conversion.exporting import FORM_NAMES, export, fill_cache
from cxrkit.errors import CxrError
from cxrkit.preset_folders import find_preset, list_presets


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, after a refusal of those that do not go together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("presets", nargs="*", metavar="PRESET", help="names of presets, or their folders")
    add("--out", type=Path, metavar="FOLDER", help="where the files go; made if need be")
    add("--form", nargs="+", choices=FORM_NAMES, metavar="FORM", help="one or several of those above")
    add("--replace", action="store_true", help="replace files of the same name")
    add("--cache", action="store_true", help="build what cxrkit itself reads with, and keep it")
    options = parser.parse_args(arguments)
    if (options.out is None) != (options.form is None):
        parser.error("--out and --form go together")
    if options.form is None and not options.cache:
        parser.error("nothing to do: give --out and --form, or --cache")
    if options.form is not None and not options.presets:
        parser.error("name a preset to export")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, export, fill the cache; returns the exit status."""
    options = parse(arguments)
    try:
        presets = [find_preset(name) for name in options.presets]
        if options.cache:
            print(f"Cache: {fill_cache(presets or list_presets(), _tell)}")
        for preset in presets if options.form is not None else []:
            export(preset, options.form, options.out, replace=options.replace, tell=_tell)
    except CxrError as error:
        return error.tell()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
