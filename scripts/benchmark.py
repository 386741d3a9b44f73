"""Time one reading against its parts and against the usual way, as ratios within one run.

Prints a table and, with --json FILE, writes the same numbers with machine and versions. Absolute times
depend on the machine and its load; the ratios are the claim.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxrkit.errors import CxrError

BOUND = 1.3


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and measure; returns the exit status (1: the bound is not kept)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="chestxray14", help="preset to time (default: chestxray14)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds in which the ways alternate (default: 15)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    parser.add_argument(
        "--check", action="store_true", help=f"exit 1 when a reading costs over {BOUND} x the bare trunk"
    )
    options = parser.parse_args(arguments)
    try:
        from cxrkit.imaging.phantom import phantom
        from cxrkit.model.manager import XRayModelManager
        from cxrkit.model.timing import compare

        result = compare(XRayModelManager(options.preset), phantom(), options.rounds)
    except CxrError as error:
        print(f"{error.message}\n{error.remedy}", file=sys.stderr)
        return 2
    for group in ("median_ms", "ratios"):
        for name, value in result[group].items():
            print(f"{name:<36} {value:>10} {'ms' if group == 'median_ms' else 'x'}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    ratio = result["ratios"]["reading_with_all_maps_to_trunk"]
    if options.check and ratio > BOUND:
        print(f"A reading costs {ratio} x the bare trunk, more than {BOUND}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
