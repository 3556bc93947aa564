"""The daily look for a drift: once a day, in a process of its own, and one sentence for each drift."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.config import Config
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import RequestRecord
from taskclf_tray.ui import drift_watch, text
from taskclf_tray.ui.audience import Audience
from taskclf_tray.ui.drift_memory import DriftMemory, Told, load_memory, take_in
from taskclf_tray.ui.drift_story import Story, StoryKind, stories_of, words
from taskclf_tray.ui.drift_watch import DriftWatch
from tests.fakes.processes import wait_until
from tests.ui.drift_home import (
    DAY,
    FRIDAY,
    LAST,
    THURSDAY,
    Change,
    as_it_was,
    in_figma,
    records_of,
    without_input,
    working_days,
    write_days,
)
from tests.ui.worker_home import USER
from tests.ui.worker_rig import Rig

NAMED = Config(privacy_notifications=False)


@pytest.fixture(autouse=True)
def in_no_hurry_to_stand_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stands back behind every other test would take its time."""
    monkeypatch.setattr(drift_watch, "NICENESS", 0)


def until(condition: Callable[[], object], what: str) -> None:
    """A check takes two seconds of a processor that others use too."""
    wait_until(condition, what, 60)


class Watch:
    """A watch on a home with two weeks of record, driven from outside as the worker drives it."""

    def __init__(self, folder: Path, config: Config, job_module: str) -> None:
        self.rig = Rig(folder)
        self.rig.config = config
        self.job_module = job_module
        self.noon(THURSDAY)
        self.start()

    def start(self) -> None:
        self.session = self.rig.session()
        self.watch = DriftWatch(self.session, Audience(self.rig.notifier, []), job_module=self.job_module)

    def stop(self) -> None:
        self.watch.close()
        self.session.close()

    def noon(self, day: date) -> None:
        self.rig.clock.set(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))

    def step(self) -> bool:
        """A step with new minutes; whether a check is under way then."""
        self.watch.after_step(has_new_minutes=True)
        return self.watch.is_checking

    def check(self) -> None:
        """The day's check, from its start to its end."""
        assert self.step()
        until(lambda: not self.watch.is_checking, "the end of the check")
        self.watch.after_step(has_new_minutes=False)

    def write(self, days: list[date], change: Change = as_it_was) -> None:
        write_days(self.rig.paths.database, days, change)

    @property
    def told(self) -> list[str]:
        return [notice.body for notice in self.rig.notifier.notices]

    def memory(self) -> DriftMemory:
        return load_memory(self.session.database, USER)

    def queued(self) -> list[RequestRecord]:
        return self.session.database.requests.all(USER)

    def reports(self) -> list[str]:
        return sorted(path.name for path in self.rig.paths.drift.glob("*"))


@contextlib.contextmanager
def watching(folder: Path, config: Config = NAMED, job_module: str = drift_watch.JOB) -> Iterator[Watch]:
    watch = Watch(folder, config, job_module)
    try:
        yield watch
    finally:
        watch.stop()


def test_a_new_main_app_is_told_once(tmp_path: Path) -> None:
    with watching(tmp_path) as desk:
        desk.write(working_days(last=THURSDAY))
        desk.write(working_days(FRIDAY, THURSDAY), in_figma)
        desk.check()
        (told,) = desk.told
        assert told.startswith("You use Figma a lot since Friday; the model has not seen that.")
        queued = desk.queued()
        assert f"{len(queued)} blocks wait under Review" in told
        assert 0 < len(queued) <= drift_watch.QUEUED_BLOCKS
        assert {request.reason for request in queued} == {"drift"}
        assert all(request.end_us - request.start_us >= 300_000_000 for request in queued)
        assert desk.reports() == [f"drift_{LAST}.json"]
        assert not desk.step()
        desk.stop()
        desk.start()
        assert not desk.step()  # a restart changes nothing
        desk.write([THURSDAY + DAY], in_figma)
        desk.noon(THURSDAY + DAY)
        desk.check()
        assert desk.told == [told]
        assert len(desk.queued()) == len(queued)
        assert desk.memory().checked_day == THURSDAY


def test_no_app_is_named_while_notifications_are_private(tmp_path: Path) -> None:
    with watching(tmp_path, Config()) as desk:
        desk.write(working_days(last=THURSDAY))
        desk.write(working_days(FRIDAY, THURSDAY), in_figma)
        desk.check()
        (notice,) = desk.rig.notifier.notices
        assert notice.body.startswith("You use an app a lot since Friday that the model has not seen.")
        (told,) = desk.memory().told
        assert "figma" not in f"{notice} {told.title} {told.body}".lower()


def test_a_broken_input_watcher_and_a_quiet_fortnight(tmp_path: Path) -> None:
    with watching(tmp_path) as desk:
        desk.write(working_days(last=THURSDAY + DAY))
        desk.check()
        assert desk.told == []
        assert desk.queued() == []
        assert (desk.memory().checked_day, desk.memory().too_little_data) == (LAST, None)
        desk.write(working_days(FRIDAY, THURSDAY), without_input)
        desk.noon(THURSDAY + DAY)
        desk.check()
        (told,) = desk.told
        assert told.startswith("No keyboard or mouse data since 13 March: is the input watcher running?")
        assert desk.memory().told[0].key == "no_input"


def test_a_young_record_wants_no_process(tmp_path: Path) -> None:
    with watching(tmp_path, job_module="no.such.module") as desk:
        desk.write(working_days(FRIDAY, THURSDAY), in_figma)
        assert not desk.step()
        assert (desk.memory().checked_day, desk.memory().too_little_data) == (LAST, text.DRIFT_TOO_SHORT)
        assert desk.told == []


def test_half_an_hour_of_the_day_comes_first(tmp_path: Path) -> None:
    with watching(tmp_path, job_module="tests.fakes.drift_jobs") as desk:
        (desk.rig.paths.home / "way").write_text("slow")
        desk.write(working_days())
        morning = records_of(THURSDAY)
        active = [record for record in morning if record.decided_by != "idle_rule"]
        with desk.session.database.transaction():
            desk.session.database.buckets.put(r for r in morning if r.start_us < active[29].start_us)
        assert not desk.step()
        with desk.session.database.transaction():
            desk.session.database.buckets.put([active[29]])
        assert desk.step()


def way(desk: Watch, name: str) -> None:
    desk.write(working_days(last=THURSDAY))
    (desk.rig.paths.home / "way").write_text(name)


def started(desk: Watch) -> list[int]:
    path = desk.rig.paths.home / "started"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("killed", "ended unexpectedly (by signal 9)"),
        ("refused", "It is no use."),
        ("lost", "FileNotFoundError"),
    ],
)
def test_a_check_that_dies_is_a_line_in_the_log(
    tmp_path: Path, name: str, sentence: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watching(tmp_path, job_module="tests.fakes.drift_jobs") as desk:
        way(desk, name)
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
        assert len(started(desk)) == drift_watch.TRIES_A_DAY


def test_closing_ends_a_check_and_the_next_start_makes_it_again(tmp_path: Path) -> None:
    with watching(tmp_path, job_module="tests.fakes.drift_jobs") as desk:
        way(desk, "slow")
        began = time.monotonic()
        assert desk.step()
        assert desk.step()
        assert time.monotonic() - began < 0.5  # nobody waits for it
        until(lambda: started(desk), "the process")
        desk.stop()
        assert [t.name for t in threading.enumerate() if t.name in ("drift", "job-deadline")] == []
        with pytest.raises(ProcessLookupError):
            os.kill(started(desk)[0], 0)
        desk.start()
        assert desk.memory().checked_day is None
        assert desk.step()


def test_a_check_has_a_deadline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(drift_watch, "LONGEST_SECONDS", 0.3)
    with watching(tmp_path, job_module="tests.fakes.drift_jobs") as desk:
        way(desk, "slow")
        desk.check()
        assert "took more than 0.3 seconds" in caplog.text
        assert desk.memory().checked_day is None


def test_the_app_checks_when_it_is_caught_up(tmp_path: Path) -> None:
    """The whole worker: it records a Thursday morning, checks, tells, and says the new questions in its menu."""
    rig = Rig(tmp_path)
    write_days(rig.paths.database, working_days())
    write_days(rig.paths.database, working_days(FRIDAY), without_input)
    rig.clock.set(datetime(2026, 3, 19, 11, tzinfo=UTC))
    with rig.running() as runtime:
        until(lambda: rig.notifier.told("is the input watcher running?"), "the notice")
        until(lambda: runtime.snapshot.labels.review_count, "the blocks that wait")
        assert len(rig.notifier.told("is the input watcher running?")) == 1
    database = Database(rig.paths.database, read_only=True)
    memory = load_memory(database, USER)
    database.close()
    assert (memory.checked_day, len(memory.told)) == (LAST, 1)


# -- what is news -------------------------------------------------------------------------------------------

AT = datetime(2026, 3, 19, 12, tzinfo=UTC)


def story(kind: StoryKind, subject: str = "", since: date | None = FRIDAY) -> Story:
    return Story(kind, subject, since, 0.1, 0.5, "plain")


class Days:
    """Day after day, and what was told on each."""

    def __init__(self) -> None:
        self.memory, self.day = DriftMemory(), LAST

    def find(self, *stories: Story, lacking: str | None = None) -> str | None:
        self.memory, news = take_in(self.memory, stories, self.day, AT, lacking)
        if news is not None:
            self.memory = self.memory.noting(Told(AT, self.day, news.key, "title", "body"))
        self.day += DAY
        return None if news is None else news.key


def test_what_is_found_together_is_one_drift() -> None:
    days = Days()
    assert days.find(story("new_app", "a"), story("classes"), story("habits")) == "new_app:a"
    assert days.find(story("classes"), story("habits")) is None
    assert days.find(story("new_app", "a"), story("rejects"), story("unsure")) is None  # came late, began with it
    assert days.find(story("new_app", "b")) is None
    assert days.find(story("new_app", "c", since=LAST + DAY)) == "new_app:c"  # began after what was told
    assert days.find(story("no_input")) == "no_input"  # another cause
    assert days.find(story("no_input")) is None


def test_a_drift_is_told_again_only_after_it_had_gone() -> None:
    days = Days()
    assert days.find(story("habits")) == "habits"
    for _ in range(6):
        assert days.find() is None
    assert days.find(story("habits")) is None
    for _ in range(7):
        assert days.find() is None
    assert days.find(story("habits")) == "habits"


def test_days_without_data_let_nothing_go() -> None:
    days = Days()
    assert days.find(story("habits")) == "habits"
    for _ in range(20):
        assert days.find(lacking="too little") is None
    assert days.memory.too_little_data == "too little"
    assert days.find(story("habits")) is None
    assert days.memory.too_little_data is None


def test_the_words_of_each_story() -> None:
    def said(kind: StoryKind, subject: str = "", *, names_apps: bool = True, since: date | None = FRIDAY) -> str:
        return words(story(kind, subject, since), THURSDAY, names_apps=names_apps)

    assert said("app_shift", "org.mozilla.firefox") == "You use Firefox much more since Friday."
    assert (
        said("app_shift", "org.mozilla.firefox", names_apps=False) == "You use one of your apps much more since Friday."
    )
    assert said("new_app", "unknown.my\u202etool") == "You use Mytool a lot since Friday; the model has not seen that."
    assert said("new_app", "unknown.???") == "You use an app a lot since Friday that the model has not seen."
    assert said("classes", "Meet") == "Meet is 50 % of your time since Friday; before, it was 10 %."
    assert "does not know what you do 50 % of the time" in said("rejects")
    assert said("unsure", since=None) == "The model is much less sure of what you do lately."
    assert said("no_input", since=THURSDAY - timedelta(days=7)) == (
        "No keyboard or mouse data since 12 March: is the input watcher running?"
    )
    assert said("habits") == "plain"


def test_alerts_become_stories() -> None:
    new = {"value": "com.figma.Desktop", "reference_share": 0.0, "current_share": 0.4}
    less = {"value": "com.figma.Desktop", "reference_share": 0.5, "current_share": 0.1}
    alerts = [
        alert("feature_psi", "keys_per_min"),
        alert("feature_ks", "clicks_per_min"),
        alert("category_shift", "app_category", **new),
        alert("category_shift", "app_id", **new),
        alert("category_shift", "app_id", **less),
        alert("class_shift", "Meet", reference_share=0.1, current_share=0.5),
        alert("reject_rate_increase", "is_rejected", reference_rate=0.1, current_rate=0.5),
        alert("entropy_spike", "entropy", reference_bits=0.1, current_bits=0.5),
        alert("missingness", "keys_per_min", reference_share=0.0, current_share=1.0),
        alert("missingness", "mouse_distance", reference_share=1.0, current_share=0.0),
        alert("missingness", "title_char_count", reference_share=0.0, current_share=1.0),
    ]
    found = stories_of(report(alerts))
    assert [s.key for s in found] == [
        "no_input", "new_app:com.figma.Desktop", "rejects", "classes", "app_shift", "unsure", "habits", "data",
        "input_back",
    ]  # fmt: skip
    assert found[2].after == found[3].after == 0.5
    assert found[3].subject == "Meet"
    assert [s.key for s in stories_of(report(alerts[2:3]))] == ["category"]  # no one program is behind it


def test_what_is_so_in_the_whole_window_may_have_begun_before_it() -> None:
    day, earlier = FRIDAY.isoformat(), (FRIDAY - DAY).isoformat()
    assert [s.is_begin_seen for s in stories_of(report([alert("feature_psi", "is_editor")], earlier))] == [True]
    (whole,) = stories_of(report([alert("feature_psi", "is_editor")], day))
    assert not whole.is_begin_seen
    days = Days()
    days.memory = DriftMemory(
        told=(Told(AT, FRIDAY - 2 * DAY, "no_input", "title", "body"),), last_seen={"no_input": LAST}
    )
    assert days.find(whole) is None


def alert(trigger: str, feature: str, **details: Any) -> dict[str, Any]:
    return {
        "trigger": trigger,
        "affected_features": [feature],
        "since": FRIDAY.isoformat(),
        "text": "plain",
        "details": details,
    }


def report(alerts: list[dict[str, Any]], *current_days: str) -> dict[str, Any]:
    users = [{"current_days": list(current_days), "too_little_data": None}]
    return json.loads(json.dumps({"alerts": alerts, "users": users}))  # type: ignore[no-any-return]
