"""Label files for `labels import`: CSV as it is, the taskclf tool's Parquet by way of a process that can read it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from taskclf_tray.core.regular_files import open_regular

_JOB: Final = "taskclf_tray.jobs.labels"
_PARQUET: Final = b"PAR1"


@contextlib.contextmanager
def as_csv(path: Path, *, is_debug: bool) -> Iterator[Path]:
    """The file as CSV, under its own name. Raises JobError for Parquet that cannot be read."""
    if not _is_parquet(path):
        yield path
        return
    from taskclf_tray.jobs.child import run_child

    with tempfile.TemporaryDirectory(prefix="taskclf-") as folder:
        made = Path(folder) / path.name
        run_child(_JOB, {"file": str(path), "out": str(made), "is_debug": is_debug}, lambda _: None, is_debug=is_debug)
        yield made


def _is_parquet(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError:
        return False  # the reader of CSV says what is wrong
