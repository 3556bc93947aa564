"""Closed blocks: whatever the polls, restarts and late revisions, the same final blocks, each once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.defaults import DEFAULT_GRACE_SECONDS, MIXED_UNKNOWN
from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import DecidedBy
from taskclf_tray.infer.smooth import rolling_majority
from taskclf_tray.labels.blocks import Block
from taskclf_tray.labels.budget import LATEST_QUEUED
from taskclf_tray.labels.finalised_blocks import ClosedBlocks, close_blocks
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from tests.support.parity_settings import HEADS
from tests.support.report_records import MINUTE, bucket
from tests.support.worker_home import pipeline_config

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
START_US, MINUTE_US = to_us(START), 60_000_000
SETTLED_AFTER = 6
NAMES = {"B": "Build", "W": "Write", "M": MIXED_UNKNOWN}


@dataclass
class Day:
    """A stretch of minutes as a recorder writes it down: smoothed, provisional, revised for a while, then settled.

    `letters`: one a minute; a dot is no bucket, `n` no window. `idle_at`: the minutes that turn into BreakIdle, and
    the high-water mark at which the away watcher says so.
    """

    letters: str
    window: int = 3
    idle_at: dict[int, int] = field(default_factory=dict)
    confidence: float = 0.9
    _settled: set[int] = field(default_factory=set)

    def record_until(self, database: Database, high_water: int) -> ClosedBlocks:
        """Write what is known at this high-water mark, then close."""
        known = [n for n in range(min(high_water, len(self.letters))) if self.letters[n] != "."]
        labels = self._smoothed(known, high_water)
        fresh: list[BucketRecord] = []
        for n, label in zip(known, labels, strict=True):
            if n not in self._settled:
                is_settled = high_water >= self._settles_at(n)
                fresh.append(self._bucket(n, label, high_water, is_settled))
                self._settled |= {n} if is_settled else set()
        with database.transaction():
            database.buckets.put(fresh)
            return self.close(database, high_water)

    def _settles_at(self, n: int) -> int:
        """Without smoothing as soon as the away watcher has told of it and of all before; else neighbours matter."""
        if self.window > 1:
            return n + 1 + SETTLED_AFTER
        return max(max(m + 1, self.idle_at.get(m, 0)) for m in range(max(0, n - SETTLED_AFTER), n + 1))

    def close(self, database: Database, high_water: int) -> ClosedBlocks:
        with database.transaction():
            until_us = START_US + high_water * MINUTE_US
            return close_blocks(database, "u", until_us=until_us, ahead_buckets=self.window // 2)

    def _smoothed(self, known: Sequence[int], high_water: int) -> list[str]:
        labels: list[str] = []
        run: list[str] = []
        for i, n in enumerate(known):
            run.append(self._raw(n, high_water))
            if i + 1 == len(known) or known[i + 1] != n + 1:
                labels += rolling_majority(run, self.window)
                run = []
        return labels

    def _decided_by(self, n: int, high_water: int) -> DecidedBy:
        if n in self.idle_at and high_water >= self.idle_at[n]:
            return "idle_rule"
        return "no_window" if self.letters[n] == "n" else "model"

    def _raw(self, n: int, high_water: int) -> str:
        decided_by = self._decided_by(n, high_water)
        if decided_by == "model":
            return NAMES[self.letters[n]]
        return "BreakIdle" if decided_by == "idle_rule" else MIXED_UNKNOWN

    def _bucket(self, n: int, label: str, high_water: int, is_settled: bool) -> BucketRecord:
        return bucket(
            START + n * MINUTE,
            label,
            raw=self._raw(n, high_water),
            decided_by=self._decided_by(n, high_water),
            confidence=self.confidence,
            is_settled=is_settled,
        )


@pytest.fixture
def database(tmp_path: Path) -> object:
    opened = Database(tmp_path / "tray.db")
    yield opened
    opened.close()


def shown(closed: ClosedBlocks) -> list[tuple[int, int, str, bool]]:
    return [((c.block.start_us - START_US) // MINUTE_US, c.block.minutes, c.block.label, c.is_final) for c in closed]


def test_a_block_is_closed_by_what_is_known_to_follow(database: Database) -> None:
    day = Day("BBBBBBWWWW")
    assert shown(day.record_until(database, 6)) == []
    assert shown(day.record_until(database, 7)) == []  # the Write may still be smoothed away
    assert shown(day.record_until(database, 8)) == [(0, 6, "Build", False)]
    assert day.close(database, 8).open_us == START_US + 6 * MINUTE_US


def test_a_gap_closes_and_the_newest_minute_waits_for_its_neighbour(database: Database) -> None:
    day = Day("BBBBBB.")
    assert shown(day.record_until(database, 6)) == []
    assert shown(day.record_until(database, 7)) == [(0, 6, "Build", False)]
    assert shown(day.record_until(database, 12)) == [(0, 6, "Build", True)]
    assert shown(day.record_until(database, 30)) == []


def test_thirty_minutes_close_a_block_at_once(database: Database) -> None:
    day = Day("B" * 40)
    assert shown(day.record_until(database, 30)) == []
    assert shown(day.record_until(database, 31)) == [(0, 30, "Build", False)]
    assert shown(day.record_until(database, 36)) == [(0, 30, "Build", True)]
    assert shown(day.record_until(database, 40)) == []


def test_a_minute_without_a_window_ends_a_block_and_is_in_none(database: Database) -> None:
    closed = Day("BBBBBnBBBBBB.").record_until(database, 60)
    assert shown(closed) == [(0, 5, "Build", True), (6, 6, "Build", True)]


def test_a_revision_gives_the_block_again(database: Database) -> None:
    day = Day("BBBBBBBBBBWWWWWW", idle_at=dict.fromkeys(range(8, 16), 14))
    assert shown(day.record_until(database, 12)) == [(0, 10, "Build", False)]
    assert shown(day.record_until(database, 14)) == [(0, 8, "Build", False)]
    assert shown(day.record_until(database, 15)) == [(0, 8, "Build", True)]


def test_without_a_cursor_what_is_older_than_a_day_is_left_alone(database: Database) -> None:
    day = Day("BBBBBB." + "." * 2000 + "WWWWWW.")
    assert shown(day.record_until(database, 2030)) == [(2007, 6, "Write", True)]


def test_one_call_reads_the_open_block_and_the_unsettled_minutes_only(database: Database) -> None:
    day = Day("B" * 130 + "W" * 70)
    for high_water in range(1, 200):
        closed = day.record_until(database, high_water)
        assert closed.end_us - closed.start_us <= (30 + SETTLED_AFTER + 1) * MINUTE_US or high_water == 1


def _random_day(rng: random.Random) -> Day:
    letters = ""
    while len(letters) < 90:
        letters += rng.choice("BBBWWM.nn") * rng.choice([1, 1, 2, 3, 7, 35])
    idle_at: dict[int, int] = {}
    for _ in range(rng.randint(0, 8)):
        first = rng.randrange(len(letters))
        told = first + rng.randint(1, 6)
        for n in range(first, min(len(letters), first + rng.choice([1, 3, 5, 40]))):
            idle_at[n] = max(told, n + 1) if rng.random() < 0.8 else n + rng.randint(1, 6)
    return Day(letters, rng.choice([1, 1, 3, 3, 5]), idle_at)


def _finals(day: Day, marks: Sequence[int], path: Path, rng: random.Random) -> list[Block]:
    """Final blocks in the order in which they came; the database is opened anew now and then."""
    database = Database(path)
    found: list[Block] = []
    for mark in marks:
        closed = day.record_until(database, mark)
        found += [item.block for item in closed if item.is_final]
        if rng.random() < 0.1:
            database.close()
            database = Database(path)
    database.close()
    return found


@pytest.mark.parametrize("seed", range(15))
def test_any_cut_of_time_into_calls_gives_the_blocks_of_the_whole_record_each_once(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    day = _random_day(rng)
    end = len(day.letters) + 20
    first = day.record_until(whole := Database(tmp_path / "whole.db"), 0)
    assert not len(first)
    expected = [item.block for item in day.record_until(whole, end)]
    whole.close()
    minutes = sum(block.minutes for block in expected)
    assert minutes > 0
    for name, share in (("each", 1.0), ("some", 0.3), ("few", 0.05)):
        marks = [mark for mark in range(1, end) if rng.random() < share]
        again = Day(day.letters, day.window, day.idle_at)
        assert _finals(again, [0, *marks, end], tmp_path / f"{name}.db", rng) == expected


def test_rejected_minutes_of_two_kinds_are_two_blocks(database: Database) -> None:
    """While no label is sure enough to be shown, what the person is asked about is still one kind of work."""
    kinds = ["Build"] * 12 + ["Write"] * 14 + ["Build"] * 1 + ["Write"] * 5
    with database.transaction():
        database.buckets.put(
            bucket(START + n * MINUTE, MIXED_UNKNOWN, raw=MIXED_UNKNOWN, guess=kind, confidence=0.4)
            for n, kind in enumerate(kinds)
        )
        closed = close_blocks(database, "u", until_us=START_US + 33 * MINUTE_US, ahead_buckets=0)
    assert [(c.block.minutes, c.block.label, c.block.predicted_label) for c in closed] == [
        (12, MIXED_UNKNOWN, "Build"),
        (20, MIXED_UNKNOWN, "Write"),
    ]


def test_a_question_comes_soon_enough_with_every_smoother_and_with_a_head() -> None:
    """Blocks that close later than this after their end count as back-filled, and nobody is asked about them."""
    for transitions in (None, BUILT_IN_TRANSITIONS):
        config = pipeline_config(transitions=transitions, head=HEADS[0])
        assert config.smoothing_buckets < config.ahead_buckets
        waits = (config.smoothing_buckets + 1) * MINUTE + timedelta(seconds=DEFAULT_GRACE_SECONDS)
        assert waits < LATEST_QUEUED
