"""One reading on one page: as a PDF file, and as an HTML file that prints on one sheet of A4.

Everything on it is a number or a sentence of the reading; decision 0022 says what is left out, and why.
"""

from cxrkit.serving.reading_report.content import Judged, Report, compose
from cxrkit.serving.reading_report.pages import to_html
from cxrkit.serving.reading_report.pdf import to_pdf

__all__ = ["Judged", "Report", "compose", "to_html", "to_pdf"]
