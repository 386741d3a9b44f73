"""The log: one JSON object per line on the error stream, with no field that could hold an identity."""

from __future__ import annotations

import json
import logging
import time

_FIELDS = ("request_id", "method", "route", "status", "milliseconds", "incident", "error", "places")


class JsonLines(logging.Formatter):
    """Only the fields that are listed here are written, whatever a record carries."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line = {"time": when, "level": record.levelname.lower(), "event": str(record.msg)}
        line |= {name: getattr(record, name) for name in _FIELDS if getattr(record, name, None) not in (None, "")}
        return json.dumps(line)


def configure() -> None:
    """Write what the API and the models log as JSON lines, unless whoever runs the server has set up a log for it."""
    log = logging.getLogger("cxrkit.api")
    if log.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.getLogger("cxrkit.model").addHandler(handler)
