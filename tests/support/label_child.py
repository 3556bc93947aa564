"""A writer to be killed: labels minute after minute, each over a part of the one before, and says what is on disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database

USER = "u"
MORNING = datetime(2026, 3, 2, tzinfo=UTC)


def main(say: Callable[[Any], None], path: Path, number: int) -> None:
    """Say `ready`, then the start (µs) of each label when `add` has returned."""
    store = LabelStore(Database(path), USER)
    say("ready")
    while True:
        start = MORNING + timedelta(minutes=number)
        end = start + timedelta(seconds=90)
        store.add(start, end, LABEL_SET_V1[number % 8], at=end)
        say(to_us(start))
        number += 1
