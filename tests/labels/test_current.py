"""The current block, as a command without a tray finds it in the record."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.time import to_us
from taskclf_tray.labels.current import current_block
from taskclf_tray.store.database import Database
from tests.support.report_records import MINUTE, bucket

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "tray.db")
    yield database
    database.close()


def record(database: Database, letters: str, start: datetime = START, **more: Any) -> datetime:
    """A minute for each letter, none for a dot; returns the end of the last."""
    names = {"B": "Build", "W": "Write", "M": "Meet"}
    buckets = [bucket(start + n * MINUTE, names[c], **more) for n, c in enumerate(letters) if c != "."]
    with database.transaction():
        database.buckets.put(buckets)
    return start + len(letters) * MINUTE


def begins(database: Database, now: datetime) -> float | None:
    """Minutes from START to where the block begins; its end is now."""
    block = current_block(database, "u", now)
    if block is None:
        return None
    assert block[1] == now
    return (block[0] - START) / MINUTE


@pytest.mark.parametrize(
    ("letters", "minute"),
    [
        ("B", 0),
        ("WWWBBB", 3),
        ("BBB.BB", 4),
        ("BWBWB", 4),
        ("B" * 29, 0),
        ("B" * 30, 30),
        ("B" * 59, 30),
        ("W" * 7 + "B" * 45, 37),
        ("B" * 200, 180),
        ("W" + "B" * 200, 181),
    ],
)
def test_the_run_of_the_last_label_cut_every_half_hour(database: Database, letters: str, minute: int) -> None:
    end = record(database, letters)
    assert begins(database, end + MINUTE) == minute
    assert current_block(database, "somebody else", end) is None


def test_a_block_that_is_just_full_has_not_begun_anew(database: Database) -> None:
    end = record(database, "B" * 30)
    assert begins(database, end) == 0
    assert begins(database, end + timedelta(microseconds=1)) == 30


@pytest.mark.parametrize("late", [0, 1, 10])
def test_the_record_may_be_ten_minutes_old(database: Database, late: int) -> None:
    end = record(database, "BBB")
    assert begins(database, end + late * MINUTE) == 0


def test_an_older_record_or_one_from_the_future_says_nothing(database: Database) -> None:
    assert current_block(database, "u", START) is None
    end = record(database, "B" * 30)
    assert current_block(database, "u", end + 10 * MINUTE + timedelta(microseconds=1)) is None
    assert current_block(database, "u", end - 11 * MINUTE) is None
    assert current_block(database, "u", START) is None
    assert begins(database, end - 2 * MINUTE) == 0


def test_who_is_away_has_no_block(database: Database) -> None:
    record(database, "BBB")
    end = record(database, "BB", START + 3 * MINUTE, decided_by="idle_rule", ui="BreakIdle")
    assert current_block(database, "u", end) is None
    assert begins(database, record(database, "B", end)) == 5


def test_the_label_that_is_shown_counts(database: Database) -> None:
    record(database, "BB", ui="Deep Work")
    end = record(database, "WW", START + 2 * MINUTE, ui="Deep Work")
    assert begins(database, end) == 0


def test_no_block_reaches_into_the_dark(database: Database) -> None:
    end = record(database, "B" * 20)
    dark(database, 4, 9.5)
    assert begins(database, end) == 9.5
    dark(database, 12, None, resume=14)
    assert begins(database, end) == 14
    dark(database, 15, None)
    assert current_block(database, "u", end) is None


def test_in_the_dark_and_right_after_it_there_is_none(database: Database) -> None:
    end = record(database, "B" * 20)
    dark(database, 20, 22)
    assert current_block(database, "u", end + 3 * MINUTE) is None
    assert begins(database, record(database, "B", end + 2 * MINUTE)) == 22


def dark(database: Database, start: float, end: float | None, *, resume: float | None = None) -> None:
    """A pause (with `resume`) or private mode, in minutes from START."""
    reason = "private" if resume is None else "pause"
    with database.transaction():
        database.blackouts.open(
            reason, to_us(START + start * MINUTE), None if resume is None else to_us(START + resume * MINUTE)
        )
        if end is not None:
            database.blackouts.close(reason, to_us(START + end * MINUTE))


@pytest.mark.parametrize("seed", range(20))
def test_any_record_gives_a_stretch_of_one_label_without_gaps(database: Database, seed: int) -> None:
    rng = random.Random(seed)
    letters = "".join(c * rng.randint(1, 40) for c in rng.choices("BWM.", k=8)) + rng.choice("BWM")
    now = record(database, letters) + timedelta(seconds=rng.randint(0, 600))
    minute = begins(database, now)
    assert minute is not None
    first = int(minute)
    assert set(letters[first:]) <= {letters[-1]}
    assert timedelta(0) < now - (START + first * MINUTE) <= 30 * MINUTE
    run = len(letters.rstrip(letters[-1]))
    assert (first - run) % 30 == 0
