"""What the source delivers beside what is read is told: once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.base import BucketState, Stream, Unread
from taskclf_tray.app import record_text
from taskclf_tray.app.stream_watch import StreamWatch
from taskclf_tray.app.text import Message
from taskclf_tray.store.database import Database
from tests.support.worker_rig import Rig, until

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def state(
    bucket_id: str, stream: Stream | None = Stream.WINDOW, ago: float | None = 0, unread: Unread | None = None,
    used: float | None = None,
) -> BucketState:  # fmt: skip
    newest = None if ago is None else NOW - ago * MINUTE
    used_until = None if used is None else NOW - used * MINUTE
    return BucketState(bucket_id, "kind", stream, "host", newest, "host", True, used_until, unread)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "record.db")
    yield opened
    opened.close()


@pytest.fixture
def told() -> list[Message]:
    return []


@pytest.fixture
def watch(database: Database, told: list[Message]) -> StreamWatch:
    return StreamWatch(database, told.extend)


@pytest.mark.parametrize("unread", [Unread.PHONE, Unread.COPY, Unread.NO_WINDOWS, Unread.BAD_NAME, Unread.REFUSED])
def test_an_active_bucket_that_is_not_read_is_told_once(
    watch: StreamWatch, told: list[Message], database: Database, unread: Unread
) -> None:
    buckets = (state("w"), state("other", ago=3, unread=unread))
    for minute in range(3):
        watch.look(buckets, NOW + minute * MINUTE)
        watch.look((*buckets, state("x")), NOW + minute * MINUTE)
    (message,) = told
    assert message == record_text.bucket_unread(buckets[1])
    assert "other" in message[1] or "host" in message[0]
    assert "taskclf-tray doctor" in message[1]
    StreamWatch(database, told.extend).look(buckets, NOW)  # nor after a restart
    assert len(told) == 1


def test_what_is_old_unused_or_unchosen_is_not_told(watch: StreamWatch, told: list[Message]) -> None:
    watch.look(
        (
            state("w"),
            state("old phone", ago=60, unread=Unread.PHONE),
            state("empty", ago=None, unread=Unread.COPY),
            state("editor", None, unread=Unread.OTHER_TYPE),
            state("elsewhere", unread=Unread.OTHER_HOST),
        ),
        NOW,
    )
    assert told == []


def test_events_that_come_in_late_are_news(watch: StreamWatch, told: list[Message]) -> None:
    watch.look((state("w"), state("phone", ago=300, unread=Unread.PHONE)), NOW)
    assert told == []
    watch.look((state("w"), state("phone", ago=60, unread=Unread.PHONE)), NOW)
    assert len(told) == 1


def test_windows_that_stay_away_while_somebody_types(watch: StreamWatch, told: list[Message]) -> None:
    def look(minute: int, window_ago: float) -> None:
        used = state("a", Stream.AWAY, ago=-minute, used=-minute)
        watch.look((state("w", ago=window_ago), used), NOW + minute * MINUTE)

    for minute in range(15):
        look(minute, 20)
    assert told == []  # the watchers of a computer that wakes up come one after the other
    for minute in range(15, 40):
        look(minute, 20)
    assert told == [record_text.windows_stay_away(None)]
    look(41, -41)
    for minute in range(60, 80):
        look(minute, -41)
    assert len(told) == 2


def test_windows_of_the_computer_in_use_stay_away_while_another_shows_some(
    watch: StreamWatch, told: list[Message]
) -> None:
    for minute in range(20):
        idle = BucketState("idle", "k", Stream.WINDOW, "other", NOW + minute * MINUTE, "other")
        used = state("a", Stream.AWAY, ago=-minute, used=-minute)
        watch.look((idle, state("w", ago=20), used), NOW + minute * MINUTE)
    assert told == [record_text.windows_stay_away(None)]


def test_a_locked_computer_is_no_trouble(watch: StreamWatch, told: list[Message]) -> None:
    for minute in range(60):
        watch.look((state("w", ago=20), state("a", Stream.AWAY, ago=-minute, used=20)), NOW + minute * MINUTE)
    assert told == []


def test_only_others_report(watch: StreamWatch, told: list[Message]) -> None:
    for minute in range(40):
        phone = state("phone", ago=-minute, unread=Unread.PHONE)
        watch.look((state("w", ago=20), state("a", Stream.AWAY, ago=20), phone), NOW + minute * MINUTE)
    assert told == [record_text.bucket_unread(phone), record_text.windows_stay_away(phone)]
    assert "Only phone reports any" in told[1][1]


@pytest.mark.parametrize("saved", ["", "{", "7", '{"a": 1}', '["phone", 3]'])
def test_damaged_memory(database: Database, told: list[Message], saved: str) -> None:
    with database.transaction():
        database.state.set("told_unread", saved)
    StreamWatch(database, told.extend).look((state("phone", unread=Unread.PHONE),), NOW)
    assert len(told) == ("phone" not in saved)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"), (59, "just now"), (61, "1 minute ago"), (3600, "1 hour ago"), (7300, "2 hours ago"),
        (86_400, "24 hours ago"), (3 * 86_400, "3 days ago"), (-30, "just now"), (-7300, "2 hours in the future"),
    ],
)  # fmt: skip
def test_ages(seconds: int, words: str) -> None:
    assert record_text.age(NOW - timedelta(seconds=seconds), NOW) == f"newest event {words}"


def test_lines_of_the_check_up() -> None:
    assert record_text.bucket_line(state("w", ago=5), NOW) == "w (windows of host): newest event 5 minutes ago; read"
    assert record_text.bucket_line(state("e", None, ago=None), NOW) == "e (kind of host): no event yet; read"
    assert "a phone's" in record_text.bucket_line(state("p", unread=Unread.PHONE), NOW)
    earlier = BucketState("old", "k", Stream.WINDOW, "old", NOW, "new", is_newest=False)
    assert record_text.bucket_line(earlier, NOW).endswith("read for its own time only: new has a newer one")
    other = BucketState("mac", "k", Stream.AWAY, "mac.local", NOW, "mac")
    assert record_text.bucket_line(other, NOW).endswith("; read, as one of mac")


def test_the_worker_tells_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    phone = BucketState("my-phone", "currentwindow", Stream.WINDOW, "", rig.clock.now(), unread=Unread.PHONE)
    rig.source.buckets = lambda: (phone,)  # type: ignore[method-assign]
    for _ in range(2):
        asked = len(rig.source.asked)
        with rig.running():
            until(lambda: len(rig.notifier.told("my-phone")) == 1, "the notice")
            until(lambda before=asked: len(rig.source.asked) > before + 8, "some polls")  # type: ignore[misc]
    assert len(rig.notifier.told("my-phone")) == 1
