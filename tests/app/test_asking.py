"""Questions as the worker puts them: at the end of a block, once, with an answer that counts at once."""

from __future__ import annotations

import dataclasses
import json
import logging
from datetime import date, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import session_loop
from taskclf_tray.app.commands import AnswerRequest, SetAsking, SkipRequest, UndoLabel
from taskclf_tray.app.questions import LONGEST_AWAY, OTHER_KEY, STAYS_SECONDS
from taskclf_tray.app.serving import Overrides
from taskclf_tray.core.time import from_us
from taskclf_tray.core.types import CoreLabel
from taskclf_tray.labels.asking_state import update_asking
from taskclf_tray.notify.base import CLICKED, CLOSED_EARLY, DISMISSED, NotifyCapability
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest
from tests.support.questions import DOUBTFUL, Stored, label_key, live_on, question
from tests.support.worker_home import USER
from tests.support.worker_rig import START, Rig, until


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """The second day of a person whose model is never sure."""
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.01)
    rig = Rig(tmp_path, overrides=DOUBTFUL)
    database = Database(rig.paths.database)
    yesterday = START.date() - timedelta(days=1)
    update_asking(database, USER, lambda state: dataclasses.replace(state, first_day=yesterday))
    database.close()
    return rig


def test_an_answer_by_button_is_a_label_and_can_be_undone(rig: Rig) -> None:
    with rig.running() as runtime:
        notice = question(rig, runtime)
        request = Stored(rig).request(notice)
        assert from_us(request.end_us) - from_us(request.start_us) <= timedelta(minutes=30)
        assert rig.clock.now() - START >= timedelta(minutes=10)  # none right after the start
        assert notice.title.endswith(f"{request.predicted_label}?")
        titles = [button.title for button in notice.buttons]
        assert titles == [request.predicted_label, request.second_label, "Other…"]
        assert notice.stays_seconds == STAYS_SECONDS >= 60
        assert runtime.snapshot.labels.review_count >= 1

        rig.notifier.press(notice, label_key(notice))
        until(lambda: Stored(rig).spans, "the label")
        stored = Stored(rig)
        (span,) = stored.spans
        assert (span.label, span.provenance) == (request.predicted_label, "answer")
        assert (span.start_us, span.end_us) == (request.start_us, request.end_us)
        assert stored.request(notice).status == "labeled"
        until(lambda: Stored(rig).asks[0].outcome == "answered", "the outcome")

        runtime.send(UndoLabel(rig.clock.now()))
        until(lambda: not Stored(rig).spans, "the undo")
        assert Stored(rig).request(notice).status == "pending"


def test_a_second_press_and_a_press_after_another_answer_change_nothing(rig: Rig) -> None:
    with rig.running() as runtime:
        notice = question(rig, runtime)
        request = Stored(rig).request(notice)
        runtime.send(AnswerRequest(request.request_id, "Meet", rig.clock.now()))
        until(lambda: Stored(rig).spans, "the label")
        until(lambda: notice.tag in rig.notifier.withdrawn, "the notification is taken back")
        rig.press(str(notice.tag), label_key(notice))  # one that was on its way
        until(lambda: rig.notifier.told("is answered already"), "a sentence")
        assert [span.label for span in Stored(rig).spans] == ["Meet"]


def test_skip_stays_skipped(rig: Rig) -> None:
    with rig.running() as runtime:
        notice = question(rig, runtime)
        runtime.send(SkipRequest(Stored(rig).request(notice).request_id, rig.clock.now()))
        until(lambda: Stored(rig).request(notice).status == "skipped", "the skip")
        live_on(rig, runtime, lambda: len(rig.notifier.questions()) > 1)
        assert Stored(rig).request(notice).status == "skipped"
        assert rig.notifier.questions()[1].tag != notice.tag
    asked = Stored(rig).asks
    assert asked[1].at_us - asked[0].at_us >= 3600 * 1_000_000


@pytest.mark.parametrize("key", [OTHER_KEY, CLICKED])
def test_other_says_where_the_answer_waits(rig: Rig, key: str) -> None:
    with rig.running() as runtime:
        notice = question(rig, runtime)
        rig.notifier.press(notice, key)
        until(lambda: rig.notifier.told("Review"), "where")
        assert Stored(rig).request(notice).status == "pending"
        until(lambda: Stored(rig).asks[0].outcome == "other", "the outcome")


def test_closing_it_leaves_it_in_the_queue(rig: Rig) -> None:
    with rig.running() as runtime:
        notice = question(rig, runtime)
        rig.notifier.press(notice, DISMISSED)
        until(lambda: Stored(rig).asks[0].outcome == "dismissed", "the outcome")
        request = Stored(rig).request(notice)
        assert request.status == "pending"
        runtime.send(SkipRequest(request.request_id, rig.clock.now()))  # later, in the menu
        until(lambda: Stored(rig).asks[0].outcome == "skipped", "the later outcome")


def test_the_tools_list_is_kept_in_step_when_asked_for(rig: Rig) -> None:
    """`infer online --label-queue --label-confidence`: what the tool closes is closed here."""
    rig.overrides = Overrides(ask_below=1.0, has_queue_list=True)
    path = rig.paths.tool_queue
    with rig.running() as runtime:
        live_on(rig, runtime, path.exists)
        entries = json.loads(path.read_text())
        assert {entry["status"] for entry in entries} == {"pending"}
        entries[0]["status"] = "labeled"
        path.write_text(json.dumps(entries))
        closed = entries[0]["request_id"]
        live_on(rig, runtime, lambda: {r.status for r in Stored(rig).requests if r.request_id == closed} == {"labeled"})


def test_what_the_desktop_took_away_is_unseen_until_it_is_answered(rig: Rig) -> None:
    with rig.running() as runtime:
        notice = question(rig, runtime)
        rig.notifier.press(notice, CLOSED_EARLY)
        until(lambda: Stored(rig).asks[0].is_unseen, "the note")
        request = Stored(rig).request(notice)
        assert (request.status, Stored(rig).asks[0].outcome) == ("pending", None)
        runtime.send(AnswerRequest(request.request_id, "Meet", rig.clock.now()))
        until(lambda: Stored(rig).asks[0].outcome == "answered", "the answer")
        assert not Stored(rig).asks[0].is_unseen


def test_never_ask(rig: Rig) -> None:
    with rig.running() as runtime:
        question(rig, runtime)
        runtime.send(SetAsking("off", rig.clock.now()))
        until(lambda: not Stored(rig).asking.is_on, "the switch")
        until(lambda: runtime.snapshot.labels.is_silent, "the menu shows it")
        rig.clock.advance(3600)
        for _ in range(40):
            rig.clock.advance(60)
            polls = len(rig.source.asked)
            until(lambda seen=polls: len(rig.source.asked) > seen + 1, "a poll")
        assert len(rig.notifier.questions()) == 1


def test_nobody_is_asked_on_the_first_day(rig: Rig) -> None:
    database = Database(rig.paths.database)
    update_asking(database, USER, lambda state: dataclasses.replace(state, first_day=None))
    database.close()
    with rig.running() as runtime:
        live_on(rig, runtime, lambda: runtime.snapshot.labels.review_count >= 2 and Stored(rig).asking.first_day)
    assert rig.notifier.questions() == []
    assert Stored(rig).asking.first_day == date(2026, 3, 2)


def test_without_buttons_the_text_says_where(rig: Rig) -> None:
    rig.notifier.can = frozenset({NotifyCapability.BODY})
    with rig.running() as runtime:
        notice = question(rig, runtime)
    assert notice.buttons == ()
    assert "Review" in notice.body


def test_what_cannot_be_shown_waits_in_the_queue_and_did_not_interrupt(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.notifier.error = ConnectionError("no service")
    with rig.running() as runtime, caplog.at_level(logging.WARNING):
        live_on(rig, runtime, lambda: "A question could not be shown" in caplog.text)
        stored = Stored(rig)
        assert stored.asks == []
        assert [request.status for request in stored.requests if request.reason != "gap"] != []

        def is_quiet_for_some_polls() -> bool:
            failures, polls = caplog.text.count("A question could not be shown"), len(rig.source.asked)
            rig.clock.advance(5)
            until(lambda: len(rig.source.asked) > polls + 4, "some polls")
            return caplog.text.count("A question could not be shown") == failures

        assert any(is_quiet_for_some_polls() for _ in range(12))  # each block is tried once, not at every poll


def test_a_question_is_taken_back_at_the_end_and_not_put_again_after_a_restart(rig: Rig) -> None:
    with rig.running() as runtime:
        notice = question(rig, runtime)
    assert rig.notifier.withdrawn == [notice.tag]
    with rig.running() as runtime:
        began = rig.clock.now()
        live_on(rig, runtime, lambda: rig.clock.now() - began > timedelta(minutes=20))
        assert len(rig.notifier.questions()) == 1
        assert Stored(rig).request(notice).status == "pending"
        rig.notifier.press(notice, label_key(notice))  # what the service still shows reports nothing
        rig.press(str(notice.tag), label_key(notice))  # but an answer that does arrive counts
        until(lambda: Stored(rig).spans, "the label")
        assert len(Stored(rig).spans) == 1


def test_apps_are_named_only_when_notifications_may(rig: Rig) -> None:
    with rig.running() as runtime:
        assert "Mostly in" not in question(rig, runtime).body


def test_an_app_is_named_when_privacy_is_off(rig: Rig) -> None:
    rig.config = rig.config.model_copy(update={"privacy_notifications": False})
    with rig.running() as runtime:
        assert "Mostly in" in question(rig, runtime).body


def test_a_return_from_away_offers_one_question(rig: Rig) -> None:
    breaks = [
        span
        for span in SimulatedPerson("developer", 1).day(START.date()).truth
        if span.label == CoreLabel.BREAK_IDLE and timedelta(minutes=20) < span.end_ts - span.start_ts < LONGEST_AWAY
    ]
    away = next(span for span in breaks if span.start_ts > START)
    rig.clock.set(away.start_ts - timedelta(minutes=15))
    database = Database(rig.paths.database)
    update_asking(database, USER, lambda s: dataclasses.replace(s, snoozed_until=away.start_ts + timedelta(minutes=9)))
    database.close()
    with rig.running() as runtime:
        live_on(rig, runtime, lambda: gaps(rig))
        (gap,) = gaps(rig)
        assert abs(from_us(gap.start_us) - away.start_ts) < timedelta(minutes=6)
        assert abs(from_us(gap.end_us) - away.end_ts) < timedelta(minutes=6)
        live_on(rig, runtime, rig.notifier.questions, minutes=20)
        (notice,) = rig.notifier.told("where were you")
        assert [button.title for button in notice.buttons][:2] == ["Meeting", "Break"]
        rig.notifier.press(notice, notice.buttons[1].key)
        until(lambda: Stored(rig).spans, "the label")
        (span,) = Stored(rig).spans
        assert (span.label, span.start_us, span.end_us) == ("BreakIdle", gap.start_us, gap.end_us)


def gaps(rig: Rig) -> list[LabelRequest]:
    return [request for request in Stored(rig).requests if request.reason == "gap"]
