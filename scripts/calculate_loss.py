"""Regenerate train_config.json, the loss weights of every preset.

By default each preset is counted from the label_counts.csv of its own training split, which stands
beside its card. With --manifest one preset is counted from a table with one row per image (1, 0, or
blank for unknown, in a column per finding) and the others as before. The same input gives the same bytes.

--check compares the file with what the same command without --check would write: a file that was
written with --manifest is up to date only to --check with the same --manifest, --preset, --split and
--label-map. Where CXRKIT_WEIGHTS names other presets, --config must name the file.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxrkit.data.loss_weights import (
    count_presets,
    count_table,
    is_fresh,
    refuse_foreign_presets,
    without_counts,
    write_config,
)
from cxrkit.data.table import parse_pairs
from cxrkit.errors import CxrError, TrainConfigError
from cxrkit.preset_folders import find_preset, list_presets
from cxrkit.train_config import TRAIN_CONFIG, TrainConfig


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, after a refusal of those that do not go together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE.json", help="file to write (default: the shipped train_config.json)")
    add("--check", action="store_true", help="write nothing; exit with 1 when the file is stale")
    add("--manifest", type=Path, metavar="FILE.csv", help="count this per-image label table")
    of = [
        add("--preset", help="the preset that --manifest is for (default: chestxray14)"),
        add("--split", help="count only the rows of --manifest in this split"),
        add("--label-map", action="append", metavar="COLUMN=FINDING", help="another label column; repeatable"),
    ]
    options = parser.parse_args(arguments)
    for action in of:
        if options.manifest is None and getattr(options, action.dest) is not None:
            parser.error(f"{action.option_strings[0]} needs --manifest")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and write or check the file; returns the exit status."""
    options = parse(arguments)
    try:
        if options.config is None:
            refuse_foreign_presets()
        path = options.config or TRAIN_CONFIG
        chosen = [] if options.manifest is None else [find_preset(options.preset or "chestxray14")]
        presets = [*list_presets(), *chosen]
        entries = count_presets(presets)
        for preset in chosen:
            pairs = parse_pairs(options.label_map or [])
            entries[preset.name] = count_table(preset, options.manifest, split=options.split, label_map=pairs)
        if skipped := [name for name in without_counts(presets) if name not in entries]:
            print(f"Left out: {', '.join(skipped)}, whose cards know no label counts.", file=sys.stderr)
        if not entries:
            raise TrainConfigError("There is no preset to count.", "Train one first, or restore the weights folder.")
        config = TrainConfig(entries)
        if options.check:
            fresh = is_fresh(config, path)
            print(f"train_config.json is {'up to date' if fresh else 'stale: run scripts/calculate_loss.py'}.")
            return 0 if fresh else 1
        write_config(config, path)
    except CxrError as error:
        return error.tell()
    print(f"Wrote the loss weights of {', '.join(sorted(entries))}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
