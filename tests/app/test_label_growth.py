"""A label that goes on is the person's word for every later moment, until it ends for a reason."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from taskclf_tray.app.commands import Pause
from taskclf_tray.app.label_view import read_label_view, with_labels
from taskclf_tray.app.services import LabelGrowth
from taskclf_tray.app.snapshot import IconState, Snapshot
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord
from tests.support.desk import Desk, desk_in
from tests.support.events import at
from tests.support.examples import examples
from tests.support.predictions import prediction
from tests.support.worker_home import USER


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def spans(desk: Desk) -> list[tuple[float, float, str, bool]]:
    """(start, end, label, whether it goes on), in seconds after 08:00."""
    zero = to_us(at(0))
    return [
        ((s.start_us - zero) / 1e6, (s.end_us - zero) / 1e6, s.label, s.is_growing)
        for s in desk.session.labels.everything()
    ]


def test_as_you_said_does_not_flicker(desk: Desk) -> None:
    """The first hour of a new user: the model's guesses came through every few seconds."""
    desk.work("edit", 600, every=60)
    desk.label("Debug")
    shown = []
    for label, share in [("Build", 0.9), ("Build", 0.4), ("Write", 0.9), ("Build", 0.6), ("ReadResearch", 0.5)] * 8:
        desk.model.label, desk.model.share = label, share
        for _ in range(3):
            shown.append(desk.work("edit", 5))
    assert {(snapshot.state, snapshot.core_label, snapshot.since) for snapshot in shown} == {
        (IconState.LIVE, "Debug", at(0))
    }
    assert all("as you said" in snapshot.line for snapshot in shown)
    assert {entry.name for entry in shown[-1].today.entries} == {"Debug"}  # nor do finished minutes
    assert spans(desk) == [(0, 1200, "Debug", True)]


def test_minutes_that_finish_while_the_model_sees_something_else_are_the_persons(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.label("Debug")
    desk.model.label = "Write"
    shown = desk.work("edit", 178)
    assert (shown.core_label, shown.is_own_label) == ("Debug", True)
    assert [entry.name for entry in shown.today.entries] == ["Debug"]
    shown = desk.work("edit", 10)  # for three minutes it has: the work has changed
    assert (shown.core_label, shown.is_own_label) == ("Write", False)
    assert {entry.name for entry in shown.today.entries} == {"Debug", "Write"}
    assert spans(desk) == [(0, 600, "Debug", False)]


def test_doubt_in_the_same_app_is_no_other_work(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.label("Debug")
    desk.model.share = 0.3
    assert desk.work("edit", 900, every=30).is_own_label
    assert desk.work("talk", 150, every=10).is_own_label
    assert not desk.work("talk", 60, every=10).is_own_label
    assert spans(desk) == [(0, 1500, "Debug", False)]


def test_the_new_answer_that_lags_behind_the_switch_is_no_other_work(desk: Desk) -> None:
    """10 s into reading the live label is still the chat's; the label given then outlasts the model's change."""
    desk.model.label = "Communicate"
    desk.work("talk", 600, every=60)
    desk.work("web", 10)
    desk.label("Meet")
    desk.work("web", 60)
    desk.model.label = "ReadResearch"
    assert desk.work("web", 900, every=20).is_own_label
    desk.model.label = "Communicate"
    assert not desk.work("talk", 190, every=10).is_own_label
    (meet,) = spans(desk)
    assert meet == (600, 1570, "Meet", False)


def test_back_in_the_work_before_the_label_is_other_work(desk: Desk) -> None:
    """The chat was there before the label, and no longer than a look elsewhere ago; yet it is not what was labelled."""
    desk.model.label = "Communicate"
    desk.work("talk", 600, every=60)
    desk.model.label = "ReadResearch"
    desk.work("web", 30)
    desk.label("Meet")
    desk.work("web", 30)
    desk.model.label = "Communicate"
    assert not desk.work("talk", 190, every=10).is_own_label
    assert spans(desk) == [(600, 660, "Meet", False)]


def test_a_look_elsewhere_is_labelled_with_it(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.label("Debug")
    desk.model.label = "ReadResearch"
    assert desk.work("web", 120).is_own_label
    desk.model.label = "Build"
    assert desk.work("edit", 30).is_own_label
    assert spans(desk) == [(0, 750, "Debug", True)]


def test_it_ends_after_half_an_hour_to_the_second(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.label("Debug")
    assert desk.work("edit", 1195, every=60).is_own_label
    shown = desk.work("edit", 10, every=7)
    assert not shown.is_own_label
    assert shown.block_start == at(1800)
    assert spans(desk) == [(0, 1800, "Debug", False)]


def test_time_away_is_not_labelled(desk: Desk) -> None:
    """It is known only five minutes later."""
    desk.work("edit", 600, every=60)
    desk.label("Debug")
    desk.source.gone = [(700, 2000)]
    desk.sit("edit", 2000)
    assert desk.poll(290, every=10).is_own_label
    assert desk.poll(200, every=10).state is IconState.AWAY
    assert spans(desk) == [(0, 700, "Debug", False)]


def test_a_gap_ends_it(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.label("Debug")
    desk.work("edit", 30)
    desk.poll(130)
    assert not desk.work("edit", 20).is_own_label
    assert spans(desk) == [(0, 630, "Debug", False)]


def test_a_pause_ends_it_at_once(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.label("Debug")
    desk.session.apply_privacy(Pause(desk.clock.now(), 1))
    desk.look()
    desk.sit("edit", 100)
    assert not desk.poll(70).is_own_label
    assert spans(desk) == [(0, 600, "Debug", False)]


def test_one_that_was_left_alone_is_not_taken_up_again(desk: Desk) -> None:
    desk.work("edit", 600, every=60)
    desk.label("Debug")
    desk.stop()
    desk.clock.advance(600)
    desk.start()
    desk.sit("edit", 100)
    view = desk.session.label_view()
    assert [label.goes_on for label in view.own if label.label == "Debug"] in ([], [False])
    assert not desk.poll(20).is_own_label


# -- any sequence of answers ----------------------------------------------------------------------------------


class Machine(RuleBasedStateMachine):
    """Polls 5 s apart with any answer of the model, and what the person may do between them."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database(Path(self.folder.name, "tray.db"))
        self.database._connection.execute("PRAGMA synchronous = OFF")
        self.labels = LabelStore(self.database, USER)
        self.growth = LabelGrowth(self.labels, self.front_at)
        self.now = self.since = at(0)
        self.apps = [(at(0), "edit")]
        self.answer = "Build"
        self.is_dark = False
        self.live: LiveLabel | None = None
        self.agreed = at(0)
        self.base = Snapshot(IconState.NO_SOURCE, "")
        self.before: SpanRecord | None = None
        self.reasons: set[str] = set()

    def front_at(self, moment: datetime) -> str:
        return next(app for start, app in reversed(self.apps) if start <= moment)

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    @rule(
        answer=st.sampled_from(["Build", "Build", "Build", "Write", "unsure"]),
        switch=st.sampled_from([False] * 9 + [True]),
        event=st.sampled_from([""] * 40 + ["away", "gap", "nothing"]),
        polls=st.sampled_from([1, 1, 3, 20, 80]),
    )
    def poll(self, answer: str, switch: bool, event: str, polls: int) -> None:
        for _ in range(polls):
            self.now += timedelta(seconds=5)
            if answer != self.answer:
                self.answer, self.since = answer, self.now - timedelta(seconds=5)
            if switch:
                app = "web" if self.apps[-1][1] == "edit" else "edit"
                self.apps.append((self.now - timedelta(seconds=5), app))
                switch = False
            self.step(event)

    @rule(minutes=st.integers(1, 20))
    def sleep(self, minutes: int) -> None:
        """The machine, and the app with it."""
        self.now += timedelta(minutes=minutes)
        self.since = self.now
        self.step("gap")

    @rule(seconds=st.integers(0, 1200), label=st.sampled_from(["Debug", "Meet"]))
    def say(self, seconds: int, label: str) -> None:
        if self.live is not None and not self.live.is_away and not self.is_dark:
            start = max(self.live.block_start, self.now - timedelta(seconds=seconds), at(0))
            if start < self.now:
                self.labels.add(start, self.now, label, at=self.now, is_growing=True)
                self.before = self.labels.growing()

    @rule()
    def undo(self) -> None:
        self.labels.undo(at=self.now)
        self.before = self.labels.growing()

    @rule(is_dark=st.booleans())
    def pause(self, is_dark: bool) -> None:
        self.is_dark = is_dark

    def step(self, event: str) -> None:
        """What the worker does in a poll: the label follows, then the views."""
        self.before = self.labels.growing()
        self.live = None
        if event != "nothing" and not self.is_dark:
            is_rejected = self.answer == "unsure"
            answer = prediction(
                bucket_start_ts=self.now - timedelta(seconds=30),
                bucket_end_ts=self.now,
                mapped_label_name="Mixed/Unknown" if is_rejected else self.answer,
                mapped_probs={"Build": 0.5, "Write": 0.5},
                is_rejected=is_rejected,
                decided_by="idle_rule" if event == "away" else "model",
            )
            if event == "gap":
                self.since = max(self.since, self.now - timedelta(seconds=5))
            self.live = LiveLabel(
                answer,
                self.since,
                app=self.apps[-1][1],
                unbroken_since=self.now - timedelta(seconds=5) if event == "gap" else None,
                away_since=self.now - timedelta(seconds=300) if event == "away" else None,
            )
        self.growth.follow(self.live, self.now, is_dark=lambda: self.is_dark)
        if self.live is not None and not self.live.is_away:
            self.base = Snapshot(IconState.UNSURE if self.live.is_unsure else IconState.LIVE, "", moment=self.now)
        else:
            self.base = dataclasses.replace(self.base, state=IconState.AWAY)
        self.check_the_end(event)
        self.check_what_shows()

    def check_the_end(self, event: str) -> None:
        """A label ends only for a reason, and then where it was last right."""
        if self.before is None or self.labels.growing() is not None:
            return
        start = from_us(self.before.start_us)
        has_reason = (
            event in ("away", "gap")
            or self.is_dark
            or self.now - start >= timedelta(minutes=30)
            or self.now - from_us(self.before.end_us) > timedelta(minutes=3)
        )
        assert has_reason
        ended = self.labels.label_at(start)
        assert ended is not None
        assert ended.end_us <= min(to_us(self.now), self.before.start_us + 1_800_000_000) or (
            ended.end_us == self.before.end_us
        )

    def check_what_shows(self) -> None:
        growing = self.labels.growing()
        shown = with_labels(self.base, read_label_view(self.database, USER, self.now, None))
        if growing is not None and shown.state in (IconState.LIVE, IconState.UNSURE):
            assert (shown.state, shown.core_label, shown.is_own_label) == (IconState.LIVE, growing.label, True)
            assert shown.since == from_us(growing.start_us)
        assert growing is None or self.now - from_us(growing.start_us) < timedelta(minutes=33)


TestAnySequence = Machine.TestCase
TestAnySequence.settings = settings(examples(30), stateful_step_count=30)
