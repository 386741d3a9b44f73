"""Ask a running API server much at the same time, and say how fast it answered and whether it kept up.

serve.py in one terminal, then: load_test.py FILE... --clients 32 --seconds 60

Each client sends the next file as soon as it has its answer. With --check the exit status is 1 unless each answer was a
reading and 99 % of them came within --p99 milliseconds. The token is taken from CXRKIT_API_TOKEN.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxrkit.errors import CxrError
from cxrkit.imaging.phantom import phantom_dicom
from cxrkit.serving.load import run_load


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and ask; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="radiographs to send in turn (default: the phantom)")
    add("--address", default="http://127.0.0.1:8600", help="of the server (default: %(default)s)")
    add("--path", default="/v1/readings", help="what is asked, with its query (default: %(default)s)")
    add("--clients", type=int, default=32, help="default: %(default)s")
    add("--seconds", type=float, default=60, help="default: %(default)s")
    add("--check", action="store_true", help="exit with 1 when the bounds are not kept")
    add("--p99", type=float, default=1500, metavar="MS", help="the bound with --check (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        files = [path.read_bytes() for path in options.files] or [phantom_dicom()]
        token = os.environ.get("CXRKIT_API_TOKEN", "")
        load = run_load(
            options.address, files, clients=options.clients, seconds=options.seconds, path=options.path, token=token
        )
    except OSError:
        print("A file cannot be opened.\nCheck that it exists and that you may read it.", file=sys.stderr)
        return 2
    except CxrError as error:
        return error.tell()
    print("\n".join(load.lines()))
    kept = bool(load.milliseconds) and not load.statuses and load.percentile(99) <= options.p99
    return 1 if options.check and not kept else 0


if __name__ == "__main__":
    sys.exit(main())
