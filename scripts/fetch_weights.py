"""Fetch public weights from their publisher, check them, and put them where they are used.

  fetch_weights.py imagenet                       ImageNet weights of densenet121, for train.py
  fetch_weights.py imagenet --backbone vgg16      of another backbone
  fetch_weights.py chexnet                        CheXNet replication, 14 findings -> weights/chexnet
  fetch_weights.py txrv-all                       TorchXRayVision, 18 findings -> weights/txrv-all
  fetch_weights.py txrv-nih                       TorchXRayVision, 14 findings -> weights/txrv-nih

A transfer that breaks off goes on where it stopped when the command is run again. A file whose publisher
gives a checksum (or a git blob id) is kept only if it matches; of any other the sha256 is recorded beside it
and compared on every later run. ImageNet weights go where Keras keeps its own, so that
`train.py --imagenet download` needs no network; they are loaded once to check them. The networks of PyTorch
are imported as by import_weights.py, which needs `pip install -r requirements-torch.txt`.

Without a network it says what to fetch, where to put it, and what to run then; a file that lies there already
is checked and used.

Exit status: 0 done; 2 it cannot be fetched, checked or imported.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.data.download import terminal_progress
from cxrkit.data.public_weights import IMAGENET, NETWORKS
from cxrkit.errors import CxrError, SourceUnreachable
from cxrkit.preset_folders import WEIGHTS


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, after a refusal of those that do not go together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("name", choices=["imagenet", *NETWORKS], metavar="NAME", help="one of those above")
    add("--backbone", choices=list(IMAGENET), help="of imagenet (default: densenet121)")
    add("--folder", type=Path, help="where the published file goes (default: downloads/NAME, or Keras' own folder)")
    add("--out", type=Path, help="preset folder to write (default: weights/NAME)")
    add("--replace", action="store_true", help="replace the preset that stands there")
    options = parser.parse_args(arguments)
    if options.name == "imagenet" and (options.out or options.replace):
        parser.error("--out and --replace go with a network, not with imagenet")
    if options.name != "imagenet" and options.backbone:
        parser.error("--backbone goes with imagenet")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, fetch and import; returns the exit status."""
    options = parse(arguments)
    imagenet = options.name == "imagenet"
    backbone = options.backbone or "densenet121"
    public = IMAGENET[backbone] if imagenet else NETWORKS[options.name]
    command = f"python scripts/fetch_weights.py {options.name}{f' --backbone {backbone}' if imagenet else ''}"
    print(f"{public.title}\nLicence: {public.licence}\nCite: {public.citation}", flush=True)
    try:
        from cxrkit.conversion.fetching import fetch_imagenet, fetch_network

        if imagenet:
            file = fetch_imagenet(public, options.folder, progress=terminal_progress())
            start = "download" if options.folder is None else str(file)
            print(f"Next: python scripts/train.py --imagenet {start} with a recipe of {backbone}.")
        else:
            preset = fetch_network(
                public,
                options.folder or ROOT / "downloads" / options.name,
                options.out or WEIGHTS / options.name,
                replace=options.replace,
                command=command,
                progress=terminal_progress(),
            )
            print(f"Wrote the preset {preset.name} with {len(preset.findings)} findings.")
            print(f"Next: python scripts/predict.py RADIOGRAPH --preset {options.out or preset.name}")
    except SourceUnreachable as error:
        given = " and ".join(f"--{name}" for name in ("folder", "out", "replace") if getattr(options, name))
        same = f", with the same {given}" if given else ""
        print(f"{error.message}\n{error.remedy}\nThat command: {command}{same}", file=sys.stderr)
        return 2
    except CxrError as error:
        return error.tell()
    except KeyboardInterrupt:
        print("Stopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
