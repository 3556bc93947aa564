"""Minutes older than `retention_days` are deleted, to the last byte, and nothing else is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import services
from taskclf_tray.core.config import Config
from taskclf_tray.store.database import Database
from tests.support.report_records import bucket
from tests.support.worker_home import USER
from tests.support.worker_rig import START, Rig, until

CANARY = "Canary-7f3a91"


def test_old_minutes_go_and_labels_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MINUTES_A_TICK", 7)
    rig = Rig(tmp_path)
    rig.config = Config(retention_days=30)
    old, kept = START - timedelta(days=30, minutes=20), START - timedelta(days=29, hours=23)
    minutes = [bucket(old + timedelta(minutes=k), "Build", ui=CANARY, user=USER) for k in range(18)]
    minutes += [bucket(kept + timedelta(minutes=k), "Build", user=USER) for k in range(5)]
    minutes = [replace(minute, config_id="of-old" if minute.ui_label == CANARY else "c") for minute in minutes]
    with closing(Database(rig.paths.database)) as database, database.transaction():
        database.buckets.put(minutes)
        database.configs.remember("of-old", {}, {"taxonomy": None, "note": CANARY}, 0)
        database.configs.remember("c", {"kept": True}, {"taxonomy": None}, 0)

    def starts() -> list[int]:
        with closing(Database(rig.paths.database, read_only=True)) as database:
            return [record.start_us for record in database.buckets.between(USER, 0, 1 << 62)]

    with rig.running():
        until(lambda: starts()[:5] == [minute.start_us for minute in minutes[18:]], "the old minutes to go")
        until(lambda: not has_canary(rig), "the log to be emptied")
    with closing(Database(rig.paths.database, read_only=True)) as database:
        assert database.configs.get("of-old") is None
        assert database.configs.get("c") == {"kept": True, "taxonomy": None}


def has_canary(rig: Rig) -> bool:
    """Whether the record or its log holds it; predictions.csv keeps what it was given."""
    return any(CANARY.encode() in path.read_bytes() for path in rig.paths.tray.glob("tray.db*"))
