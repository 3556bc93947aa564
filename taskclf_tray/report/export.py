"""The door to the report as a file, as the documents name it."""

from taskclf_tray.report.daily import export_report_json

__all__ = ["export_report_json"]
