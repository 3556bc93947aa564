"""Listening is not a break, in the live loop: whatever the polls, the record equals batch; and it is asked about."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.activitywatch import parse_aw_export
from taskclf_tray.app.asking import Asker
from taskclf_tray.app.publisher import Publisher
from taskclf_tray.app.session import Session
from taskclf_tray.core.config import Config
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.core.types import ROW_FIELDS, AWEvent, FeatureRow
from taskclf_tray.features.build import BuilderState, advance
from taskclf_tray.features.idle import apply_idle_rule
from taskclf_tray.labels.asking_state import update_asking
from taskclf_tray.labels.queue import ActiveLabelingQueue, LabelRequest
from taskclf_tray.record.guard import BlackoutOpenError
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.record.recorder import Recorder, StepResult
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import prepare_home
from tests.support.events import at, win
from tests.support.late_reports import Input, LateReports
from tests.support.worker_home import SECRET, USER, pipeline_config, recorder_of
from tests.support.worker_rig import RecordingNotifier

CONFIG = pipeline_config()
MINUTE, HOUR = 60.0, 3600.0
LIFE = 9 * HOUR
IDLE, MODEL = "idle_rule", "model"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "tray.db")


def a_life(rng: random.Random) -> tuple[list[AWEvent], list[Input]]:
    """Hours of windows and input: much in calls, long absences, locks, sleep, windows that open by themselves."""
    windows: list[AWEvent] = []
    now = 0.0
    while now < LIFE:
        app = rng.choice(["chat", "chat", "meet", "edit", "lock", "?"])
        stay = rng.choice([5.0, 40.0, 300.0, 1500.0, 4000.0, 13000.0])
        windows.append(win(now, stay, app, rng.choice("xy"), event_id=len(windows)))
        now += stay + (rng.choice([3.0, 100.0, 700.0]) if rng.random() < 0.2 else 0.0)
    inputs: list[Input] = []
    now = rng.choice([0.0, 400.0])
    while now < LIFE:
        typed = rng.choice([0.0, 5.0, 120.0, 900.0])
        inputs.append((at(now), at(now + typed)))
        now += typed + rng.choice([20.0, 100.0, 250.0, 320.0, 1000.0, 5000.0, 15000.0])
    return windows, inputs


def all_at_once(
    windows: Sequence[AWEvent], inputs: Sequence[Input], dark: tuple[datetime, datetime] | None
) -> list[FeatureRow]:
    """What batch says of a whole life, read around the blackout."""
    source = LateReports(lambda: at(2 * LIFE), windows, inputs)
    pieces = [(at(0), at(2 * LIFE))] if dark is None else [(at(0), dark[0]), (dark[1], at(2 * LIFE))]
    parts = [source.read(*piece) for piece in pieces]
    events = dataclasses.replace(
        parts[0], end=at(2 * LIFE), window=tuple(event for part in parts for event in part.window)
    )
    state = BuilderState.initial(USER, "desktop", time_zone="UTC")
    _, rows = advance(state, events, at(2 * LIFE), skip=[] if dark is None else [dark])
    told = [event for part in parts for event in part.away]
    return apply_idle_rule(rows, told, blackouts=[] if dark is None else [(to_us(dark[0]), to_us(dark[1]))])


def stored(database: Database) -> list[BucketRecord]:
    return database.buckets.between(USER, 0, 1 << 62)


@pytest.mark.parametrize("seed", range(4))
def test_any_polls_and_restarts_decide_as_batch(database: Database, seed: int) -> None:
    rng = random.Random(seed)
    windows, inputs = a_life(rng)
    clock = ManualClock(at(0))
    source = LateReports(clock.now, windows, inputs)
    recorder = recorder_of(database, source, CONFIG)
    dark_from = rng.uniform(0, LIFE) if seed % 2 else None
    dark: tuple[datetime, datetime] | None = None
    while clock.now() < at(LIFE + HOUR):
        if dark_from is not None and clock.now() >= at(dark_from):
            dark_from, dark = None, _pause(database, recorder, clock, rng.uniform(10, 3000))
        step = recorder.step(clock.now())
        if rng.random() < 0.1:
            recorder = recorder_of(database, source, CONFIG)
        if step.is_caught_up:
            clock.advance(rng.choice([5.0, 5.0, 61.7, 130.0, rng.uniform(0, 3000)]))
    settled = {from_us(record.start_us): record for record in stored(database) if record.is_settled}
    expected = {row.bucket_start_ts: row for row in all_at_once(windows, inputs, dark)}
    assert len(settled) > 200
    for start, record in settled.items():
        assert record.decided_by == expected[start].decided_by, start
        assert record.row() == expected[start], start


def _pause(database: Database, recorder: Recorder, clock: ManualClock, seconds: float) -> tuple[datetime, datetime]:
    start = clock.now()
    with database.transaction():
        database.blackouts.open("pause", to_us(start))
    with pytest.raises(BlackoutOpenError):
        recorder.step(start)
    clock.advance(seconds)
    with database.transaction():
        database.blackouts.close("pause", to_us(clock.now()))
    return start, clock.now()


# -- an hour of listening, as it happens --------------------------------------------------------------------------

NINE, TEN = at(HOUR), at(2 * HOUR)
FIELD = Path(__file__).parents[1] / "data" / "field"


class Meeting:
    """The hour of `08-teams-meeting.json` from 9 to 10, two minutes of input in it, then work; on the starter model."""

    def __init__(self, folder: Path, *, until: datetime) -> None:
        """Live up to `until`, poll by poll."""
        windows = [
            *parse_aw_export(FIELD / "08-teams-meeting.json", title_salt="0" * 64).window,
            win(2 * HOUR, HOUR, "edit", event_id=100),
        ]
        self.clock = ManualClock(NINE)
        inputs = [(NINE, NINE + timedelta(minutes=2)), (TEN, TEN + timedelta(hours=1))]
        source = LateReports(self.clock.now, windows, inputs)
        identity = folder / "home" / "data" / "processed"
        identity.mkdir(parents=True)
        (identity / ".user_id").write_text(USER)  # which question is one of chance follows from it
        (identity / ".title_secret").write_text(SECRET)
        self.session = Session(prepare_home(folder / "home"), Config(), lambda _: source, time_zone=lambda: "UTC")
        update_asking(
            self.session.database,
            USER,
            lambda state: dataclasses.replace(state, first_day=NINE.date() - timedelta(days=1)),
        )
        self.notifier = RecordingNotifier()
        self.asker = Asker(self.session, Publisher(self.notifier, []))
        self.live: list[LiveLabel] = []
        self.asked_at: list[datetime] = []
        while self.clock.now() <= until:
            self._poll()
            self.clock.advance(60)

    def _poll(self) -> None:
        recorder = self.session.recorder
        assert recorder is not None
        step = recorder.step(self.clock.now())
        self.live += [step.live] if step.live is not None else []
        self.asker.on_step(step)
        self.asked_at += [self.clock.now()] * (len(self.notifier.notices) - len(self.asked_at))

    def waiting(self) -> list[LabelRequest]:
        queue = ActiveLabelingQueue.over(self.session.database, time_zone=lambda: "UTC")
        return sorted(queue.get_pending(), key=lambda request: request.bucket_start_ts)


def test_an_hour_of_listening_waits_in_the_queue_and_is_asked_about_afterwards(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path, until=TEN + timedelta(minutes=30))
    requests = [request for request in meeting.waiting() if request.bucket_start_ts < TEN]
    minutes = sum((r.bucket_end_ts - r.bucket_start_ts) / timedelta(minutes=1) for r in requests)
    assert minutes >= 50
    assert {request.reason for request in requests} == {"low_confidence"}  # one question: not for time away as well
    assert {request.predicted_label for request in requests} <= {"Meet", "Communicate", "BreakIdle"}
    assert any(request.predicted_label == "Meet" for request in requests)
    assert meeting.asked_at
    assert all(moment >= TEN for moment in meeting.asked_at)
    notice = meeting.notifier.notices[0]
    assert notice.title.endswith(": Meet?")
    assert notice.buttons[0].title == "Meet"
    meeting.session.close()


def test_nobody_is_asked_or_shown_as_away_while_listening(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path, until=TEN - timedelta(minutes=1))
    assert meeting.notifier.notices == []
    late = [live for live in meeting.live if live.prediction.bucket_start_ts > NINE + timedelta(minutes=8)]
    assert len(late) > 40
    assert all(live.is_listening and live.is_still and live.is_call and not live.is_away for live in late)
    assert all(live.prediction.confidence < 1.0 for live in late)
    recorder = meeting.session.recorder
    assert recorder is not None
    before = recorder.live(TEN - timedelta(seconds=30))  # as after a start, before the record has caught up
    assert before is not None
    assert before.is_listening
    meeting.session.close()


def test_who_moves_the_mouse_in_a_call_is_asked_when_it_has_ended(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path, until=NINE + timedelta(minutes=44))
    touched = dataclasses.replace(meeting.live[-1], is_listening=False, is_still=False, is_meeting=False)
    meeting.asker.on_step(StepResult(live=touched))
    assert meeting.notifier.notices == []
    meeting.asker.on_step(StepResult(live=dataclasses.replace(touched, is_call=False)))
    (notice,) = meeting.notifier.notices
    assert re.search(r":3\d: Meet\?$", notice.title)  # half an hour from the first minute that is called Meet
    meeting.session.close()


def test_a_record_of_the_version_before_goes_on(database: Database) -> None:
    """It held neither the idle rule's state nor what the rows tell about calls; the person starts the new version."""
    clock = ManualClock(at(0))
    source = LateReports(clock.now, [win(0, 6 * HOUR, "meet")], [(at(0), at(120)), (at(HOUR), at(HOUR + 60))])
    recorder = recorder_of(database, source, CONFIG)
    _polls(recorder, clock, until=at(HOUR))
    with database.transaction():
        database.state.set(f"idle:{USER}", "")
        for record in stored(database):
            values = record.row().pack()[: ROW_FIELDS.index("decided_by") + 1]
            packed = zlib.compress(json.dumps(values).encode())
            database.buckets.put([dataclasses.replace(record, feature_row=packed)])
    recorder = recorder_of(database, source, CONFIG)
    _polls(recorder, clock, until=at(6 * HOUR))
    decided = [record.decided_by for record in stored(database)]
    assert len(decided) > 340
    assert decided[:55] == [MODEL] * 55
    assert decided[60:] == [MODEL] * 182 + [IDLE] * (len(decided) - 242)  # the away event begins 1 ms late


def _polls(recorder: Recorder, clock: ManualClock, *, until: datetime) -> None:
    while clock.now() <= until:
        recorder.step(clock.now())
        clock.advance(120)
