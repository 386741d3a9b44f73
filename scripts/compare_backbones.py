"""Train every backbone from scratch at the same budget, judge each once, and print them side by side.

  compare_backbones.py --manifest $CXRKIT_DATA/kermany/index.csv --label-map label=Pneumonia \\
      --group-by patient_key,dup_group --share 0.25 --out out/backbones

Every network sees the same images in the same order: 6 epochs at 128 px, of each epoch the same random share of
the training rows. Nothing is chosen: the last epoch is judged on the split test. The runs stand in the folder
--out and are gone on with, so that a stopped comparison continues where it was. The table is printed as
Markdown and stands in --out as table.json, the time of a forward pass being measured for all in turn at the end.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.model.backbones import BACKBONES
from scripts.write_results import backbones

SIZE, EPOCHS, BATCH, HOLD_OUT = 128, 6, 16, "0.05"
RATES = {"vgg16": 1e-4}
"""Learning rates other than 1e-3: VGG16 has no normalisation, and does not begin to learn from scratch at 1e-3."""


def recipe(backbone: str) -> dict[str, Any]:
    """The one recipe of all, with this backbone."""
    stage = {"size": SIZE, "epochs": EPOCHS, "batch": BATCH, "learning_rate": RATES.get(backbone, 1e-3)}
    return {
        "name": backbone,
        "title": backbone,
        "version": "0.1.0",
        "backbone": backbone,
        "head": "gap-dense",
        "findings": ["Pneumonia"],
        "geometry": "squash",
        "intensity": "sample-standard",
        "stages": [stage],
        "augmentation": {"aspect": 0.25},
        "mixed_precision": False,
        "intended_use": "A comparison of backbones; not for reading.",
        "limits": ["A few epochs from scratch on a part of a small set."],
    }


def judged(backbone: str, options: argparse.Namespace) -> dict[str, Any]:
    """The evaluation of a backbone, trained and judged now unless that is done already."""
    run: Path = options.out / backbone
    result = run / "evaluation" / "evaluation.json"
    if not result.is_file():
        run.mkdir(parents=True, exist_ok=True)
        written = options.out / f"{backbone}.json"
        written.write_text(json.dumps(recipe(backbone), indent=2))
        labels = [word for pair in options.label_map for word in ("--label-map", pair)]
        data = ["--manifest", str(options.manifest), *labels]
        cut = ["--split", "train", "--hold-out", HOLD_OUT, "--group-by", options.group_by]
        _script("train.py", "--recipe", written, "--run", run, *data, *cut, "--repeat", options.share)
        _script("evaluate.py", "--model_path", run, *data, "--split", "test", "--no-report", "--out", result.parent)
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def measured(rounds: int) -> dict[str, tuple[int, float]]:
    """Parameters, and milliseconds of a forward pass of one image: the median of rounds in which all take turns."""
    import numpy as np

    from cxrkit.model.network import build_network

    image = np.random.default_rng(0).normal(size=(1, SIZE, SIZE, 3)).astype(np.float32)
    networks = {name: build_network(name, 1, input_size=SIZE, head="gap-dense") for name in BACKBONES}
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for turn in range(rounds + 1):
        for name, network in networks.items():
            began = time.perf_counter()
            network.predict_on_batch(image)
            if turn:  # the first one builds the graph
                seconds[name].append(time.perf_counter() - began)
    return {name: (networks[name].count_params(), 1000 * statistics.median(each)) for name, each in seconds.items()}


def row(backbone: str, evaluation: dict[str, Any], parameters: int, milliseconds: float) -> dict[str, Any]:
    """What the table says of a backbone."""
    area = evaluation["findings"]["Pneumonia"]["auroc"]
    return {
        "backbone": backbone,
        "parameters": parameters,
        "auroc": area["value"],
        "low": area["low"],
        "high": area["high"],
        "n": area["n"],
        "split": area["split"],
        "milliseconds": milliseconds,
    }


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, train what is missing and print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--manifest", type=Path, required=True, metavar="FILE.csv", help="table with the splits train and test")
    add("--label-map", action="append", default=[], metavar="COLUMN=Pneumonia", help="the column of labels")
    add("--group-by", default="patient", metavar="COLUMN,...", help="groups kept together (default: patient)")
    add("--share", default="0.25", help="of the training rows that an epoch shows (default 0.25)")
    add("--rounds", type=int, default=20, help="forward passes of which the median is taken (default 20)")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the runs and the table go")
    options = parser.parse_args(arguments)
    try:
        evaluations = {name: judged(name, options) for name in BACKBONES}
    except subprocess.CalledProcessError as error:
        return error.returncode  # the script has said why
    numbers = measured(options.rounds)
    rows = [row(name, found, *numbers[name]) for name, found in evaluations.items()]
    written = options.out / "table.json"
    written.write_text(json.dumps(rows, indent=2) + "\n")
    print(backbones(written))
    return 0


def _script(name: str, *words: object) -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts" / name), *map(str, words)], check=True)


if __name__ == "__main__":
    sys.exit(main())
