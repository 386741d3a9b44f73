"""The HTML report of an evaluation: one file that needs nothing beside it and asks no server for anything."""

from cxrkit.serving.html_report.document import REPORT, write_report

__all__ = ["REPORT", "write_report"]
