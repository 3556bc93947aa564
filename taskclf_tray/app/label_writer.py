"""The label writer: a thread with its own database connection that stores what the person says, at once.

The worker may be waiting ten seconds for a server that hangs, and an answer must not wait. So labels, answers, skips,
undo and the switches of asking are stored here, and the views are updated from here.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from taskclf_tray.app import text
from taskclf_tray.app.commands import (
    AnswerRequest,
    LabelBlock,
    LabelCommand,
    LabelCommands,
    NoticePressed,
    SetAsking,
    SkipRequest,
    UndoLabel,
)
from taskclf_tray.app.failures import as_problem
from taskclf_tray.app.label_view import read_label_view
from taskclf_tray.app.questions import ASK_TAG, OTHER_KEY, label_of_key
from taskclf_tray.app.services import Service
from taskclf_tray.app.snapshot import LabelView
from taskclf_tray.app.text import Message
from taskclf_tray.core.errors import RecordMovedError
from taskclf_tray.core.time import to_us
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.labels.asking_state import switch_mode, update_asking
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.notify.base import CLICKED, CLOSED_EARLY, DISMISSED
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import AskOutcome

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriterSurroundings:
    """What the label writer needs from the session. Each callable may be called in the writer's thread."""

    database_path: Path
    user_id: str
    time_zone: Callable[[], str]
    taxonomy: Callable[[], TaxonomyConfig | None]
    tell: Callable[[Sequence[Message]], None]
    show: Callable[[Callable[[], LabelView]], None]
    """Given a way to read the view of the labels: read it now, and show it."""
    is_displaced: Callable[[], bool] = lambda: False
    """Whether the record has lost its place."""


class LabelWriter(Service):
    """Started with a session, closed with it.

    `commands` outlives the session: what is said between two sessions waits there for the next writer.
    """

    def __init__(self, around: WriterSurroundings, commands: LabelCommands) -> None:
        self._around = around
        self._commands = commands
        self._postponed: list[LabelCommand] = []
        self._thread = threading.Thread(target=self._run, name="labels")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Store what was sent so far, then end. Commands that a record out of its place could not take stay queued."""
        self._commands.put(None)
        self._thread.join()
        waiting: list[LabelCommand] = [*self._postponed]
        with contextlib.suppress(queue.Empty):
            while True:
                command = self._commands.get_nowait()
                if command is not None:
                    waiting.append(command)
        for each in waiting:
            self._commands.put(each)

    # -- the writer's thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        database: Database | None = None
        try:
            while (command := self._commands.get()) is not None:
                try:
                    if database is None:
                        database = self._opened()
                    self._handle(database, command)
                except RecordMovedError:
                    self._postponed.append(command)  # the worker opens another record, and another desk
                    return
                except Exception as error:  # noqa: BLE001 - the person is told; the next click is tried again
                    problem = as_problem(error)
                    log.warning("%s", problem)
                    self._around.tell([text.not_written(problem.title, problem.next_step)])
        finally:
            if database is not None:
                database.close()

    def _opened(self) -> Database:
        """Open a connection. Raises StoreError; RecordMovedError where opening would create a second, empty record."""
        if self._around.is_displaced():
            raise RecordMovedError("The record is not in its place.", "Try again in a moment.")
        return Database(self._around.database_path)

    def _handle(self, database: Database, command: LabelCommand) -> None:
        with database.transaction():  # all of it, or nothing of it and a sentence that says so
            messages = self._carried_out(database, command)
        around = self._around
        around.show(lambda: read_label_view(database, around.user_id, command.at, around.taxonomy()))
        if messages:
            around.tell(messages)

    def _carried_out(self, database: Database, command: LabelCommand) -> list[Message]:
        store = LabelStore(database, self._around.user_id)
        match command:
            case LabelBlock(start=start, label=label, at=at):
                store.add(start, at, label, at=at, is_growing=True)
            case AnswerRequest(request_id=request_id, label=label, at=at):
                return self._answer(database, store, request_id, label, at)
            case SkipRequest(request_id=request_id, at=at):
                store.skip(request_id, at=at)
                self._settle(database, request_id, "skipped", at)
            case UndoLabel(at=at):
                if store.undo(at=at) is None:
                    return [text.nothing_to_undo()]
            case SetAsking():
                self._set_asking(database, command)
            case NoticePressed():
                return self._pressed(database, store, command)
        return []

    def _answer(
        self, database: Database, store: LabelStore, request_id: str, label: str, at: datetime
    ) -> list[Message]:
        change = store.answer(request_id, label, at=at)
        self._settle(database, request_id, "answered", at)
        if change is not None:
            return []
        with database.reading():
            request = database.requests.get(request_id)
        log.info("An answer came for a block that waits no more.")
        return [] if request is None else [text.answered_already(request.start_us, request.end_us)]

    def _set_asking(self, database: Database, command: SetAsking) -> None:
        zone = self._around.time_zone()
        update_asking(database, self._around.user_id, lambda state: switch_mode(state, command.mode, command.at, zone))

    def _pressed(self, database: Database, store: LabelStore, press: NoticePressed) -> list[Message]:
        """Handle a press on a question. Presses on other notifications, and unknown keys, are ignored."""
        request_id = press.tag.removeprefix(ASK_TAG)
        if request_id == press.tag:
            return []
        label = label_of_key(press.key)
        if label is not None:
            return self._answer(database, store, request_id, label, press.at)
        match press.key:
            case key if key in (OTHER_KEY, CLICKED):
                self._settle(database, request_id, "other", press.at)
                return self._where(database, request_id)
            case key if key == DISMISSED:
                self._settle(database, request_id, "dismissed", press.at)
            case key if key == CLOSED_EARLY:
                with database.transaction():
                    database.asks.mark_unseen(request_id, to_us(press.at))
        return []

    @staticmethod
    def _where(database: Database, request_id: str) -> list[Message]:
        with database.reading():
            request = database.requests.get(request_id)
        if request is None or request.status != "pending":
            return []
        return [text.where_to_answer(request.start_us, request.end_us)]

    @staticmethod
    def _settle(database: Database, request_id: str, outcome: AskOutcome, at: datetime) -> None:
        with database.transaction():
            database.asks.settle(request_id, outcome, to_us(at))
