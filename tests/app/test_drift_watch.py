"""The daily look for a drift: once a day, in a process of its own, and one sentence for each drift."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from taskclf_tray.app import drift_watch
from taskclf_tray.app.drift_watch import DriftWatch
from taskclf_tray.app.publisher import Publisher
from taskclf_tray.core.config import Config
from taskclf_tray.core.time import to_us, zone
from taskclf_tray.drift.memory import DriftMemory, load_memory
from taskclf_tray.drift.wording import TOO_SHORT
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.blocks import Block
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest
from tests.support.drift_home import DAY, FRIDAY, LAST, THURSDAY, alert, in_figma, report, without_input, working_days
from tests.support.drift_home import write_days as write_working_days
from tests.support.processes import allowed, wait_until
from tests.support.report_records import MINUTE, bucket
from tests.support.worker_home import USER
from tests.support.worker_rig import Rig

pytestmark = pytest.mark.usefixtures("forked_jobs")

NAMED = Config(privacy_notifications=False)
FAKE = "tests.support.drift_jobs"
FIGMA = alert("category_shift", "app_id", value="com.figma.Desktop", reference_share=0.0, current_share=0.4)
HABITS = alert("feature_psi", "keys_per_min")


@pytest.fixture(autouse=True)
def in_no_hurry_to_stand_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stands back behind every other test would take its time."""
    monkeypatch.setattr(drift_watch, "NICENESS", 0)


def until(condition: Callable[[], object], what: str) -> None:
    """A check takes two seconds of a processor that others use too."""
    wait_until(condition, what, 60)


class Watch:
    """A watch on a home with a record, driven from outside as the worker drives it; it is noon on Thursday."""

    def __init__(self, folder: Path, config: Config, job_module: str) -> None:
        self.rig = Rig(folder)
        self.home = self.rig.paths.home
        self.rig.config = config
        self.job_module = job_module
        self.at(THURSDAY)
        self.start()

    def start(self) -> None:
        self.session = self.rig.session()
        self.watch = DriftWatch(self.session, Publisher(self.rig.notifier, []), job_module=self.job_module)

    def stop(self) -> None:
        self.watch.close()
        self.session.close()

    def at(self, day: date, hour: int = 12, minute: int = 0, zone_name: str = "UTC") -> datetime:
        """Set the clock, here, and move here."""
        self.rig.time_zone = zone_name
        now = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone(zone_name)).astimezone(UTC)
        self.rig.clock.set(now)
        return now

    def work(self, minutes: int = 30, **changes: Any) -> None:
        """The person was active for the minutes until now."""
        start = self.rig.clock.now() - minutes * MINUTE
        records = [bucket(start + n * MINUTE, user=USER, zone=self.rig.time_zone, **changes) for n in range(minutes)]
        with self.session.database.transaction():
            self.session.database.buckets.put(records)

    def find(self, *alerts: dict[str, Any], blocks: tuple[Block, ...] = (), lacking: str | None = None) -> None:
        """What the next checks find."""
        (self.home / "report.json").write_text(json.dumps(report(list(alerts), lacking=lacking)))
        (self.home / "blocks.json").write_text(json.dumps([dataclasses.asdict(block) for block in blocks]))
        self.way("answer")

    def way(self, name: str) -> None:
        """How the next checks go."""
        (self.home / "way").write_text(name)

    def step(self) -> bool:
        """A step with new minutes; whether a check is under way then."""
        self.watch.on_step(StepResult(finalised=(cast(WindowPrediction, None),)))
        return self.watch.is_checking

    def check(self) -> None:
        """The day's check, from its start to its end."""
        assert self.step()
        self.end()

    def end(self) -> None:
        until(lambda: not self.watch.is_checking, "the end of the check")
        self.watch.on_step(StepResult())

    @property
    def told(self) -> list[str]:
        return [notice.body for notice in self.rig.notifier.notices]

    @property
    def started(self) -> list[int]:
        """The processes of the checks so far."""
        path = self.home / "started"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def memory(self) -> DriftMemory:
        return load_memory(self.session.database, USER)

    def queued(self) -> list[LabelRequest]:
        return self.session.database.requests.all(USER)


@contextlib.contextmanager
def watching(folder: Path, config: Config = NAMED, job_module: str = drift_watch.JOB) -> Iterator[Watch]:
    watch = Watch(folder, config, job_module)
    try:
        yield watch
    finally:
        watch.stop()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Watch]:
    """A fortnight ago there was a record; today half an hour of work; what a check finds is up to the test."""
    with watching(tmp_path, job_module=FAKE) as desk:
        desk.at(LAST - 13 * DAY)
        desk.work(1)
        desk.at(THURSDAY)
        desk.work()
        desk.find()
        yield desk


# -- the real check -------------------------------------------------------------------------------------------


def test_a_new_main_app_is_told_once(tmp_path: Path) -> None:
    with watching(tmp_path) as desk:
        write_working_days(desk.rig.paths.database, working_days(last=FRIDAY - DAY))
        write_working_days(desk.rig.paths.database, working_days(FRIDAY, THURSDAY), in_figma)
        desk.check()
        (told,) = desk.told
        assert told.startswith("You have used Figma a lot since Friday. The model has not seen it before.")
        queued = desk.queued()
        assert f"{len(queued)} blocks wait under Review" in told
        assert 0 < len(queued) <= drift_watch.QUEUED_BLOCKS
        assert {request.reason for request in queued} == {"drift"}
        assert all(request.end_us - request.start_us >= 300_000_000 for request in queued)
        assert [path.name for path in desk.rig.paths.drift.iterdir()] == [f"drift_{LAST}.json"]


def test_the_app_checks_when_it_is_caught_up(tmp_path: Path) -> None:
    """The whole worker: it records a Thursday morning, checks, tells, and says the new questions in its menu."""
    rig = Rig(tmp_path)
    write_working_days(rig.paths.database, working_days(last=FRIDAY - DAY))
    write_working_days(rig.paths.database, working_days(FRIDAY), without_input)
    rig.clock.set(datetime(2026, 3, 19, 11, tzinfo=UTC))
    with rig.running() as runtime:
        until(lambda: rig.notifier.told("is the input watcher running?"), "the notice")
        until(lambda: runtime.snapshot.labels.review_count, "the blocks that wait")
        assert len(rig.notifier.told("is the input watcher running?")) == 1
    database = Database(rig.paths.database, read_only=True)
    memory = load_memory(database, USER)
    waiting, counted = database.requests.pending(USER), database.requests.count_on(USER, THURSDAY.isoformat())
    asked = {ask.request_id for ask in database.asks.since(USER, 0)}
    database.close()
    assert (memory.checked_day, len(memory.told)) == (LAST, 1)
    drifted = {request.request_id for request in waiting if request.reason == "drift"}
    assert len(drifted) > 0
    assert counted == len(waiting) - len(drifted)
    assert asked & drifted == set()  # of days that are over nobody is asked


# -- when -----------------------------------------------------------------------------------------------------


def test_a_day_has_one_check_whatever_is_restarted(desk: Watch) -> None:
    desk.check()
    assert (desk.memory().checked_day, desk.memory().too_little_data) == (LAST, None)
    assert (desk.told, desk.queued()) == ([], [])
    assert not desk.step()
    desk.stop()
    desk.start()
    assert not desk.step()
    desk.at(THURSDAY, 23, 59)
    assert not desk.step()
    desk.at(THURSDAY + DAY)
    assert not desk.step()  # half an hour of work first
    desk.work()
    desk.check()
    assert desk.memory().checked_day == THURSDAY
    assert len(desk.started) == 2


def test_half_an_hour_of_the_day_comes_first(desk: Watch) -> None:
    desk.at(THURSDAY + DAY, 9)
    desk.work(29)
    assert not desk.step()
    desk.at(THURSDAY + DAY, 10)
    desk.work(60, decided_by="idle_rule")
    assert not desk.step()
    desk.at(THURSDAY + DAY, 11)
    desk.work(1)
    assert desk.step()


def test_a_young_record_wants_no_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with watching(tmp_path, job_module="no.such.module") as desk:
        desk.work()
        assert not desk.step()
        assert (desk.memory().checked_day, desk.memory().too_little_data) == (LAST, TOO_SHORT)
        assert (desk.told, desk.queued()) == ([], [])
        assert f"up to {LAST}: {TOO_SHORT}" in caplog.text


def test_too_little_data_is_said_in_the_log_and_remembered(desk: Watch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk.find(lacking="Too little, it says.", blocks=(block(0),))
    desk.check()
    assert (desk.told, desk.queued()) == ([], [])
    assert desk.memory().too_little_data == "Too little, it says."
    assert f"up to {LAST}: Too little, it says." in caplog.text


def test_a_check_that_goes_on_over_midnight_is_of_the_day_it_began_with(desk: Watch) -> None:
    desk.find(HABITS)
    desk.way("gate")
    desk.at(THURSDAY, 23, 59)
    assert desk.step()
    desk.at(THURSDAY + DAY, 0, 30)
    desk.work(30)
    assert desk.step()
    assert len(desk.started) <= 1
    (desk.home / "go").touch()
    desk.end()
    assert desk.memory().checked_day == LAST
    desk.check()
    assert desk.memory().checked_day == THURSDAY
    assert len(desk.told) == 1


@pytest.mark.parametrize(
    ("day", "zone_name"),
    [
        (date(2026, 3, 29), "Europe/Berlin"),
        (date(2026, 10, 25), "Europe/Berlin"),
        (date(2026, 4, 5), "Australia/Lord_Howe"),
    ],
)
def test_days_of_daylight_saving_are_checked_once(desk: Watch, day: date, zone_name: str) -> None:
    """Each day's check comes on the next one, by the clock on the wall, also where a day has 23 or 25 hours."""
    for number in range(-1, 3):
        for hour, minute in ((0, 31), (12, 0), (23, 59)):
            desk.at(day + number * DAY, hour, minute, zone_name)
            desk.work()
            if desk.step():
                desk.end()
        assert desk.memory().checked_day == day + (number - 1) * DAY
    assert len(desk.started) == 4


def test_a_traveller_has_a_date_twice_and_one_check_of_it(desk: Watch) -> None:
    desk.at(THURSDAY, 9, 0, "Asia/Tokyo")
    desk.work()
    desk.check()
    assert desk.memory().checked_day == LAST
    desk.at(LAST, 14, 30, "Pacific/Honolulu")  # half an hour later it is Wednesday again
    desk.work()
    assert not desk.step()
    desk.at(THURSDAY, 12, 0, "Pacific/Honolulu")
    desk.work()
    assert not desk.step()
    desk.at(THURSDAY + DAY, 12, 0, "Pacific/Honolulu")
    desk.work()
    desk.check()
    assert desk.memory().checked_day == THURSDAY


def test_a_clock_that_was_wrong_by_years_does_not_end_the_checks(desk: Watch) -> None:
    desk.at(date(2036, 3, 2))
    desk.work()
    desk.check()
    assert desk.memory().checked_day == date(2036, 3, 1)
    desk.at(THURSDAY)
    desk.check()
    assert desk.memory().checked_day == LAST


# -- what comes of it -----------------------------------------------------------------------------------------


def block(number: int, confidence: float = 0.3) -> Block:
    """Ten minutes of Wednesday."""
    start_us = to_us(datetime(2026, 3, 18, 9, tzinfo=UTC) + timedelta(minutes=10 * number))
    return Block(start_us, start_us + 600_000_000, "Build", confidence, "Build", "Debug", 10, True, True)


def day_after_day(desk: Watch, *found: tuple[dict[str, Any], ...]) -> list[int]:
    """How many notices there are after each day's check."""
    counts = []
    for number, alerts in enumerate(found):
        desk.at(THURSDAY + number * DAY)
        desk.work()
        desk.find(*alerts)
        desk.check()
        counts.append(len(desk.told))
    return counts


def test_a_drift_that_lasts_is_told_once_and_one_that_comes_back_again(desk: Watch) -> None:
    lasts: list[tuple[dict[str, Any], ...]] = [(HABITS,)] * 3 + [()] * 8 + [(HABITS,)] * 2
    assert day_after_day(desk, *lasts) == [1] * 11 + [2] * 2


@pytest.mark.parametrize(
    ("config", "sentence"),
    [(Config(), "You have used an app a lot since Friday"), (NAMED, "You have used Figma a lot since Friday")],
)
def test_an_app_is_named_only_where_the_person_lets_it(desk: Watch, config: Config, sentence: str) -> None:
    desk.session.config = config
    desk.find(FIGMA)
    desk.check()
    (notice,) = desk.rig.notifier.notices
    assert notice.body.startswith(sentence)
    (told,) = desk.memory().told
    assert ("figma" in f"{notice} {told.title} {told.body}".lower()) != config.privacy_notifications


def test_what_is_queued_is_within_the_budget(desk: Watch) -> None:
    """Fifty blocks at most, and none of them takes a place among the questions of the day."""
    desk.find(HABITS, blocks=tuple(block(number) for number in range(50)))
    desk.check()
    assert len(desk.queued()) == 50
    assert "50 blocks wait under Review" in desk.told[0]
    assert desk.session.database.requests.count_on(USER, THURSDAY.isoformat()) == 0
    desk.at(THURSDAY + DAY)
    desk.work()
    desk.find(HABITS, FIGMA, blocks=tuple(block(number) for number in range(50, 60)))
    desk.check()
    assert (len(desk.queued()), len(desk.told)) == (60, 2)


def test_a_fault_while_queueing_leaves_nothing_half_done(desk: Watch, caplog: pytest.LogCaptureFixture) -> None:
    desk.find(HABITS, blocks=tuple(block(number) for number in range(5)))
    with contextlib.closing(sqlite3.connect(desk.rig.paths.database)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON label_requests WHEN (SELECT count(*) FROM label_requests) = 3 "
            "BEGIN SELECT RAISE(ABORT, 'no more'); END"
        )
        connection.commit()
        desk.check()
        assert "The drift check failed" in caplog.text
        assert (desk.told, desk.queued(), desk.memory()) == ([], [], DriftMemory())
        connection.execute("DROP TRIGGER full")
        connection.commit()
    desk.watch._retry_at = 0.0
    desk.check()
    assert (len(desk.told), len(desk.queued())) == (1, 5)


# -- failures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("killed", "ended unexpectedly (by signal 9)"),
        ("refused", "It is no use."),
        ("answer", "FileNotFoundError"),
    ],
)
def test_a_check_that_dies_is_a_line_in_the_log(
    desk: Watch, name: str, sentence: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.home / "report.json").unlink()
    desk.way(name)
    desk.check()
    assert [r.levelno >= logging.WARNING for r in caplog.records if sentence in r.getMessage()] == [True]
    assert desk.told == []
    assert desk.memory() == DriftMemory()
    assert not desk.step()  # not before an hour has passed
    monkeypatch.setattr(drift_watch, "RETRY_SECONDS", 0.0)
    desk.watch._retry_at = 0.0
    desk.check()
    desk.check()
    assert not desk.step()
    assert len(desk.started) == drift_watch.TRIES_A_DAY
    desk.at(THURSDAY + DAY)
    desk.work()
    desk.find(HABITS)
    desk.check()
    assert len(desk.told) == 1


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"alerts": [{}], "users": [{"current_days": []}]}'])
def test_a_report_that_cannot_be_read_is_a_line_in_the_log(
    desk: Watch, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    (desk.home / "report.json").write_text(damage)
    desk.check()
    assert "The drift check failed" in caplog.text
    assert (desk.told, desk.memory()) == ([], DriftMemory())


def test_closing_ends_a_check_and_the_next_start_makes_it_again(desk: Watch) -> None:
    desk.way("slow")
    began = time.monotonic()
    assert desk.step()
    assert desk.step()
    assert time.monotonic() - began < allowed(5)  # nobody waits for it
    until(lambda: desk.started, "the process")
    desk.stop()
    assert [t.name for t in threading.enumerate() if t.name in ("drift", "job-deadline")] == []
    with pytest.raises(ProcessLookupError):
        os.kill(desk.started[0], 0)
    desk.find(HABITS)
    desk.start()
    assert desk.memory().checked_day is None
    desk.check()
    assert len(desk.told) == 1


def test_a_check_has_a_deadline(desk: Watch, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(drift_watch, "LONGEST_SECONDS", 0.3)
    desk.way("slow")
    desk.check()
    assert "took more than 0.3 seconds" in caplog.text
    assert desk.memory().checked_day is None
