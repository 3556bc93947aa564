"""From a press on a notification's button to the label on disk, through the label writer, against a bare commit."""

from __future__ import annotations

import json
import queue
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from taskclf_tray.app.commands import NoticePressed
from taskclf_tray.app.label_writer import LabelCommands, LabelWriter, WriterSurroundings
from taskclf_tray.app.questions import ASK_TAG, LABEL_KEY
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest

USER = "aaaaaaaa-0000-4000-8000-000000000001"
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANSWERS = 200


def run() -> dict[str, Any]:
    """Milliseconds from the press to the committed label: median, 99th percentile; and the median bare commit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tray.db"
        database = Database(path)
        _queue(database)
        commits = _bare_commits(database)
        seconds = _answers(path, database)
        database.close()
    milliseconds = sorted(1000 * second for second in seconds)
    bare = statistics.median(commits) * 1000
    return {
        "answer_ms_median": round(statistics.median(milliseconds), 2),
        "answer_ms_p99": round(milliseconds[round(0.99 * len(milliseconds)) - 1], 2),
        "bare_commit_ms_median": round(bare, 2),
        "answer_over_bare_commit": round(statistics.median(milliseconds) / bare, 2),
    }


def _queue(database: Database) -> None:
    with database.transaction():
        for number in range(ANSWERS):
            start = BEGIN + timedelta(minutes=30 * number)
            end = start + timedelta(minutes=20)
            database.requests.put(
                LabelRequest(
                    f"r{number}",
                    USER,
                    start,
                    end,
                    "low_confidence",
                    0.4,
                    "Build",
                    end,
                    second_label="Debug",
                    local_day="2026-03-02",
                )
            )


def _bare_commits(database: Database) -> list[float]:
    seconds = []
    for number in range(ANSWERS):
        began = time.perf_counter()
        with database.transaction():
            database.state.set("bare", str(number))
        seconds.append(time.perf_counter() - began)
    return seconds


def _answers(path: Path, database: Database) -> list[float]:
    def nothing(*_: Any) -> None:
        return None

    around = WriterSurroundings(path, USER, lambda: "UTC", lambda: None, nothing, nothing)
    said: LabelCommands = queue.SimpleQueue()
    desk = LabelWriter(around, said)
    desk.start()
    now = BEGIN + timedelta(days=30)
    seconds = []
    for number in range(ANSWERS):
        request_id = f"r{number}"
        began = time.perf_counter()
        said.put(NoticePressed(ASK_TAG + request_id, f"{LABEL_KEY}{number % len(LABEL_SET_V1)}", now))
        while True:
            request = database.requests.get(request_id)
            if request is not None and request.status == "labeled":
                break
        seconds.append(time.perf_counter() - began)
    desk.close()
    return seconds


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
