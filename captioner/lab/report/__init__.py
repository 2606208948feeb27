"""A `SweepRecord` as files: a page to look at, a picture to send, CSV for a spreadsheet, JSON for programs."""

from captioner.lab.report.page import to_html
from captioner.lab.report.tables import to_csv, to_json

__all__ = ["to_csv", "to_html", "to_json"]
