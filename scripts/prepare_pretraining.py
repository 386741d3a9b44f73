"""Write the one table of all radiographs and all their labels from which the shipped presets' trunk is trained.

  prepare_pretraining.py --data $CXRKIT_DATA --out out/pretraining.csv

The findings and the seed are those of weights/chestxray14/recipe.json; labels that a set does not state stay
blank. Rows of val and test never carry a teacher's ranking. Prints the images per set and split.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from cxrkit.data.pretraining import BEFORE_LABELS, pretraining_table
from cxrkit.errors import CxrError
from cxrkit.training.recipe import Recipe

RECIPE = Path(__file__).resolve().parent.parent / "weights" / "chestxray14" / "recipe.json"


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and write the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    home = os.environ.get("CXRKIT_DATA")
    parser.add_argument("--data", type=Path, default=None if home is None else Path(home), required=home is None)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument("--hold-out", type=float, default=0.12, metavar="SHARE", help="of Kermany's training rows")
    options = parser.parse_args(arguments)
    try:
        recipe = Recipe.load(RECIPE)
        table = pretraining_table(
            options.data,
            recipe.findings,
            held_out=options.hold_out,
            group_by=("patient_key", "dup_group"),
            seed=recipe.seed,
        )
    except CxrError as error:
        return error.tell()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    labels = table.columns[len(BEFORE_LABELS) :]
    table[labels] = table[labels].astype("Int64")
    table.to_csv(options.out, index=False)
    print(table.groupby(["dataset", "collection", "split"], dropna=False).size().to_string())
    print(table.loc[table["split"] == "train", labels].agg(["sum", "count"]).T.astype(np.int64).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
