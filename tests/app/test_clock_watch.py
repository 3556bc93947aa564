"""A clock that was ahead and was put right: the present goes on, and what lies in the future is kept apart."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import clock_put_back
from taskclf_tray.app.clock_put_back import put_right
from taskclf_tray.app.clock_watch import ClockWatch
from taskclf_tray.app.commands import Pause, PrivateMode, Resume
from taskclf_tray.core.intervals import subtract, union
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.drift.memory import Told, load_memory, update_memory
from taskclf_tray.labels.asking_state import load_asking, switch_mode, update_asking
from taskclf_tray.labels.learning import LastTraining, load_last_training, save_last_training
from taskclf_tray.record.clock_marks import EARLIEST, TOLERANCE, newest_mark
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest
from tests.support.clock_home import MINUTE, NOON, ClockHome, clock_home
from tests.support.worker_home import USER

HOUR = timedelta(hours=1)
YEARS = timedelta(days=3 * 365)


@pytest.mark.parametrize("ahead", [2 * HOUR, YEARS], ids=["hours", "years"])
def test_the_present_goes_on(tmp_path: Path, ahead: timedelta) -> None:
    """A quarter of an hour with the clock ahead costs nothing of what comes after it was put right."""
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.clock.advance(ahead.total_seconds())
        home.work(15, "ahead")
        home.clock.set(NOON + 45 * MINUTE)
        ((title, body),) = home.reopen()
        assert title == f"The clock was put back by about {'2 hours' if ahead < YEARS else '3 years'}"
        assert body.startswith("14 minutes recorded ahead of it are kept apart")
        assert home.apart() == 14
        assert home.session.today_view().total_minutes in (29, 30)
        home.work(2, "after")
        assert home.session.recorder is not None
        assert home.session.recorder.high_water_mark == NOON + 46 * MINUTE
        home.work(13, "after")
        home.settle()
        expected = {NOON + n * MINUTE: "before" for n in range(30)} | {
            NOON + n * MINUTE: "after" for n in range(45, 60)
        }
        assert home.apps() == expected
        assert home.session.today_view().total_minutes == 45
        assert home.reopen() == []  # said once


def test_the_minutes_are_recorded_when_their_time_comes(tmp_path: Path) -> None:
    """Each once, and as they are then: not mixed with what the watcher had recorded for the same time."""
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.clock.set(NOON + 2 * HOUR + 30 * MINUTE)
        home.work(15, "ahead")
        home.clock.set(NOON + 45 * MINUTE)
        home.reopen()
        finalised = [prediction.bucket_start_ts for step in home.work(135, "then") for prediction in step.finalised]
        home.settle()
        apps = home.apps()
        assert {apps[NOON + 2 * HOUR + n * MINUTE] for n in range(30, 45)} == {"then"}
        assert len(finalised) == len(set(finalised)) >= 134
        assert home.apart() == 14
        lines = (home.session.out_dir / "predictions.csv").read_text() if home.session.out_dir.exists() else ""
        assert lines == ""
        home.session.write_outputs()
        starts = [line.split(",")[0] for line in (home.session.out_dir / "predictions.csv").read_text().splitlines()]
        assert starts[1:] == [start.isoformat() for start in apps]


def test_twice_at_the_same_time(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(10, "before")
        for number in range(2):
            real = home.clock.now()
            home.clock.set(NOON + 5 * HOUR)
            home.work(15, f"ahead {number}")
            home.clock.set(real + 15 * MINUTE)
            assert len(home.reopen()) == 1
            home.work(10, "after")
        home.settle()
        assert home.apart() == 28
        assert set(home.apps().values()) == {"before", "after"}
        home.clock.set(NOON + 5 * HOUR)
        home.work(15, "then")
        home.settle()
        assert set(home.apps().values()) == {"before", "after", "then"}
        assert len(home.record()) == 10 + 2 * 10 + 15


@pytest.mark.parametrize("seconds", [1, 30, 59])
def test_seconds_are_waited_for(tmp_path: Path, seconds: int) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "a")
        home.clock.advance(-seconds)
        assert not home.session.clock.look()
        assert home.reopen() == []
        home.clock.advance(seconds)
        home.work(10, "a")
        home.settle()
        assert len(home.record()) == 40
        assert home.apart() == 0


def test_two_minutes_are_not_worth_a_word(tmp_path: Path) -> None:
    """And the rows after them know what went before: the session and the time in the program go on."""
    with clock_home(tmp_path) as home:
        home.work(30, "a")
        home.clock.advance(-120)
        assert home.session.clock.look()
        assert home.reopen() == []
        assert home.apart() == 1
        home.work(10, "a")
        home.settle()
        assert len(home.record()) == 38

        rows = [record.row() for record in home.record()]
        assert [row.session_length_so_far for row in rows] == [float(n) for n in range(38)]


def test_a_kill_leaves_all_of_it_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.clock.set(NOON + 2 * HOUR + 30 * MINUTE)
        home.work(15, "ahead")
        count = len(home.record())
        home.clock.set(NOON + 45 * MINUTE)
        with monkeypatch.context() as patch:
            patch.setattr(clock_put_back, "put_back", _killed)
            with pytest.raises(KeyboardInterrupt):
                home.reopen()
        database = Database(home.paths.database)
        assert database.ahead.kept_apart(USER) == []
        assert database.buckets.count(USER) == count
        database.close()
        home.session = home.opened()
        assert len(home.session.messages) == 1
        assert home.apart() == 14


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


# -- labels and questions ---------------------------------------------------------------------------------------


def test_labels_given_ahead_are_kept_and_count_for_nothing_else(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.session.labels.add(NOON + 5 * MINUTE, NOON + 10 * MINUTE, "Build", at=home.clock.now())
        home.clock.set(NOON + 2 * HOUR + 30 * MINUTE)
        home.work(15, "ahead")
        now = home.clock.now()
        home.session.labels.add(now - 10 * MINUTE, now, "Meet", at=now, is_growing=True)
        home.clock.set(NOON + 45 * MINUTE)
        ((_, body),) = home.reopen()
        assert "1 label recorded ahead" in body
        labels = home.session.labels
        assert [span.label for span in labels.everything()] == ["Build"]
        assert labels.growing() is None
        with home.session.database.reading():
            (change,) = home.session.database.ahead.kept_apart(USER)
            assert home.session.database.ahead.labels(change.id) == 1
        home.work(135, "then")
        assert labels.label_at(now - 5 * MINUTE) is None
        labels.add(now - 5 * MINUTE, now, "Write", at=home.clock.now())
        assert [span.label for span in labels.everything()] == ["Build", "Write"]
        assert (undone := labels.undo(at=home.clock.now())) is not None
        assert undone.label == "Write"
        assert [span.label for span in labels.everything()] == ["Build"]


def test_a_label_that_reaches_past_the_present_is_cut_there(tmp_path: Path) -> None:
    """The clock was ten minutes ahead for an hour: half of a label lies ahead."""
    with clock_home(tmp_path) as home:
        home.work(60, "ahead")
        now = home.clock.now()
        home.session.labels.add(now - 20 * MINUTE, now, "Meet", at=now)
        home.clock.set(now - 10 * MINUTE)
        home.reopen()
        (span,) = home.session.labels.everything()
        assert (from_us(span.start_us), from_us(span.end_us)) == (now - 20 * MINUTE, now - 10 * MINUTE)
        assert home.session.labels.undo(at=home.clock.now()) is not None
        assert list(home.session.labels.everything()) == []


def request_of(request_id: str, start: datetime, **changes: object) -> LabelRequest:
    record = LabelRequest(
        request_id, USER, start, start + 10 * MINUTE, "low_confidence", 0.4, "Build", start + 11 * MINUTE,
        second_label="Debug", local_day=start.date().isoformat(),
    )  # fmt: skip
    return dataclasses.replace(record, **changes)  # type: ignore[arg-type]


def test_questions_about_the_future_wait_no_more(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        ahead = NOON + YEARS
        database = home.session.database
        with database.transaction():
            database.requests.put(request_of("past", NOON))
            database.requests.put(request_of("ahead", ahead))
            database.requests.put(request_of("skipped", ahead + 20 * MINUTE, status="skipped"))
            database.asks.add(USER, "ahead", to_us(ahead), ahead.date().isoformat(), is_random=False)
        home.clock.set(NOON + 45 * MINUTE)
        home.reopen()
        view = home.session.label_view()
        assert (view.review_count, [item.request_id for item in view.review]) == (1, ["past"])
        (ask,) = home.session.database.asks.since(USER, 0)
        assert (ask.at_us, ask.local_day) == (to_us(home.clock.now()), "2026-03-02")  # it has disturbed somebody today
        with home.session.database.transaction():  # the same block is a new question when its time comes
            home.session.database.requests.put(request_of("then", ahead))
        assert home.session.label_view().review_count == 2


# -- marks ------------------------------------------------------------------------------------------------------


def test_no_mark_stays_in_the_future(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        database, ahead = home.session.database, NOON + YEARS
        tomorrow = ahead.date() + timedelta(days=1)
        save_last_training(database, USER, LastTraining(to_us(ahead), "refused", "run"))
        update_asking(
            database,
            USER,
            lambda state: dataclasses.replace(
                switch_mode(switch_mode(state, "snooze", ahead, "UTC"), "not_today", ahead, "UTC"),
                first_day=ahead.date(),
                reviewed_at=ahead,
            ),
        )
        told = Told(ahead, tomorrow, "new_app:x", "title", "body")
        update_memory(
            database,
            USER,
            lambda memory: dataclasses.replace(
                memory, checked_day=ahead.date(), checked_at=ahead, last_seen={"classes": tomorrow}, told=(told,)
            ),
        )
        with database.transaction():
            database.state.set(
                f"outputs:abc:{USER}", json.dumps({"seen": 3, "days": ["2026-03-02", tomorrow.isoformat()]})
            )
            database.state.set(f"blocks:{USER}", str(to_us(ahead)))
        home.session.labels.add(NOON, NOON + 5 * MINUTE, "Build", at=ahead)
        now = NOON + 45 * MINUTE
        home.clock.set(now)
        assert home.reopen() == []  # nothing but marks: nobody needs to be told
        database = home.session.database
        newest = newest_mark(database, USER)
        assert newest is not None
        assert newest <= now
        asking = load_asking(database, USER)
        assert (asking.first_day, asking.reviewed_at) == (now.date(), now)
        assert asking.snoozed_until == now + HOUR
        assert asking.quiet_until == datetime(2026, 3, 3, tzinfo=UTC)
        last = load_last_training(database, USER)
        assert last is not None
        assert last.at == now
        memory = load_memory(database, USER)
        yesterday = date(2026, 3, 1)
        assert memory.checked_at == now
        assert memory.checked_day is not None
        assert memory.checked_day < yesterday  # so it is checked again
        assert (memory.last_seen, memory.told[0].day) == ({"classes": yesterday}, yesterday)
        saved = database.state.get(f"outputs:abc:{USER}")
        assert saved is not None
        assert json.loads(saved)["days"] == ["2026-03-02"]
        change = home.session.labels.undoable(now)
        assert change is not None
        assert change.at_us == to_us(now)
        assert home.session.labels.undoable(now + timedelta(days=1, seconds=1)) is None
        assert [span.created_us for span in home.session.labels.everything()] == [to_us(now)]


def test_files_beside_the_record_go_on(tmp_path: Path) -> None:
    """predictions.csv ends with a minute of 2029, and days of 2029 have reports: all of it would wait until then."""
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.clock.set(NOON + YEARS)
        home.work(15, "ahead")
        home.clock.set(NOON + YEARS + timedelta(days=1))
        home.work(15, "ahead")
        home.session.write_outputs(is_last=True)
        names = {path.name for path in home.session.out_dir.iterdir()}
        assert {"report_2029-03-01.json", "report_2029-03-02.json", "segments_2029-03-01.json"} <= names
        home.clock.set(NOON + 60 * MINUTE)
        home.reopen()
        home.work(15, "after")
        home.settle()
        home.session.write_outputs()
        names = {path.name for path in home.session.out_dir.iterdir()}
        assert not [name for name in names if "2029" in name]
        (telemetry,) = (home.session.out_dir / "telemetry").iterdir()
        assert "2029" not in telemetry.read_text()
        lines = (home.session.out_dir / "predictions.csv").read_text().splitlines()
        assert [line.split(",")[0] for line in lines[1:]] == [start.isoformat() for start in home.apps()]
        segments = json.loads((home.session.out_dir / "segments.json").read_text())
        assert segments[-1]["end_ts"].startswith("2026-03-02T13:15")


# -- pauses -----------------------------------------------------------------------------------------------------


def dark(home: ClockHome) -> list[tuple[datetime, datetime | None]]:
    with home.session.database.reading():
        found = home.session.database.blackouts.overlapping(-(1 << 62), 1 << 62)
    return [(from_us(b.start_us), None if b.end_us is None else from_us(b.end_us)) for b in found]


def test_a_pause_begun_ahead_lasts_from_now_as_long_as_was_asked(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.clock.set(NOON + YEARS)
        home.session.apply_privacy(Pause(home.clock.now(), 15))
        home.clock.advance(300)
        assert not home.session.clock.look()
        home.clock.set(NOON + 35 * MINUTE)
        assert home.session.clock.look()
        home.reopen()
        (blackout,) = home.session.open_blackouts()
        assert blackout.start_us == to_us(NOON + 35 * MINUTE)
        assert blackout.resume_us == to_us(NOON + 50 * MINUTE)
        assert dark(home) == [
            (NOON + 35 * MINUTE, None),
            (NOON + YEARS, NOON + YEARS + 5 * MINUTE),  # what was recorded then is never read, not even in 2029
        ]
        home.clock.set(NOON + 50 * MINUTE)
        assert home.session.open_blackouts() == []
        home.work(10, "after")
        assert set(home.apps().values()) == {"before", "after"}


def test_until_tomorrow_is_until_the_real_tomorrow(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(5, "before")
        home.clock.set(NOON + YEARS)
        home.session.apply_privacy(Pause(home.clock.now(), None))
        home.clock.set(NOON + 35 * MINUTE)
        home.reopen()
        (blackout,) = home.session.open_blackouts()
        assert blackout.resume_us == to_us(datetime(2026, 3, 3, tzinfo=UTC))


def test_private_time_before_ahead_and_after_stays_private(tmp_path: Path) -> None:
    """Private mode is on from before the clock went ahead until after it was put right."""
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.session.apply_privacy(PrivateMode(home.clock.now(), True))
        home.clock.set(NOON + 2 * HOUR + 30 * MINUTE)
        home.desk.note(home.clock.now(), home.clock.now() + 15 * MINUTE, "private")
        home.clock.advance(900)
        assert not home.session.clock.look()
        home.clock.set(NOON + 45 * MINUTE)
        assert home.session.clock.look()
        home.reopen()
        home.clock.advance(300)
        home.session.apply_privacy(PrivateMode(home.clock.now(), False))
        home.work(20, "after")
        home.clock.set(NOON + 3 * HOUR)
        home.work(5, "later")
        home.settle()
        assert set(home.apps().values()) == {"before", "after", "later"}
        asked = [period for period in home.desk.asked if period[0] < NOON + 2 * HOUR + 45 * MINUTE]
        assert all(end <= NOON + 2 * HOUR + 30 * MINUTE for _, end in asked if end > NOON + 2 * HOUR)


def test_a_pause_ended_ahead_does_not_reach_into_the_present(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.session.apply_privacy(PrivateMode(home.clock.now(), True))
        home.clock.set(NOON + 2 * HOUR + 35 * MINUTE)
        home.session.apply_privacy(PrivateMode(home.clock.now(), False))
        assert not home.session.clock.look()
        home.clock.set(NOON + 40 * MINUTE)
        assert home.session.clock.look()
        home.reopen()
        assert home.session.open_blackouts() == []
        home.work(10, "after")
        home.settle()
        assert NOON + 49 * MINUTE in home.apps()


# -- a clock that is behind -------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", [1970, 2000])
def test_a_clock_without_battery_sets_nothing_aside(tmp_path: Path, year: int) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.clock.set(datetime(year, 1, 1, 0, 5, tzinfo=UTC))
        ((title, _),) = home.reopen()
        assert title == f"The clock of this computer shows {year}-01-01 00:05"
        home.work(5, "wrong")
        home.clock.set(NOON + 60 * MINUTE)
        assert home.reopen() == []
        home.work(15, "after")
        home.settle()
        assert home.apart() == 0
        expected = [NOON + n * MINUTE for n in itertools.chain(range(30), range(60, 75))]
        assert list(home.apps()) == expected


def test_a_new_home_of_a_clock_without_battery(tmp_path: Path) -> None:
    """The catch-up is limited, and the first day is counted once."""
    with clock_home(tmp_path, datetime(2000, 1, 1, 0, 5, tzinfo=UTC)) as home:
        home.work(15, "wrong")
        home.desk.note(NOON - timedelta(days=30), NOON - timedelta(days=30) + 30 * MINUTE, "a month ago")
        home.desk.note(NOON - timedelta(days=2), NOON - timedelta(days=2) + 30 * MINUTE, "days ago")
        home.clock.set(NOON)
        home.reopen()
        home.work(15, "now")
        home.settle()
        assert set(home.apps().values()) == {"wrong", "days ago", "now"}


class Boot:
    """How long the computer has been running, by a clock that nobody sets."""

    def __init__(self) -> None:
        self.id, self.us = "boot", 0

    def __call__(self) -> tuple[str, int]:
        return self.id, self.us

    def pass_by(self, home: ClockHome, length: timedelta) -> None:
        home.clock.advance(length.total_seconds())
        self.us += length // timedelta(microseconds=1)


def watch(home: ClockHome, boot: Callable[[], tuple[str, int]]) -> ClockWatch:
    """A watch over the home's clock as if it were the computer's."""
    return ClockWatch(home.session.database, USER, home.clock.now, lambda: "UTC", boot=boot)


def test_a_clock_that_was_behind_gives_everything_back(tmp_path: Path) -> None:
    """Windows keeps local time in the computer's clock: in New York Linux starts five hours behind, for a minute."""
    with clock_home(tmp_path) as home:
        home.work(40, "morning")
        home.session.labels.add(NOON, NOON + 10 * MINUTE, "Build", at=home.clock.now())
        home.settle()
        trained = LastTraining(to_us(NOON), "refused", "run")
        save_last_training(home.session.database, USER, trained)
        before, labels = home.record(), list(home.session.labels.everything())
        now, boot = home.clock.now() + 30 * MINUTE, Boot()
        home.clock.set(now - 5 * HOUR)
        clock = watch(home, boot)
        ((title, _),) = clock.begin()
        assert title == "The clock was put back by about 4 hours"
        assert home.record() == []
        boot.pass_by(home, timedelta(seconds=40))
        home.clock.set(now + timedelta(seconds=40))
        assert clock.look()
        clock = watch(home, boot)
        assert clock.begin() == []
        assert clock.is_due
        ((title, _),) = clock.give_back()
        assert title == "40 minutes are back in the record"
        assert home.record() == before
        assert list(home.session.labels.everything()) == labels
        assert load_last_training(home.session.database, USER) == trained
        assert not clock.is_due
        assert not watch(home, boot).is_due


def test_time_that_really_passes_gives_nothing_back(tmp_path: Path) -> None:
    """The computer sleeps through the time that is kept apart."""
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.clock.set(NOON + 2 * HOUR)
        home.work(15, "ahead")
        home.clock.set(NOON + 45 * MINUTE)
        boot = Boot()
        clock = watch(home, boot)
        assert len(clock.begin()) == 1
        boot.pass_by(home, 5 * HOUR)
        assert not clock.look()
        assert not watch(home, boot).is_due
        boot.id = "another"
        again = watch(home, boot)
        again.begin()
        assert not again.is_due  # by the record the clock had been ahead, whatever the boot
        assert home.apart() == 14


def test_a_clock_set_back_by_hand_for_an_hour(tmp_path: Path) -> None:
    """Somebody takes the end of summer time for today's, and sees the mistake after ten minutes."""
    with clock_home(tmp_path) as home:
        boot = Boot()
        for number in range(120):
            home.work(1, f"app {number // 10}")
            boot.us += 60_000_000
        home.settle()
        right = home.apps()
        now = home.clock.now()
        home.clock.set(now - HOUR)
        clock = watch(home, boot)
        assert len(clock.begin()) == 1
        assert home.session.recorder is not None
        home.session.recorder.reload()
        home.work(10, "again")
        boot.us += 600_000_000
        home.clock.set(now + 10 * MINUTE)
        assert clock.look()
        clock = watch(home, boot)
        clock.begin()
        home.session.recorder.reload()
        home.step()
        clock.give_back()
        found = home.apps()
        assert {moment: found[moment] for moment in right} == right


def test_in_another_boot_the_clock_comes_to_where_the_record_was(tmp_path: Path) -> None:
    """A board whose battery is empty starts with the date of its firmware; the next day the clock is right again."""
    with clock_home(tmp_path) as home:
        for day in range(4):
            home.clock.set(NOON + timedelta(days=day))
            home.work(20, f"day {day}")
        home.settle()
        before = home.record()
        home.clock.set(datetime(2024, 1, 1, 12, tzinfo=UTC))
        assert len(home.reopen()) == 1
        home.work(20, "wrong")
        home.clock.set(NOON + timedelta(days=5))
        home.reopen()
        home.step()
        assert home.session.clock.is_due
        home.session.clock.give_back()
        wrong = [record for record in home.record() if record.end_us < to_us(NOON)]
        assert [r for r in home.record() if r not in wrong] == [dataclasses.replace(r, is_settled=True) for r in before]
        assert len(wrong) in (19, 20)  # of the last one nobody knows any more


def test_the_tolerance_is_less_than_a_minute_of_the_record() -> None:
    assert timedelta(minutes=1) >= TOLERANCE
    assert EARLIEST < NOON


def test_another_process_may_be_faster(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.clock.set(NOON + YEARS)
        home.work(15, "ahead")
        now = NOON + 45 * MINUTE
        other = Database(home.paths.database)
        try:
            assert put_right(other, USER, now, "UTC") is not None
        finally:
            other.close()
        assert put_right(home.session.database, USER, now, "UTC") is None
        home.clock.set(now)
        assert home.session.clock.look()
        assert home.reopen() == []
        home.work(5, "after")
        assert home.apps()[now] == "after"


def test_resume_after_a_clock_change(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(30, "before")
        home.clock.set(NOON + YEARS)
        home.session.apply_privacy(Pause(home.clock.now(), None))
        home.clock.set(NOON + 45 * MINUTE)
        home.reopen()
        home.session.apply_privacy(Resume(home.clock.now()))
        assert home.session.open_blackouts() == []
        home.work(5, "after")
        assert home.apps()[NOON + 46 * MINUTE] == "after"


@pytest.mark.parametrize("seed", range(3))
def test_any_jumps_of_the_clock_lose_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    """Whatever the clock does: no minute is on record twice or in the future, and no label is lost."""
    rng = random.Random(seed)
    with clock_home(tmp_path) as home:
        given: list[tuple[int, int]] = []
        for number in range(14):
            home.work(rng.choice((3, 8, 15)), f"app {number}")
            if rng.random() < 0.4:
                end = home.clock.now()
                home.session.labels.add(end - 2 * MINUTE, end, "Build", at=end)
                given.append((to_us(end - 2 * MINUTE), to_us(end)))
            home.clock.advance(rng.choice((0, 0, -30, -200, -3600, 3600, 7 * 86_400, -7 * 86_400, 1e8, -1e8)))
            if home.clock.now() < EARLIEST:
                home.clock.set(NOON)
            if home.session.clock.look() or rng.random() < 0.3:
                home.reopen()
            home.step()
            home.session.clock.give_back()
            home.session.write_outputs()
            horizon = to_us(home.clock.now() + TOLERANCE)
            assert all(record.end_us <= horizon for record in home.record())
            newest = newest_mark(home.session.database, USER)
            assert newest is not None
            assert to_us(newest) <= horizon
            assert all(span.start_us <= horizon for span in home.session.labels.everything())
            kept = home.session.database._connection.execute(
                "SELECT start_us, end_us FROM label_spans WHERE taken_by IS NULL AND undone_us IS NULL"
            ).fetchall()
            assert subtract(union(given), union(kept)) == []
            path = home.session.out_dir / "predictions.csv"
            starts = [entry.split(",")[0] for entry in path.read_text().splitlines()[1:]] if path.exists() else []
            assert len(starts) == len(set(starts))
