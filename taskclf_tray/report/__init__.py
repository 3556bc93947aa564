"""Reports on the record: totals of a day and a week, and telemetry of the predictions."""
