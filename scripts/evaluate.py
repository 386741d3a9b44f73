"""Judge a preset on a labelled table of radiographs, or judge any table of predictions.

  evaluate.py --preset pneumonia --manifest FILE.csv --split test --label-map label=Pneumonia --out out/pneumonia
  evaluate.py --predictions FILE.csv --out out/theirs

Writes evaluation.json into the folder --out (AUROC with a patient-bootstrap 95 % interval, AUPRC beside
the prevalence, sensitivity and specificity at the preset's operating points, Brier score, ECE) and, for a
preset, predictions.csv, and prints a table. A table of predictions has, per finding, a column of labels
such as Pneumonia and one of probabilities such as prob_Pneumonia, and patient_id if it can. Judge a test
split once: thresholds and calibration are fixed beforehand, on validation data.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.data.manifest import parse_pairs, read_manifest, read_table, select_rows
from cxrkit.errors import CxrError
from cxrkit.evaluation.report import evaluate_predictions, findings_of
from cxrkit.evaluation.summary import format_evaluation
from cxrkit.serving.bulk import evaluate_table, record_evaluation, score_manifest, write_evaluation

ALL = "all rows"


def judge_preset(options: argparse.Namespace) -> dict:
    """Score a manifest with a preset and judge the scores; returns the content of evaluation.json."""
    from cxrkit.model.manager import XRayModelManager  # loads keras, which --predictions does without
    from cxrkit.preset import find_preset

    preset = find_preset(options.preset)
    pairs = {"label_map": parse_pairs(options.label_map), "only": parse_pairs(options.only)}
    manifest = read_manifest(
        options.manifest,
        preset.findings,
        images=options.images,
        split=options.split,
        allow_missing=options.allow_missing,
        **pairs,
    )
    table = score_manifest(XRayModelManager(preset), manifest, progress=show_progress)
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "predictions.csv", index=False)
    evaluation = evaluate_table(preset, table, manifest, split=options.split or ALL)
    if options.record:
        record_evaluation(preset, evaluation)
    return evaluation


def judge_predictions(options: argparse.Namespace) -> dict:
    """Judge a table of predictions that was made elsewhere; returns the content of evaluation.json."""
    table, sha256 = read_table(options.predictions)
    table = select_rows(table, options.split, parse_pairs(options.only))
    name = options.predictions.name
    return evaluate_predictions(
        table, findings_of(table), split=options.split or ALL, source=name, source_sha256=sha256
    )


def show_progress(done: int, total: int) -> None:
    """Overwrite one line on a terminal; silent elsewhere."""
    if sys.stderr.isatty():
        print(f"\r{done} of {total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and evaluate; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--preset", help="name of a preset, or its folder; needs --manifest")
    what.add_argument(
        "--predictions", type=Path, metavar="FILE.csv", help="table of labels and probabilities (.csv, .csv.gz)"
    )
    parser.add_argument("--manifest", type=Path, metavar="FILE.csv", help="table of images and labels")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="where its images are sought first")
    parser.add_argument("--split", help="judge only the rows of this split")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="judge only rows with this value; repeatable",
    )
    parser.add_argument(
        "--label-map",
        action="append",
        default=[],
        metavar="COLUMN=FINDING",
        help="a label column under another name; repeatable",
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="a finding without a column is unknown, not an error"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where evaluation.json goes")
    parser.add_argument("--record", action="store_true", help="also store the metrics in the preset's card")
    options = parser.parse_args(arguments)
    if (options.preset is None) != (options.manifest is None):
        parser.error("--preset and --manifest go together")
    if options.record and options.preset is None:
        parser.error("--record needs --preset")
    try:
        evaluation = judge_predictions(options) if options.preset is None else judge_preset(options)
    except CxrError as error:
        print(f"{error.message}\n{error.remedy}", file=sys.stderr)
        return 2
    write_evaluation(evaluation, options.out)
    print(format_evaluation(evaluation))
    return 0


if __name__ == "__main__":
    sys.exit(main())
