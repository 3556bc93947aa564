"""The home of a demo, and the entries of its menu."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord
from taskclf_tray.store.requests import AskRecord, LabelRequest
from taskclf_tray.system.paths import HomePaths
from tests.support.sni_driver import TrayClient

FAST = ("demo", "--speed", "120")


class DemoHome:
    """The demo's home, read as another process does."""

    def __init__(self, home: Path) -> None:
        self.root = home / "tray" / "demo"
        self.paths = HomePaths(self.root)

    def spans(self) -> list[SpanRecord]:
        with self._open() as (database, user):
            return list(LabelStore(database, user).everything())

    def requests(self) -> list[LabelRequest]:
        with self._open() as (database, _):
            return database.requests.all()

    def asks(self) -> list[AskRecord]:
        with self._open() as (database, user):
            return database.asks.since(user, 0)

    @contextmanager
    def _open(self) -> Iterator[tuple[Database, str]]:
        user = (self.root / "data" / "processed" / ".user_id").read_text().strip()
        database = Database(self.paths.database, read_only=True)
        try:
            yield database, user
        finally:
            database.close()


def entries(tray: TrayClient) -> list[str]:
    return [entry.label for depth, entry in tray.menu().walk() if depth == 0]


def entry_with(tray: TrayClient, start: str) -> str:
    return next((label for label in entries(tray) if label.startswith(start)), "")
