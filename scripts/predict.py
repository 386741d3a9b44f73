"""Read chest radiographs (DICOM, PNG, JPEG ...) with a preset and print what it finds.

With --json, one JSON object per file and line: file, findings.<finding>.probability (calibrated) and
.logit, operating_points (those that were fitted on enough cases), warnings. A file that cannot be read
gives an object with error.message and error.remedy; the other files are still read, and the exit
status is then 2. Not a medical device: for research and teaching only.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.errors import CxrError
from cxrkit.imaging.loading import load_radiograph
from cxrkit.preset import Preset, find_preset
from cxrkit.reading import DISCLAIMER, Reading


def to_record(reading: Reading, preset: Preset) -> dict:
    """A reading as plain types without its maps, with the verdict at each supported operating point."""
    record = reading.to_dict()
    for finding, entry in record["findings"].items():
        del entry["explanation"]
        entry["stated_at_prevalence"] = preset.calibration[finding].prevalence
        entry["operating_points"] = {
            point.rule: {
                "positive": entry["probability"] >= point.threshold,
                "threshold": point.threshold,
                "sensitivity": point.sensitivity,
                "specificity": point.specificity,
                "fitted_on": {"split": point.split, "n": point.n, "positives": point.positives},
            }
            for point in preset.operating_points
            if point.finding == finding and point.supported
        }
    return record


def format_record(record: Mapping) -> str:
    """The lines of one file for a person, most probable finding first."""
    if "error" in record:
        return f"{record['file']}\n  {record['error']['message']}\n  {record['error']['remedy']}"
    lines = [record["file"]]
    for finding, entry in sorted(record["findings"].items(), key=lambda item: -item[1]["probability"]):
        past = [rule for rule, point in entry["operating_points"].items() if point["positive"]]
        verdict = f"past {', '.join(past)}" if past else "" if entry["operating_points"] else "no supported threshold"
        lines.append(f"  {finding:20} {entry['probability']:.4f}  {verdict}".rstrip())
    return "\n".join(lines + [f"  ! {text}" for text in record["warnings"]])


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and read the files; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="radiographs")
    parser.add_argument(
        "--preset", default="chestxray14", help="name of a preset, or its folder (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per file, one line each")
    options = parser.parse_args(arguments)
    from cxrkit.model.manager import XRayModelManager  # loads keras: not for --help

    try:
        preset = find_preset(options.preset)
        manager = XRayModelManager(preset)
    except CxrError as error:
        print(f"{error.message}\n{error.remedy}", file=sys.stderr)
        return 2
    status = 0
    for path in options.files:
        try:
            record = {"file": str(path)} | to_record(manager.read(load_radiograph(path)), preset)
        except CxrError as error:
            record = {"file": str(path), "error": {"message": error.message, "remedy": error.remedy}}
            status = 2
        print(json.dumps(record, allow_nan=False) if options.json else format_record(record), flush=True)
    if not options.json:
        print("\n".join(filter(None, ["", preset.notice, DISCLAIMER])))
    return status


if __name__ == "__main__":
    sys.exit(main())
