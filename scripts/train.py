"""Train a preset: a recipe and labelled radiographs in, a preset for the dashboard out.

  train.py --list-recipes
  train.py --recipe s4-densenet --manifest labels.csv --out weights/mine
  train.py --model_type resnet --epochs_frozen 10 --epochs_finetune 15 --batch_size 32

Several tables may be given; the options behind a --manifest belong to it. scripts/prepare_data.py makes
such tables. Every image is looked at before training: unreadable ones stop the run, and so do patients or
pictures that stand on two sides of the split.

A run is a folder, runs/NAME_TIME, with run.json, history.csv, TensorBoard files, checkpoints and, at its
end, the preset. Interrupted at any moment, the same command with --resume goes on after the last finished
epoch and ends with the same weights. Options may be spelt with _ or with -. docs/training.md has it all.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # TensorFlow's default from AVX-512 on; faster on AVX2 too

from cxrkit.training.command import parse
from cxrkit.training.named import listing


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and train; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parse(given, __doc__)
    if options.list_recipes:
        print(listing())
        return 0
    try:
        from cxrkit.training.launch import launch  # loads the network library, which --help need not wait for
    except KeyboardInterrupt:
        print("Stopped. Nothing was begun yet.", file=sys.stderr)
        return 130

    return launch(options, given)


if __name__ == "__main__":
    sys.exit(main())
