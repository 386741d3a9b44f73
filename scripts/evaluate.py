"""Judge a preset on a labelled table of radiographs, or judge any table of predictions.

  evaluate.py --preset pneumonia --manifest FILE.csv --split test --label-map label=Pneumonia --out out/pneumonia
  evaluate.py --predictions FILE.csv --out out/theirs
  evaluate.py --predictions FILE.csv --split test --fit-split val --against OTHER.csv --out out/theirs

Writes into the folder --out:
  evaluation.json   per finding AUROC (patient bootstrap and DeLong), AUPRC beside the prevalence, every rate at
                    every operating point with its interval, Brier score and its parts, calibration before and
                    after recalibration, decision curves, subgroups by sex, age band and view with their gaps
  report.html       the same to read and print, with plots and, for a preset, galleries of hits and misses
  predictions.csv   one row per image
and prints a table. docs/evaluation.md explains each number.

A table of predictions has, per finding, a column of labels such as Pneumonia (0, 1 or blank) and one of
probabilities such as prob_Pneumonia, and may have image, patient_id, view_position, age and sex. Nothing is
fitted on the rows that it is judged on: a preset brings its operating points; for other predictions they are
fitted on --fit-split or --fit-predictions, else each fold of patients is judged by what the other folds gave.
Judge a test split once. A card holds metrics of a whole split that had no part in making the model, so --record
goes with --split, and with no image left out and no finding without labels.
"""

import argparse
import functools
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.data.boxes import read_boxes
from cxrkit.data.table import parse_pairs
from cxrkit.errors import CxrError
from cxrkit.evaluation.summary import format_evaluation
from cxrkit.imaging.degradation import parse_degradation
from cxrkit.preset_folders import find_preset, find_run
from cxrkit.serving.judging import Options, judge_predictions
from cxrkit.serving.preset_run import Maps, Table, judge_preset, refuse_overwriting, write_judged


def show_progress(what: str, done: int, total: int) -> None:
    """Overwrite one line on a terminal; silent elsewhere."""
    if sys.stderr.isatty():
        print(f"\r{what}: {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, after a refusal of those that do not go together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    pairs = {"action": "append", "default": []}
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--preset", help="name of a preset, or its folder; needs --manifest")
    what.add_argument("--model_path", type=Path, metavar="RUN", help="a run or preset folder; needs --manifest")
    what.add_argument("--predictions", type=Path, metavar="FILE.csv", help="labels and probabilities (.csv, .csv.gz)")
    add("--split", help="judge only the rows of this split")
    add("--only", **pairs, metavar="COLUMN=VALUE", help="judge only rows with this value; repeatable")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the results go")
    add("--threshold", type=float, metavar="P", help="a threshold between 0 and 1 to judge besides, for all findings")
    add("--against", type=Path, metavar="FILE.csv", help="other predictions of the same images: paired comparison")
    add("--no-report", action="store_true", help="leave report.html out")
    of_model = [
        add("--manifest", type=Path, metavar="FILE.csv", help="of a preset: table of images and labels"),
        add("--images", type=Path, metavar="FOLDER", help="of a preset: where the images are sought first"),
        add("--label-map", **pairs, metavar="COLUMN=FINDING", help="of a preset: another label column; repeatable"),
        add("--allow-missing", action="store_true", help="of a preset: findings without a column are unknown; so the "
            "table may have no label at all, and its images are scored and their maps examined"),
        add("--skip-unreadable", action="store_true", help="of a preset: list images that cannot be read, and go on"),
        add("--boxes", type=Path, action="append", default=[], metavar="FILE.csv", help="of a preset: hold its maps "
            "against boxes (image, label, x, y, w, h); all splits of the manifest, each by itself; repeatable"),
        add("--attention", type=int, nargs="?", const=20, metavar="N", help="of a preset: do its maps "
            "depend on its weights, and lie in the lungs (column mask)? On N radiographs, 20 unless told"),
        add("--degrade", **pairs, metavar="CHANGE=AMOUNT", help="of a preset: make every image worse first: "
            "blur (share of the width, such as 0.01), shrink (factor), gamma (exponent) or noise; repeatable"),
        add("--precision", choices=["float32", "bfloat16", "int8"], help="of a preset: in which its network computes"),
        add("--record", action="store_true", help="of a preset: also store the metrics of the split in its card"),
        add("--replace", action="store_true", help="with --record: in place of those of another table of this split"),
    ]  # fmt: skip
    of_table = [
        add("--fit-split", metavar="NAME", help="of predictions: fit operating points and calibration on this split"),
        add("--fit-predictions", type=Path, metavar="FILE.csv", help="of predictions: fit them on this table"),
    ]
    options = parser.parse_args(arguments)
    foreign = of_table if options.predictions is None else of_model
    given = [action.option_strings[0] for action in foreign if getattr(options, action.dest) not in (None, False, [])]
    if given:
        parser.error(f"{given[0]} does not go with {'a preset' if options.predictions is None else '--predictions'}")
    if options.predictions is None and options.manifest is None:
        parser.error("a preset needs --manifest")
    if options.attention is not None and options.attention < 1:
        parser.error("--attention needs at least 1 radiograph")
    if options.degrade and (options.record or options.boxes or options.attention is not None):
        parser.error("--degrade does not go with --record, --boxes and --attention")
    if options.precision not in (None, "float32") and options.record:
        parser.error("--record stores the metrics of float32, in which a preset is read")
    if options.replace and not options.record:
        parser.error("--replace goes with --record")
    if options.record and (options.only or not options.split):
        parser.error("--record stores the metrics of a whole split: give --split, and no --only")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and evaluate; returns the exit status."""
    options = parse(arguments)
    try:
        only, report = parse_pairs(options.only), not options.no_report
        what_else = Options(options.threshold, options.against, options.fit_predictions, options.fit_split)
        more = {"options": what_else, "progress": show_progress}
        tables = [options.manifest, options.against, options.fit_predictions, *options.boxes]
        refuse_overwriting(options.out, tables, kept=options.predictions)
        if options.predictions is not None:
            source = options.predictions
            evaluation, rows = judge_predictions(source, split=options.split, only=only, **more)
            write_judged(evaluation, rows, options.out, source=source, report=report)
        else:
            preset = find_preset(options.preset) if options.preset else find_run(options.model_path)
            degradation = parse_degradation(parse_pairs(options.degrade))
            label_map, allow, skip = parse_pairs(options.label_map), options.allow_missing, options.skip_unreadable
            table = Table(options.manifest, options.images, options.split, only, label_map, allow, skip, degradation)
            maps = Maps([read_boxes(path) for path in options.boxes], options.attention or 0)
            more |= {"record": options.record, "replace": options.replace, "precision": options.precision or "float32"}
            tell = functools.partial(print, file=sys.stderr)
            evaluation = judge_preset(preset, table, options.out, maps=maps, report=report, tell=tell, **more)
    except CxrError as error:
        return error.tell()
    print(format_evaluation(evaluation))
    return 0


if __name__ == "__main__":
    sys.exit(main())
