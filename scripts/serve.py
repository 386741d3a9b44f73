"""Read radiographs over HTTP: a form at /, what programs may ask at /docs.

serve.py, then: curl -F file=@radiograph.dcm http://127.0.0.1:8600/v1/readings

Only this computer is answered, unless CXRKIT_API_TOKEN holds a token of 16 characters or more: then --host 0.0.0.0
answers others, too, that send it ("Authorization: Bearer ..."). CXRKIT_API_QUEUE (64) is how many requests are worked
on or wait, CXRKIT_API_RATE (0: without limit) how many one address may send per minute, CXRKIT_ALLOW_URLS which hosts
radiographs may be fetched from, CXRKIT_API_DEMO=1 is --demo. TLS is for a proxy in front. An interrupt finishes what is
being read. With --precision bfloat16 or int8 the networks compute in less time and less exactly, where processor and
presets allow it; /v1/readings, the pages and /health say so.
Not a medical device: for research and teaching only.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.errors import CxrError
from cxrkit.model.runtimes import PRECISIONS


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve until interrupted; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument("--demo", action="store_true", help="add the page at /demo (needs requirements-gradio.txt)")
    parser.add_argument("--port", type=int, default=8600, help="default: %(default)s")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="in which the networks compute (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        from cxrkit.serving.rest.server import serve

        serve(options.host, options.port, demo=options.demo, precision=options.precision)
    except CxrError as error:
        return error.tell()
    except KeyboardInterrupt:  # which uvicorn raises again when all is finished
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
