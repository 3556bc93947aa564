"""Titles, addresses and app names that attack: nothing of a title or an address gets anywhere, also when it asks."""

from __future__ import annotations

import csv
import dataclasses
import logging
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.apps import AppRegistry, shown_app
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.app import services, session_loop
from taskclf_tray.app.commands import AnswerRequest, SkipRequest, TellStatus, UndoLabel
from taskclf_tray.app.questions import OTHER_KEY, question_notice
from taskclf_tray.cli.main import main
from taskclf_tray.core.time import from_us
from taskclf_tray.labels.asking_state import update_asking
from taskclf_tray.notify.base import Notice
from taskclf_tray.simulation.person import ManualClock, SimulatedPerson, SimulatedSource
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest
from tests.support.hostile_texts import (
    ADDRESS,
    APP,
    TITLE,
    HostilePerson,
    hostile,
    is_plain,
    leaks,
    long,
    unpacked,
)
from tests.support.questions import DOUBTFUL, Stored, label_key, live_on, question
from tests.support.worker_home import SECRET, USER
from tests.support.worker_rig import START, HeldSource, RecordingNotifier, Rig, until


class HostileSource(HeldSource):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self._inner = SimulatedSource(HostilePerson("developer", 1), Normaliser(SECRET), clock=clock)


def doubtful(folder: Path, *, is_private: bool) -> Rig:
    """The second day of somebody under attack whose model is never sure."""
    rig = Rig(folder, overrides=DOUBTFUL)
    rig.source = HostileSource(rig.clock)
    rig.config = rig.config.model_copy(update={"privacy_notifications": is_private})
    database = Database(rig.paths.database)
    yesterday = START.date() - timedelta(days=1)
    update_asking(database, USER, lambda state: dataclasses.replace(state, first_day=yesterday))
    database.close()
    return rig


@contextmanager
def everything_logged(path: Path) -> Iterator[None]:
    """The log as the app keeps it, with every level on."""
    handler, root = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace"), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def test_what_leaks_is_found(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("CREATE TABLE packed (value)")
    connection.execute("INSERT INTO packed VALUES (?)", (zlib.compress(f"…{TITLE.upper()}…".encode()),))
    connection.commit()
    connection.close()
    (tmp_path / "b.log").write_text(f"GET /{ADDRESS}")
    (tmp_path / TITLE).touch()
    assert leaks(tmp_path) == ["a.db", "b.log", TITLE]


def words_of(notices: list[Notice]) -> str:
    return " ".join(f"{n.title} {n.body} {n.tag} {[(b.title, b.key) for b in n.buttons]}" for n in notices)


@pytest.mark.parametrize("is_private", [True, False])
def test_questions_answers_and_files_tell_nothing_of_titles_and_addresses(
    is_private: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(services, "OUTPUT_SECONDS", 0.0)
    rig = doubtful(tmp_path, is_private=is_private)
    with everything_logged(rig.paths.log), rig.running() as runtime:
        first = question(rig, runtime)
        rig.notifier.press(first, OTHER_KEY)
        until(lambda: rig.notifier.told("Review"), "where")
        request = Stored(rig).request(first)
        runtime.send(AnswerRequest(request.request_id, "Write", rig.clock.now()))
        until(lambda: Stored(rig).spans, "the label")
        runtime.send(TellStatus())
        live_on(rig, runtime, lambda: len(rig.notifier.questions()) > 1)
        second = rig.notifier.questions()[1]
        rig.notifier.press(second, label_key(second))
        until(lambda: len(Stored(rig).spans) > 1, "the second label")
        runtime.send(UndoLabel(rig.clock.now()))
        until(lambda: len(Stored(rig).spans) == 1, "the undo")
        runtime.send(SkipRequest(Stored(rig).request(second).request_id, rig.clock.now()))
        until(lambda: Stored(rig).request(second).status == "skipped", "the skip")
        assert unpacked(rig.paths.database).count(APP.encode()) > 10
        assert leaks(tmp_path) == []  # with the write-ahead log as it is while the app runs
        rig.clock.advance(24 * 3600)
        until(lambda: list(rig.paths.outputs.glob("report_*.json")), "the report of the day")
    home = str(rig.paths.home)
    assert main(["labels", "export", "--home", home, "--out", str(tmp_path / "labels.csv")]) == 0
    assert main(["queue", "export", "--home", home, "--out", str(tmp_path / "queue.json")]) == 0
    for command in (["labels", "list", "--day", START.date().isoformat()], ["queue", "list", "--json"], ["doctor"]):
        main([*command, "--home", home])
    with (tmp_path / "labels.csv").open(encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["Write"]

    assert leaks(tmp_path) == []
    shown = capfd.readouterr()
    said = words_of(rig.notifier.notices) + repr(rig.watcher.snapshots) + repr(rig.watcher.messages)
    for mark in (TITLE, ADDRESS):
        assert mark not in (said + shown.out + shown.err).lower()
    check_apps(rig, said, tmp_path)


def check_apps(rig: Rig, said: str, folder: Path) -> None:
    """An app's name stands in a question only where it may, and harmless there; nowhere else in any case."""
    bodies = [notice.body for notice in rig.notifier.questions()]
    if rig.config.privacy_notifications:
        assert APP not in said
    else:
        assert any(APP in body for body in bodies)
        assert said.count(APP) == sum(body.count(APP) for body in bodies)
    assert all(is_plain(body) and len(body) < 250 for body in bodies)
    assert not any(APP in path.read_text(encoding="utf-8") for path in [rig.paths.log, folder / "labels.csv"])


@pytest.mark.parametrize(
    ("reported", "named"),
    [
        ("Code", "VSCode"),
        ("My Editor 2.0", "my_editor_2.0"),
        ("R&D <now>", "r&d_<now>"),
        ("", None),
        (" ", None),
        ("\x00", None),
        ("\u202e\u2066", None),
        ("..", None),
        ("…" * 500, None),
        ("unknown", None),
    ],
)
def test_how_an_app_is_named(reported: str, named: str | None) -> None:
    assert shown_app(AppRegistry.default().lookup(reported).app_id) == named


@pytest.mark.parametrize("reported", [*hostile(APP), long(APP)])
def test_any_name_of_an_app_makes_one_short_plain_sentence(reported: str) -> None:
    request = LabelRequest("id", USER, from_us(0), from_us(900_000_000), "low_confidence", 0.5, "Write", from_us(0))
    notifier = RecordingNotifier()
    app = shown_app(AppRegistry.default().lookup(reported).app_id)
    assert notifier.notify(question_notice(request, has_buttons=True, is_first=True, app=app))
    (notice,) = notifier.notices
    assert APP in notice.body
    assert is_plain(notice.body)
    assert len(notice.body) < 250
    assert APP not in words_of([dataclasses.replace(notice, body="")])


def test_a_block_in_an_app_without_a_name_is_asked_about_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.01)
    rig = doubtful(tmp_path, is_private=False)
    rig.source._inner = SimulatedSource(NamelessApp("developer", 1), Normaliser(SECRET), clock=rig.clock)
    with rig.running() as runtime:
        assert question(rig, runtime).body.startswith("Your answer teaches")


class NamelessApp(SimulatedPerson):
    """Everything is done in a program that says it is called nothing."""

    def raw_events(self, start: datetime, end: datetime) -> dict[Stream, list[RawEvent]]:
        found = super().raw_events(start, end)
        windows = [dataclasses.replace(e, data={**e.data, "app": "\u202e"}) for e in found[Stream.WINDOW]]
        return {**found, Stream.WINDOW: windows}
