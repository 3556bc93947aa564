"""A writer to be killed: labels minute after minute, each over a part of the one before, and says what is on disk.

Usage: label_child.py DATABASE FIRST_MINUTE. Prints `ready`, then the start (µs) of each label when `add` has returned.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database

USER = "u"
MORNING = datetime(2026, 3, 2, tzinfo=UTC)


def main(path: Path, number: int) -> None:
    store = LabelStore(Database(path), USER)
    print("ready", flush=True)
    while True:
        start = MORNING + timedelta(minutes=number)
        end = start + timedelta(seconds=90)
        store.add(start, end, LABEL_SET_V1[number % 8], at=end)
        print(to_us(start), flush=True)
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
