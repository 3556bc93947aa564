"""The copy of the labels beside the record: when it is written, that it comes back whole, and that it loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.labels.csv_files import read_label_csv
from taskclf_tray.labels.label_copy import LabelCopy, LabelsApart
from taskclf_tray.labels.spans import LabelStore, label_span
from taskclf_tray.store.database import Database
from tests.support.disks import read_only

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOON = NINE + timedelta(hours=3)


class Beside:
    """A record and its copy."""

    def __init__(self, folder: Path, name: str = "tray.db") -> None:
        self.path = folder / "labels.csv"
        self.database = Database(folder / name)
        self.store = LabelStore(self.database, "u")
        self.copy = LabelCopy(self.database, "u", self.path)

    def label(self, minute: int, label: str = "Build", **more: object) -> None:
        start = NINE + timedelta(minutes=minute)
        self.store.add(start, start + timedelta(minutes=1), label, at=NOON, **more)  # type: ignore[arg-type]

    def follow(self, at: datetime = NOON, *, is_last: bool = False) -> LabelsApart | None:
        return self.copy.follow(at, "UTC", is_last=is_last)

    def lines(self) -> int:
        return len(self.path.read_text().splitlines()) - 1


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    beside = Beside(tmp_path)
    yield beside
    beside.database.close()


def test_it_is_private_and_gives_the_same_labels_back(beside: Beside) -> None:
    beside.label(0, "Write", confidence=0.1 + 0.2)
    beside.label(1, "Debug", provenance="auto")
    beside.label(2, "Meet", provenance="answer")
    beside.label(3, "Build", provenance="import")
    assert beside.follow() is None
    assert beside.path.stat().st_mode & 0o777 == 0o600
    expected = [label_span(span) for span in beside.store.everything()]
    assert read_label_csv(beside.path, user_id="u", at=NOON) == expected


def test_it_is_written_when_labels_change_each_day_and_at_the_end(beside: Beside) -> None:
    beside.label(0)
    beside.follow()
    first = beside.path.stat()
    beside.follow(NOON + timedelta(minutes=1))
    assert beside.path.stat() == first
    beside.label(1)
    beside.follow(NOON + timedelta(minutes=2))
    assert beside.lines() == 2
    beside.store.undo(at=NOON + timedelta(minutes=3))
    beside.follow(NOON + timedelta(minutes=3))
    assert beside.lines() == 1
    beside.store.add(NOON - timedelta(minutes=5), NOON, "Meet", at=NOON, is_growing=True)
    beside.follow()
    growing = beside.database.labels.growing("u")
    assert growing is not None
    for at, is_last, end in ((NOON, False, "12:00"), (NOON, True, "12:03"), (NOON + timedelta(days=1), False, "12:04")):
        end_at = datetime.combine(NOON, datetime.strptime(end, "%H:%M").time(), UTC)
        with beside.database.transaction():
            beside.database.labels.grow(growing.id, int(end_at.timestamp() * 1e6), is_growing=True)
        beside.follow(at, is_last=is_last)
        assert f"T{end}:00+00:00,Meet" in beside.path.read_text()


def test_one_that_was_removed_is_written_again(beside: Beside) -> None:
    beside.label(0)
    beside.follow()
    beside.path.unlink()
    beside.follow()
    assert beside.lines() == 1


def test_an_empty_record_leaves_a_copy_with_labels_alone_and_says_so_once(beside: Beside, tmp_path: Path) -> None:
    for minute in range(3):
        beside.label(minute)
    beside.follow()
    before = beside.path.read_bytes()
    new = Beside(tmp_path, "new.db")
    assert new.follow() == LabelsApart(beside.path, 3)
    assert new.follow(is_last=True) is None
    assert Beside(tmp_path, "new.db").follow(NOON + timedelta(days=1)) is None
    assert beside.path.read_bytes() == before
    new.store.import_spans(read_label_csv(beside.path, user_id="u", at=NOON), at=NOON)
    assert new.follow() is None
    assert [path.name for path in tmp_path.glob("*.csv")] == ["labels.csv"]


def test_another_record_with_labels_sets_the_copy_aside(beside: Beside, tmp_path: Path) -> None:
    for minute in range(3):
        beside.label(minute)
    beside.follow()
    before = beside.path.read_bytes()
    for number, name in enumerate(("labels-2026-03-02.csv", "labels-2026-03-02-2.csv")):
        new = Beside(tmp_path, f"{number}.db")
        new.label(100 + number)
        apart = new.follow()
        assert apart == LabelsApart(tmp_path / name, 3 - 2 * number)
        assert new.lines() == 1
        assert new.follow(is_last=True) is None
        new.database.close()
    assert (tmp_path / "labels-2026-03-02.csv").read_bytes() == before


def test_what_the_person_took_away_goes_from_the_copy_of_the_same_record(beside: Beside, tmp_path: Path) -> None:
    for minute in range(3):
        beside.label(minute)
    beside.follow()
    beside.store.erase(NINE, NINE + timedelta(minutes=2), at=NOON)
    assert Beside(tmp_path).follow() is None
    assert beside.lines() == 1
    assert [path.name for path in tmp_path.glob("*.csv")] == ["labels.csv"]


def test_a_label_that_is_damaged_in_the_record_stays_in_a_copy(beside: Beside, tmp_path: Path) -> None:
    for minute in range(3):
        beside.label(minute)
    beside.follow()
    with beside.database.transaction():
        beside.database._connection.execute("UPDATE label_spans SET label = 'Bxild' WHERE id = 2")
    assert beside.follow(NOON + timedelta(days=1)) == LabelsApart(tmp_path / "labels-2026-03-03.csv", 1)
    assert beside.lines() == 2
    assert beside.follow(NOON + timedelta(days=2)) is None


def test_a_kill_between_the_note_and_the_file_sets_nothing_aside(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside.label(0)
    beside.label(1)
    beside.follow()
    beside.store.undo(at=NOON)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("taskclf_tray.labels.label_copy.write_text_atomic", killed)
        with pytest.raises(KeyboardInterrupt):
            beside.follow()
    assert Beside(tmp_path).follow() is None
    assert beside.lines() == 1
    assert [path.name for path in tmp_path.glob("*.csv")] == ["labels.csv"]


def test_a_folder_that_takes_nothing_is_a_sentence_and_the_next_time_works(beside: Beside, tmp_path: Path) -> None:
    beside.label(0)
    with read_only(tmp_path), pytest.raises(TaskclfError, match=r"labels\.csv cannot be read or written"):
        beside.follow()
    beside.follow()
    assert beside.lines() == 1
