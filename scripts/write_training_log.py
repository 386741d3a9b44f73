"""Write the training log that the page Model info draws, from the folders of the runs that led to a preset.

  write_training_log.py weights/mine --run runs/mine_20260102_030405
  write_training_log.py weights/mine --run runs/first --run runs/second --after "The head was solved for."

The runs stand in their order, each started from what the one before it ended with; this is checked by the sums of
their weights. --after says what was done to the weights of the last run; without it they must be the preset's own.
training_log.json is written into the preset's folder: numbers and sums, no path and no machine.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxrkit.errors import CxrError
from cxrkit.preset import Preset
from cxrkit.training.log_reading import log_of
from cxrkit.training_log import save_log


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and write the log; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", type=Path, help="folder of the preset")
    parser.add_argument("--run", type=Path, action="append", required=True, metavar="FOLDER", help="a finished run")
    parser.add_argument("--after", default="", metavar="SENTENCE", help="what was done after the last run")
    options = parser.parse_args(arguments)
    try:
        log = log_of(Preset.load(options.preset), options.run, options.after)
        print(save_log(log, options.preset))
    except CxrError as error:
        return error.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
