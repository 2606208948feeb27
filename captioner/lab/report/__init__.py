"""A `SweepRecord` as files: a page to look at, a picture to send, CSV for a spreadsheet, JSON for programs."""

from captioner.lab.report.colours import Colouring
from captioner.lab.report.drawing import to_png
from captioner.lab.report.page import to_html
from captioner.lab.report.tables import to_csv, to_json

__all__ = ["Colouring", "to_csv", "to_html", "to_json", "to_png"]
