"""Fit the head of a preset in closed form, on the trunk of another, from labels and a teacher's scores.

  fit_head.py --recipe weights/chestxray14/recipe.json --start runs/pretraining/preset --out weights/chestxray14 \\
      --manifest $CXRKIT_DATA/cxr14/index.csv --teacher $CXRKIT_DATA/chexnet_preds/preds_with_labels.csv.gz \\
      --choose-only source=jrzech/reproduce-chexnet

The features of the training images are computed once; for every penalty and every share of the teacher the head
is ridge regression, of which --keeps tries means with the outputs that the start has. What has the highest mean
AUROC on the validation rows (those of --choose-only, if given) is kept, and calibration and operating points are
fitted on all validation rows, as train.py does. The teacher's table has a column image and a column
prob_<finding> for each finding; it is asked of training rows only.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import argparse

from cxrkit.errors import CxrError
from cxrkit.training.command import pair, parse_with_manifests


def numbers(text: str) -> tuple[float, ...]:
    """``0,0.5,1``."""
    return tuple(float(word) for word in text.split(","))


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and fit; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--recipe", required=True, metavar="NAME_OR_FILE", help="findings, image size and the words of the card")
    add("--start", required=True, type=Path, metavar="PRESET", help="preset whose trunk gives the features")
    add("--teacher", type=Path, metavar="FILE.csv", help="published probabilities of another model")
    add("--alphas", type=numbers, default=(30.0, 100.0, 300.0, 1000.0), metavar="A,B", help="penalties to try")
    add("--shares", type=numbers, default=(0.0, 0.5, 1.0), metavar="A,B", help="shares of the teacher to try")
    add(
        "--keeps",
        type=numbers,
        default=(0.0,),
        metavar="A,B",
        help="shares of the start's own outputs to try in a mean with the solved ones (default 0)",
    )
    add("--choose-only", type=pair, action="append", default=[], metavar="COLUMN=VALUE", help="validation rows that "
        "decide")  # fmt: skip
    add("--allow-missing", action="store_true", help="findings without a column are unknown in that table")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the preset goes")
    options = parse_with_manifests(parser, arguments, "scripts/fit_head.py")
    from cxrkit.preset_folders import find_preset
    from cxrkit.training.head_fitting import Search, fit_head
    from cxrkit.training.named import find_recipe
    from cxrkit.training.sources import Source

    try:
        fit_head(
            find_recipe(options.recipe),
            [Source(**source) for source in options.sources],
            find_preset(options.start),
            options.teacher,
            Search(options.alphas, options.shares, options.keeps, tuple(options.choose_only)),
            options.out,
            command=options.command,
            allow_missing=options.allow_missing,
            tell=print,
        )
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
