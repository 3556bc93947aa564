"""A damaged record: what the person is told is done word by word, and every label is back."""

from __future__ import annotations

import contextlib
import re
import shlex
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.label_copy import LabelCopy
from taskclf_tray.labels.spans import LabelStore
from tests.support.cli_records import NOW, RecordHome, in_berlin, line
from tests.support.report_records import bucket
from tests.support.worker_home import USER
from tests.support.worker_rig import Rig

__all__ = ["in_berlin", "line"]

LABELS = 40


def fill(line: RecordHome) -> list[tuple[str, str, str]]:
    """Labels, minutes, and the copy the app makes; returns the labels."""
    with line.database() as database:
        store = LabelStore(database, USER)
        for number in range(LABELS):
            start = NOW - timedelta(minutes=5 * number + 5)
            store.add(start, start + timedelta(minutes=4), LABEL_SET_V1[number % 8], at=NOW)
        with database.transaction():
            database.buckets.put([bucket(NOW - timedelta(minutes=n), user=USER) for n in range(1, 200)])
        LabelCopy(database, USER, line.home / "tray" / "labels.csv").follow(NOW, "Europe/Berlin")
    return line.said()


def damage(path: Path, *, keeps_labels: bool) -> None:
    """Overwrite the page that leads to the minutes, or the head of the file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'buckets'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * size if keeps_labels else 0)
        file.write(bytes(100))


def follow_the_advice(line: RecordHome, said: str, aside: Path) -> None:
    """Do what the sentence says, in its order; where a command fails, what it says of that."""
    files, commands = re.findall(r"tray\.db[-\w]*", said.partition("Move it aside")[2]), re.findall(r"`(.*?)`", said)
    assert [shlex.split(command)[1:3] for command in commands] == [["labels", "export"], ["labels", "import"]]
    code, _, _ = line.call(*shlex.split(commands[0])[1:])
    aside.mkdir()
    for name in dict.fromkeys(files):
        if (line.home / "tray" / name).exists():
            (line.home / "tray" / name).rename(aside / name)
    again = shlex.split(commands[1])[1:]
    if code:
        (copy,) = re.findall(r"Where that fails too, (\S+) has them: import that file instead", said)
        again[-1] = copy
    assert line.call(*again)[0] == 0


@pytest.mark.parametrize("keeps_labels", [True, False])
@pytest.mark.parametrize("is_started_first", [False, True])
def test_the_advice_for_a_damaged_record_brings_every_label_back(
    line: RecordHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, keeps_labels: bool, is_started_first: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = fill(line)
    assert len(labels) == LABELS
    damage(line.home / "tray" / "tray.db", keeps_labels=keeps_labels)
    said = line.refused("report", "daily", "--day", "2026-03-02")
    assert "tray.db is damaged. First save your labels" in said
    if is_started_first:  # who starts before the import: the empty record must not cost the copy
        (tmp_path / "kept").mkdir()
        (line.home / "tray" / "tray.db").rename(tmp_path / "kept" / "tray.db")
        with line.database() as database:
            LabelCopy(database, USER, line.home / "tray" / "labels.csv").follow(NOW + timedelta(days=1), "UTC")
        assert line.call("labels", "import", str(line.home / "tray" / "labels.csv"))[0] == 0
    else:
        follow_the_advice(line, said, tmp_path / "aside")
        assert (tmp_path / "aside" / "tray.db").exists()
    assert line.said() == labels


def test_the_app_copies_the_labels_and_brings_up_those_only_a_copy_has(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with rig.running() as runtime:
        assert runtime is not None
    assert (rig.paths.tray / "labels.csv").exists()
    (rig.paths.tray / "labels.csv").write_text(
        "start_ts,end_ts,label,provenance,user_id,confidence\r\n"
        f"2026-03-01T09:00:00+00:00,2026-03-01T09:05:00+00:00,Build,manual,{USER},\r\n"
    )
    with rig.running():
        pass
    assert any("labels import" in notice.body for notice in rig.notifier.told("1 label is in a copy"))


def test_a_report_leaves_a_damaged_minute_out_and_says_so(line: RecordHome) -> None:
    fill(line)
    with contextlib.closing(sqlite3.connect(line.home / "tray" / "tray.db", isolation_level=None)) as connection:
        connection.execute(
            "UPDATE buckets SET prediction = CAST(X'ff' AS TEXT) WHERE start_us = (SELECT max(start_us) FROM buckets)"
        )
    code, out, err = line.call("report", "daily", "--day", "2026-03-02", "--json")
    assert code == 0
    assert USER not in err
    assert "1 minute of the record is damaged and left out." in err
    assert out.startswith("{")
