"""Networks, what they predict, and what they run on."""

import sys

# OpenVINO tells Google Analytics of every import unless its package for that cannot be imported.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
