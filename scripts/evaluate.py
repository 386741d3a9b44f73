"""Judge a preset on a labelled table of radiographs, or judge any table of predictions.

  evaluate.py --preset pneumonia --manifest FILE.csv --split test --label-map label=Pneumonia --out out/pneumonia
  evaluate.py --predictions FILE.csv --out out/theirs

Writes evaluation.json into the folder --out (AUROC with a patient-bootstrap 95 % interval, AUPRC beside
the prevalence, sensitivity and specificity at the preset's operating points, Brier score, ECE) and, for a
preset, predictions.csv, and prints a table. A table of predictions has, per finding, a column of labels
such as Pneumonia and one of probabilities such as prob_Pneumonia, and patient_id if it can. Judge a test
split once: thresholds and calibration are fixed beforehand, on validation data. Only a whole split can be
recorded in a card, so --record goes with --split and not with --only.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.data.manifest import read_manifest
from cxrkit.data.table import parse_pairs
from cxrkit.errors import CxrError
from cxrkit.evaluation.summary import format_evaluation
from cxrkit.preset import find_preset
from cxrkit.serving.judging import judge_predictions, judge_preset, record_evaluation


def show_progress(done: int, total: int) -> None:
    """Overwrite one line on a terminal; silent elsewhere."""
    if sys.stderr.isatty():
        print(f"\r{done} of {total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, after a refusal of those that do not go together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    pairs = {"action": "append", "default": []}
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--preset", help="name of a preset, or its folder; needs --manifest")
    what.add_argument("--predictions", type=Path, metavar="FILE.csv", help="labels and probabilities (.csv, .csv.gz)")
    add("--split", help="judge only the rows of this split")
    add("--only", **pairs, metavar="COLUMN=VALUE", help="judge only rows with this value; repeatable")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where evaluation.json goes")
    of = [
        add("--manifest", type=Path, metavar="FILE.csv", help="with --preset: table of images and labels"),
        add("--images", type=Path, metavar="FOLDER", help="with --preset: where the images are sought first"),
        add("--label-map", **pairs, metavar="COLUMN=FINDING", help="with --preset: another label column; repeatable"),
        add("--allow-missing", action="store_true", help="with --preset: findings without a column are unknown"),
        add("--record", action="store_true", help="with --preset: also store the metrics of the split in its card"),
    ]
    options = parser.parse_args(arguments)
    given = [action.option_strings[0] for action in of if getattr(options, action.dest)]
    if options.predictions is not None and given:
        parser.error(f"{given[0]} does not go with --predictions")
    if options.predictions is None and options.manifest is None:
        parser.error("--preset needs --manifest")
    if options.record and (options.only or not options.split):
        parser.error("--record stores the metrics of a whole split: give --split, and no --only")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and evaluate; returns the exit status."""
    options = parse(arguments)
    try:
        only = parse_pairs(options.only)
        if options.predictions is not None:
            evaluation = judge_predictions(options.predictions, options.out, split=options.split, only=only)
        else:
            preset = find_preset(options.preset)
            label_map, allow = parse_pairs(options.label_map), options.allow_missing
            rows = {"split": options.split, "only": only, "label_map": label_map, "allow_missing": allow}
            manifest = read_manifest(options.manifest, preset.findings, images=options.images, **rows)
            evaluation = judge_preset(preset, manifest, options.out, split=options.split, progress=show_progress)
            if options.record:
                record_evaluation(preset, evaluation)
    except CxrError as error:
        print(f"{error.message}\n{error.remedy}", file=sys.stderr)
        return 2
    print(format_evaluation(evaluation))
    return 0


if __name__ == "__main__":
    sys.exit(main())
