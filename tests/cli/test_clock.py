"""Commands in a home where something is kept apart because the clock had been ahead: it counts nowhere."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

from taskclf_tray.app.clock_put_back import put_right
from taskclf_tray.app.online_loop import RECORD_FILE, run_online_loop
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
from tests.support.cli_records import NOW, RecordHome, in_berlin, line, request_of
from tests.support.report_records import MINUTE, bucket
from tests.support.worker_home import USER, copy_home

__all__ = ["in_berlin", "line"]


def ahead(line: RecordHome) -> None:
    """20 minutes before NOW, and 15 that were recorded with the clock two hours ahead, with a label and a question.

    A quarter of an hour later the app has put right what the clock did.
    """
    later = NOW + timedelta(hours=2)
    line.now = NOW + 15 * MINUTE
    with line.database() as database:
        with database.transaction():
            for start, count in ((NOW - 20 * MINUTE, 20), (later, 15)):
                database.buckets.put(bucket(start + n * MINUTE, zone="Europe/Berlin", user=USER) for n in range(count))
        LabelStore(database, USER).add(later, later + 10 * MINUTE, "Meet", at=later + 15 * MINUTE)
        database.requests.put(request_of("ahead000", -120))
        put_right(database, USER, line.now, "Europe/Berlin")


def test_it_counts_in_no_report_and_no_list(line: RecordHome) -> None:
    ahead(line)
    code, out, err = line.call("report", "daily")
    assert (code, err) == (0, "")
    assert "Build                         20 min  100%" in out
    assert line.json("report", "weekly")["bucket_count"] == 20
    assert line.json("queue", "list")["waiting"] == 0
    assert line.json("labels", "list", "--from", "2026-03-01")["labels"] == []
    assert line.call("labels", "export")[1].count("\n") == 1


def test_the_label_can_be_taken_back(line: RecordHome) -> None:
    """For a day from now on, as any other."""
    ahead(line)
    code, out, _ = line.call("labels", "undo")
    assert (code, out) == (0, "Undone: Meet 2026-03-02 16:30–16:40.\n")
    assert line.refused("labels", "undo").startswith("taskclf-tray: There is nothing to undo.")


def test_the_loop_for_programs(tmp_path: Path) -> None:
    home, out = copy_home(tmp_path / "home"), tmp_path / "out"
    out.mkdir()
    database = Database(out / RECORD_FILE)
    with database.transaction():
        database.buckets.put(bucket(NOW + timedelta(days=4000) + n * MINUTE, user=USER) for n in range(15))
    database.close()
    stop = threading.Event()
    stop.set()
    run_online_loop(models_dir=home / "models", aw_host="http://127.0.0.1:9", out_dir=out, stop=stop)
    database = Database(out / RECORD_FILE)
    assert database.buckets.count(USER) == 0
    with database.reading():
        assert [database.ahead.minutes(change.id) for change in database.ahead.kept_apart(USER)] == [15]
    database.close()
