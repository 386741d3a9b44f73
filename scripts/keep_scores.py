"""Keep the scores of a preset's recorded evaluation beside its card, for the page ROC and thresholds.

  keep_scores.py weights/pneumonia --predictions out/pneumonia/predictions.csv --split test
  keep_scores.py weights/pneumonia --predictions out/val/predictions.csv --split "val (cut out of train)" \\
      --manifest children.csv
  keep_scores.py weights/pneumonia --predictions out/val/predictions.csv --split "val (cut out of train)" \\
      --against out/val_of_another

Runs no model. predictions.csv is what scripts/evaluate.py wrote: of the test split it must give every AUROC and every
confusion matrix of evaluation.json again, of the validation split the scores that the card keeps. What is written
(scores.json and a CSV per split) holds each finding's labels and scores sorted by themselves: no line is a radiograph.

So nobody can pair these rows with another model's afterwards. --against does it before: it compares with another
preset's run over the same table of labels and keeps the result alone (comparisons.json), which the page shows under
Compare.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxrkit.errors import CxrError
from cxrkit.preset import Preset
from cxrkit.preset_folders import file_sha256
from cxrkit.serving.kept_comparisons import keep_comparison
from cxrkit.serving.kept_scores import keep_scores


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and keep the scores; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", type=Path, metavar="FOLDER", help="the preset's folder")
    parser.add_argument("--predictions", type=Path, required=True, metavar="FILE.csv", help="of the recorded run")
    parser.add_argument("--split", required=True, help="as evaluation.json or the card calls it")
    parser.add_argument("--manifest", type=Path, metavar="FILE.csv", help="of validation rows: the table of labels")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="another preset's run over the same rows: keep the comparison alone",
    )
    options = parser.parse_args(arguments)
    if options.against is not None and options.manifest is not None:
        parser.error("--manifest does not go with --against, which takes rows that are kept already")
    source = None
    if options.manifest is not None:
        if not options.manifest.is_file():
            parser.error("the table of labels cannot be opened")
        source = options.manifest.name, file_sha256(options.manifest)
    try:
        preset = Preset.load(options.preset)
        if options.against is not None:
            found = keep_comparison(preset, options.predictions, options.against, split=options.split)
            print(f"compared with {found.other} on {found.comparison.rows:,} radiographs of {found.split}")
            return 0
        kept = keep_scores(preset, options.predictions, split=options.split, source=source)
    except CxrError as error:
        return error.tell()
    print(f"scores of {kept.images:,} radiographs of {kept.split} in {kept.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
