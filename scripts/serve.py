"""Answer over HTTP, on this machine alone: GET /health lists the presets and what can be decoded.

serve.py --port 8600, then: curl http://127.0.0.1:8600/health
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve until interrupted; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8600, help="default: %(default)s")
    options = parser.parse_args(arguments)
    import uvicorn

    from cxrkit.serving.rest import app

    # Only loopback: there is no access control yet.
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
