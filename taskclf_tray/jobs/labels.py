"""The process behind `labels import FILE.parquet`: labels of the taskclf tool as CSV, for the reader of label files.

`python -m taskclf_tray.jobs.labels REQUEST`, REQUEST as JSON; what it prints: `process.py`.
"""

from __future__ import annotations

if __name__ == "__main__":  # handlers of stop signals before any import
    from taskclf_tray.system.job_entry import start

    start("taskclf_tray.jobs.labels")

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyarrow import ArrowException, csv
from pyarrow import parquet as pq

from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.jobs.process import serve
from taskclf_tray.labels.csv_files import CSV_COLUMNS

MAX_ROWS = 1_000_000


def run(request: dict[str, Any], _say: ProgressCallback) -> dict[str, Any]:
    """Write the rows of `file` as CSV to `out`. Raises TaskclfError."""
    source = Path(request["file"])
    try:
        table = pq.read_table(source)
    except (OSError, ArrowException) as error:
        raise LabelError(f"{source.name} cannot be read as Parquet.", "Check its name and place.") from error
    missing = [name for name in CSV_COLUMNS[:3] if name not in table.column_names]
    if missing:
        raise LabelError(f"{source.name} has no column {' and no column '.join(missing)}.", "Is it a file of labels?")
    if table.num_rows > MAX_ROWS:
        raise LabelError(f"{source.name} has more than {MAX_ROWS} labels.", "Split it into several files.")
    kept = table.select([name for name in CSV_COLUMNS if name in table.column_names])
    csv.write_csv(kept, request["out"])
    return {"labels": table.num_rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 when done, 1 after a reported error."""
    return serve(run, arguments, what="import of labels")
