"""Read chest radiographs (DICOM, PNG, JPEG ...) with a preset and print what it finds.

In brackets behind a probability: the 5th and 95th percentile of draws with dropout in the model's head. Where they
reach across an operating point, the reading is in doubt there, and not past it.

With --json, one JSON object per file and line: file, findings.<finding>.probability (calibrated), .logit and
.interval, operating_points (those that were fitted on enough cases), dropout (draws, rates and seed of the
intervals), quality, warnings. A picture that is no usable frontal chest radiograph is refused: quality.refused is
true, quality.issues say why, and there are no findings. A file that cannot be read gives an object with
error.message and error.remedy. In both cases the other files are still read.

  predict.py film.png study.dcm
  predict.py *.dcm --json > readings.jsonl
  predict.py film.png --overlay maps --findings Effusion,Mass

With --precision bfloat16 or int8 the network computes in less time and less exactly, where processor and preset
allow it; the record then has a field precision.

With --overlay FOLDER, a PNG of the radiograph with the map of each finding that is past an operating point, or of
those that --findings names. It is called by preset, sha256 of the file and finding, not by the file's own name,
and suspected text in the picture is black. For many files there is scripts/score.py.

Exit status: 0 every file was read; 2 some were refused or could not be read; 130 interrupted. Not a medical device:
for research and teaching only.
"""

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.errors import CxrError, DisplayUnknown, RadiographError
from cxrkit.imaging.loading import load_radiograph
from cxrkit.model.runtimes import PRECISIONS, said
from cxrkit.preset_folders import find_preset
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.records import error_record, format_record, to_record


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, after a refusal of those that do not go together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="radiographs")
    parser.add_argument(
        "--preset", default="chestxray14", help="name of a preset, or its folder (default: %(default)s)"
    )
    parser.add_argument(
        "--display",
        type=int,
        default=1,
        metavar="N",
        help="with which of its windows and look-up tables to read a DICOM file that has several, counted from 1 as "
        "the notes of a reading count them: VOI LUTs, then windows, then the full range (default: %(default)s)",
    )
    add = parser.add_argument
    add("--all-the-same", action="store_true", help="read what is refused, too; the record says so")
    add("--as-it-lies", action="store_true", help="neither turn nor invert a picture that seems to lie wrongly")
    add(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="in which the network computes (default: %(default)s)",
    )
    add("--overlay", type=Path, metavar="FOLDER", help="write the radiograph with its maps there, made if need be")
    add("--findings", metavar="NAME,...", help="of --overlay: the maps of these findings, or of all")
    add("--json", action="store_true", help="one JSON object per file, one line each")
    options = parser.parse_args(arguments)
    if options.findings is not None and options.overlay is None:
        parser.error("--findings goes with --overlay")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, read the files and print what was found; returns the exit status."""
    options = parse(arguments)
    try:
        from cxrkit.model.manager import XRayModelManager  # takes long to load: not for --help

        preset = find_preset(options.preset)
        if options.overlay is not None:  # what draws is loaded for it alone
            from cxrkit.serving.map_files import past_points, wanted_findings, write_maps

            named = None if options.findings is None else wanted_findings(options.findings, preset)
        manager = XRayModelManager(preset, precision=options.precision)
        status = 0
        for path in options.files:
            maps: list[str] = []
            try:
                radiograph = load_radiograph(path, display=options.display - 1)
                reading = manager.read(radiograph, correct=not options.as_it_lies)
                if reading.quality.refused and options.all_the_same:
                    reading = reading.override()
                record = to_record(reading, preset)
                status = 2 if reading.quality.refused else status
                if options.overlay is not None and not reading.quality.refused:
                    maps = write_maps(
                        options.overlay, radiograph, reading, past_points(record) if named is None else named
                    )
                    record["maps"] = maps
            except (RadiographError, DisplayUnknown) as error:
                record, status = error_record(error), 2
            line = json.dumps({"file": str(path)} | record, allow_nan=False) if options.json else None
            print(
                line or "\n".join([format_record(str(path), record), *(f"  map: {name}" for name in maps)]), flush=True
            )
        if not options.json:
            print("\n".join(filter(None, ["", preset.notice, said(options.precision), DISCLAIMER])))
        return status
    except CxrError as error:
        return error.tell()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
