"""The label store against a model that knows a label for every second, on a real database file."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

USER = "u"
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECONDS = 20
DUMP = "SELECT * FROM label_spans WHERE taken_by IS NULL AND undone_us IS NULL ORDER BY id"
LONG = os.environ.get("TASKCLF_FAULTS") == "long"


def moment(second: int) -> datetime:
    return START + timedelta(seconds=second)


@dataclass(frozen=True)
class Cell:
    """What is known of one second; `piece` tells one stored span from another."""

    piece: int
    label: str
    provenance: str
    created: datetime
    confidence: float | None = None

    @property
    def is_person(self) -> bool:
        return self.provenance != "auto"


Run = tuple[int, int, Cell]


def runs(cells: dict[int, Cell]) -> list[Run]:
    found: list[Run] = []
    for second in sorted(cells):
        if found and found[-1][1] == second and found[-1][2] == cells[second]:
            found[-1] = (found[-1][0], second + 1, cells[second])
        else:
            found.append((second, second + 1, cells[second]))
    return found


@dataclass
class World:
    """Everything undo brings back."""

    cells: dict[int, Cell] = field(default_factory=dict)
    growing: int | None = None
    """The piece that grows."""
    statuses: dict[str, str] = field(default_factory=dict)
    dump: list[tuple[Any, ...]] = field(default_factory=list)

    def copy(self) -> World:
        return World(dict(self.cells), self.growing, dict(self.statuses), list(self.dump))

    def end_of(self, piece: int) -> int:
        return max(second for second, cell in self.cells.items() if cell.piece == piece) + 1

    def holds(self, piece: int) -> bool:
        return any(cell.piece == piece for cell in self.cells.values())


periods = st.tuples(st.integers(0, SECONDS - 1), st.integers(1, 10)).map(lambda p: (p[0], min(SECONDS, p[0] + p[1])))
labels = st.sampled_from(LABEL_SET_V1[:3])
rows = st.lists(st.tuples(periods, labels, st.sampled_from(["manual", "answer", "import", "auto"])), max_size=6)
numbers = st.integers(0, 1 << 16)


class LabelMachine(RuleBasedStateMachine):
    """Each rule does one thing to the store and the same to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "tray.db"
        self.database = Database(path)
        self.reader = sqlite3.connect(path)
        self.store = LabelStore(self.database, USER)
        self.pieces = itertools.count(1)
        self.now = moment(SECONDS)
        self.world = World()
        self.before: list[World] = []
        self.blocks: dict[str, tuple[int, int]] = {}

    def teardown(self) -> None:
        self.reader.close()
        self.database.close()
        self.folder.cleanup()

    # -- the model --------------------------------------------------------------------------------------------

    def dump(self) -> list[tuple[Any, ...]]:
        return self.reader.execute(DUMP).fetchall()

    def cell(self, label: str, provenance: str, confidence: float | None = None) -> Cell:
        return Cell(next(self.pieces), label, provenance, self.now, confidence)

    def lay(self, cells: dict[int, Cell], period: tuple[int, int], cell: Cell, *, gives_way: bool = False) -> None:
        for second in range(*period):
            there = cells.get(second)
            if there is None or not there.is_person or (cell.is_person and not gives_way):
                cells[second] = cell

    def changed(self, cells: dict[int, Cell], statuses: dict[str, str] | None = None) -> None:
        """A change was made: the world before it is kept, cut pieces are new ones, labelled blocks are closed."""
        world = self.world
        self.before.append(world.copy())
        old_end = None if world.growing is None else world.end_of(world.growing)
        still = old_end is not None and (last := cells.get(old_end - 1)) is not None and last.piece == world.growing
        known = set(runs(world.cells))
        world.cells = {}
        for start, end, cell in runs(cells):
            new = cell if (start, end, cell) in known else dataclasses.replace(cell, piece=next(self.pieces))
            world.cells.update(dict.fromkeys(range(start, end), new))
        world.growing = world.cells[old_end - 1].piece if still and old_end is not None else None
        world.statuses.update(statuses or {})
        self.close_labelled(world)

    def close_labelled(self, world: World) -> None:
        for name, block in self.blocks.items():
            covered = all((cell := world.cells.get(s)) is not None and cell.is_person for s in range(*block))
            if world.statuses[name] == "pending" and covered:
                world.statuses[name] = "labeled"

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    # -- labels -----------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.world.dump = self.dump()

    @rule(period=periods, label=labels, is_growing=st.booleans())
    def label(self, period: tuple[int, int], label: str, is_growing: bool) -> None:
        at = self.tick()
        assert self.store.add(moment(period[0]), moment(period[1]), label, at=at, is_growing=is_growing) > 0
        cells = dict(self.world.cells)
        older = self.world.growing
        self.lay(cells, period, self.cell(label, "manual"))
        if is_growing and older is not None:  # it is stored anew, as one that does not grow
            anew = next(self.pieces)
            cells = {s: dataclasses.replace(c, piece=anew) if c.piece == older else c for s, c in cells.items()}
        self.changed(cells)
        if is_growing:
            self.world.growing = self.world.cells[period[0]].piece

    @rule(period=periods)
    def label_by_machine(self, period: tuple[int, int]) -> None:
        cells = dict(self.world.cells)
        change = self.store.add(*map(moment, period), "BreakIdle", at=self.tick(), provenance="auto", confidence=0.5)
        self.lay(cells, period, self.cell("BreakIdle", "auto", 0.5))
        assert (change > 0) == (cells != self.world.cells)
        if change:
            self.changed(cells)

    @precondition(lambda self: self.world.cells)
    @rule(number=numbers, label=labels)
    def correct(self, number: int, label: str) -> None:
        spans = runs(self.world.cells)
        start, end, _ = spans[number % len(spans)]
        self.label((start, end), label, False)

    @precondition(lambda self: self.world.cells)
    @rule(number=numbers)
    def delete(self, number: int) -> None:
        spans = runs(self.world.cells)
        start, end, _ = spans[number % len(spans)]
        self.erase((start, end))

    @rule(period=periods)
    def erase(self, period: tuple[int, int]) -> None:
        cells = {s: cell for s, cell in self.world.cells.items() if not period[0] <= s < period[1]}
        assert self.store.erase(*map(moment, period), at=self.tick()) == (cells != self.world.cells)
        if cells != self.world.cells:
            self.changed(cells)

    @rule(period=periods)
    def merge(self, period: tuple[int, int]) -> None:
        cells, grows_on = dict(self.world.cells), False
        for (start, end, left), (begin, until, right) in itertools.pairwise(runs(self.world.cells)):
            inside = period[0] <= start and until <= period[1]
            if inside and end == begin and left.label == right.label and left.is_person == right.is_person:
                left = cells[start]
                provenance = left.provenance if left.provenance == right.provenance else "manual"
                created = min(left.created, right.created)
                confidence = left.confidence if left.confidence == right.confidence else None
                both = Cell(next(self.pieces), left.label, provenance, created, confidence)
                first = next(s for s, e, c in runs(cells) if s <= start < e)
                cells.update(dict.fromkeys(range(first, until), both))
                grows_on = right.piece == self.world.growing
        assert self.store.merge(*map(moment, period), at=self.tick()) == (cells != self.world.cells)
        if cells != self.world.cells:
            end_of_growing = None if self.world.growing is None else self.world.end_of(self.world.growing)
            self.changed(cells)
            if grows_on and end_of_growing is not None:
                self.world.growing = self.world.cells[end_of_growing - 1].piece

    @rule(lines=rows)
    def import_(self, lines: list[tuple[tuple[int, int], str, str]]) -> None:
        at = self.tick()
        spans = [LabelSpan(moment(p[0]), moment(p[1]), label, provenance) for p, label, provenance in lines]
        assert self.store.import_spans(spans, at=at) == len(lines)
        cells = dict(self.world.cells)
        for period, label, provenance in lines:
            self.lay(cells, period, self.cell(label, provenance))
        there = {(start, end, c.label, c.provenance, c.confidence): c for start, end, c in runs(self.world.cells)}
        for start, end, cell in runs(cells):  # what is there already stays as it is
            same = there.get((start, end, cell.label, cell.provenance, cell.confidence))
            cells.update(dict.fromkeys(range(start, end), same or cell))
        if cells != self.world.cells:
            self.changed(cells)

    @precondition(lambda self: self.world.cells)
    @rule(others=rows)
    def import_again(self, others: list[tuple[tuple[int, int], str, str]]) -> None:
        """What was exported lies over strange rows of the same file."""
        same = [(r[:2], r[2].label, r[2].provenance) for r in runs(self.world.cells) if r[2].confidence is None]
        self.import_(others[:2] + same)

    # -- growing ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.growing is not None)
    @rule(second=st.integers(0, SECONDS + 5))
    def grow(self, second: int) -> None:
        self.store.grow(moment(second))
        piece = self.world.growing
        if piece is None or second <= (end := self.world.end_of(piece)):
            return
        worlds = [world for world in [self.world, *self.before] if world.holds(piece)]
        barrier = min((s for world in worlds for s in world.cells if s >= end), default=1 << 30)
        row_of = {row[0]: row for row in self.dump()}
        for world in worlds:
            world.cells.update(dict.fromkeys(range(end, min(second, barrier)), world.cells[end - 1]))
            world.growing = piece if second < barrier else None
            world.dump = [
                row_of[row[0]] if row[3] == to_us(moment(end)) and row[0] in row_of else row for row in world.dump
            ]
            self.close_labelled(world)

    @precondition(lambda self: self.world.growing is not None)
    @rule()
    def stop_growing(self) -> None:
        self.store.stop_growing()
        piece = self.world.growing
        row_of = {row[0]: row for row in self.dump()}
        for world in [self.world, *self.before]:
            if world.growing == piece and piece is not None:
                world.growing = None
                world.dump = [row_of.get(row[0], row) for row in world.dump]

    # -- questions --------------------------------------------------------------------------------------------

    @rule(period=periods)
    def queue(self, period: tuple[int, int]) -> None:
        covered = all((cell := self.world.cells.get(s)) is not None and cell.is_person for s in range(*period))
        if covered or any(period[0] < end and start < period[1] for start, end in self.blocks.values()):
            return
        name = f"r{period[0]}"
        start, end = moment(period[0]), moment(period[1])
        with self.database.transaction():
            self.database.requests.put(
                LabelRequest(name, USER, start, end, "audit", 0.5, "Build", self.now, local_day="2026-03-02")
            )
        self.blocks[name] = period
        for world in [self.world, *self.before]:
            world.statuses[name] = "pending"
            self.close_labelled(world)

    def request(self, number: int) -> tuple[str, bool]:
        name = list(self.blocks)[number % len(self.blocks)]
        return name, self.world.statuses[name] == "pending"

    @precondition(lambda self: self.blocks)
    @rule(number=numbers, label=labels)
    def answer(self, number: int, label: str) -> None:
        name, waits = self.request(number)
        change = self.store.answer(name, label, at=self.tick())
        assert (change is not None) == waits
        if change is not None:
            assert (change.kind, change.label, change.at_us) == ("answer", label, to_us(self.now))
            cells = dict(self.world.cells)
            self.lay(cells, self.blocks[name], self.cell(label, "answer"), gives_way=True)
            self.changed(cells, {name: "labeled"})

    @precondition(lambda self: self.blocks)
    @rule(number=numbers)
    def skip(self, number: int) -> None:
        name, waits = self.request(number)
        assert self.store.skip(name, at=self.tick()) == waits
        if waits:
            self.changed(self.world.cells, {name: "skipped"})

    # -- undo -------------------------------------------------------------------------------------------------

    @rule()
    def undo(self) -> None:
        expected = self.store.undoable(self.tick())
        assert (expected is not None) == bool(self.before)
        undone = self.store.undo(at=self.now)
        assert (undone and undone.id) == (expected and expected.id)
        if self.before:
            self.world = self.before.pop()
            assert self.dump() == self.world.dump

    @precondition(lambda self: len(self.before) > 5)
    @rule(period=periods, label=labels)
    def a_day_later(self, period: tuple[int, int], label: str) -> None:
        self.now += timedelta(hours=25)
        assert self.store.undo(at=self.now) is None
        self.before.clear()
        self.label(period, label, False)
        everything = self.reader.execute("SELECT count(*) FROM label_spans").fetchone()[0]
        last = self.reader.execute("SELECT max(id) FROM label_changes").fetchone()[0]
        taken = self.reader.execute("SELECT count(*) FROM label_spans WHERE taken_by = ?", (last,)).fetchone()[0]
        assert everything == len(runs(self.world.cells)) + taken, "something that cannot come back is still there"

    # -- what holds always ------------------------------------------------------------------------------------

    @invariant()
    def store_and_model_agree(self) -> None:
        spans = list(self.store.everything())
        assert [
            (s.start_us, s.end_us, s.label, s.provenance, s.confidence, s.created_us, s.is_growing) for s in spans
        ] == [
            (to_us(moment(start)), to_us(moment(end)), c.label, c.provenance, c.confidence, to_us(c.created),
             c.piece == self.world.growing)
            for start, end, c in runs(self.world.cells)
        ]  # fmt: skip
        assert {r.request_id: r.status for r in self.database.requests.all(USER)} == self.world.statuses
        self.world.dump = self.dump()

    @invariant()
    def no_second_is_lost_or_counted_twice(self) -> None:
        seconds: Counter[str] = Counter()
        for span in self.store.everything():
            seconds[span.label] += (span.end_us - span.start_us) // 1_000_000
        assert seconds == Counter(cell.label for cell in self.world.cells.values())


TestLabels = LabelMachine.TestCase
TestLabels.settings = settings(max_examples=2000 if LONG else 30, stateful_step_count=50)
