"""Changed bytes in the record: the minute is left out, counted, told once, and read again where the source has it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import doctor, session_loop
from taskclf_tray.app.unreadable import UnreadableMinutes
from taskclf_tray.core.types import SourceEvents
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.connection import store_error
from taskclf_tray.store.database import Database
from tests.support.worker_home import MORNING, USER, pipeline_config, recorded, recorder_of, simulated_source
from tests.support.worker_rig import Rig, until

NOW = MORNING + timedelta(hours=2)
FAR = 1 << 62


class Kept:
    """Two hours of a record; each opening is a new session."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock(NOW)
        self.database, self.recorder = self.opened()
        while not self.recorder.step(NOW).is_caught_up:
            pass

    def opened(self) -> tuple[Database, Recorder]:
        self.database = Database(self.path)
        self.recorder = recorder_of(self.database, simulated_source(self.clock), pipeline_config())
        return self.database, self.recorder

    def starts(self) -> list[int]:
        return [record.start_us for record in self.database.buckets.between(USER, -FAR, FAR)]

    def change(self, start_us: int, column: str, value: str) -> None:
        """Behind the app's back. `value`: SQL."""
        self.database.close()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute(f"UPDATE buckets SET {column} = {value} WHERE start_us = ?", (start_us,))
        self.opened()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path / "tray.db")
    yield kept
    kept.database.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("prediction", "CAST(X'5b22fffe80' AS TEXT)"),
        ("prediction", "replace(prediction, '0', '1')"),
        ("prediction", "substr(prediction, 20)"),
        ("feature_row", "X'0102'"),
        ("feature_row", "'text'"),
        ("ui_label", "CAST(X'ff' AS TEXT)"),
        ("core_label", "'Bxild'"),
        ("confidence", "confidence / 2"),
        ("end_us", "end_us + 1"),
    ],
)
def test_a_changed_cell_costs_its_minute_and_the_source_gives_it_back(kept: Kept, column: str, value: str) -> None:
    before = {p.bucket_start_ts: p for p in recorded(kept.database)}
    start_us = kept.starts()[40]
    kept.change(start_us, column, value)
    assert start_us not in kept.starts()
    assert kept.database.buckets.unreadable(USER) == [start_us]
    assert len(kept.starts()) == len(before) - 1
    told = UnreadableMinutes(kept.database, USER).look(kept.recorder, NOW)
    assert [title for title, _ in told] == ["1 minute of your record was damaged"]
    assert "1 minute was read again from ActivityWatch." in told[0][1]
    assert {p.bucket_start_ts: p.core_label_name for p in recorded(kept.database)} == {
        start: p.core_label_name for start, p in before.items()
    }
    assert UnreadableMinutes(kept.database, USER).look(kept.recorder, NOW) == []


def test_a_minute_the_source_has_forgotten_is_told_once_and_holds_nothing_up(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_us = kept.starts()[40]
    kept.change(start_us, "prediction", "'x', settled = 0")
    assert kept.database.buckets.first_unsettled_us(USER) == start_us
    source = simulated_source(kept.clock)
    monkeypatch.setattr(type(source), "read", lambda _, start, end: SourceEvents(start, end))
    told = UnreadableMinutes(kept.database, USER).look(kept.recorder, NOW)
    assert "1 minute is lost." in told[0][1]
    assert kept.database.buckets.first_unsettled_us(USER) != start_us
    kept.opened()
    assert UnreadableMinutes(kept.database, USER).look(kept.recorder, NOW) == []


def test_a_record_from_before_there_were_checksums_is_looked_at_too(kept: Kept) -> None:
    first, second, third = kept.starts()[40:43]
    kept.change(first, "checksum", "NULL")
    kept.change(second, "checksum", "NULL, prediction = CAST(X'ff' AS TEXT)")
    kept.change(third, "checksum", "NULL, feature_row = X'00'")
    assert first in kept.starts()
    assert kept.database.buckets.unreadable(USER) == [second, third]


def test_a_saved_state_that_is_damaged_goes_on_behind_the_last_minute(kept: Kept) -> None:
    before = recorded(kept.database)
    for name in ("builder", "idle", "newest_end_us"):
        with kept.database.transaction():
            kept.database.state.set(f"{name}:{USER}", "{")
        kept.opened()
    kept.clock.set(NOW + timedelta(minutes=5))
    while not kept.recorder.step(NOW + timedelta(minutes=5)).is_caught_up:
        pass
    after = recorded(kept.database)
    assert [p.bucket_start_ts for p in after[: len(before)]] == [p.bucket_start_ts for p in before]
    assert len(after) == len(before) + 5


def test_a_label_that_is_damaged_is_left_out_and_counted(kept: Kept) -> None:
    labels = LabelStore(kept.database, USER)
    labels.add(MORNING, MORNING + timedelta(minutes=5), "Build", at=NOW)
    labels.add(MORNING + timedelta(minutes=5), MORNING + timedelta(minutes=9), "Meet", at=NOW)
    with kept.database.transaction():
        kept.database._connection.execute("UPDATE label_spans SET label = CAST(X'ff' AS TEXT) WHERE label = 'Meet'")
    assert [span.label for span in labels.everything()] == ["Build"]
    assert kept.database.labels.unreadable == 1


def test_no_sentence_quotes_the_record(tmp_path: Path) -> None:
    said = str(
        store_error(sqlite3.OperationalError(f"Could not decode … with text '[\"{USER}\"'"), tmp_path / "tray.db")
    )
    assert USER not in said
    assert "OperationalError" in said


@pytest.mark.parametrize("seed", range(2))
def test_twenty_changed_bytes_do_not_stop_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """In the middle of what is stored of minutes, which is nearly all of a record."""
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    rig = Rig(tmp_path)
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.ui_label, "a label")
    with closing(Database(rig.paths.database, read_only=True)) as database:
        minute = random.Random(seed).choice(database.buckets.between(USER, -FAR, FAR)[:-20])
    content = bytearray(rig.paths.database.read_bytes())
    for place in [at for at in range(len(content)) if content.startswith(minute.prediction[:80].encode(), at)]:
        content[place + 60 : place + 80] = random.Random(seed).randbytes(20)
    rig.paths.database.write_bytes(content)
    found = [finding for finding in doctor.check_everything(home=rig.paths.home) if finding.subject == "Record"]
    assert [finding.verdict for finding in found] == ["ok", "failed"]
    assert "1 minute of the record is damaged and left out" in found[1].detail
    rig.notifier.notices.clear()
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.ui_label, "a label")
        until(lambda: rig.notifier.told("1 minute of your record was damaged"), "the damage")
    (finding,) = [one for one in doctor.check_everything(home=rig.paths.home) if one.subject == "Record"]
    assert finding.verdict == "ok"
    assert not any(USER in f"{notice.title} {notice.body}" for notice in rig.notifier.notices)
