"""The label store's promises one by one: overlaps, answers, undo and the clock, wrong input, speed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.errors import LabelError, StoreError
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan
from taskclf_tray.labels.spans import LabelStore, core_label, extend_growing, label_span
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest
from tests.support.disks import full_disk

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOON = NINE + timedelta(hours=3)
ROOT = Path(__file__).parents[2]


def minute(number: float) -> datetime:
    return NINE + timedelta(minutes=number)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "tray.db")
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> LabelStore:
    return LabelStore(database, "u")


def seen(store: LabelStore) -> list[tuple[float, float, str]]:
    zero = to_us(NINE)
    return [((s.start_us - zero) / 6e7, (s.end_us - zero) / 6e7, s.label) for s in store.everything()]


def ask(database: Database, name: str, start: float, end: float, user: str = "u") -> None:
    record = LabelRequest(name, user, minute(start), minute(end), "audit", 0.5, "Build", NOON, local_day="2026-03-02")
    with database.transaction():
        database.requests.put(record)


def status(database: Database, name: str) -> str:
    request = database.requests.get(name)
    assert request is not None
    return request.status


# -- overlaps ---------------------------------------------------------------------------------------------------


def test_a_label_in_the_middle_splits_the_old_one_and_undo_gives_it_back(store: LabelStore) -> None:
    store.add(minute(0), minute(30), "Build", at=NOON, confidence=0.9)
    before = list(store.everything())
    store.add(minute(10), minute(12), "Meet", at=NOON)
    assert seen(store) == [(0, 10, "Build"), (10, 12, "Meet"), (12, 30, "Build")]
    assert [span.confidence for span in store.everything()] == [0.9, None, 0.9]
    undone = store.undo(at=NOON)
    assert undone is not None
    assert (undone.kind, undone.label, undone.start_us) == ("label", "Meet", to_us(minute(10)))
    assert list(store.everything()) == before


def test_an_automatic_break_never_cuts_a_meeting(store: LabelStore) -> None:
    store.add(minute(10), minute(40), "Meet", at=NOON)
    store.add(minute(0), minute(60), "BreakIdle", at=NOON, provenance="auto", confidence=1.0)
    assert seen(store) == [(0, 10, "BreakIdle"), (10, 40, "Meet"), (40, 60, "BreakIdle")]
    before = seen(store)
    assert store.add(minute(15), minute(25), "BreakIdle", at=NOON, provenance="auto") == 0
    assert seen(store) == before
    undone = store.undo(at=NOON)
    assert undone is not None
    assert undone.kind == "auto"


def test_users_do_not_see_each_other(database: Database, store: LabelStore) -> None:
    other = LabelStore(database, "other")
    store.add(minute(0), minute(10), "Build", at=NOON)
    other.add(minute(5), minute(15), "Meet", at=NOON)
    assert seen(store) == [(0, 10, "Build")]
    assert not store.erase(minute(10), minute(15), at=NOON)
    other.undo(at=NOON)
    assert other.undo(at=NOON) is None
    assert seen(store) == [(0, 10, "Build")]


def test_what_lies_at_a_moment_and_what_is_used_most(store: LabelStore) -> None:
    assert store.order() == LABEL_SET_V1
    for number, label in enumerate(["Write", "Meet", "Write", "Debug", "Meet", "Write"]):
        store.add(minute(number), minute(number + 1), label, at=NOON)
    for number in range(10, 20):
        store.add(minute(number), minute(number + 0.5), "BreakIdle", at=NOON, provenance="auto")
    assert store.order()[:4] == ("Write", "Meet", "Debug", "BreakIdle")
    assert (found := store.label_at(minute(3))) is not None
    assert found.label == "Debug"
    assert store.label_at(minute(6)) is None
    assert [span.label for span in store.between(minute(1.5), minute(2.5))] == ["Meet", "Write"]


def test_touching_spans_become_one(store: LabelStore) -> None:
    for number in range(3):
        store.add(minute(number), minute(number + 1), "Build", at=NOON)
    store.add(minute(3), minute(4), "Build", at=NOON, provenance="auto")
    assert not store.merge(minute(1), minute(2.5), at=NOON)
    assert store.merge(minute(0), minute(10), at=NOON)
    assert seen(store) == [(0, 3, "Build"), (3, 4, "Build")]
    assert not store.merge(minute(0), minute(10), at=NOON)
    store.undo(at=NOON)
    assert len(seen(store)) == 4


# -- growing ----------------------------------------------------------------------------------------------------


def test_a_label_of_the_current_block_grows_until_something_is_in_its_way(store: LabelStore) -> None:
    store.add(minute(0), minute(5), "Build", at=minute(5), is_growing=True)
    store.add(minute(20), minute(22), "Meet", at=NOON)
    store.erase(minute(20), minute(22), at=NOON)
    store.grow(minute(8))
    store.grow(minute(7))
    assert seen(store) == [(0, 8, "Build")]
    store.grow(minute(30))  # what undo may give back keeps its place
    assert seen(store) == [(0, 20, "Build")]
    assert store.growing() is None
    store.undo(at=NOON)
    assert seen(store) == [(0, 20, "Build"), (20, 22, "Meet")]
    store.undo(at=NOON)
    store.undo(at=NOON)
    assert seen(store) == []


def test_one_span_grows_at_a_time(store: LabelStore) -> None:
    store.add(minute(0), minute(5), "Build", at=NOON, is_growing=True)
    store.add(minute(10), minute(15), "Meet", at=NOON, is_growing=True)
    assert [span.is_growing for span in store.everything()] == [False, True]
    store.undo(at=NOON)
    assert [span.is_growing for span in store.everything()] == [True]
    store.stop_growing()
    store.grow(minute(30))
    assert seen(store) == [(0, 5, "Build")]


def test_a_growing_label_answers_the_question_it_grows_over(database: Database, store: LabelStore) -> None:
    store.add(minute(0), minute(5), "Build", at=minute(5), is_growing=True)
    ask(database, "r", 3, 10)
    store.grow(minute(9))
    assert status(database, "r") == "pending"
    store.grow(minute(10))
    assert status(database, "r") == "labeled"
    store.undo(at=minute(10))
    assert status(database, "r") == "pending"


def test_what_is_left_of_a_labelled_block_asks_nothing(database: Database, store: LabelStore) -> None:
    """Blocks are minutes, labels begin where the work began; undone, the label leaves the whole block to ask about."""
    ask(database, "a", 0, 5)
    ask(database, "b", 10, 30)
    ask(database, "c", 40, 45)
    store.add(minute(0.7), minute(5), "Build", at=NOON)
    store.add(minute(10), minute(24.9), "Build", at=NOON)
    store.add(minute(40), minute(42), "Build", at=NOON)

    def waiting(now: datetime) -> list[str]:
        return [request.request_id for request in store.waiting(now)]

    assert waiting(NOON) == ["b", "c"]  # more than five minutes are left, or most of it
    store.add(minute(25), minute(26), "Build", at=NOON)
    assert waiting(NOON) == ["c"]
    assert [status(database, name) for name in "abc"] == ["pending"] * 3
    for _ in range(4):
        store.undo(at=NOON)
    assert waiting(NOON) == ["a", "b", "c"]


def test_where_the_block_ended_is_known_late(store: LabelStore) -> None:
    """Never before the person said so."""
    store.add(minute(0), minute(5), "Build", at=minute(5), is_growing=True)
    store.grow(minute(10))
    store.stop_growing(at=minute(7))
    assert seen(store) == [(0, 7, "Build")]
    store.add(minute(10), minute(15), "Meet", at=minute(15), is_growing=True)
    store.stop_growing(at=minute(12))
    assert seen(store) == [(0, 7, "Build"), (10, 15, "Meet")]


def test_a_label_that_goes_on_reaches_up_to_now_and_not_into_the_next(store: LabelStore) -> None:
    store.add(minute(0), minute(5), "Build", at=minute(5), is_growing=True)
    spans = list(store.everything())
    assert [span.end_us for span in extend_growing(spans, minute(7))] == [to_us(minute(7))]
    assert [span.end_us for span in extend_growing(spans, minute(4))] == [to_us(minute(5))]
    assert extend_growing(spans, minute(60)) == spans  # nothing was there to end it
    store.add(minute(6), minute(7), "Meet", at=minute(7))
    assert [span.end_us for span in extend_growing(list(store.everything()), minute(8))] == [
        to_us(minute(6)), to_us(minute(7)),
    ]  # fmt: skip


# -- answers ----------------------------------------------------------------------------------------------------


def test_an_answer_fills_its_block_around_what_was_said_before(database: Database, store: LabelStore) -> None:
    store.add(minute(5), minute(10), "Meet", at=NOON)
    store.add(minute(0), minute(5), "BreakIdle", at=NOON, provenance="auto")
    ask(database, "r", 0, 20)
    change = store.answer("r", "build", at=NOON)
    assert change is not None
    assert (change.kind, change.label, change.start_us) == ("answer", "Build", to_us(minute(0)))
    assert seen(store) == [(0, 5, "Build"), (5, 10, "Meet"), (10, 20, "Build")]
    assert [span.provenance for span in store.everything()] == ["answer", "manual", "answer"]
    assert store.answer("r", "Write", at=NOON) is None
    assert store.undoable(NOON) == change
    store.undo(at=NOON)
    assert seen(store) == [(0, 5, "BreakIdle"), (5, 10, "Meet")]
    assert status(database, "r") == "pending"


def test_a_block_that_was_labelled_already_counts_as_labelled(database: Database, store: LabelStore) -> None:
    store.add(minute(0), minute(20), "Meet", at=NOON)
    ask(database, "r", 5, 10)  # queued late
    change = store.answer("r", "Build", at=NOON)
    assert change is not None
    assert change.label is None
    assert seen(store) == [(0, 20, "Meet")]
    assert status(database, "r") == "labeled"


def test_a_label_answers_the_questions_it_covers(database: Database, store: LabelStore) -> None:
    ask(database, "whole", 0, 10)
    ask(database, "part", 10, 20)
    ask(database, "of another", 0, 10, user="other")
    store.add(minute(0), minute(12), "BreakIdle", at=NOON, provenance="auto")
    assert status(database, "whole") == "pending"
    store.add(minute(0), minute(5), "Build", at=NOON)
    store.add(minute(5), minute(12), "Meet", at=NOON)
    assert [status(database, name) for name in ("whole", "part", "of another")] == ["labeled", "pending", "pending"]
    store.undo(at=NOON)
    assert status(database, "whole") == "pending"


def test_a_question_waits_again_when_the_newest_label_of_its_block_is_undone(
    database: Database, store: LabelStore
) -> None:
    store.add(minute(0), minute(5), "Build", at=NOON, is_growing=True)
    store.add(minute(8), minute(10), "Build", at=NOON)
    ask(database, "r", 0, 10)
    store.skip("unknown", at=NOON)
    store.grow(minute(8))
    assert status(database, "r") == "labeled"
    store.undo(at=NOON)
    assert status(database, "r") == "pending"
    assert seen(store) == [(0, 8, "Build")]


def test_a_skip_is_a_step_of_its_own(database: Database, store: LabelStore) -> None:
    store.add(minute(0), minute(5), "Build", at=NOON)
    ask(database, "r", 5, 15)
    assert store.skip("r", at=NOON)
    assert not store.skip("r", at=NOON)
    assert store.answer("r", "Build", at=NOON) is None
    undone = store.undo(at=NOON)
    assert undone is not None
    assert undone.kind == "skip"
    assert status(database, "r") == "pending"
    assert seen(store) == [(0, 5, "Build")]


def test_requests_nobody_knows_or_somebody_else_has_are_left_alone(database: Database, store: LabelStore) -> None:
    ask(database, "r", 0, 10, user="other")
    for name in ("r", "unknown", ""):
        assert store.answer(name, "Build", at=NOON) is None
        assert not store.skip(name, at=NOON)
    assert seen(store) == []
    assert store.undoable(NOON) is None
    assert status(database, "r") == "pending"


# -- files ------------------------------------------------------------------------------------------------------


def test_an_import_is_one_step_and_the_same_again_is_none(store: LabelStore) -> None:
    store.add(minute(0), minute(30), "Build", at=NOON)
    spans = [
        LabelSpan(minute(0), minute(10), "Meet", "import"),
        LabelSpan(minute(5), minute(20), "write", "answer"),
        LabelSpan(minute(0), minute(40), "BreakIdle", "auto"),
    ]
    assert store.import_spans(spans, at=NOON) == 3
    assert seen(store) == [(0, 5, "Meet"), (5, 20, "Write"), (20, 30, "Build"), (30, 40, "BreakIdle")]
    change = store.undoable(NOON)
    assert store.import_spans([label_span(span) for span in store.everything()], at=NOON + timedelta(minutes=1)) == 4
    assert store.undoable(NOON) == change
    store.undo(at=NOON)
    assert seen(store) == [(0, 30, "Build")]


def test_one_bad_span_and_nothing_is_imported(store: LabelStore) -> None:
    good = LabelSpan(minute(0), minute(10), "Meet")
    for bad in (LabelSpan(minute(1), minute(2), "Sleep"), LabelSpan(minute(1), minute(2), "Meet", user_id="other")):
        with pytest.raises(LabelError):
            store.import_spans([good, bad], at=NOON)
    assert store.import_spans([], at=NOON) == 0
    assert seen(store) == []


# -- what cannot be ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "label", "confidence", "said"),
    [
        (0, 10, "Sleep", None, "“Sleep” is not one of the eight labels. They are BreakIdle, Build"),
        (0, 10, "Mixed/Unknown", None, "not one of the eight"),
        (0, 10, "a\x1b[31m\u202e" + "x" * 99, None, "“a�[31m�xxx"),
        (10, 10, "Build", None, "not after its start at 2026-03-02 09:10 UTC"),
        (10, 9, "Build", None, "not after its start"),
        (0, 186, "Build", None, "in the future, at 2026-03-02 12:06 UTC. Is its time zone right?"),
        (0, 10, "Build", 1.5, "not between 0 and 1"),
        (0, 10, "Build", float("nan"), "not between 0 and 1"),
    ],
)
def test_impossible_labels_are_refused_in_words(
    store: LabelStore, start: float, end: float, label: str, confidence: float | None, said: str
) -> None:
    with pytest.raises(LabelError) as caught:
        store.add(minute(start), minute(end), label, at=NOON, confidence=confidence)
    assert said in str(caught.value)
    assert seen(store) == []
    assert store.undoable(NOON) is None


def test_labels_are_known_in_any_case(store: LabelStore) -> None:
    assert [core_label(f" {label.upper()} ") for label in LABEL_SET_V1] == list(LABEL_SET_V1)
    store.add(minute(0), minute(1), "readresearch", at=NOON)
    assert seen(store) == [(0, 1, "ReadResearch")]


# -- a day, and a wrong clock -----------------------------------------------------------------------------------


def test_undo_goes_back_step_by_step_for_a_day(store: LabelStore) -> None:
    store.add(minute(0), minute(10), "Build", at=NOON)
    store.add(minute(0), minute(10), "Meet", at=NOON + timedelta(hours=1))
    assert store.undoable(NOON + timedelta(hours=25)) is not None
    assert store.undoable(NOON + timedelta(hours=25, seconds=1)) is None
    late = NOON + timedelta(hours=24, minutes=30)
    assert store.undo(at=late) is not None
    assert store.undo(at=late) is None
    assert seen(store) == [(0, 10, "Build")]


def test_what_cannot_come_back_is_gone_from_the_tables(database: Database, store: LabelStore) -> None:
    ask(database, "r", 0, 10)
    store.answer("r", "Debug", at=NOON)
    store.erase(minute(0), minute(10), at=NOON)
    store.add(minute(0), minute(10), "Review", at=NOON)
    store.undo(at=NOON)
    store.add(minute(20), minute(21), "Build", at=NOON + timedelta(hours=25))
    rows = sqlite3.connect(database.path)
    assert rows.execute("SELECT label FROM label_spans").fetchall() == [("Build",)]
    assert rows.execute("SELECT label FROM label_changes").fetchall() == [("Build",)]
    rows.close()
    assert status(database, "r") == "labeled"
    assert store.undo(at=NOON + timedelta(hours=25)) is not None
    assert store.undo(at=NOON + timedelta(hours=25)) is None


@pytest.mark.parametrize("years", [-20, -0.1, 0.1, 5])
def test_a_clock_that_was_wrong_for_a_while_takes_no_undo_away(store: LabelStore, years: float) -> None:
    wrong = NOON + timedelta(days=365 * years)
    store.add(minute(0), minute(10), "Build", at=NOON)
    store.add(minute(0) + (wrong - NOON), minute(10) + (wrong - NOON), "Meet", at=wrong)
    store.add(minute(20), minute(30), "Write", at=NOON + timedelta(minutes=1))
    right = NOON + timedelta(minutes=2)
    undone = [store.undo(at=right) for _ in range(3 if years < 0 else 2)]
    assert [change and change.label for change in undone] == ["Write", "Meet", "Build"][: len(undone)]


def test_a_clock_set_back_does_not_stop_an_answer(database: Database, store: LabelStore) -> None:
    ask(database, "r", 0, 20)
    early = NINE - timedelta(days=400)
    assert store.answer("r", "Build", at=early) is not None
    assert seen(store) == [(0, 20, "Build")]
    assert store.undo(at=early) is not None
    assert status(database, "r") == "pending"


# -- the file ---------------------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_and_says_so(database: Database, store: LabelStore) -> None:
    store.add(minute(0), minute(10), "Build", at=NOON)
    before = list(store.everything())
    size = database.path.with_name(database.path.name + "-wal").stat().st_size
    with full_disk(size), pytest.raises(StoreError, match="is full"):
        store.add(minute(5), minute(15), "Meet", at=NOON)
    assert list(store.everything()) == before
    assert store.add(minute(0), minute(5), "Meet", at=NOON) > 0


WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
database = Database(Path(sys.argv[1]))
store = LabelStore(database, "u")
first = datetime(2026, 3, 2, tzinfo=UTC)
for number in range(int(sys.argv[2]), 2 * int(sys.argv[3]), 2):
    start = first + timedelta(minutes=number)
    store.add(start, start + timedelta(minutes=1), "Build", at=start + timedelta(days=30))
database.close()
"""


def test_two_processes_keep_every_label_of_each_other(tmp_path: Path) -> None:
    """Neighbouring minutes in turns, so that each write reads what the other has just written."""
    path, count = tmp_path / "tray.db", 1000
    commands = [[sys.executable, "-c", WRITER, str(path), str(offset), str(count)] for offset in (0, 1)]
    children = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [child.wait(timeout=250) for child in children] == [0, 0]
    database = Database(path)
    starts = [span.start_us for span in LabelStore(database, "u").everything()]
    first = to_us(datetime(2026, 3, 2, tzinfo=UTC))
    assert starts == [first + number * 60_000_000 for number in range(2 * count)]
    assert database._connection.execute("SELECT count(*) FROM label_changes").fetchone() == (2 * count,)
    database.close()


def test_no_write_reads_the_whole_table(database: Database, store: LabelStore) -> None:
    """Every statement of every kind of write finds its rows by an index, however many labels there are."""
    statements: list[str] = []
    database._connection.set_trace_callback(statements.append)
    store.add(minute(0), minute(10), "Build", at=NOON, is_growing=True)
    store.add(minute(5), minute(6), "Meet", at=NOON)
    store.grow(minute(11))
    store.merge(minute(0), minute(10), at=NOON)
    store.erase(minute(0), minute(3), at=NOON)
    store.label_at(minute(4))
    store.undo(at=NOON)
    store.stop_growing()
    database._connection.set_trace_callback(None)
    plans = {
        (statement, str(row[3]))
        for statement in statements
        if statement.startswith(("SELECT", "UPDATE", "DELETE")) and "label_requests" not in statement
        for row in database._connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    }
    assert len(plans) > 10
    assert [plan for plan in plans if plan[1].startswith("SCAN label")] == []
