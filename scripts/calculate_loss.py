"""Regenerate train_config.json, the loss weights of every preset.

By default each preset is counted from the label_counts.csv of its own training split, which stands
beside its card. With --manifest one preset is counted from a table with one row per image (1, 0, or
blank for unknown, in a column per finding) and the others as before. The same input gives the same bytes.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxrkit.data.manifest import parse_pairs, read_label_counts
from cxrkit.errors import CxrError, TrainConfigError
from cxrkit.preset import find_preset, list_presets
from cxrkit.train_config import TRAIN_CONFIG, PresetWeights, TrainConfig, from_counts, read_counts


def from_presets() -> dict[str, PresetWeights]:
    """The loss weights of every preset from its own label counts."""
    entries = {}
    for preset in list_presets():
        counts, sha256 = read_counts(Path(preset.folder) / "label_counts.csv")
        if counts != preset.label_counts:
            raise TrainConfigError(
                f"The label counts beside preset {preset.name!r} contradict its card.",
                "Restore both from the release, or train the preset again.",
            )
        entries[preset.name] = from_counts(counts, f"weights/{preset.name}/label_counts.csv", sha256)
    return entries


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and write or check the file; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=TRAIN_CONFIG, help="file to write (default: train_config.json)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when the file is stale")
    parser.add_argument("--manifest", type=Path, metavar="FILE.csv", help="count this per-image label table")
    parser.add_argument(
        "--preset", default="chestxray14", help="the preset that --manifest is for (default: %(default)s)"
    )
    parser.add_argument("--split", help="count only the rows of this split")
    parser.add_argument(
        "--label-map",
        action="append",
        default=[],
        metavar="COLUMN=FINDING",
        help="a label column under another name; repeatable",
    )
    options = parser.parse_args(arguments)
    try:
        entries = from_presets()
        if options.manifest is not None:
            preset = find_preset(options.preset)
            pairs = parse_pairs(options.label_map)
            counts, sha256 = read_label_counts(options.manifest, preset.findings, split=options.split, label_map=pairs)
            entries[preset.name] = from_counts(counts, options.manifest.name, sha256)
        if not entries:
            raise TrainConfigError("There is no preset to count.", "Train one first, or restore the weights folder.")
        text = TrainConfig(entries).to_json().encode()
    except CxrError as error:
        print(f"{error.message}\n{error.remedy}", file=sys.stderr)
        return 2
    if options.check:
        fresh = options.config.is_file() and options.config.read_bytes() == text
        print(
            "train_config.json is up to date."
            if fresh
            else "train_config.json is stale: run scripts/calculate_loss.py."
        )
        return 0 if fresh else 1
    options.config.write_bytes(text)
    print(f"Wrote the loss weights of {', '.join(sorted(entries))}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
